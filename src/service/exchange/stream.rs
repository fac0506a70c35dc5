//! One exchange stream: takes its calls in and gives their replies out.

use super::call::{self, Ended, Work};
use super::order::{Order, QueueEntry, Scope};
use crate::authorization::{Caller, Denied, PeerIdentity};
use crate::call_record::{Beginning, CallRecord, TraceContext};
use crate::proto::call::Method;
use crate::proto::{self, Call, ExchangeRequest, ExchangeResponse, Reply};
use crate::service::call_counts::{Lane, Rpc};
use crate::service::convert::request;
use crate::service::errors::grpc;
use crate::service::errors::status::Refusal;
use crate::service::in_flight::budget::Held;
use crate::service::in_flight::received::ReceivedMessages;
use crate::service::store::{StoreService, until_drained};
use futures_util::stream::FuturesUnordered;
use prost::Message;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as Moment};
use std::vec;
use tokio::task::coop;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// At most so many calls of one stream may be in flight. While there are as many, nothing more is read from it.
const MAX_CALLS: usize = 1_024;

/// Replies are sent once they take so many bytes: a larger message would keep other streams of the connection waiting.
const MESSAGE_BYTES: usize = 32 << 10;

/// The replies to the calls of one stream.
///
/// It is polled only once the message before has been taken. So nothing more is read from a caller that stops reading, and it
/// costs no more than its last message of calls and the calls in flight. A message of calls is held in the connection's share
/// until its last call has ended.
pub struct ExchangeStream {
    store: Arc<StoreService>,
    /// Who has opened it.
    caller: Caller,
    /// Where it comes from.
    peer: Arc<PeerIdentity>,
    /// Why its calls are refused, if it is not let in any more.
    denied: Option<Denied>,
    incoming: Incoming,
    received: ReceivedMessages,
    /// The bytes of the message that was read last, while some of its calls are left.
    message: Option<Arc<Held>>,
    running: FuturesUnordered<Running>,
    order: Order,
    /// A call that waits until no other is in flight.
    held_back: Option<Call>,
    /// A reply that had no room in the last message.
    left_over: Option<Reply>,
    /// While it runs, no other call begins.
    runs_alone: bool,
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Where calls come from.
enum Incoming {
    /// The calls left of the message that was read last, and the messages after it.
    Open(vec::IntoIter<Call>, Box<Streaming<ExchangeRequest>>),
    /// There are no more. The stream ends when those in flight have ended, with this status unless all went well.
    Ended(Option<Status>),
}

/// A call in flight.
type Running = Pin<Box<dyn Future<Output = (QueueEntry, Option<Ended>)> + Send>>;

/// The replies of one message, and the one that had no room in it.
#[derive(Default)]
struct Replies {
    together: Vec<Reply>,
    bytes: usize,
    next: Option<Reply>,
}

impl Replies {
    fn push(&mut self, reply: Reply) {
        let bytes = reply.encoded_len();
        // A large one goes alone: together with others it could be larger than a message may be.
        if !self.together.is_empty() && self.bytes + bytes > MESSAGE_BYTES {
            self.next = Some(reply);
        } else {
            self.bytes += bytes;
            self.together.push(reply);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= MESSAGE_BYTES || self.next.is_some()
    }
}

impl StoreService {
    pub(in crate::service) fn open_exchange(
        &self,
        (caller, peer): (Caller, Arc<PeerIdentity>),
        requests: Streaming<ExchangeRequest>,
        received: ReceivedMessages,
    ) -> ExchangeStream {
        received.claim();
        ExchangeStream {
            store: Arc::new(self.clone()),
            caller,
            peer,
            denied: None,
            incoming: Incoming::Open(Vec::new().into_iter(), Box::new(requests)),
            message: None,
            received,
            running: FuturesUnordered::new(),
            order: Order::default(),
            held_back: None,
            left_over: None,
            runs_alone: false,
            draining: Box::pin(until_drained(self.draining.clone())),
        }
    }
}

impl ExchangeStream {
    /// Collects the replies to calls that have ended.
    fn reap(&mut self, cx: &mut Context<'_>, replies: &mut Replies) {
        while !replies.is_full()
            && let Poll::Ready(Some((position, ended))) = Pin::new(&mut self.running).poll_next(cx)
        {
            match ended {
                Some(Ended::Done(reply) | Ended::NeverBegun(reply)) => replies.push(reply),
                Some(Ended::TimedOut(reply, work)) => {
                    replies.push(reply);
                    // Its caller waits no longer, but the calls behind it must.
                    self.running.push(Box::pin(async move {
                        work.await;
                        (position, None)
                    }));
                    continue;
                }
                Some(Ended::Refused) | None => {}
            }
            self.order.leave(&position);
        }
        if self.running.is_empty() {
            self.runs_alone = false;
        }
    }

    /// Begins calls until there are none, or too many. True if it began any.
    fn begin(&mut self, cx: &mut Context<'_>, replies: &mut Replies) -> bool {
        let mut has_begun = false;
        // A call begins when the one before it has ended or waits, so that the clock is read once for each.
        let mut began = None;
        while !replies.is_full() && self.running.len() < MAX_CALLS && !self.runs_alone {
            let Poll::Ready(Some((mut call, scope))) = self.next_call(cx) else { break };
            has_begun = true;
            let rpc = call.method.as_ref().map_or(Rpc::Other, call::rpc_of);
            let moment = *began.get_or_insert_with(Moment::now);
            let record = self.record(rpc, moment, &scope, call.trace_context.take().as_deref());
            if let Some(reply) = self.carry_out(cx, call, &scope, (rpc, moment, record.as_ref())) {
                let now = Moment::now();
                let took = now.duration_since(moment);
                self.received.counts().count(Lane::Stream, rpc, call::code_in(&reply), took);
                if let Some(record) = record {
                    record.end(call::code_in(&reply), took);
                }
                began = Some(now);
                replies.push(reply);
            }
        }
        has_begun
    }

