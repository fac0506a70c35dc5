//! Where a connection comes from.

use super::listener::Accepted;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What connections count as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::server) enum Origin {
    Ipv4(Ipv4Addr),
    /// The upper half of an address of IPv6: the lower one is a host's own to choose.
    Ipv6(u64),
    /// A user at the other end of a Unix socket, by number; none if the operating system does not know.
    User(Option<u32>),
    /// A peer that is gone already.
    Unknown,
}

impl Origin {
    pub(super) fn of(accepted: &Accepted) -> Self {
        match accepted {
            Accepted::Tcp(_) | Accepted::Tls(_) => {
                accepted.peer_address().map_or(Self::Unknown, |address| address.ip().into())
            }
            Accepted::Unix(_, user) => Self::User(user.map(|user| user.uid)),
        }
    }
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        // A socket for both families shows an address of IPv4 within one of IPv6.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6((address.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(network) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*network) << 64)),
            Self::User(Some(uid)) => write!(f, "user {uid}"),
            Self::User(None) => f.write_str("an unknown user"),
            Self::Unknown => f.write_str("an unknown address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_host_is_one_origin_however_its_address_is_written() {
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    }

    #[test]
    fn origins_are_shown() {
        let shown = [origin("::ffff:192.0.2.1"), origin("2001:db8::1"), Origin::User(Some(33)), Origin::User(None)];
        assert_eq!(
            shown.map(|origin| origin.to_string()),
            ["192.0.2.1", "2001:db8::/64", "user 33", "an unknown user"]
        );
    }
}
