//! Walking over the sessions of a principal or a namespace in slices, so that no walk holds up the requests beside it or
//! needs much memory; and healing the lists on the way.

use super::lookup::Seen;
use super::touches::Access;
use super::{Error, Sessions};
use crate::engine::{EngineError, SessionList};
use crate::model::{Handle, Record};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions looked at in one go. With 128 the p99 of reads beside a list was 2.4 to 3.6 times its quiet value on two cores,
/// most of it the lister's own work on what it got; with 64 it was 1.3 to 1.9 times.
pub(super) const SLICE: usize = 64;

/// The pause between two slices, at least: who lists a million sessions must leave the processors to the requests beside
/// it.
const MIN_PAUSE: Duration = Duration::from_millis(1);

/// A walk takes no more than a third of a core, also where the sessions have to be fetched from disk.
const PAUSE_PER_WORK: u32 = 2;

/// Some sessions, newest first.
#[derive(Debug)]
pub(super) struct Slice {
    /// Those that are live.
    pub(super) live: Vec<Seen>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<Handle>,
}

/// What a slice found at one place of a list.
enum Found {
    Live(Seen),
    /// Expired or damaged: the sweeper's business.
    Ended,
    /// Nothing that belongs on the list.
    Stale(Handle),
}

/// Pauses after a slice on which work began at this moment.
pub(super) async fn rest(began: Instant) {
    tokio::time::sleep(MIN_PAUSE.max(PAUSE_PER_WORK * began.elapsed())).await;
}

impl Sessions {
    /// The next slice of the principal's sessions, or of the whole namespace if the principal is empty.
    pub(super) async fn slice(&self, namespace: &str, principal: &str, before: Option<Handle>) -> Result<Slice, Error> {
        let group = SessionList::of(namespace, principal);
        let began = Instant::now();
        let (found, next) = self
            .query(|view| {
                let handles = view.members(&group, before, SLICE)?;
                let next = handles.last().copied().filter(|_| handles.len() == SLICE);
                let found: Result<Vec<Found>, _> = handles
                    .into_iter()
                    .map(|handle| match view.record(handle) {
                        Ok(Some(record)) if belongs(&record, namespace, principal) => {
                            match self.touches.judge(&record, Access::Peek, view)? {
                                (life, Some(_)) => Ok(Found::Live(Seen { record, life })),
                                (_, None) => Ok(Found::Ended),
                            }
                        }
                        Ok(_) => Ok(Found::Stale(handle)),
                        Err(EngineError::Corrupt(_)) => Ok(Found::Ended),
                        Err(error) => Err(error),
                    })
                    .collect();
                Ok((found?, next))
            })
            .await?;
        let mut live = Vec::new();
        let mut stale = Vec::new();
        for found in found {
            match found {
                Found::Live(seen) => live.push(seen),
                Found::Stale(handle) => stale.push(handle),
                Found::Ended => {}
            }
        }
        if !stale.is_empty() {
            self.heal(&group, namespace, principal, &stale).await?;
        }
        if next.is_some() {
            rest(began).await;
        }
        Ok(Slice { live, next })
    }

    /// Takes rows off a list that a crash left there, or that a change is just about to fill.
    async fn heal(&self, group: &SessionList, namespace: &str, principal: &str, stale: &[Handle]) -> Result<(), Error> {
        self.transact(|draft| {
            for handle in stale {
                // Looked at again, where no change is under way.
                let record = draft.view().record(*handle)?;
                if record.is_none_or(|record| !belongs(&record, namespace, principal)) {
                    draft.drop_member(group, *handle)?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn belongs(record: &Record, namespace: &str, principal: &str) -> bool {
    record.namespace == namespace && (principal.is_empty() || record.principal == principal)
}
