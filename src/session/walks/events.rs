//! Reading the history of events.

use crate::model::Event;
use crate::session::{Error, Sessions};
use tokio::sync::watch;

impl Sessions {
    /// The newest sequence number that watchers may see, as it grows.
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

    /// Refuses a sequence number from which no watcher can go on: some events after it are no longer kept, or it comes from
    /// another server, which went on after the backup that was restored here.
    pub async fn require_history(&self, after: u64) -> Result<(), Error> {
        let newest = *self.engine.last_event().borrow();
        let (dropped_through, gaps) =
            self.query(|view| Ok((view.events_dropped_through()?, view.sequence_gaps()?))).await?;
        if after < dropped_through || after > newest || gaps.into_iter().any(|gap| gap.contains(after)) {
            return Err(Error::EventsGone);
        }
        Ok(())
    }
}
