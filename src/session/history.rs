//! Reading the history of events, and keeping it bounded.

use super::step::{Step, sequence_at, step};
use super::{Error, Sessions};
use crate::clock::Millis;
use crate::engine::Counts;
use crate::model::Event;
use tokio::sync::watch;

/// Events dropped in one transaction, at most.
const DROP_BATCH: usize = 512;

/// What part of the history is kept; what exceeds any bound is dropped.
#[derive(Clone, Copy, Debug)]
pub struct HistoryBounds {
    /// No event is older.
    pub age: Millis,
    /// No more events are kept.
    pub count: u64,
    /// They take no more than this, in bytes.
    pub bytes: u64,
}

impl HistoryBounds {
    /// How many events are too many, going by their number and, as if they were all of the same size, by their bytes: what is
    /// then still too much is so at the next look.
    fn excess(&self, counts: Counts) -> usize {
        let Counts { events, event_bytes, .. } = counts;
        let by_count = events.saturating_sub(self.count);
        let too_large = event_bytes.saturating_sub(self.bytes);
        let by_bytes = (u128::from(too_large) * u128::from(events)).div_ceil(u128::from(event_bytes.max(1)));
        usize::try_from(u128::from(by_count).max(by_bytes)).unwrap_or(usize::MAX)
    }
}

impl Sessions {
    /// The newest sequence number that may be told of, as it grows.
    #[must_use]
    pub fn last_event(&self) -> watch::Receiver<u64> {
        self.engine.last_event()
    }

    /// The first events after a sequence number and up to another, at most `limit`.
    pub async fn events(&self, after: u64, through: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let (mut events, dropped_through) = self
            .query(|view| {
                let events = view.events(after, limit)?;
                // Read last: what was dropped while the events were read must be noticed.
                Ok((events, view.events_dropped_through()?))
            })
            .await?;
        if after < dropped_through {
            return Err(Error::EventsGone);
        }
        events.retain(|event| event.sequence <= through);
        Ok(events)
    }

    /// Refuses a sequence number from which no watcher can go on: not all events after it are kept, or it was told by
    /// another server whose backup was restored here, which went on after that.
    pub async fn require_history(&self, after: u64) -> Result<(), Error> {
        let newest = *self.engine.last_event().borrow();
        let (dropped_through, gaps) =
            self.query(|view| Ok((view.events_dropped_through()?, view.sequence_gaps()?))).await?;
        if after < dropped_through || after > newest || gaps.into_iter().any(|gap| gap.contains(after)) {
            return Err(Error::EventsGone);
        }
        Ok(())
    }

    /// Drops what exceeds the bounds. Events that can't be read are as old as the next that can, and go with it.
    pub async fn trim_history(&self, bounds: HistoryBounds) -> Result<(), Error> {
        // Most often nothing exceeds them, which the oldest event alone tells.
        let mut batch = 1;
        let mut behind_damage = 0;
        loop {
            let too_old = self.clock.now().saturating_sub(bounds.age);
            let last_told = *self.engine.last_event().borrow();
            let (counts, oldest) = self
                .query(|view| {
                    let after = view.events_dropped_through()?.max(behind_damage);
                    let read = |place, limit| view.events(sequence_at(place), limit);
                    Ok((view.counts(), step(after.into(), last_told.into(), batch, read)?))
                })
                .await?;
            let oldest = match oldest {
                Step::Read(oldest) => oldest,
                // Only what stays follows.
                Step::Skipped(behind) if behind >= last_told.into() => return Ok(()),
                Step::Skipped(behind) => {
                    behind_damage = sequence_at(behind);
                    continue;
                }
            };
            let excess = bounds.excess(counts);
            let dropped = oldest.iter().enumerate().take_while(|(place, event)| {
                // What was not told of yet stays, and with it the newest number.
                (*place < excess || event.time < too_old) && event.sequence < last_told
            });
            let Some((place, last)) = dropped.last() else {
                return Ok(());
            };
            let through = last.sequence;
            self.transact(|draft| {
                draft.drop_events(through);
                Ok(())
            })
            .await?;
            if place + 1 < oldest.len() {
                return Ok(());
            }
            batch = DROP_BATCH;
            tokio::task::yield_now().await;
        }
    }
}
