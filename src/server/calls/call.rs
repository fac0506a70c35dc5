//! One call, from its headers to the end of its answer.

use super::answer::{AnswerSender, NotSent, Piece};
use super::caller::CallerSearch;
use super::compression::Compression;
use super::deadline;
use super::request::{Arrival, NotReceived, RequestBody, one_message};
use super::route::{Route, Target};
use super::router::Router;
use crate::call_record::CallRecord;
use crate::config::Settings;
use crate::server::connections::slots::{ActiveCall, Slot};
use crate::service::errors::transfer::{answers_not_taken, headers_too_large, request_too_slow, too_many_messages};
use crate::service::{
    CallCounts, Held, Lane, OpenCall, Payload, ReceivedMessages, Share, add_reason, call_timed_out,
    refuse_other_protocols,
};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body as _, Frame};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::{Sleep, sleep, timeout};
use tonic::body::Body;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};

/// What a call takes while it waits for its message, beside that and its head: its task, and the state of its stream.
const WAITING_CALL: usize = 4 << 10;

/// What a stream takes for as long as it is open, beside its head and its messages: its buffers and its task.
const STREAM: usize = 24 << 10;

/// What the calls of one connection have in common.
pub(in crate::server) struct Peer {
    pub(in crate::server) router: Router,
    pub(in crate::server) share: Arc<Share>,
    pub(in crate::server) slot: Arc<Slot>,
    /// Where the worker counts calls.
    pub(in crate::server) counts: Arc<CallCounts>,
    pub(in crate::server) settings: Arc<Settings>,
    pub(in crate::server) caller: CallerSearch,
}

/// An answer that is to be sent.
struct PendingAnswer {
    response: Response<Body>,
    /// What the call holds of the budget until its answer has been taken.
    held: Held,
    /// What it takes if it is a stream.
    stream: Option<OpenCall>,
    compression: Compression,
}

/// Why a call ends without an answer.
enum Aborted {
    /// The caller is gone, or has withdrawn it.
    Gone,
    /// The service failed to answer.
    Broken,
    /// The peer did not take the answer in time.
    NotTaken,
}

impl From<NotSent> for Aborted {
    fn from(reason: NotSent) -> Self {
        match reason {
            NotSent::Gone => Self::Gone,
            NotSent::NotTaken => Self::NotTaken,
        }
    }
}

impl Peer {
    /// Answers a call, and counts it.
    pub(in crate::server) async fn answer(
        self: Arc<Self>,
        request: Request<RecvStream>,
        mut reply: SendResponse<Piece>,
    ) {
        let began = Instant::now();
        let call = Arc::new(self.slot.begin_call());
        let route = Route::of(request.uri().path());
        let record = self.caller.record(route, request.headers(), began);
        let sent = match self.carry_out((route, record.as_ref()), request, &mut reply, &call).await {
            Ok(carried) => self.send(route, carried, &mut reply, call).await,
            Err(aborted) => Err(aborted),
        };
        // Of a call without an answer, the code is what its caller sees.
        let code = match sent {
            Ok(code) => code,
            Err(Aborted::Gone) => Code::Cancelled,
            Err(Aborted::Broken) => {
                reply.send_reset(Reason::INTERNAL_ERROR);
                Code::Internal
            }
            Err(Aborted::NotTaken) => {
                tracing::warn!("a peer took an answer too slowly; its stream is reset");
                self.slot.count_offence();
                Code::ResourceExhausted
            }
        };
        if let Some(record) = record {
            record.end(code, began.elapsed());
        }
        if route.rpc.is_stream() {
            self.counts.count_stream(route.rpc, code);
        } else {
            self.counts.count(Lane::Unary, route.rpc, code, began.elapsed());
        }
    }

