//! Bounds the requests in flight in the whole process.

use super::status::Refusal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests that may be in flight in the whole process; those above them are refused at once instead of queueing.
/// Clones share one bound.
#[derive(Clone, Debug)]
pub struct Places {
    max: usize,
    taken: Arc<AtomicUsize>,
}

/// The place of one request in flight, for as long as it is kept.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// Takes a place, if one is free.
    pub fn take(&self) -> Result<Place, Refusal> {
        let others = self.taken.fetch_add(1, Ordering::Relaxed);
        // Given back at once if it is one too many.
        let place = Place(Arc::clone(&self.taken));
        if others < self.max { Ok(place) } else { Err(Refusal::TooManyRequests) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
