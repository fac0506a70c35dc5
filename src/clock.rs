//! The only place that reads the time of day; everything else is handed a [`Clock`], so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment or a length of time in milliseconds; moments count from the Unix epoch.
pub type Millis = u64;

/// Tells the time in milliseconds and never goes back, even when the system's clock is set back.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    latest: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System, latest: Arc::default() }
    }

    /// A clock that stands still until the returned hand moves it.
    #[must_use]
    pub fn manual(start: Millis) -> (Self, ClockHand) {
        let time = Arc::new(AtomicU64::new(start));
        (Self { source: Source::Manual(Arc::clone(&time)), latest: Arc::default() }, ClockHand(time))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        let reading = match &self.source {
            Source::System => system_time(),
            Source::Manual(time) => time.load(Ordering::SeqCst),
        };
        let latest = self.latest.load(Ordering::SeqCst);
        // Mostly this millisecond has been seen, and nothing needs to be written that other threads read, too.
        if reading <= latest { latest } else { self.latest.fetch_max(reading, Ordering::SeqCst).max(reading) }
    }
}

/// Moves a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<AtomicU64>);

impl ClockHand {
    /// Moves the clock forward by so many milliseconds.
    pub fn advance(&self, by: Millis) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock, possibly back; readers of the clock then see it stand still.
    pub fn set(&self, to: Millis) {
        self.0.store(to, Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn system_time() -> Millis {
    // Before 1970 there were no web sessions: such a clock counts as standing at the epoch.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let (clock, hand) = Clock::manual(1_000);
        assert_eq!(clock.now(), 1_000);
        hand.set(500);
        assert_eq!(clock.now(), 1_000);
        hand.set(1_001);
        assert_eq!(clock.now(), 1_001);
    }
}
