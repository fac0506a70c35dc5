//! The future that an engine returns.

use super::EngineError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The work of an engine, under way or done. Most work is done at once, and then needs no allocation.
pub enum EngineFuture<'a> {
    /// It is done, with this result. `None` once the result was taken.
    Done(Option<Result<(), EngineError>>),
    /// It has to be waited for.
    UnderWay(Pin<Box<dyn Future<Output = Result<(), EngineError>> + Send + 'a>>),
}

impl<'a> EngineFuture<'a> {
    /// Work that is done.
    #[must_use]
    pub fn done(result: Result<(), EngineError>) -> Self {
        Self::Done(Some(result))
    }

    /// Work that has to be waited for.
    pub fn under_way(work: impl Future<Output = Result<(), EngineError>> + Send + 'a) -> Self {
        Self::UnderWay(Box::pin(work))
    }
}

impl Future for EngineFuture<'_> {
    type Output = Result<(), EngineError>;

    /// # Panics
    /// If it is polled again once it is done, like any future.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(result) => Poll::Ready(result.take().expect("a future is not polled once it is done")),
            Self::UnderWay(work) => work.as_mut().poll(cx),
        }
    }
}
