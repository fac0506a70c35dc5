//! Sending an answer.
//!
//! HTTP/2 takes as much of it as the peer is ready to receive. The rest stays here, held in the share of the connection. If
//! the peer does not take it in time, the stream is reset.

use crate::server::connections::slots::ActiveCall;
use crate::server::peer_timeout::{time_for, timed_out};
use crate::service::{Held, Share};
use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tonic::codegen::http::HeaderMap;

/// A part of an answer, and what it holds until it has been written to the connection.
pub(in crate::server) struct Piece {
    bytes: Bytes,
    _held: Held,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// Why the rest of an answer was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    /// The caller is gone, or has withdrawn the call.
    Gone,
    /// The peer did not take it in time: the stream is reset.
    NotTaken,
}

/// Sends an answer.
pub(super) struct AnswerSender {
    pub(in crate::server) stream: SendStream<Piece>,
    pub(in crate::server) share: Arc<Share>,
    pub(in crate::server) call: Arc<ActiveCall>,
    /// How long the peer may take nothing.
    pub(in crate::server) timeout: Duration,
}

impl AnswerSender {
    /// Sends bytes. What they hold is given back when they have been written.
    pub(in crate::server) async fn send(&mut self, mut bytes: Bytes, mut held: Held) -> Result<(), NotSent> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.call.note_activity();
        self.stream.reserve_capacity(bytes.len());
        // Most answers are taken at once and need no timer.
        if self.stream.capacity() >= bytes.len() {
            return self.hand_over(bytes, held);
        }
        let (share, size, timeout) = (Arc::clone(&self.share), bytes.len(), self.timeout);
        let mut too_slow = pin!(timed_out(&share, || time_for(size, timeout)));
        loop {
            let capacity = poll_fn(|cx| {
                if too_slow.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(NotSent::NotTaken));
                }
                match self.stream.capacity() {
                    0 => self.stream.poll_capacity(cx).map(|capacity| match capacity {
                        Some(Ok(capacity)) => Ok(capacity),
                        Some(Err(_)) | None => Err(NotSent::Gone),
                    }),
                    capacity => Poll::Ready(Ok(capacity)),
                }
            });
            let capacity = capacity.await.inspect_err(|_| self.stream.send_reset(Reason::ENHANCE_YOUR_CALM))?;
            if capacity >= bytes.len() {
                return self.hand_over(bytes, held);
            }
            let piece = bytes.split_to(capacity);
            let part = held.split(capacity);
            self.hand_over(piece, part)?;
        }
    }

    fn hand_over(&mut self, bytes: Bytes, held: Held) -> Result<(), NotSent> {
        self.stream.send_data(Piece { bytes, _held: held }, false).map_err(|_| NotSent::Gone)
    }

    /// Ends the answer.
    pub(in crate::server) fn end(&mut self, trailers: HeaderMap) -> Result<(), NotSent> {
        self.stream.send_trailers(trailers).map_err(|_| NotSent::Gone)
    }
}