    /// Does what the call asks for.
    async fn carry_out(
        &self,
        (route, record): (Route, Option<&CallRecord>),
        request: Request<RecvStream>,
        reply: &mut SendResponse<Piece>,
        call: &Arc<ActiveCall>,
    ) -> Result<PendingAnswer, Aborted> {
        let deadline = deadline::of(request.headers());
        let payload = Payload::of(request.uri().path());
        let (mut parts, mut body) = request.into_parts();
        let arrival = Arrival {
            max_message_size: self.settings.max_message_size,
            timeout: self.settings.receive_timeout,
            wait: self.settings.send_timeout,
        };
        let answer = |response| {
            let held = self.share.hold_answer(0);
            Ok(PendingAnswer { response, held, stream: None, compression: Compression::default() })
        };
        let refusal = |status: Status| answer(status.into_http());
        let (compression, of_head) = match self.admit(route, record, &mut parts).await {
            Ok(admitted) => admitted,
            Err(refused) => return answer(*refused),
        };
        let stream = match route.is_stream().then(|| self.share.open_call(STREAM + of_head)) {
            Some(None) => return refusal(too_many_messages()),
            stream => stream.flatten(),
        };

        // A request of one message is in flight only once it has arrived.
        let arrived = if route.asks_in_stream {
            None
        } else {
            match one_message(&mut body, &self.share, arrival, WAITING_CALL + of_head, reply).await {
                Ok(arrived) => Some(arrived),
                Err(NotReceived::Gone) => return Err(Aborted::Gone),
                Err(NotReceived::NoRoom) => return refusal(too_many_messages()),
                Err(NotReceived::TooSlow) => {
                    tracing::warn!("a request arrived too slowly");
                    self.slot.count_offence();
                    return refusal(request_too_slow(arrival.timeout, self.share.is_draining()));
                }
            }
        };
        // Health checks must be answered even when there is too much else to do.
        let mut held = if route.target == Target::Health {
            self.share.hold_answer(0)
        } else {
            match self.share.take() {
                Ok(held) => held,
                // At once, instead of queueing.
                Err(error) => return refusal(error.into()),
            }
        };
        if route.target != Target::Health && !self.room_to_answer(reply).await? {
            return refusal(answers_not_taken());
        }
        let received = ReceivedMessages::new(Arc::clone(&self.share), Arc::clone(&self.counts));
        if route.needs_received_messages() {
            parts.extensions.insert(received.clone());
        }
        let (body, request_held) = if let Some((message, arrived)) = arrived {
            let compressed = message.len();
            let message = match compression.open(message, arrival.max_message_size, payload).await {
                Ok(message) => message,
                Err(status) => return refusal(status),
            };
            let more = message.len().saturating_sub(compressed);
            let opened = (more > 0).then(|| self.share.hold(more));
            (RequestBody::Whole(message), [arrived, opened])
        } else {
            let body = RequestBody::stream(body, Arc::clone(&self.share), received, arrival, Arc::clone(call));
            (body, [None, None])
        };
        let mut answering = self.router.call(route.target, Request::from_parts(parts, body));
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let mut is_waiting = false;
        let response = poll_fn(|cx: &mut Context<'_>| {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer.unwrap_or_else(|never| match never {})));
            }
            if reply.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Aborted::Gone));
            }
            if let Some(deadline) = deadline {
                // Most answers are there at once and need no timer.
                let timer = timer.get_or_insert_with(|| Box::pin(sleep(deadline)));
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(call_timed_out().into_http()));
                }
            }
            if !is_waiting {
                is_waiting = true;
                held.add(route.answer.bytes(&self.settings));
            }
            Poll::Pending
        });
        let mut response = response.await?;
        add_reason(&mut response, payload);
        drop(request_held);
        if route.answers_in_stream {
            // A stream lasts for as long as the caller likes. It is bounded in other ways.
            held.leave();
        }
        Ok(PendingAnswer { response, held, stream, compression })
    }

    /// Judges a call by its head alone, before anything else is received: whoever is not let in gets no memory. Returns how its
    /// messages are compressed and what its head takes, or the answer that refuses it.
    async fn admit(
        &self,
        route: Route,
        record: Option<&CallRecord>,
        parts: &mut Parts,
    ) -> Result<(Compression, usize), Box<Response<Body>>> {
        let refusal = |status: Status| Box::new(status.into_http());
        if let Some(response) = refuse_other_protocols(&parts.headers) {
            return Err(Box::new(response));
        }
        let (size, limit) = (header_size(parts), self.settings.max_header_size as usize);
        if size > limit {
            return Err(refusal(headers_too_large(size, limit)));
        }
        let memory = head_memory(parts, size);
        let stay = || self.share.open_call(WAITING_CALL + memory);
        let let_in = self.caller.let_in(route, &parts.headers, record, &mut parts.extensions, stay).await;
        let_in.map_err(|denied| refusal(denied.into()))?;
        if route.asks_in_stream {
            return Ok((Compression::default(), memory));
        }
        Compression::of(&mut parts.headers).map(|compression| (compression, memory)).map_err(refusal)
    }

    /// Sends the answer. Returns the code that is in it.
    async fn send(
        &self,
        route: Route,
        PendingAnswer { response, mut held, stream: _stream, compression }: PendingAnswer,
        reply: &mut SendResponse<Piece>,
        call: Arc<ActiveCall>,
    ) -> Result<Code, Aborted> {
        let (parts, body) = response.into_parts();
        let mut parts = Response::from_parts(parts, ());
        let mut body = pin!(body);
        if body.is_end_stream() {
            let code = code_in(parts.headers());
            return reply.send_response(parts, true).map(|_| code).map_err(|_| Aborted::Gone);
        }
        // The one message of an answer is encoded at once: from here on its size is known.
        let mut first = None;
        if !route.answers_in_stream {
            let mut frame = next_frame(body.as_mut(), reply).await?;
            if let Some(message) = frame.as_mut().and_then(Frame::data_mut) {
                held.set(message.len());
                *message = compression.close(std::mem::take(message), parts.headers_mut()).await;
                held.set(message.len());
            }
            first = Some(frame);
        }
        // The stream itself tells a watcher that it reads too slowly, after the same time: that must come first.
        let factor = if route.answers_in_stream { 2 } else { 1 };
        let stream = reply.send_response(parts, false).map_err(|_| Aborted::Gone)?;
        let timeout = factor * self.settings.send_timeout;
        let mut sender = AnswerSender { stream, share: Arc::clone(&self.share), call, timeout };
        loop {
            let frame = if let Some(frame) = first.take() {
                frame
            } else {
                // Peers that hold too much are given up meanwhile, and then there is room.
                while !self.room_to_answer(&mut sender.stream).await? {}
                next_frame(body.as_mut(), &mut sender.stream).await?
            };
            let Some(frame) = frame else {
                return sender.end(HeaderMap::new()).map(|()| Code::Ok).map_err(Aborted::from);
            };
            match frame.into_data() {
                Ok(bytes) if route.answers_in_stream => {
                    let part = self.share.hold_answer(bytes.len());
                    sender.send(bytes, part).await?;
                }
                Ok(bytes) => {
                    // With its last byte the request is no longer in flight.
                    let all = std::mem::replace(&mut held, self.share.hold_answer(0));
                    sender.send(bytes, all).await?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let code = code_in(&trailers);
                    return sender.end(trailers).map(|()| code).map_err(Aborted::from);
                }
            }
        }
    }

    /// Waits until there is room for an answer; false if there is none for long.
    async fn room_to_answer(&self, call: &mut impl Withdrawal) -> Result<bool, Aborted> {
        if self.share.has_room_to_answer() {
            return Ok(true);
        }
        tokio::select! {
            biased;
            room = timeout(self.settings.send_timeout, self.share.room_to_answer()) => Ok(room.is_ok()),
            () = poll_fn(|cx| call.poll_withdrawn(cx)) => Err(Aborted::Gone),
        }
    }
}

