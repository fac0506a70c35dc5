//! The types of settings, and the parsers of their values.
//!
//! A parser's error follows the setting's name on one line: it says what is wrong, and then what to write instead.

use std::fmt;
use std::num::IntErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::encryption::KeyRing;
use crate::engine::Durability;
use crate::session::AtSessionLimit;
use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// A duration that can be switched off with "none". The alias keeps clap from reading it as an optional argument.
pub type OptionalDuration = Option<Duration>;

/// A number that can be switched off with "none".
pub type OptionalCount = Option<usize>;

/// An address that can be left out with "none".
pub type OptionalListen = Option<Listen>;

/// The address of another server, which can be left out with "none".
pub type OptionalUrl = Option<String>;

/// A file that can be left out with "none".
pub type OptionalPath = Option<PathBuf>;

/// The longest path that the kernel takes for a Unix socket, in bytes (`sun_path` without its final zero).
const MAX_SOCKET_PATH: usize = 107;

/// What an address begins with where peers speak TLS.
pub(crate) const TLS: &str = "tls://";

/// Stands for every name of a client.
pub(crate) const ALL_NAMES: &str = "all";

/// Stands for no other host.
pub(crate) const NO_HOSTS: &str = "none";

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP, as `HOST:PORT`. An IPv6 address is in brackets. With port 0 the kernel chooses.
    Tcp(String),
    /// TLS over TCP, as `tls://HOST:PORT`.
    Tls(String),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this host can connect: through a Unix socket, a loopback address, or the name `localhost`.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(_) | Self::Tls(_) => self.host().is_some_and(is_loopback),
        }
    }

    /// Whether what is sent there can be read and changed on its way by other hosts.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        matches!(self, Self::Tcp(_)) && !self.is_local()
    }

    /// The name or the address that it has, without the brackets of IPv6; none for a Unix socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(address) | Self::Tls(address) => split_address(address).map(|(host, _)| host),
        }
    }

    /// Whether peers speak TLS there.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => formatter.write_str(address),
            Self::Tls(address) => write!(formatter, "{TLS}{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            // gRPC clients also write unix:///absolute/path.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.len() {
                0 => Err(format!("{text:?} names no path; write for example unix:/run/sessiond.sock")),
                1..=MAX_SOCKET_PATH => Ok(Self::Unix(PathBuf::from(path))),
                _ => Err(format!(
                    "{text:?} is too long for a Unix socket; use a path of at most {MAX_SOCKET_PATH} bytes"
                )),
            };
        }
        let (kind, address): (fn(String) -> Self, _) = match text.strip_prefix(TLS) {
            Some(address) => (Self::Tls, address),
            None => (Self::Tcp, text),
        };
        match split_address(address) {
            Some(_) => Ok(kind(address.to_owned())),
            None if text.starts_with(TLS) => {
                Err(format!("{text:?} is not an address; write {TLS}HOST:PORT, for example {TLS}0.0.0.0:50051"))
            }
            None => Err(format!(
                "{text:?} is not an address; write HOST:PORT, for example 127.0.0.1:50051 or [::1]:50051, or unix:PATH"
            )),
        }
    }
}

/// Splits `HOST:PORT`; `None` if it is anything else. The host of an IPv6 address is returned without its brackets.
fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    // u16's own parser would accept a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok()?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        // A link-local address carries its interface after a percent sign.
        let (address, _) = inner.split_once('%').unwrap_or((inner, ""));
        return address.parse::<std::net::Ipv6Addr>().is_ok().then_some((inner, port));
    }
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (!host.is_empty() && named).then_some((host, port))
}

/// Whether a name or an address always means this host.
pub(crate) fn is_loopback(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Which storage engine holds the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// An embedded database on the local disk.
    Sled,
    /// Memory only: everything is gone when the process ends. For tests, and for data that may be lost.
    Memory,
}

// The engine and the session rules know nothing of settings, so the words for their own types are here.

