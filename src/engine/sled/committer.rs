//! Carries out transactions: decides them one after the other, notes their rows in the redo log, and shows them to readers.

use super::memtable::Layer;
use super::redo::{RedoFile, RedoWriter, Write};
use super::tables::Tables;
use super::writer::{Durability, Limits};
use crate::engine::follow::Followers;
use crate::engine::{Draft, EngineError, EngineStatus, Outcome, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// Tells whether a change is durable, once that is known.
pub(super) type Answer = oneshot::Sender<Result<(), EngineError>>;
pub(super) type Answered = oneshot::Receiver<Result<(), EngineError>>;

/// What it takes to change the data. Whoever has the lock on it is the only one who does.
pub(super) struct Committer {
    pub(super) tables: Tables,
    pub(super) redo: RedoWriter,
    pub(super) durability: Durability,
    pub(super) limits: Limits,
    pub(super) status: Arc<watch::Sender<EngineStatus>>,
    /// Kept by the watchdog.
    pub(super) low_space: Arc<AtomicBool>,
    /// Whether a part of the folder could not be read at opening, so that each change must first look where it goes.
    pub(super) is_damaged: bool,
    pub(super) followers: Followers,
    /// Tells watchers how far they may read.
    pub(super) last_event: watch::Sender<u64>,
    /// Those who wait for the next sync.
    pub(super) waiting: Vec<Answer>,
    /// When the oldest change was made that is not handed to a sync yet.
    pub(super) unsynced_since: Option<Instant>,
    /// Whether a sync is under way: what was seen may not be durable yet.
    pub(super) is_syncing: bool,
    /// The file of the next generation; `None` while the last one is being written back.
    pub(super) next_file: Option<(u64, RedoFile)>,
    /// What is in memory and on disk may differ: nothing more may be acknowledged.
    pub(super) has_failed: bool,
}

/// What is synced together.
pub(super) struct Group {
    pub(super) write: Write,
    pub(super) answers: Vec<Answer>,
    /// The newest event in it.
    pub(super) last_event: u64,
    /// What is to be written back after it, if it ends a generation.
    pub(super) ended: Option<Arc<Layer>>,
}

impl Committer {
    /// Whether there is room for another change, in memory and in the redo log.
    pub(super) fn has_room(&self) -> bool {
        let Limits { memtable, redo, waiting } = self.limits;
        self.redo.waiting_bytes() < waiting
            && (self.next_file.is_some()
                || (self.tables.memtable.bytes() < 2 * memtable && self.redo.end().bytes < 2 * redo))
    }

    /// Whether what was changed so far should be written back, and can be.
    pub(super) fn ends_generation(&self) -> bool {
        let Limits { memtable, redo, .. } = self.limits;
        self.next_file.is_some() && (self.tables.memtable.bytes() >= memtable || self.redo.end().bytes >= redo)
    }

    /// How full what is changed now is, in thousandths of what ends a generation.
    pub(super) fn filled(&self) -> u64 {
        let Limits { memtable, redo, .. } = self.limits;
        let rows = self.tables.memtable.bytes() * 1_000 / memtable;
        (rows as u64).max(self.redo.end().bytes * 1_000 / redo)
    }

    /// Whether there is something to be synced.
    pub(super) fn has_work(&self) -> bool {
        self.unsynced_since.is_some() || !self.waiting.is_empty()
    }

    /// Whether there is so much that it can't wait for its time.
    pub(super) fn is_urgent(&self) -> bool {
        self.ends_generation() || self.redo.waiting_bytes() >= self.limits.waiting / 2
    }

    /// Carries out a transaction. If its answer has to wait for a sync, returns what to wait for.
    pub(super) fn commit(&mut self, transaction: &mut Transaction) -> Result<Option<Answered>, EngineError> {
        if self.has_failed {
            return Err(EngineError::Stopped);
        }
        let decided = self.transact(transaction);
        if self.durability != Durability::Always {
            let last_event = self.tables.ledger().last_sequence;
            self.tell(last_event, 1);
            return decided.map(|()| None);
        }
        // Even a refusal may rest on something that is not durable yet.
        if self.redo.waiting_bytes() == 0 && !self.is_syncing {
            return decided.map(|()| None);
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(answer);
        decided.map(|()| Some(answered))
    }

    /// Takes what is to be synced next, in place of which `buffer` is used.
    pub(super) fn take_group(&mut self, buffer: Vec<u8>) -> Group {
        let ended = self.ends_generation().then(|| {
            self.redo.seal();
            self.tables.memtable.freeze()
        });
        let write = self.redo.take(buffer);
        if ended.is_some()
            && let Some((generation, file)) = self.next_file.take()
        {
            self.redo = RedoWriter::begin(generation, file);
        }
        self.unsynced_since = None;
        self.is_syncing = true;
        let last_event = self.tables.ledger().last_sequence;
        Group { write, answers: std::mem::take(&mut self.waiting), last_event, ended }
    }

    /// Accepts nothing any more.
    pub(super) fn fail(&mut self, error: &EngineError) {
        if !self.has_failed {
            tracing::error!(%error, "the storage failed; no change is accepted any more");
            self.has_failed = true;
            self.status.send_replace(EngineStatus::Failed);
        }
        for answer in self.waiting.drain(..) {
            // The caller may have gone.
            answer.send(Err(error.clone())).ok();
        }
    }

    /// Before the answers, so that who has one and then begins to watch, or asks for statistics, comes after it.
    pub(super) fn tell(&self, last_event: u64, transactions: u64) {
        self.tables.ledger().statistics.group_committed(transactions);
        self.last_event.send_if_modified(|last| std::mem::replace(last, last_event) != last_event);
    }

    fn transact(&mut self, transaction: &mut Transaction) -> Result<(), EngineError> {
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
        let handles = Followers::changed(&changes);
        let prepared = self.tables.prepare(changes)?;
        if self.is_damaged {
            self.tables.probe(&prepared)?;
        }
        self.redo.append(&prepared.rows);
        self.unsynced_since.get_or_insert_with(Instant::now);
        self.tables.carry_out(prepared)?;
        self.followers.note(&handles);
        Ok(())
    }
}
