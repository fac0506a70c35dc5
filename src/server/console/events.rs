//! The stream of events: a JSON object in each line, for as long as the page takes them.

use super::answer;
use super::refusal::Refusal;
use crate::call_record::CallRecord;
use crate::proto::WatchSessionsResponse;
use crate::proto::session_store_server::SessionStore;
use crate::proto::watch_sessions_response::Message;
use crate::service::{CallCounts, Rpc, StoreService};
use bytes::Bytes;
use http_body::{Body, Frame};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream;
use tonic::{Code, Status};

type Events = <StoreService as SessionStore>::WatchSessionsStream;

/// The lines. The last one tells why there are no more, unless the page has gone.
pub(super) struct EventBody {
    events: Events,
    call: WatchCall,
    is_over: bool,
}

/// The call that the stream is the answer of. It ends when this is dropped.
pub(super) struct WatchCall {
    pub(super) record: Option<CallRecord>,
    pub(super) counts: Arc<CallCounts>,
    pub(super) began: Instant,
    /// How it ends: as cancelled, unless the server ends it.
    pub(super) code: Code,
    /// Its place among the streams that may be open.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl EventBody {
    pub(super) fn new(events: Events, call: WatchCall) -> Self {
        Self { events, call, is_over: false }
    }

    fn line(&mut self, message: Result<WatchSessionsResponse, Status>) -> Bytes {
        let encoded = match message.map(|message| message.message) {
            Ok(Some(Message::Event(event))) => answer::event(&event).map_err(|_| unreadable()),
            Ok(Some(Message::Checkpoint(checkpoint))) => Ok(answer::checkpoint(&checkpoint)),
            Ok(None) => Err(unreadable()),
            Err(status) => Err(status),
        };
        match encoded {
            Ok(line) => line_of(&line),
            Err(status) => {
                let refusal = Refusal::from(status);
                (self.is_over, self.call.code) = (true, refusal.code());
                line_of(&refusal.told())
            }
        }
    }
}

fn unreadable() -> Status {
    Status::internal("an event could not be read")
}

fn line_of(line: &impl Serialize) -> Bytes {
    // It holds texts and numbers, which are always written.
    let mut line = serde_json::to_vec(line).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let message = ready!(Pin::new(&mut self.events).poll_next(cx));
        let line = message.map(|message| self.line(message));
        Poll::Ready(line.map(|line| Ok(Frame::data(line))))
    }
}

impl Drop for WatchCall {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.end(self.code, self.began.elapsed());
        }
        self.counts.count_stream(Rpc::WatchSessions, self.code);
    }
}
