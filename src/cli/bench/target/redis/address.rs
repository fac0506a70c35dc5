//! Where a Redis listens.

use std::fmt;
use std::str::FromStr;

/// `redis://HOST:PORT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::bench) struct RedisAddress(pub(super) String);

impl FromStr for RedisAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("valkey://"));
        let authority = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let (host, port) = authority.and_then(|authority| authority.rsplit_once(':')).unwrap_or_default();
        if host.is_empty() || host.contains(['/', '@']) || port.parse::<u16>().is_err() {
            return Err(format!("{text:?} is not an address; write redis://HOST:PORT"));
        }
        Ok(Self(format!("{host}:{port}")))
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_a_port() {
        for text in ["redis://127.0.0.1:6379", "valkey://store.internal:6379/", "redis://[::1]:6379"] {
            assert!(text.parse::<RedisAddress>().is_ok(), "{text}");
        }
        for text in ["127.0.0.1:6379", "redis://:6379", "redis://host", "redis://host:x", "redis://user:word@host:1/2"]
        {
            let error = text.parse::<RedisAddress>().expect_err(text);
            assert!(error.contains("redis://HOST:PORT"), "{error}");
        }
    }
}
