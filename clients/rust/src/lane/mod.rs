//! The fast lane: one stream that carries the calls of all tasks.
//!
//! [`FastLane`] opens the stream and gives it up, [`calls`] gathers what is to be sent, and [`replies`] brings each reply to
//! the task that waits for it.

mod calls;
mod replies;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::client::{Attempt, authorized, store};
use crate::proto::call::Method;
use crate::proto::reply::Result as Answer;
use crate::proto::session_store_client::SessionStoreClient;
use crate::retry::{Time, was_answered};
use crate::retry_budget::Charge;
use crate::token::Tokens;
use crate::unsent::absence;
use calls::{Calls, Pending};
use replies::Waiting;

/// How the calls on single sessions (create, get, update, touch, rotate, delete) travel. All others are unary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lane {
    /// Over one stream that carries many calls per message; one by one while a server or a proxy refuses the stream.
    #[default]
    Auto,
    /// One by one.
    Unary,
}

/// Calls that wait to be sent; further callers wait within their deadline.
const QUEUED_CALLS: usize = 1_024;

/// How long calls travel one by one after the stream was refused, before it is tried again: the server may be newer then.
const UNARY_PERIOD: Duration = Duration::from_secs(60);

/// Why a call has no answer.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The server answered this call, and no other, with this error.
    Answered(Status),
    /// It was not carried out. There is a charge if a server has said so, to all calls of a stream.
    NotCarriedOut(Status, Option<Charge>),
    /// It may have been carried out. The same holds of the charge.
    Unknown(Status, Option<Charge>),
    /// The stream can't be used; the call was not carried out.
    Refused,
}

/// The lane to a server. It opens its stream at the first call, and again after it was lost.
#[derive(Debug)]
pub(crate) struct FastLane {
    channel: Channel,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(Stream),
    /// The stream was refused.
    UnaryUntil(Instant),
}

/// A stream that is open, or being opened.
#[derive(Debug, Clone)]
struct Stream {
    queue: mpsc::Sender<Pending>,
    waiting: Arc<Waiting>,
    /// The number of the token that it was opened with, or of an older one.
    token: u64,
}

impl FastLane {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, state: Mutex::new(State::Closed) }
    }

    /// Makes a call in this attempt.
    pub(crate) async fn call(&self, method: Method, attempt: Attempt<'_>) -> Result<Answer, Failure> {
        let Attempt { time, tokens, trace, .. } = attempt;
        let length = calls::length(&method, trace).ok_or(Failure::Refused)?;
        let stream = self.stream(tokens).ok_or(Failure::Refused)?;
        let Time { end, left: timeout } = time;
        let suspicious = end.checked_sub(timeout / 2).unwrap_or(end);
        let mut watch = Watch { lane: self, stream: &stream, suspicious, ended: false };
        let trace = trace.map(|trace| Box::new(trace.in_call()));
        let (answer, answered) = oneshot::channel();
        let sent = stream.queue.send(Pending { method, length, timeout, trace, answer }).await;
        let answer = match sent {
            Ok(()) => match answered.await {
                Ok(answer) => answer,
                Err(_) => Err(stream.waiting.why_not_sent().await),
            },
            Err(_) => Err(stream.waiting.why_not_sent().await),
        };
        watch.ended = true;
        if let Err(Failure::Refused) = answer {
            self.refuse(&stream);
        }
        answer
    }

    /// The stream, which is opened if it is not, or was with an older token; `None` while it is refused. A stream that is
    /// replaced ends when the last of its calls has its reply.
    fn stream(&self, tokens: Option<&Tokens>) -> Option<Stream> {
        let token = tokens.map_or(0, Tokens::number);
        let mut state = self.state();
        match &*state {
            State::Open(stream) if !stream.waiting.is_closed() && stream.token >= token => return Some(stream.clone()),
            State::UnaryUntil(end) if Instant::now() < *end => return None,
            _ => {}
        }
        let (queue, pending) = mpsc::channel(QUEUED_CALLS);
        let waiting = Arc::new(Waiting::default());
        let request = authorized(Calls::new(pending, Arc::clone(&waiting)), tokens);
        tokio::spawn(run(store(self.channel.clone()), request, Arc::clone(&waiting)));
        let stream = Stream { queue, waiting, token };
        *state = State::Open(stream.clone());
        Some(stream)
    }

    /// Goes on one by one for a while, unless another stream has been opened meanwhile.
    fn refuse(&self, stream: &Stream) {
        let mut state = self.state();
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(&open.waiting, &stream.waiting)) {
            *state = State::UnaryUntil(Instant::now() + UNARY_PERIOD);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notices a call that is given up. If the server has not even accepted the stream by then, something on the way holds it
/// back, as proxies do that wait for the end of a request.
struct Watch<'a> {
    lane: &'a FastLane,
    stream: &'a Stream,
    /// Who gives up before this had reasons of its own.
    suspicious: Instant,
    ended: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let in_vain = !self.ended && Instant::now() >= self.suspicious;
        if in_vain && self.stream.waiting.was_sent_but_not_accepted() {
            self.lane.refuse(self.stream);
        }
    }
}

