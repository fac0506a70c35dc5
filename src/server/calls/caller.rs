//! Who makes a call.

use super::route::{Route, Target};
use crate::authorization::{Authorizer, Caller, CertificateName, Denied, PeerIdentity, UnixUser};
use crate::call_record::{Beginning, CallRecord, Recorder, TraceContext};
use crate::service::{Lane, OpenCall, Rpc};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tonic::codegen::http::{Extensions, HeaderMap};

/// Finds the callers of one connection.
pub(in crate::server) struct CallerSearch {
    /// `None` if nobody is asked.
    authorizer: Option<Authorizer>,
    /// What is known of the peer.
    identity: Arc<PeerIdentity>,
    recorder: Recorder,
    /// How its calls come.
    lane: Lane,
}

impl CallerSearch {
    /// For a connection from this address, or from a process of this user.
    pub(in crate::server) fn new(
        authorizer: Option<Authorizer>,
        address: Option<SocketAddr>,
        user: Option<UnixUser>,
        recorder: Recorder,
    ) -> Self {
        let identity = PeerIdentity { address, user, certificate_names: Vec::new() };
        Self { authorizer, identity: Arc::new(identity), recorder, lane: Lane::Unary }
    }

    /// The same for calls that come in another way.
    pub(in crate::server) fn in_lane(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// Takes note of what the peer's certificate says.
    pub(in crate::server) fn learn(&mut self, certificate_names: Vec<CertificateName>) {
        if self.authorizer.is_some() && !certificate_names.is_empty() {
            self.identity = Arc::new(PeerIdentity { certificate_names, ..PeerIdentity::clone(&self.identity) });
        }
    }

    /// Begins the record of a call, if one is kept.
    pub(in crate::server) fn record(&self, route: Route, headers: &HeaderMap, began: Instant) -> Option<CallRecord> {
        let (rpc, lane, may_be_audited) = (route.rpc, self.lane, route.rpc.may_be_administrative());
        let trace = || TraceContext::in_headers(headers);
        self.recorder.begin(Beginning { rpc, lane, may_be_audited, began }, &self.identity, trace)
    }

    /// Adds to a call what the service wants to know of its caller. Nobody who has to be known and is not is let in. For a call
    /// that has to wait until that is sure, `stay` keeps a place.
    pub(in crate::server) async fn let_in(
        &self,
        route: Route,
        headers: &HeaderMap,
        record: Option<&CallRecord>,
        extensions: &mut Extensions,
        stay: impl FnOnce() -> Option<OpenCall>,
    ) -> Result<(), Denied> {
        let caller = match (self.find(route, headers, stay).await?, record) {
            (Some(caller), Some(record)) => Some(caller.recorded(record.clone())),
            (None, Some(record)) => Some(Caller::anybody().recorded(record.clone())),
            (caller, None) => caller,
        };
        if let Some(caller) = caller {
            caller.note(|notes| notes.is_audited = route.rpc.is_administrative());
            extensions.insert(caller);
        }
        if route.rpc == Rpc::Exchange {
            // The stream begins the records of its calls itself.
            extensions.insert(Arc::clone(&self.identity));
        }
        Ok(())
    }

    /// The caller of a call; `None` if it does not matter who it is. What it may do is for the service to say, which knows the
    /// namespace.
    async fn find(
        &self,
        route: Route,
        headers: &HeaderMap,
        stay: impl FnOnce() -> Option<OpenCall>,
    ) -> Result<Option<Caller>, Denied> {
        match &self.authorizer {
            // Probes have no secrets.
            Some(authorizer) if route.target != Target::Health => {
                authorizer.authenticate(&self.identity, headers, stay).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}
