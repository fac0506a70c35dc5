//! What is sent: the calls that wait when the connection can take a message travel in it together.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tonic::codegen::tokio_stream::Stream;

use super::Failure;
use super::replies::Waiting;
use crate::convert::duration;
use crate::proto::call::Method;
use crate::proto::reply::Result as Answer;
use crate::proto::{Call, ExchangeRequest, TraceContext};
use crate::trace::Trace;

/// A message is sent once its calls take so many bytes. Below what every server takes (its setting max-message-size).
const MESSAGE_BYTES: usize = 48 << 10;

/// A server may refuse less time than this.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// A call that is to be sent.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) method: Method,
    /// Bytes of the method and the trace.
    pub(super) length: usize,
    pub(super) timeout: Duration,
    pub(super) trace: Option<Box<TraceContext>>,
    pub(super) answer: oneshot::Sender<Result<Answer, Failure>>,
}

/// The messages of one stream. The connection polls it when it can send.
pub(super) struct Calls {
    queue: mpsc::Receiver<Pending>,
    waiting: Arc<Waiting>,
    /// A call that had no room in the last message.
    next: Option<Pending>,
}

/// The length of a call that may travel with others, in bytes; `None` if it is larger than a server may take, which would
/// end the stream for all.
pub(super) fn length(method: &Method, trace: Option<&Trace>) -> Option<usize> {
    let length = method.encoded_len() + trace.map_or(0, Trace::length);
    Some(length).filter(|length| *length <= MESSAGE_BYTES)
}

impl Calls {
    pub(super) fn new(queue: mpsc::Receiver<Pending>, waiting: Arc<Waiting>) -> Self {
        Self { queue, waiting, next: None }
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Option<Pending>> {
        match self.next.take() {
            Some(pending) => Poll::Ready(Some(pending)),
            None => self.queue.poll_recv(cx),
        }
    }
}

impl Stream for Calls {
    type Item = ExchangeRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ExchangeRequest>> {
        let mut calls = Vec::new();
        let mut bytes = 0;
        let ended = loop {
            if !self.waiting.has_room(cx) {
                break false;
            }
            let pending = match self.poll_pending(cx) {
                Poll::Ready(Some(pending)) => pending,
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            };
            // Who has given up needs no answer.
            if pending.answer.is_closed() {
                continue;
            }
            if bytes > 0 && bytes + pending.length > MESSAGE_BYTES {
                self.next = Some(pending);
                break false;
            }
            let Pending { method, length, timeout, trace, answer } = pending;
            bytes += length;
            let Some(tag) = self.waiting.enter(answer) else { break true };
            let timeout = Some(duration(timeout.max(SHORTEST_TIMEOUT)));
            calls.push(Call { tag, timeout, method: Some(method), trace_context: trace });
        };
        if !calls.is_empty() {
            return Poll::Ready(Some(ExchangeRequest { calls }));
        }
        if ended { Poll::Ready(None) } else { Poll::Pending }
    }
}
