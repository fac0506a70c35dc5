//! Keeping the history of events within its bounds.

use crate::clock::Millis;
use crate::engine::Counts;
use crate::session::walks::skip_damage::{Step, read_or_skip, sequence_at};
use crate::session::{Error, Sessions};

/// Events dropped in one transaction, at most.
const DROP_BATCH: usize = 512;

/// Which part of the history is kept. What exceeds any bound is dropped.
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
    /// How many events are too many, by their number, and by their bytes as if all had the same size. What is still too much
    /// then is dropped at the next look.
    fn excess(&self, counts: Counts) -> usize {
        let Counts { events, event_bytes, .. } = counts;
        let by_count = events.saturating_sub(self.count);
        let too_large = event_bytes.saturating_sub(self.bytes);
        let by_bytes = (u128::from(too_large) * u128::from(events)).div_ceil(u128::from(event_bytes.max(1)));
        usize::try_from(u128::from(by_count).max(by_bytes)).unwrap_or(usize::MAX)
    }
}

impl Sessions {
    /// Drops what exceeds the bounds. Events that can't be read are as old as the next that can, and go with it.
    pub async fn trim_history(&self, bounds: HistoryBounds) -> Result<(), Error> {
        // Most often nothing exceeds them: a look at the oldest event is enough to know.
        let mut batch = 1;
        let mut behind_damage = 0;
        loop {
            let too_old = self.clock.now().saturating_sub(bounds.age);
            let last_told = *self.engine.last_event().borrow();
            let (counts, oldest) = self
                .query(|view| {
                    let after = view.events_dropped_through()?.max(behind_damage);
                    let read = |after, limit| view.events(sequence_at(after), limit);
                    Ok((view.counts(), read_or_skip(after.into(), last_told.into(), batch, read)?))
                })
                .await?;
            let oldest = match oldest {
                Step::Read(oldest) => oldest,
                // All that follows stays.
                Step::Skipped(behind) if behind >= last_told.into() => return Ok(()),
                Step::Skipped(behind) => {
                    behind_damage = sequence_at(behind);
                    continue;
                }
            };
            let excess = bounds.excess(counts);
            let dropped = oldest.iter().enumerate().take_while(|(index, event)| {
                // Events that watchers could not see yet stay, and with them the newest number.
                (*index < excess || event.time < too_old) && event.sequence < last_told
            });
            let Some((index, last)) = dropped.last() else {
                return Ok(());
            };
            let through = last.sequence;
            self.transact(|draft| {
                draft.drop_events(through);
                Ok(())
            })
            .await?;
            if index + 1 < oldest.len() {
                return Ok(());
            }
            batch = DROP_BATCH;
            tokio::task::yield_now().await;
        }
    }
}