    /// Begins the record of a call, if one is kept.
    fn record(
        &self,
        rpc: Rpc,
        began: Moment,
        scope: &Scope,
        trace: Option<&proto::TraceContext>,
    ) -> Option<CallRecord> {
        // Those that end a session by its handle are about any, as far as can be told beforehand.
        let may_be_audited = *scope == Scope::Any;
        let trace = || trace.and_then(TraceContext::in_call);
        self.store.recorder.begin(Beginning { rpc, lane: Lane::Stream, may_be_audited, began }, &self.peer, trace)
    }

    /// The next call that may begin or wait for its turn. `None` if there are no more.
    fn next_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Call, Scope)>> {
        // Streams of one thread take turns.
        let turn = ready!(coop::poll_proceed(cx));
        let call = match self.held_back.take() {
            Some(call) => call,
            None => match ready!(self.poll_incoming(cx)) {
                Some(call) => call,
                None => return Poll::Ready(None),
            },
        };
        turn.made_progress();
        let scope = call.method.as_ref().map_or(Scope::None, |method| self.order.scope(method));
        if scope == Scope::Any {
            if !self.running.is_empty() {
                self.held_back = Some(call);
                return Poll::Pending;
            }
            self.runs_alone = true;
        }
        Poll::Ready(Some((call, scope)))
    }

    /// The next call of the message that was read last, or of the next one. `None` if there are no more.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Call>> {
        loop {
            let Incoming::Open(calls, messages) = &mut self.incoming else { return Poll::Ready(None) };
            if let Some(call) = calls.next() {
                return Poll::Ready(Some(call));
            }
            self.message = None;
            match ready!(Pin::new(&mut **messages).poll_next(cx)) {
                Some(Ok(message)) => {
                    if let Err(error) = request::check_calls(&message.calls) {
                        self.incoming = Incoming::Ended(Some(error.into()));
                        continue;
                    }
                    *calls = message.calls.into_iter();
                    match self.caller.renew() {
                        None => {}
                        Some(Ok(renewed)) => (self.caller, self.denied) = (renewed, None),
                        Some(Err(denied)) => self.denied = Some(denied),
                    }
                    self.message = self.received.next().map(Arc::new);
                }
                Some(Err(status)) => self.incoming = Incoming::Ended(Some(grpc::of_stream(status))),
                None => self.incoming = Incoming::Ended(None),
            }
        }
    }

    /// Carries out a call. The reply, if it is there at once; otherwise the call will be counted as one of this method that
    /// began at this moment.
    fn carry_out(
        &mut self,
        cx: &mut Context<'_>,
        call: Call,
        scope: &Scope,
        (rpc, since, record): (Rpc, Moment, Option<&CallRecord>),
    ) -> Option<Reply> {
        let Call { tag, timeout, method, .. } = call;
        let begun = self.prepare(timeout, method, record);
        let (mut work, timeout, in_flight) = match begun {
            Ok(begun) => begun,
            Err(status) => return Some(call::reply(tag, call::failed(status))),
        };
        if !self.order.is_busy(scope)
            && let Poll::Ready(answer) = work.as_mut().poll(cx)
        {
            return Some(call::reply(tag, answer));
        }
        // Most calls end at once, so that the clock need not be read.
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let (position, turn) = self.order.enter(scope);
        let (counts, record) = (self.received.shared_counts(), record.cloned());
        self.running.push(Box::pin(async move {
            let ended = call::attend(tag, turn, work, deadline).await;
            let (code, took) = (ended.code(), since.elapsed());
            counts.count(Lane::Stream, rpc, code, took);
            if let Some(record) = record {
                record.end(code, took);
            }
            drop(in_flight);
            (position, Some(ended))
        }));
        None
    }

    fn prepare(
        &self,
        timeout: Option<prost_types::Duration>,
        method: Option<Method>,
        record: Option<&CallRecord>,
    ) -> Result<(Work, Option<Duration>, Held), Status> {
        if let Some(denied) = &self.denied {
            return Err(denied.clone().into());
        }
        let method = request::method(method)?;
        let timeout = request::call_timeout(timeout)?;
        let in_flight = self.received.share().take()?;
        let caller = match record {
            Some(record) => self.caller.clone().recorded(record.clone()),
            None => self.caller.clone(),
        };
        Ok((call::begin(Arc::clone(&self.store), caller, method, self.message.clone()), timeout, in_flight))
    }

    /// Begins nothing more once the server drains.
    fn end_if_draining(&mut self, cx: &mut Context<'_>) {
        if matches!(self.incoming, Incoming::Open(..)) && self.draining.as_mut().poll(cx).is_ready() {
            self.incoming = Incoming::Ended(Some(Refusal::NotReady.into()));
            self.held_back = None;
            self.order.close();
        }
    }
}

impl Stream for ExchangeStream {
    type Item = Result<ExchangeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.end_if_draining(cx);
        let mut replies = Replies::default();
        if let Some(reply) = this.left_over.take() {
            replies.push(reply);
        }
        loop {
            this.reap(cx, &mut replies);
            if !this.begin(cx, &mut replies) {
                break;
            }
        }
        this.left_over = replies.next;
        if !replies.together.is_empty() {
            return Poll::Ready(Some(Ok(ExchangeResponse { replies: replies.together })));
        }
        match &mut this.incoming {
            Incoming::Ended(status) if this.running.is_empty() => Poll::Ready(status.take().map(Err)),
            _ => Poll::Pending,
        }
    }
}
