//! Sessions created and ended since the start, and how fast; and IDs that opened none.

use crate::engine::Ended;
use crate::session::Error;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rates are means over this long.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    created: AtomicU64,
    expired: AtomicU64,
    deleted: AtomicU64,
    revoked: AtomicU64,
    failed_lookups: AtomicU64,
    /// Totals of the last seconds, oldest first.
    samples: Mutex<VecDeque<Sample>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    created: u64,
    expired: u64,
}

/// Totals and rates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterValues {
    /// Sessions made since the start.
    pub created: u64,
    /// Sessions whose expiry was swept since the start.
    pub expired: u64,
    /// Sessions that a caller deleted since the start.
    pub deleted: u64,
    /// Sessions that were revoked since the start.
    pub revoked: u64,
    /// IDs that opened no session since the start.
    pub failed_lookups: u64,
    /// Sessions made per second.
    pub created_per_second: f64,
    /// Sessions swept per second.
    pub expired_per_second: f64,
}

impl Counters {
    pub(super) fn count_created(&self) {
        self.created.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the sessions that a transaction has ended. Most end none, and leave what other threads count alone.
    pub(super) fn count_ended(&self, ended: Ended) {
        for (counter, sessions) in
            [(&self.expired, ended.expired), (&self.deleted, ended.deleted), (&self.revoked, ended.revoked)]
        {
            if sessions > 0 {
                counter.fetch_add(sessions, Ordering::Relaxed);
            }
        }
    }

    /// Counts an ID that opened no session.
    pub(super) fn count_failed_lookup(&self) {
        self.failed_lookups.fetch_add(1, Ordering::Relaxed);
    }

    /// The result of an operation on the session of an ID; it is counted if the ID opened none.
    pub(super) fn note_lookup<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::NotFound) = result {
            self.count_failed_lookup();
        }
        result
    }

    /// Notes the totals of this moment; called about once a second.
    pub(super) fn sample(&self) {
        let now = self.totals();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back(now);
        while samples.front().is_some_and(|oldest| now.at.duration_since(oldest.at) > RATE_WINDOW) {
            samples.pop_front();
        }
    }

    pub(super) fn read(&self) -> CounterValues {
        let now = self.totals();
        let oldest = self.samples.lock().unwrap_or_else(PoisonError::into_inner).front().copied();
        let rate = |of: fn(&Sample) -> u64| {
            oldest.map_or(0.0, |oldest| {
                let grown = of(&now).saturating_sub(of(&oldest));
                let seconds = now.at.duration_since(oldest.at).as_secs_f64().max(1.0);
                // Counts beyond 2^52 would lose their last digits, in a rate.
                #[expect(clippy::cast_precision_loss, reason = "a rate is an approximation")]
                let grown = grown as f64;
                grown / seconds
            })
        };
        CounterValues {
            created: now.created,
            expired: now.expired,
            deleted: self.deleted.load(Ordering::Relaxed),
            revoked: self.revoked.load(Ordering::Relaxed),
            failed_lookups: self.failed_lookups.load(Ordering::Relaxed),
            created_per_second: rate(|sample| sample.created),
            expired_per_second: rate(|sample| sample.expired),
        }
    }

    fn totals(&self) -> Sample {
        Sample {
            at: Instant::now(),
            created: self.created.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
        }
    }
}
