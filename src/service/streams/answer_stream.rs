//! Streams of answers, as the watch, the backup and the check of the data send them.

use crate::service::errors::status::Refusal;
use crate::service::in_flight::budget::Held;
use crate::service::store::{StoreService, until_drained};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio_stream::Stream;
use tonic::Status;

/// A caller that takes nothing of a stream for so long is cut off.
pub(in crate::service) const MAX_STALL: Duration = Duration::from_secs(30);

/// A message that waits for the connection, and what it holds of the connection's share.
pub(in crate::service) struct Outgoing<T> {
    message: T,
    _held: Option<Held>,
}

impl<T> Outgoing<T> {
    pub(super) fn holding(message: T, held: Held) -> Self {
        Self { message, _held: Some(held) }
    }
}

impl<T> From<T> for Outgoing<T> {
    /// A message of a kind so rare that its bytes need not count.
    fn from(message: T) -> Self {
        Self { message, _held: None }
    }
}

/// What the caller receives: messages, and then, unless all went well, the status that tells why there are no more.
pub struct AnswerStream<T> {
    messages: mpsc::Receiver<Outgoing<T>>,
    ended: oneshot::Receiver<Status>,
}

impl<T> AnswerStream<T> {
    /// The stream of these messages, which `work` sends.
    pub(in crate::service) fn new(
        messages: mpsc::Receiver<Outgoing<T>>,
        work: impl Future<Output = Result<(), Status>> + Send + 'static,
    ) -> Self {
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(status) = work.await {
                // The caller may be gone.
                end.send(status).ok();
            }
        });
        Self { messages, ended }
    }
}

impl StoreService {
    /// The stream of what a walk on the background thread sends. It keeps the permit until the walk ends, the server drains or
    /// the caller goes.
    pub(in crate::service) fn stream_walk<T: Send + 'static>(
        &self,
        name: &'static str,
        permit: OwnedSemaphorePermit,
        (messages, receiver): (mpsc::Sender<Outgoing<T>>, mpsc::Receiver<Outgoing<T>>),
        walk: impl Future<Output = Result<(), Status>> + Send + 'static,
    ) -> AnswerStream<T> {
        let ended = ended_by(self.draining.clone(), messages);
        let background = self.background.clone();
        AnswerStream::new(receiver, async move {
            let _permit = permit;
            let result = tokio::select! {
                biased;
                status = ended => Err(status),
                result = background.run(walk) => result,
            };
            if let Err(status) = &result {
                tracing::warn!(walk = name, reason = status.message(), "a walk was not finished");
            }
            result
        })
    }
}

impl<T> Stream for AnswerStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.messages.poll_recv(cx) {
            Poll::Ready(Some(outgoing)) => Poll::Ready(Some(Ok(outgoing.message))),
            Poll::Ready(None) => Pin::new(&mut self.ended).poll(cx).map(|status| status.ok().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Resolves when a stream must end even though there is more to send: the server drains, or the caller is gone.
pub(super) async fn ended_by<T>(draining: watch::Receiver<bool>, messages: mpsc::Sender<Outgoing<T>>) -> Status {
    tokio::select! {
        biased;
        () = until_drained(draining) => Refusal::NotReady.into(),
        () = messages.closed() => Status::cancelled("the caller is gone"),
    }
}
