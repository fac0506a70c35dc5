//! Where a sessiond listens.

use std::fmt;
use std::str::FromStr;

use tonic::transport::Endpoint;

/// The address of a sessiond that was started without settings.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// Where a sessiond listens: `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As the caller wrote it: errors name the address in the words of the setting.
    text: String,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// `HOST:PORT`
    Tcp(String),
    Unix(String),
}

/// An address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{address}\" is not an address: {problem}; write HOST:PORT, http://HOST:PORT or unix:PATH")]
pub struct AddressError {
    address: String,
    problem: &'static str,
}

impl Address {
    pub(crate) fn endpoint(&self) -> Result<Endpoint, AddressError> {
        let uri = match &self.target {
            Target::Tcp(authority) => format!("http://{authority}"),
            Target::Unix(path) => format!("unix:{path}"),
        };
        Endpoint::from_shared(uri).map_err(|_| problem(&self.text, "it holds a character that no address has"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            if path.is_empty() {
                return Err(problem(text, "the path is missing"));
            }
            Target::Unix(path.to_owned())
        } else if text.starts_with("https://") {
            return Err(problem(text, "TLS is not supported"));
        } else {
            let rest = text.strip_prefix("http://").unwrap_or(text);
            let authority = rest.strip_suffix('/').unwrap_or(rest);
            check_authority(authority).map_err(|found| problem(text, found))?;
            Target::Tcp(authority.to_owned())
        };
        let address = Self { text: text.to_owned(), target };
        address.endpoint()?;
        Ok(address)
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (host, port) = authority.rsplit_once(':').ok_or("the port is missing")?;
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.contains(['/', '@', '?', '#']) {
        return Err("the host is not a host name");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets, such as [::1]:50051");
    }
    match port.parse::<u16>() {
        Ok(0) | Err(_) => Err("the port is not a number from 1 to 65535"),
        Ok(_) => Ok(()),
    }
}

fn problem(address: &str, problem: &'static str) -> AddressError {
    AddressError { address: address.to_owned(), problem }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_understood() {
        for text in [
            "127.0.0.1:50051",
            "localhost:1",
            "[::1]:50051",
            "http://store.internal:50051",
            "http://store.internal:50051/",
            "unix:/run/sessiond.sock",
            "unix:///run/sessiond.sock",
            "unix:sessiond.sock",
        ] {
            let address = text.parse::<Address>().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "the port is missing"),
            ("localhost", "the port is missing"),
            ("localhost:", "the port is not a number"),
            ("localhost:0", "the port is not a number"),
            ("localhost:70000", "the port is not a number"),
            (":50051", "the host is missing"),
            ("::1:50051", "in brackets"),
            ("store/path:50051", "not a host name"),
            ("sto re:50051", "a character that no address has"),
            ("https://store:50051", "TLS is not supported"),
            ("unix:", "the path is missing"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
