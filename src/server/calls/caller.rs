//! Who makes a call.

use super::route::{Route, Target};
use crate::authorization::{Authorizer, Caller, CertificateName, Denied, PeerIdentity, UnixUser};
use std::net::SocketAddr;
use std::sync::Arc;
use tonic::codegen::http::HeaderMap;

/// Finds the callers of one connection.
pub(in crate::server) struct CallerSearch {
    /// `None` if nobody is asked.
    authorizer: Option<Authorizer>,
    /// What is known of the peer.
    identity: Arc<PeerIdentity>,
}

impl CallerSearch {
    /// For a connection from this address, or from a process of this user.
    pub(in crate::server) fn new(
        authorizer: Option<Authorizer>,
        address: Option<SocketAddr>,
        user: Option<UnixUser>,
    ) -> Self {
        Self { authorizer, identity: Arc::new(PeerIdentity { address, user, certificate_names: Vec::new() }) }
    }

    /// Takes note of what the peer's certificate says.
    pub(in crate::server) fn learn(&mut self, certificate_names: Vec<CertificateName>) {
        if self.authorizer.is_some() && !certificate_names.is_empty() {
            self.identity = Arc::new(PeerIdentity { certificate_names, ..PeerIdentity::clone(&self.identity) });
        }
    }

    /// The caller of a call; `None` if it does not matter who it is. What it may do is for the service to say, which knows the
    /// namespace.
    pub(super) fn find(&self, route: Route, headers: &HeaderMap) -> Result<Option<Caller>, Denied> {
        match &self.authorizer {
            // Probes have no secrets.
            Some(authorizer) if route.target != Target::Health => {
                authorizer.authenticate(&self.identity, headers).map(Some)
            }
            _ => Ok(None),
        }
    }
}