impl ValueEnum for Durability {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Always, Self::Interval, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Always => ("always", "Crash and power cut: every change is on disk before its answer"),
            Self::Interval => ("interval", "A crash or power cut loses at most the changes of the last flush-interval"),
            Self::None => ("none", "A crash loses about the last half second, a power cut any amount"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for AtSessionLimit {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Refuse, Self::EndOldest]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Refuse => ("refuse", "The new session is refused with `RESOURCE_EXHAUSTED`"),
            Self::EndOldest => ("end-oldest", "The principal's oldest session is revoked"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A duration such as `500ms` or `2h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|_| format!("{text:?} is not a duration; write for example 500ms, 30s, 5m or 2h"))
}

/// A size in bytes, such as `256MiB` or `4096`.
pub(super) fn size<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let size = text.trim().parse::<ByteSize>();
    let size = size.map_err(|_| format!("{text:?} is not a size; write for example 4096, 16KiB or 256MiB"))?;
    // The parser turns a size that is too large into the largest number.
    let size = Some(size.as_u64()).filter(|size| *size < u64::MAX);
    size.and_then(|size| T::try_from(size).ok()).ok_or_else(|| format!("{text} is too large; write a smaller size"))
}

/// A whole number.
pub(super) fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let too_large = || format!("{text} is too large; write a smaller number");
    match text.trim().parse::<u64>() {
        Ok(number) => T::try_from(number).map_err(|_| too_large()),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(too_large()),
        Err(_) => Err(format!("{text:?} is not a whole number; write for example 1000")),
    }
}

/// A number of threads, or `auto` for one per core that this process may use.
pub(super) fn workers(text: &str) -> Result<usize, String> {
    const MAX: &str = "256";
    if text.trim() == "auto" {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        return Ok(cores.min(count(MAX)?));
    }
    if text.trim().parse::<u64>().is_err() {
        return Err(format!("{text:?} is neither a whole number nor auto; write for example 4, or auto"));
    }
    between(count, "1", MAX)(text)
}

/// A duration within these bounds, or `none`.
pub(super) fn none_or_between(low: &'static str, high: &'static str) -> impl ValueParser<OptionalDuration> {
    move |text: &str| match text.trim() {
        "none" => Ok(None),
        _ if duration(text).is_err() => {
            Err(format!("{text:?} is neither a duration nor none; write for example 12h or 30d, or none"))
        }
        _ => between(duration, low, high)(text).map(Some).map_err(or_none),
    }
}

fn or_none(problem: String) -> String {
    problem + ", or none"
}

/// A number within these bounds, or `none`.
pub(super) fn none_or_count(low: &'static str, high: &'static str) -> impl ValueParser<OptionalCount> {
    move |text: &str| match text.trim() {
        "none" => Ok(None),
        number if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("{text:?} is neither a whole number nor none; write for example 10, or none"))
        }
        _ => between(count, low, high)(text).map(Some).map_err(or_none),
    }
}

/// An address without TLS, or `none`.
pub(super) fn none_or_address(text: &str) -> Result<OptionalListen, String> {
    match text.trim() {
        "none" => Ok(None),
        address => match address.parse::<Listen>()? {
            tls if tls.is_tls() => Err(format!("{tls} is not possible here; write HOST:PORT, unix:PATH or none")),
            address => Ok(Some(address)),
        },
    }
}

/// An address, perhaps with TLS, or `none`.
pub(super) fn none_or_any_address(text: &str) -> Result<OptionalListen, String> {
    match text.trim() {
        "none" => Ok(None),
        address => address.parse().map(Some),
    }
}

/// The name of a host.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.trim();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.is_empty() || !is_name {
        return Err(format!(
            "{text:?} is not the name of a host; write for example console.example.com, without a port"
        ));
    }
    Ok(host.to_owned())
}

/// Text that is not empty.
pub(super) fn text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("the value is empty; write one, or leave the setting out".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// A file mode with which the owner can read and write.
pub(super) fn socket_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text.trim(), 8) {
        Ok(mode) if (0o600..=0o777).contains(&mode) => Ok(mode),
        Ok(_) => Err(format!("{text} is not a mode from 0600 to 0777; write for example 0660")),
        Err(_) => Err(format!("{text:?} is not a mode in octal; write for example 0660")),
    }
}

/// The address of a collector, or `none`. What stands before a host is not repeated: it may be a password.
pub(super) fn none_or_collector(text: &str) -> Result<OptionalUrl, String> {
    let form = "write http://HOST:PORT, https://HOST:PORT or none";
    let text = text.trim();
    if text == "none" {
        return Ok(None);
    }
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let authority = authority.map(|authority| authority.strip_suffix('/').unwrap_or(authority));
    match authority {
        Some(authority) if authority.contains('@') => Err(format!("it names a user; {form}")),
        Some(authority) if !authority.contains('/') && split_address(authority).is_some_and(|(_, port)| port > 0) => {
            Ok(Some(text.to_owned()))
        }
        _ => Err(format!("it is no address of a collector; {form}")),
    }
}

/// A path, or `none`.
pub(super) fn none_or_path(text: &str) -> Result<OptionalPath, String> {
    if text.trim() == "none" { Ok(None) } else { path(text).map(Some) }
}

/// The path of a PEM file, or `none`. The text of such a file in its place is not repeated: it may be a key.
pub(super) fn none_or_pem_file(text: &str) -> Result<OptionalPath, String> {
    match text.trim() {
        "none" => Ok(None),
        inner if inner.contains("-----BEGIN") || inner.contains('\n') => {
            Err("it is the text of a PEM file; write the path of the file, or none".to_owned())
        }
        _ => path(text).map(Some),
    }
}

/// The path of a file of keys, or `none`. A key in its place is not repeated.
pub(super) fn none_or_key_file(text: &str) -> Result<OptionalPath, String> {
    match text.trim() {
        "none" => Ok(None),
        _ if KeyRing::is_text(text) => {
            Err("it is a key and not a file; write the path of a file with that key, or none".to_owned())
        }
        _ => path(text).map(Some),
    }
}

/// A path that is not empty. Spaces around it are part of it.
pub(super) fn path(path: &str) -> Result<PathBuf, String> {
    text(path).map(|_| Path::new(path).to_owned())
}

/// A parser that clap takes.
pub(super) trait ValueParser<T>: Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {}
impl<T, F: Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static> ValueParser<T> for F {}

/// Narrows a parser to `low..=high`; the bounds are written as the values are.
pub(super) fn between<T: PartialOrd>(
    parse: impl ValueParser<T>,
    low: &'static str,
    high: &'static str,
) -> impl ValueParser<T> {
    move |text: &str| {
        let value = parse(text)?;
        if value < parse(low)? {
            return Err(format!("{text} is below the allowed {low}; write a value from {low} to {high}"));
        }
        if value > parse(high)? {
            return Err(format!("{text} is above the allowed {high}; write a value from {low} to {high}"));
        }
        Ok(value)
    }
}

/// Narrows a parser to values from `low` on.
pub(super) fn at_least<T: PartialOrd>(parse: impl ValueParser<T>, low: &'static str) -> impl ValueParser<T> {
    move |text: &str| {
        let value = parse(text)?;
        if value < parse(low)? {
            return Err(format!("{text} is below the allowed {low}; write {low} or more"));
        }
        Ok(value)
    }
}
