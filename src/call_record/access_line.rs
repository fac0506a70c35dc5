//! A line in the log for every call.

use super::audit::micros;
use super::{Beginning, Notes, TraceContext};
use crate::authorization::PeerIdentity;
use crate::service::code_name;
use std::time::Duration;
use tonic::Code;

/// The target of the lines, by which the log lets all of them through.
const TARGET: &str = "sessiond::access";

pub(super) fn write(
    beginning: &Beginning,
    (peer, trace): (&PeerIdentity, Option<&TraceContext>),
    notes: &Notes,
    (code, took): (Code, Duration),
) {
    let (method, lane, peer) = (beginning.rpc.name(), beginning.lane.name(), peer.to_string());
    let Notes { caller, namespace, sessions, .. } = notes;
    let handle = notes.handle.map(|handle| handle.to_string());
    let trace_id = trace.map(TraceContext::trace_id);
    let (code, duration_us) = (code_name(code), micros(took));
    tracing::info!(
        target: TARGET, method, lane, caller, peer, namespace, handle, sessions, code, duration_us, trace_id, "call"
    );
}
