//! How long a thread has been at one piece of work.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time since which a thread has been at its present work.
#[derive(Debug, Default)]
pub(in super::super) struct Progress(Mutex<Option<Instant>>);

impl Progress {
    pub(in super::super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(in super::super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn busy_for(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(Duration::ZERO, |since| since.elapsed())
    }
}
