//! What a worker notes besides its own sessions.

use sessiond_client::Timestamp;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// The namespace of sessions that expire.
pub(crate) const BRIEF_NAMESPACE: &str = "brief";

/// The counts of all workers together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A session that expires soon.
#[derive(Clone, Debug)]
pub(crate) struct Brief {
    /// Its ID, and its principal, by which its events are known.
    pub(crate) id: String,
    /// When it ends; `None` while its creation is in doubt.
    pub(crate) expires: Option<Timestamp>,
    pub(crate) acknowledged: Option<Instant>,
}

/// A worker's own attribute in a shared session.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    /// What the last check found.
    pub(crate) found: i64,
    pub(crate) sent: i64,
    /// The values that were acknowledged since the last check, oldest first.
    pub(crate) acknowledged: Vec<(i64, Instant)>,
}

impl Counter {
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.sent > self.acknowledged.last().map_or(self.found, |(value, _)| *value)
    }

    /// Goes on from what a check has found.
    pub(crate) fn settle(&mut self, found: i64) {
        *self = Self { found, sent: found, acknowledged: Vec::new() };
    }
}
