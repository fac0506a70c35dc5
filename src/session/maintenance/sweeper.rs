//! Removing expired sessions. Sweeping only frees space: whether a session has expired is decided at each access, so callers
//! can't tell whether the sweeper has run.

use crate::engine::{Draft, Due, EngineError, Expected};
use crate::model::{EventKind, Handle};
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::with_life;
use crate::session::{Error, Sessions};
use std::sync::atomic::Ordering;

/// What one batch of sweeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows of the index that were looked at.
    pub looked_at: usize,
    /// Sessions that had ended and were removed.
    pub removed: usize,
}

impl Sessions {
    /// Removes expired sessions, looking at no more than `limit` rows of the index.
    pub async fn sweep(&self, limit: usize) -> Result<Swept, Error> {
        let now = self.clock.now();
        let from = self.swept_to.load(Ordering::Relaxed);
        let mut due = self.query(|view| view.due(from, now, limit)).await?;
        if due.len() < limit && from > 0 {
            // Others may have come in before those that are swept, for example by a lowered limit.
            due = self.query(|view| view.due(0, now, limit)).await?;
        }
        if due.is_empty() {
            self.swept_to.store(0, Ordering::Relaxed);
            return Ok(Swept::default());
        }
        let looked_at = due.len();
        let handles: Vec<Handle> = due.iter().map(|due| due.handle).collect();
        let removed = self
            .transact(|draft| {
                draft.clean_up();
                draft.view().expect(Expected::Sessions(&handles))?;
                let mut removed = 0;
                for due in &due {
                    removed += usize::from(self.sweep_one(draft, *due)?);
                }
                Ok(removed)
            })
            .await?;
        // The next batch begins here: the rows of this one are passed over one by one until they are gone from the disk, too.
        let last = due.last().filter(|_| looked_at == limit).map_or(0, |due| due.at);
        self.swept_to.store(last, Ordering::Relaxed);
        Ok(Swept { looked_at, removed })
    }

    /// Whether the session was removed.
    fn sweep_one(&self, draft: &mut Draft<'_>, due: Due) -> Result<bool, Error> {
        let stored = match draft.view().record(due.handle) {
            Ok(Some(record)) if record.sweep_at == due.at => record,
            // A crash left the row behind.
            Ok(_) => {
                draft.drop_due(due);
                return Ok(false);
            }
            Err(EngineError::Corrupt(damage)) => {
                // Off the index, so that it holds nothing up. The record stays for those who want to save it.
                tracing::error!(handle = %due.handle, damage, "a session is damaged; leaving it unswept");
                draft.drop_due(due);
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let (life, now) = self.touches.judge(&stored, Access::Peek, draft.view())?;
        if now.is_none() {
            let cause = self.policies.cause(EventKind::Expired, &stored.namespace, self.clock.now());
            draft.remove(&stored, cause)?;
            return Ok(true);
        }
        // Touched since the row was written: the sweeper looks again at the session's new end.
        let mut record = with_life(&stored, life);
        Draft::reschedule(&mut record);
        draft.put(record, Some(&stored), None)?;
        Ok(false)
    }
}