/// Tells that the caller has withdrawn its call.
pub(super) trait Withdrawal {
    fn poll_withdrawn(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Withdrawal for SendResponse<Piece> {
    fn poll_withdrawn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_reset(cx).map(drop)
    }
}

impl Withdrawal for SendStream<Piece> {
    fn poll_withdrawn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_reset(cx).map(drop)
    }
}

/// The next part of an answer, unless its caller withdraws it before.
async fn next_frame(mut body: Pin<&mut Body>, call: &mut impl Withdrawal) -> Result<Option<Frame<Bytes>>, Aborted> {
    poll_fn(|cx| match body.as_mut().poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(|_| Aborted::Broken)),
        Poll::Pending => call.poll_withdrawn(cx).map(|()| Err(Aborted::Gone)),
    })
    .await
}

/// The code in the last headers of an answer.
fn code_in(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// The memory of headers of this size: small ones take more than HTTP/2 counts.
fn head_memory(parts: &Parts, size: usize) -> usize {
    const EACH: usize = 128;
    size + EACH * (parts.headers.capacity() + parts.headers.len())
}

/// The size of the headers as HTTP/2 counts it: each with its name, its value and 32 bytes.
fn header_size(parts: &Parts) -> usize {
    const EACH: usize = 32;
    let of = |name: usize, value: usize| name + value + EACH;
    let fields = parts.headers.iter().map(|(name, value)| of(name.as_str().len(), value.len()));
    let uri = &parts.uri;
    let path = uri.path_and_query().map_or(0, |path| of(":path".len(), path.as_str().len()));
    let authority = uri.authority().map_or(0, |authority| of(":authority".len(), authority.as_str().len()));
    let scheme = uri.scheme_str().map_or(0, |scheme| of(":scheme".len(), scheme.len()));
    fields.sum::<usize>() + path + authority + scheme + of(":method".len(), parts.method.as_str().len())
}
