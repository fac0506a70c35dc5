//! Bounds the requests in flight in the whole process.

use super::status::Refusal;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The requests that may be in flight in the whole process; those above them are refused at once instead of queueing.
/// Clones share one bound.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

/// The place of one request in flight, for as long as it is kept.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, never looked at")] OwnedSemaphorePermit);

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes a place, if one is free.
    pub fn take(&self) -> Result<Place, Refusal> {
        Arc::clone(&self.0).try_acquire_owned().map(Place).map_err(|_| Refusal::TooManyRequests)
    }
}
