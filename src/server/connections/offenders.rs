//! Where connections came from that were closed because their peers broke the rules. New ones from there wait a moment before they are
//! served: otherwise each would cost the server more than it costs its peer, which can come back at once.

use super::origin::Origin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many are remembered; the one that broke the rules longest ago is forgotten first.
const REMEMBERED: usize = 64;

/// They are remembered for so long.
const MEMORY: Duration = Duration::from_secs(1);

/// A new connection waits for so long. It is short, because others may connect from the same address.
const PAUSE: Duration = Duration::from_millis(25);

#[derive(Debug, Default)]
pub(super) struct Offenders(Mutex<Vec<(Origin, Instant)>>);

impl Offenders {
    /// A connection from there was closed.
    pub(super) fn note(&self, origin: Origin) {
        let mut known = self.current();
        known.retain(|(other, _)| *other != origin);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((origin, Instant::now()));
    }

    /// How long a new connection from there waits.
    pub(super) fn pause(&self, origin: Origin) -> Option<Duration> {
        self.current().iter().any(|(other, _)| *other == origin).then_some(PAUSE)
    }

    fn current(&self) -> MutexGuard<'_, Vec<(Origin, Instant)>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, since)| since.elapsed() < MEMORY);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize) -> Origin {
        Origin::User(u32::try_from(number).ok())
    }

    #[tokio::test(start_paused = true)]
    async fn who_broke_the_rules_waits_for_a_while_and_nobody_else_does() {
        let offenders = Offenders::default();
        offenders.note(origin(1));
        assert_eq!((offenders.pause(origin(1)), offenders.pause(origin(2))), (Some(PAUSE), None));
        tokio::time::advance(MEMORY / 2).await;
        offenders.note(origin(1));
        tokio::time::advance(MEMORY / 2).await;
        assert_eq!(offenders.pause(origin(1)), Some(PAUSE));
        tokio::time::advance(MEMORY).await;
        assert_eq!(offenders.pause(origin(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_have_room() {
        let offenders = Offenders::default();
        for number in 0..=REMEMBERED {
            offenders.note(origin(number));
        }
        assert_eq!(offenders.pause(origin(0)), None);
        assert!((1..=REMEMBERED).all(|number| offenders.pause(origin(number)).is_some()));
        assert_eq!(offenders.current().len(), REMEMBERED);
    }
}
