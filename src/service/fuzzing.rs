//! Tries requests: from the bytes of a message to the answer, over an engine in memory.

use super::convert::codec::MessageCodec;
use super::convert::{answer, page_token};
use super::{Background, Bounds, Budget, CallCounts, CallerRules, ReceivedMessages, RequestLimits, StoreService};
use crate::call_record::{AuditLog, Recorder};
use crate::clock::Clock;
use crate::engine::MemoryEngine;
use crate::fuzzing::Input;
#[cfg(test)]
use crate::model::Handle;
use crate::model::{Attribute, Record, SessionId};
use crate::proto::reply::Result as Answer;
use crate::proto::session_store_server::SessionStore;
use crate::proto::{ExchangeRequest, ExchangeResponse, Reply};
use crate::session::{NewSession, Past, Policies, Policy, SessionChange, Sessions};
use bytes::Bytes;
use http_body_util::Full;
use prost::Message;
use sessiond_client::proto::Session;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::codec::Codec;
use tonic::{Code, Request, Response, Status, Streaming};

/// There is a session with this ID.
const KNOWN_ID: &str = "a-session-that-is-there";

/// The session's attribute.
const ENTRY: &[u8] = b"\x0a\x01n\x12\x02\x10\x01";

/// A namespace whose sessions are sealed.
const SEALED: &str = "sealed";

/// Much more than a call takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page token of the list of `shop` and `ada`; it has one form.
pub(crate) fn page_token(text: &str) {
    if let Ok(Some(last)) = page_token::decode("shop", "ada", text) {
        assert_eq!(page_token::encode("shop", "ada", last), text);
    }
}

/// A token of that list.
#[cfg(test)]
pub(crate) fn a_page_token(last: Handle) -> String {
    page_token::encode("shop", "ada", last)
}

/// A client reads of a session what its record has. What the values hold was checked when they came, and is not again.
pub(crate) fn check_answer(record: &Record) {
    let is_checked = |entry: &[u8]| Attribute::from_wire(entry).is_ok();
    if !record.attributes.entries().all(is_checked) {
        return;
    }
    let encoded = answer::session(record);
    let session = Session::decode(encoded.clone()).expect("a client reads what the server writes");
    assert!(encoded.len() <= record.answer_size(), "an answer is larger than its bound");
    assert_eq!(session.attributes.len(), record.attributes.len());
    let labels: BTreeMap<_, _> = session.labels.into_iter().collect();
    assert_eq!(labels, record.labels);
    assert_eq!((session.handle, session.version), (record.handle.to_string(), record.version));
    assert_eq!(session.principal.as_str(), record.principal.as_str());
}

/// The first byte says whether the others are the body of a stream, or its messages, each behind its length.
pub(crate) fn calls(input: &[u8]) {
    let mut rest = Input(input);
    let is_body = rest.byte() % 2 == 1;
    let (mut body, mut tags) = (Vec::new(), Vec::new());
    if is_body {
        body.extend(rest.0);
    }
    while !is_body && !rest.is_empty() {
        let message = rest.piece();
        body.push(0);
        body.extend(u32::try_from(message.len()).expect("a short piece").to_be_bytes());
        body.extend(message);
        let decoded = ExchangeRequest::decode(message).unwrap_or_default();
        tags.extend(decoded.calls.iter().map(|call| call.tag));
    }
    run(|store| async move {
        let mut stream = store.exchange(stream_of(body)).await.expect("a stream").into_inner();
        let mut replied = Vec::new();
        while let Some(message) = stream.next().await {
            match message {
                Ok(message) => replied.extend(message.replies.iter().map(check_reply)),
                Err(status) => return check_status(&status),
            }
        }
        // Each call has got its reply.
        tags.sort_unstable();
        replied.sort_unstable();
        assert!(is_body || replied == tags, "{tags:?} were called, {replied:?} answered");
    });
}

/// A stream of requests with this body.
fn stream_of(body: Vec<u8>) -> Request<Streaming<ExchangeRequest>> {
    let decoder = MessageCodec::<ExchangeResponse, ExchangeRequest>::default().decoder();
    let body = Full::new(Bytes::from(body));
    with_received(Request::new(Streaming::new_request(decoder, body, None, Some(1 << 20))))
}

/// Checks a reply; returns the tag of its call.
fn check_reply(reply: &Reply) -> u64 {
    let session = match reply.result.as_ref().expect("a reply says something") {
        Answer::Create(created) => &created.session,
        Answer::Get(got) => &got.session,
        Answer::Update(updated) => &updated.session,
        Answer::Rotate(rotated) => &rotated.session,
        Answer::Touch(_) | Answer::Delete(_) => return reply.tag,
        Answer::Error(error) => {
            check_status(&Status::new(Code::from_i32(error.code), error.message.clone()));
            return reply.tag;
        }
    };
    Session::decode(session.clone()).expect("a client reads what the server writes");
    reply.tag
}

