//! Streams of answers, as the watch and the backup send them.

use super::status::Refusal;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::Stream;
use tonic::Status;

/// Who takes nothing of a stream for so long is cut off.
pub(super) const MAX_STALL: Duration = Duration::from_secs(30);

/// What the caller receives: messages, and in the end, if it is no good one, the status that tells why there are no more.
pub struct AnswerStream<T> {
    messages: mpsc::Receiver<T>,
    ended: oneshot::Receiver<Status>,
}

impl<T> AnswerStream<T> {
    /// The stream of these messages, which `work` sends.
    pub(super) fn new(
        messages: mpsc::Receiver<T>,
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

impl<T> Stream for AnswerStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.messages.poll_recv(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(None) => Pin::new(&mut self.ended).poll(cx).map(|status| status.ok().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Resolves when a stream must end whatever it has to say: the server drains, or nobody listens any more.
pub(super) async fn ended_by<T>(mut draining: watch::Receiver<bool>, messages: mpsc::Sender<T>) -> Status {
    tokio::select! {
        biased;
        // Without a sender the server is gone.
        _ = draining.wait_for(|draining| *draining) => Refusal::NotReady.into(),
        () = messages.closed() => Status::cancelled("the caller is gone"),
    }
}