/// Opens the stream and reads it to its end. Ends the wait of everybody who has no reply then.
async fn run(mut stub: SessionStoreClient<Channel>, request: Request<Calls>, waiting: Arc<Waiting>) {
    // Also when the runtime ends.
    let closing = Closing(&waiting);
    let end = match stub.exchange(request).await {
        Ok(response) => {
            waiting.accept();
            let mut messages = response.into_inner();
            loop {
                match messages.message().await {
                    Ok(Some(message)) => waiting.answer(message.replies),
                    Ok(None) => {
                        break Failure::Unknown(Status::unavailable("the stream was ended"), Some(Charge::default()));
                    }
                    Err(status) => {
                        break lost(status);
                    }
                }
            }
        }
        Err(status) => not_opened(status),
    };
    closing.0.close(&end);
}

struct Closing<'a>(&'a Waiting);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(&Failure::Unknown(Status::unavailable("the runtime of the connection has ended"), None));
    }
}

/// What the end of an open stream means for calls without a reply.
fn lost(status: Status) -> Failure {
    let charge = charge(&status);
    let not_carried_out = is_not_ready(&status) || is_refused(&status);
    if not_carried_out { Failure::NotCarriedOut(status, charge) } else { Failure::Unknown(unavailable(status), charge) }
}

/// What it means for calls that the stream could not be opened.
fn not_opened(status: Status) -> Failure {
    let status = match absence(status) {
        Ok(absence) => return Failure::NotCarriedOut(absence, None),
        Err(status) => status,
    };
    let charge = charge(&status);
    match status.code() {
        Code::Unimplemented => Failure::Refused,
        _ if is_not_ready(&status) || is_refused(&status) => Failure::NotCarriedOut(status, charge),
        // Answers of proxies that know nothing of such streams, and of a port that takes TLS only. A status that was made on this side has a source: the
        // connection was lost, perhaps after the server had carried out the calls.
        Code::Internal | Code::Unknown | Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated
            if was_answered(&status) =>
        {
            Failure::Refused
        }
        _ => Failure::Unknown(unavailable(status), charge),
    }
}

/// What repetitions cost after the end of a stream: something if the server has ended it, nothing if the connection was lost.
fn charge(status: &Status) -> Option<Charge> {
    was_answered(status).then(Charge::default)
}

/// A stream that broke is a server that can't be reached, whatever code the transport found for it, unless the server itself
/// says why it ended the stream.
fn unavailable(status: Status) -> Status {
    match status.code() {
        Code::Unavailable => status,
        _ if status.get_details_error_info().is_some_and(|info| info.domain == "sessiond") => status,
        _ => {
            let mut unavailable = Status::unavailable(status.message());
            if !was_answered(&status) {
                // Below it stands why the connection ended, such as what TLS says of a certificate.
                unavailable.set_source(Arc::new(status));
            }
            unavailable
        }
    }
}

/// Whether the server said that it carries nothing out, and that the call is to be repeated: it starts or stops.
pub(crate) fn is_not_ready(status: &Status) -> bool {
    has_reason(status, &["NOT_READY"])
}

/// Whether the server itself, and no proxy, does not know the caller or does not allow it the stream. One by one the calls
/// would fare no better.
fn is_refused(status: &Status) -> bool {
    has_reason(status, &["UNAUTHENTICATED", "PERMISSION_DENIED"])
}

fn has_reason(status: &Status, reasons: &[&str]) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.domain == "sessiond" && reasons.contains(&info.reason.as_str()))
}
