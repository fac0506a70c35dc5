//! What is known of a peer by its connection.

use std::fmt;
use std::net::SocketAddr;

/// What is known of a peer by its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Where it is; nothing is known of peers at a Unix socket.
    pub address: Option<SocketAddr>,
    /// The alternative names of its certificate that name it: none without TLS or without a certificate.
    pub certificate_names: Vec<CertificateName>,
    /// The user of its process, at a Unix socket.
    pub user: Option<UnixUser>,
}

/// Where it is, or the user of its process.
impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.user) {
            (Some(address), _) => address.fmt(f),
            (None, Some(user)) => write!(f, "user {}", user.uid),
            (None, None) => f.write_str("unknown"),
        }
    }
}

/// An alternative name of a certificate (RFC 5280, 4.2.1.6).
#[derive(Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name.
    Dns(String),
    /// A URI, such as `spiffe://example.org/shop`.
    Uri(String),
}

impl CertificateName {
    /// Whether it is what someone wrote.
    #[must_use]
    pub fn is(&self, written: &str) -> bool {
        match self {
            // RFC 4343: the case of a DNS name does not count.
            Self::Dns(name) => name.eq_ignore_ascii_case(written),
            Self::Uri(uri) => uri == written,
        }
    }
}

impl fmt::Debug for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Dns(name) | Self::Uri(name)) = self;
        write!(f, "{name:?}")
    }
}

/// The user of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixUser {
    /// The number of the user.
    pub uid: u32,
    /// The number of its main group.
    pub gid: u32,
}
