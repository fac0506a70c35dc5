//! Where a sessiond listens.
//!
//! All clients take the same addresses and refuse the same ones: `clients/conformance` has the grammar and the cases.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use tonic::transport::Endpoint;

/// The address of a sessiond that was started without settings.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// What the address of a server with TLS begins with.
const HTTPS: &str = "https://";

/// The longest path that the kernel takes for a Unix socket, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// Where a sessiond listens: `HOST:PORT`, `http://HOST:PORT`, with TLS `https://HOST:PORT`, or `unix:PATH`; or where each of the
/// processes of one store does, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As the caller wrote it: errors name the address in the words of the setting.
    text: String,
    /// Each is `HOST:PORT`, `https://HOST:PORT` or `unix:PATH`; there is one at least. All or none have `https://`.
    normal: Vec<String>,
}

/// An address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not an address: {problem}; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH")]
pub struct AddressError {
    address: String,
    problem: &'static str,
}

impl Address {
    /// Whether the servers speak TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.normal.iter().any(|normal| is_tls(normal))
    }

    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>, AddressError> {
        self.normal
            .iter()
            .map(|normal| endpoint(normal))
            .collect::<Option<_>>()
            .ok_or_else(|| problem(&self.text, "it holds a character that no address has"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let normal = list(text).map_err(|found| problem(text, found))?;
        let address = Self { text: text.trim().to_owned(), normal };
        address.endpoints()?;
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The normal forms of addresses separated by commas; there is one at least.
fn list(text: &str) -> Result<Vec<String>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty");
    }
    let all: Vec<String> = text.split(',').map(|address| normal(address.trim())).collect::<Result<_, _>>()?;
    let with_tls = all.iter().filter(|normal| is_tls(normal)).count();
    if with_tls == 0 || with_tls == all.len() {
        Ok(all)
    } else {
        Err("https:// stands before all addresses or before none")
    }
}

fn normal(address: &str) -> Result<String, &'static str> {
    if address.is_empty() {
        return Err("an address of the list is empty");
    }
    if let Some(path) = address.strip_prefix("unix:") {
        return Ok(format!("unix:{}", socket_path(path)?));
    }
    let (scheme, authority) = match address.split_once("://") {
        None => ("", address),
        // A lone slash is how URLs of a host end.
        Some(("http", rest)) => ("", rest.strip_suffix('/').unwrap_or(rest)),
        Some(("https", rest)) => (HTTPS, rest.strip_suffix('/').unwrap_or(rest)),
        Some(_) => return Err("it begins with something else than http://, https:// or unix:"),
    };
    check_authority(authority)?;
    Ok(format!("{scheme}{}", authority.to_ascii_lowercase()))
}

/// A path as `unix:PATH` has it; it may also be an absolute one behind `unix://`.
fn socket_path(path: &str) -> Result<&str, &'static str> {
    let absolute = path.strip_prefix("//");
    let path = absolute.unwrap_or(path);
    if path.is_empty() {
        Err("the path is missing")
    } else if absolute.is_some() && !path.starts_with('/') {
        Err("the path after unix:// does not begin with a slash")
    } else if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/+@:=".contains(&byte)) {
        // In some language or other each of the rest means something else in an address.
        Err("the path holds a character other than A-Z, a-z, 0-9 and -._~/+@:=")
    } else if path.len() > MAX_SOCKET_PATH {
        Err("the path is longer than 107 bytes")
    } else {
        Ok(path)
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let bracketed = authority.ends_with(']');
    let (host, port) = authority.rsplit_once(':').filter(|_| !bracketed).ok_or("the port is missing")?;
    if port.contains('/') {
        return Err("it has a path");
    }
    if host.is_empty() {
        return Err("the host is missing");
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        inner.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is not an IPv6 address")?;
    } else if host.contains([':', '[', ']']) {
        return Err("an IPv6 address stands in brackets, such as [::1]:50051");
    } else if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err("the host holds a character that no host name has");
    }
    // The parser of numbers takes a sign and zeros before it, which others don't.
    let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    match port.parse::<u16>() {
        Ok(_) if plain => Ok(()),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

fn endpoint(normal: &str) -> Option<Endpoint> {
    if is_socket(normal) {
        return Endpoint::from_shared(normal.to_owned()).ok();
    }
    // What connects over TLS is ours; tonic connects plainly to it, and tells the server what it is.
    let authority = normal.strip_prefix(HTTPS).unwrap_or(normal);
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).ok()?;
    Some(if is_tls(normal) { endpoint.origin(normal.parse().ok()?) } else { endpoint })
}

fn is_socket(normal: &str) -> bool {
    normal.starts_with("unix:")
}

fn is_tls(normal: &str) -> bool {
    normal.starts_with(HTTPS)
}

fn problem(address: &str, problem: &'static str) -> AddressError {
    AddressError { address: address.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn addresses_are_what_they_are_in_every_client() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../conformance/addresses.json")).expect("a list");
        for case in cases {
            let text = case["address"].as_str().expect("a text");
            match text.parse::<Address>() {
                Ok(address) => {
                    assert_eq!(address.to_string(), text.trim(), "as it is written");
                    assert_eq!(Value::from(address.normal), case["normal"], "{text:?}");
                }
                Err(error) => {
                    let refused = case["refused"].as_str().expect(text);
                    let line = format!(
                        "{text:?} is not an address: {refused}; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH"
                    );
                    assert_eq!(error.to_string(), line);
                }
            }
        }
    }
}