/// A fault of the caller is never told as one of the server.
fn check_status(status: &Status) {
    let is_ours = matches!(status.code(), Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss);
    assert!(!is_ours, "{status:?}");
    assert!(!status.message().is_empty());
}

/// The first byte says which request the others are.
pub(crate) fn messages(input: &[u8]) {
    let Some((method, message)) = input.split_first() else { return };
    let message = Bytes::copy_from_slice(message);
    run(|store| async move {
        match method % 18 {
            0 => unary(message, |request| store.create_session(request)).await,
            1 => unary(message, |request| store.get_session(request)).await,
            2 => unary(message, |request| store.update_session(request)).await,
            3 => unary(message, |request| store.touch_session(request)).await,
            4 => unary(message, |request| store.rotate_session(request)).await,
            5 => unary(message, |request| store.delete_session(request)).await,
            6 => unary(message, |request| store.batch_get_sessions(request)).await,
            7 => unary(message, |request| store.batch_delete_sessions(request)).await,
            8 => unary(message, |request| store.list_sessions(request)).await,
            9 => unary(message, |request| store.count_sessions(request)).await,
            10 => unary(message, |request| store.revoke_sessions(request)).await,
            11 => unary(message, |request| store.lock_session(request)).await,
            12 => unary(message, |request| store.unlock_session(request)).await,
            13 => unary(message, |request| store.issue_handoff(request)).await,
            14 => unary(message, |request| store.redeem_handoff(request)).await,
            15 => unary(message, |request| store.verify_csrf_token(request)).await,
            16 => unary(message, |request| store.watch_sessions(request)).await,
            _ => unary(message, |request| store.issue_csrf_token(request)).await,
        }
    });
}

/// Decodes a request as the server does, and carries it out.
async fn unary<T, U, F>(message: Bytes, call: impl FnOnce(Request<T>) -> F)
where
    T: Message + Default,
    F: Future<Output = Result<Response<U>, Status>>,
{
    let Ok(request) = T::decode(message) else { return };
    if let Err(status) = call(with_received(Request::new(request))).await {
        check_status(&status);
    }
}

/// What the server adds to each request.
fn with_received<T>(mut request: Request<T>) -> Request<T> {
    let budget = Budget::new(Bounds { requests: 4_096, bytes: 1 << 30, connection_bytes: 1 << 30 });
    request.extensions_mut().insert(ReceivedMessages::new(budget.share(), Arc::new(CallCounts::default())));
    request
}

/// Runs a call on a service with a session in each of two namespaces; in one of them it is sealed.
fn run<F: Future<Output = ()>>(call: impl FnOnce(StoreService) -> F) {
    thread_local! {
        static BACKGROUND: Background = Background::start().expect("a thread");
    }
    let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (_draining, drained) = watch::channel(false);
    let background = BACKGROUND.with(Background::clone);
    let store = StoreService::new(
        RequestLimits::default(),
        background,
        drained,
        CallerRules::default(),
        Recorder::new(AuditLog::in_log(), false, None),
    );
    let (clock, _hand) = Clock::manual(1_700_000_000_000);
    let sealed = HashMap::from([(SEALED.into(), Policy { sealed: true, ..Policy::default() })]);
    let policies = Policies { namespaces: sealed, ..Policies::default() };
    let sessions = Sessions::new(Arc::new(MemoryEngine::default()), clock, policies);
    store.open(sessions.clone());
    runtime.block_on(async {
        for namespace in ["default", SEALED] {
            let id = SessionId::parse(KNOWN_ID.into());
            let data = SessionChange {
                principal: Some("ada".into()),
                set_labels: BTreeMap::from([("device".into(), "laptop".into())]),
                set_attributes: vec![Attribute::from_wire(ENTRY).expect("an attribute")],
                ..SessionChange::default()
            };
            let new = NewSession { namespace: namespace.into(), id, data, past: Past::default() };
            sessions.create(new).await.expect("a session");
        }
        timeout(PATIENCE, call(store)).await.expect("a call ends");
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// The replies to a message of so many calls that say nothing, and the code with which the stream ends.
    fn exchange(calls: usize) -> (usize, Code) {
        let message = [0x0a, 0].repeat(calls);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = [&[0], &length[..], &message].concat();
        let found = Rc::new(Cell::new((0, Code::Ok)));
        let answered = Rc::clone(&found);
        run(|store| async move {
            let mut replies = store.exchange(stream_of(body)).await.unwrap().into_inner();
            while let Some(message) = replies.next().await {
                let (before, _) = answered.get();
                answered.set(match message {
                    Ok(message) => (before + message.replies.len(), Code::Ok),
                    Err(status) => (before, status.code()),
                });
            }
        });
        found.get()
    }

    #[test]
    fn a_message_of_more_calls_than_can_say_anything_is_refused_as_a_whole() {
        assert_eq!(exchange(1_000), (1_000, Code::Ok));
        assert_eq!(exchange(65_537), (0, Code::InvalidArgument));
    }
}
