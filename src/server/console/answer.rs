//! What the page is told, in JSON: the names are those of the command line's `--json`. A session has its handle, never its ID,
//! and no attributes.

use crate::proto;
use crate::proto::{
    Checkpoint, EventKind, GetStatisticsResponse, ListSessionsResponse, RevokeSessionsResponse, SessionEvent,
};
use crate::service::{CallCounts, CallTotals, Held, Lane, Rpc};
use bytes::Bytes;
use http_body_util::Full;
use prost::{DecodeError, Message};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderValue, Response, StatusCode};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NANOS: f64 = 1e9;

/// An answer that holds its bytes of the budget until it has been taken.
struct HeldAnswer {
    text: Vec<u8>,
    _held: Option<Held>,
}

impl AsRef<[u8]> for HeldAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

pub(super) fn json(status: StatusCode, answer: &impl Serialize, held: Option<Held>) -> Response<Body> {
    // It holds texts and numbers, which are always written.
    let text = serde_json::to_vec(answer).unwrap_or_default();
    let held = held.map(|mut held| {
        held.set(text.len());
        held
    });
    let mut response = Response::new(Body::new(Full::new(Bytes::from_owner(HeldAnswer { text, _held: held }))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(super) fn sessions(list: &ListSessionsResponse) -> Result<Value, DecodeError> {
    let sessions: Vec<Value> = list.sessions.iter().map(session).collect::<Result<_, _>>()?;
    Ok(json!({ "sessions": sessions, "next_page_token": list.next_page_token }))
}

pub(super) fn revoked(answer: RevokeSessionsResponse) -> Value {
    json!({ "revoked": answer.revoked })
}

pub(super) fn event(event: &SessionEvent) -> Result<Value, DecodeError> {
    let kind = EventKind::try_from(event.kind).unwrap_or_default();
    Ok(json!({ "event": {
        "kind": kind.as_str_name().trim_start_matches("EVENT_KIND_").to_ascii_lowercase(),
        "event_time": written(event.event_time.as_ref()),
        "session": session(&event.session)?,
        "resume_token": event.resume_token,
    }}))
}

pub(super) fn checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({ "checkpoint": { "resume_token": checkpoint.resume_token } })
}

/// A session as the contract encodes it.
fn session(encoded: &Bytes) -> Result<Value, DecodeError> {
    let session = proto::Session::decode(encoded.clone())?;
    // In an order that does not change from one answer to the next.
    let labels: BTreeMap<_, _> = session.labels.iter().collect();
    Ok(json!({
        "handle": session.handle,
        "namespace": session.namespace,
        "version": session.version,
        "principal": session.principal,
        "labels": labels,
        "create_time": written(session.create_time.as_ref()),
        "last_access_time": written(session.last_access_time.as_ref()),
        "update_time": written(session.update_time.as_ref()),
        "idle_timeout": written(session.idle_timeout.as_ref()),
        "absolute_expire_time": written(session.absolute_expire_time.as_ref()),
        "expire_time": written(session.expire_time.as_ref()),
    }))
}

/// A moment as RFC 3339 has it, or a length such as `1800s`.
fn written(time: Option<&impl ToString>) -> Option<String> {
    time.map(ToString::to_string)
}

/// The statistics, and the calls that the workers have carried out so far.
pub(super) fn statistics(statistics: &GetStatisticsResponse, workers: &[Arc<CallCounts>]) -> Value {
    let namespaces = statistics.namespaces.iter();
    let namespaces: Vec<Value> = namespaces
        .map(|namespace| json!({ "namespace": namespace.namespace, "sessions": namespace.sessions }))
        .collect();
    json!({
        "sessions": statistics.sessions,
        "namespaces": namespaces,
        "created": statistics.created,
        "expired": statistics.expired,
        "created_per_second": statistics.created_per_second,
        "expired_per_second": statistics.expired_per_second,
        "disk_bytes": statistics.disk_bytes,
        "memory_bytes": statistics.memory_bytes,
        "sweeper_lag": written(statistics.sweeper_lag.as_ref()),
        "start_time": written(statistics.start_time.as_ref()),
        "current_time": written(statistics.current_time.as_ref()),
        "watchers": statistics.watchers,
        "events_kept": statistics.events_kept,
        "refused_for_space": statistics.refused_for_space,
        "met_damage": statistics.met_damage,
        "storage_stalls": statistics.storage_stalls,
        "calls": calls(workers),
    })
}

/// Requests of applications in all: those that failed by the server's fault, and how long they took. Locks are left out, since
/// they wait as long as their callers like; streams are no requests.
fn calls(workers: &[Arc<CallCounts>]) -> Value {
    let (mut count, mut failed) = (0, 0);
    let mut durations: BTreeMap<usize, (Option<u64>, u64)> = BTreeMap::new();
    for lane in [Lane::Unary, Lane::Stream] {
        for rpc in Rpc::ALL.into_iter().filter(|rpc| !rpc.is_stream() && *rpc != Rpc::LockSession) {
            let totals = CallTotals::of(workers.iter().map(|counts| &**counts), lane, rpc);
            count += totals.codes.iter().sum::<u64>();
            failed += FAULTS.iter().map(|code| totals.codes[*code as usize]).sum::<u64>();
            for (place, (bound, counted)) in totals.durations.ranges().enumerate() {
                durations.entry(place).or_insert((bound, 0)).1 += counted;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "bounds are far below what a float holds exactly")]
    let seconds = |bound: Option<u64>| bound.map(|nanos| nanos as f64 / NANOS);
    let durations: Vec<Value> =
        durations.into_values().map(|(bound, count)| json!({ "up_to": seconds(bound), "count": count })).collect();
    json!({ "count": count, "failed": failed, "durations": durations })
}

/// Codes that tell of a fault of the server, or that it has too much to do.
const FAULTS: [Code; 7] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::ResourceExhausted,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];
