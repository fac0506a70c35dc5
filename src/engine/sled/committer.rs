//! Carries out transactions and makes them durable. Whoever has the committer may change the data, and nobody else.

use super::log::Log;
use super::tables::Tables;
use super::watchdog::Progress;
use super::writer::Durability;
use crate::engine::follow::Followers;
use crate::engine::{Draft, EngineError, EngineStatus, Outcome, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// What it takes to change the data.
pub(super) struct Committer {
    pub(super) log: Log,
    pub(super) tables: Tables,
    pub(super) durability: Durability,
    pub(super) status: Arc<watch::Sender<EngineStatus>>,
    /// Kept by the watchdog.
    pub(super) low_space: Arc<AtomicBool>,
    /// Whether a part of the folder could not be read at opening, so that each change must first look where it goes.
    pub(super) is_damaged: bool,
    pub(super) followers: Followers,
    pub(super) progress: Arc<Progress>,
    /// When the oldest change was made that is not synced yet.
    pub(super) unsynced_since: Option<Instant>,
    /// Tells watchers how far they may read.
    pub(super) last_event: watch::Sender<u64>,
    /// What sled holds in memory and on disk may differ: nothing more may be acknowledged.
    pub(super) has_failed: bool,
}

impl Committer {
    /// Carries out a group of transactions, makes it durable as promised, and returns the answer to each.
    pub(super) fn commit(&mut self, group: &mut [&mut Transaction]) -> Vec<Result<(), EngineError>> {
        let mut failure = self.has_failed.then_some(EngineError::Stopped);
        let mut answers = Vec::with_capacity(group.len());
        for transaction in &mut *group {
            self.progress.begin();
            answers.push(match &failure {
                None => self.transact(transaction, &mut failure),
                Some(_) => Err(EngineError::Stopped),
            });
        }
        self.progress.begin();
        if failure.is_none() {
            failure = match self.durability {
                Durability::Always => self.sync(),
                Durability::Interval(_) => self.sync_if_due(),
                Durability::None => Ok(()),
            }
            .err();
        }
        match failure {
            None => self.tell(group.len() as u64),
            Some(error) => {
                // Without the sync even a refusal may rest on something that is lost.
                answers.fill_with(|| Err(error.clone()));
                self.fail(&error);
            }
        }
        self.progress.end();
        answers
    }

    /// Syncs if that has waited for as long as was promised.
    pub(super) fn sync_if_due(&mut self) -> Result<(), EngineError> {
        if self.is_sync_due() { self.sync() } else { Ok(()) }
    }

    /// Whether a sync has waited for as long as was promised.
    pub(super) fn is_sync_due(&self) -> bool {
        match (self.durability, self.unsynced_since) {
            (Durability::Interval(interval), Some(since)) => since.elapsed() >= interval,
            _ => false,
        }
    }

    /// Makes all changes durable.
    pub(super) fn sync(&mut self) -> Result<(), EngineError> {
        if self.unsynced_since.is_some() {
            // Not under the ledger's lock: whoever asks for statistics must not wait for the disk.
            let last_event = self.tables.ledger().last_sequence;
            self.log.sync(last_event)?;
            self.unsynced_since = None;
        }
        Ok(())
    }

    /// Accepts nothing any more.
    pub(super) fn fail(&mut self, error: &EngineError) {
        if !self.has_failed {
            tracing::error!(%error, "the storage failed; no change is accepted any more");
            self.has_failed = true;
            self.status.send_replace(EngineStatus::Failed);
        }
    }

    /// Before the answers, so that who has one and then begins to watch, or asks for statistics, comes after it.
    fn tell(&self, transactions: u64) {
        let mut ledger = self.tables.ledger();
        ledger.statistics.group_committed(transactions);
        self.last_event.send_if_modified(|last| std::mem::replace(last, ledger.last_sequence) != *last);
    }

    fn transact(
        &mut self,
        transaction: &mut Transaction,
        failure: &mut Option<EngineError>,
    ) -> Result<(), EngineError> {
        let mut draft = Draft::new(&self.tables);
        let outcome = transaction(&mut draft)?;
        let refused = self.low_space.load(Ordering::Relaxed) && draft.needs_space();
        let changes = draft.into_changes();
        if outcome == Outcome::Abandon || changes.is_empty() {
            return Ok(());
        }
        if refused {
            return Err(EngineError::StorageFull);
        }
        if self.is_damaged {
            self.tables.probe(&changes)?;
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        let handles = Followers::changed(&changes);
        self.tables.apply(changes).inspect_err(|error| {
            *failure = Some(error.clone());
        })?;
        self.followers.note(&handles);
        Ok(())
    }
}
