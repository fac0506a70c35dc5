//! How often something may happen.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECOND: u64 = 1_000_000_000;

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Events of one kind, and how many a second are allowed. As many may come at once as are allowed in a second.
///
/// This is the generic cell rate algorithm (ITU-T I.371): all it keeps is the moment at which the last event would have come,
/// had they come evenly.
#[derive(Debug, Default)]
pub struct Rate(AtomicU64);

/// Whether an event is within a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is.
    Within,
    /// It would be, if it came so much later.
    Early(Duration),
    /// It would have to wait for longer than it may. It does not count.
    Above,
}

impl Rate {
    /// Counts some events that happen now. They may wait so long at most.
    pub fn count(&self, events: u64, per_second: u64, patience: Duration) -> Pace {
        let now = u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.count_at(now, events, per_second, patience)
    }

    fn count_at(&self, now: u64, events: u64, per_second: u64, patience: Duration) -> Pace {
        let cost = (SECOND / per_second.max(1)).saturating_mul(events);
        let latest = now.saturating_add(SECOND).saturating_add(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
        let next = |last: u64| Some(last.max(now).saturating_add(cost)).filter(|next| *next <= latest);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Err(_) => Pace::Above,
            Ok(last) => match (last.max(now) + cost).saturating_sub(now.saturating_add(SECOND)) {
                0 => Pace::Within,
                early => Pace::Early(Duration::from_nanos(early)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_they_come_evenly() {
        let rate = Rate::default();
        let count = |now, patience| rate.count_at(now, 1, 10, Duration::from_millis(patience));
        assert!((0..10).all(|_| count(0, 0) == Pace::Within));
        assert_eq!(count(0, 0), Pace::Above);
        assert_eq!(count(0, 150), Pace::Early(Duration::from_millis(100)));
        assert_eq!(count(0, 150), Pace::Above);
        assert_eq!(count(SECOND / 10, 0), Pace::Above);
        assert_eq!(count(SECOND / 5, 0), Pace::Within);
        assert!((0..10).all(|_| count(9 * SECOND, 0) == Pace::Within));
        assert_eq!(count(9 * SECOND, 0), Pace::Above);
    }
}
