//! Counts of errors that an operator should know of. They belong to the process, since statuses are made where no server is at
//! hand.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests that were refused for lack of disk space.
pub(in crate::service) static REFUSED_FOR_SPACE: Counter = Counter::new();

/// Requests that met damaged data.
pub(in crate::service) static MET_DAMAGE: Counter = Counter::new();

/// How often something has happened since the process started.
pub(in crate::service) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(in crate::service) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::service) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
