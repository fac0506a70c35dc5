//! Carries out transactions: decides them one after the other, notes their rows in the redo log, and shows them to readers.

use super::cold::{ColdRead, Gate, Loaded, WarmView};
use super::memtable::Layer;
use super::redo::{RedoFile, RedoWriter, Write};
use super::space::Space;
use super::tables::Tables;
use super::writer::{Durability, Limits};
use crate::engine::change_tracker::ChangeTrackers;
use crate::engine::{Draft, EngineError, EngineStatus, Outcome, Transaction};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// Tells whether a change is durable, once that is known.
pub(super) type Answer = oneshot::Sender<Result<(), EngineError>>;
pub(super) type Answered = oneshot::Receiver<Result<(), EngineError>>;

/// What a transaction may take in the redo log, in bytes, as far as its file must not grow for want of space.
const ROOM_BYTES: u64 = 256 << 10;

/// What it takes to change the data. Whoever has the lock on it is the only one who does.
#[expect(clippy::struct_excessive_bools, reason = "each says something else, and none follows from another")]
pub(super) struct Committer {
    pub(super) tables: Tables,
    pub(super) redo: RedoWriter,
    pub(super) durability: Durability,
    pub(super) limits: Limits,
    pub(super) status: Arc<watch::Sender<EngineStatus>>,
    /// Told by the watchdog and the checkpoint.
    pub(super) space: Arc<Space>,
    /// Whether a part of the folder could not be read at opening, so that each change must first look where it goes.
    pub(super) is_damaged: bool,
    pub(super) trackers: ChangeTrackers,
    /// Tells watchers how far they may read.
    pub(super) last_event: watch::Sender<u64>,
    /// Those who wait for the next sync.
    pub(super) waiting: Vec<Answer>,
    /// When the oldest change was made that is not as durable as was promised.
    pub(super) changed_since: Option<Instant>,
    /// Whether a sync is under way: what was seen may not be durable yet.
    pub(super) is_syncing: bool,
    /// The file of the next generation; `None` while the last one is being written back.
    pub(super) next_file: Option<(u64, RedoFile)>,
    /// Whether what was changed is to be written back before its time, to give space back.
    pub(super) is_reclaiming: bool,
    /// What is in memory and on disk may differ: nothing more may be acknowledged.
    pub(super) has_failed: bool,
}

/// What became of a transaction.
pub(super) enum Attempt {
    /// It decided; on success with what to wait for, if its answer has to wait for a sync.
    Decided(Result<Option<Answered>, EngineError>),
    /// It asked for this, which is not in memory. Nothing is changed.
    Missed(ColdRead),
    /// There is no room for it. It was not run.
    NoRoom,
}

/// What is written together.
pub(super) struct CommitGroup {
    pub(super) write: Write,
    /// Whether it is to be synced.
    pub(super) is_synced: bool,
    pub(super) answers: Vec<Answer>,
    /// The newest event in it.
    pub(super) last_event: u64,
    /// What is to be written back after it, if it ends a generation.
    pub(super) ended: Option<Arc<Layer>>,
    /// Whether its end gives space back, also that of the redo log.
    pub(super) reclaims: bool,
}

impl Committer {
    /// Whether there is room for another change, in memory and in the redo log.
    pub(super) fn has_room(&self) -> bool {
        let Limits { memtable, redo, waiting, .. } = self.space.limits(self.limits);
        if self.space.is_exhausted() && self.redo.left_in_file() < ROOM_BYTES {
            return false;
        }
        self.redo.waiting_bytes() < waiting
            && (self.next_file.is_some()
                || (self.tables.memtable.bytes() < 2 * memtable && self.redo.end().bytes < 2 * redo))
    }

    /// Whether what was changed so far should be written back, and can be.
    pub(super) fn ends_generation(&self) -> bool {
        let Limits { memtable, redo, .. } = self.space.limits(self.limits);
        self.next_file.is_some()
            && !self.space.is_exhausted()
            && (self.tables.memtable.bytes() >= memtable || self.redo.end().bytes >= redo || self.is_reclaiming)
    }

    /// How full what is changed now is, in thousandths of what ends a generation.
    pub(super) fn filled(&self) -> u64 {
        let Limits { memtable, redo, .. } = self.space.limits(self.limits);
        let rows = self.tables.memtable.bytes() * 1_000 / memtable;
        (rows as u64).max(self.redo.end().bytes * 1_000 / redo)
    }

    /// Whether an end of the generation would give space back: of rows that are dead in sled, or of the redo log.
    pub(super) fn has_dead_space(&self) -> bool {
        let is_dead = self.tables.memtable.bytes() > 0 || self.redo.has_grown();
        is_dead && self.next_file.is_some() && !self.space.is_exhausted()
    }

    /// Ends the generation soon, if that gives space back. Whether it does.
    pub(super) fn begin_reclaiming(&mut self) -> bool {
        self.is_reclaiming |= self.has_dead_space() && !self.has_failed;
        self.is_reclaiming
    }

    /// Whether there is something to be synced.
    pub(super) fn has_work(&self) -> bool {
        self.changed_since.is_some() || !self.waiting.is_empty()
    }

    /// Whether there is so much that it can't wait for its time.
    pub(super) fn is_urgent(&self) -> bool {
        self.ends_generation() || self.redo.waiting_bytes() >= self.limits.early
    }

    /// Carries out a transaction, unless it asks for what is neither in memory nor was loaded for it.
    pub(super) fn commit(&mut self, transaction: Transaction<'_>, loaded: Option<&Loaded>) -> Attempt {
        if self.has_failed {
            return Attempt::Decided(Err(EngineError::Stopped));
        }
        let gate = Gate::new(loaded);
        let decided = self.transact(transaction, &gate);
        match gate.missed() {
            Some(missed) => Attempt::Missed(missed),
            None => Attempt::Decided(self.answer(decided)),
        }
    }

    /// If the answer has to wait for a sync, returns what to wait for.
    fn answer(&mut self, decided: Result<(), EngineError>) -> Result<Option<Answered>, EngineError> {
        if self.durability != Durability::Always {
            let last_event = self.tables.ledger().last_sequence;
            self.tell(last_event, 1);
            return decided.map(|()| None);
        }
        decided?;
        // Even a decision to change nothing may rest on something that is not durable yet.
        if self.redo.waiting_bytes() == 0 && !self.is_syncing {
            return Ok(None);
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(answer);
        Ok(Some(answered))
    }

    /// Takes what is to be written next, and synced if that is due; `buffer`, which is empty, takes what comes after it.
    pub(super) fn take_group(&mut self, buffer: Vec<u8>, is_sync_due: bool) -> CommitGroup {
        let ends = self.ends_generation();
        let reclaims = ends && std::mem::take(&mut self.is_reclaiming);
        let ended = ends.then(|| {
            self.redo.seal();
            self.tables.memtable.freeze()
        });
        let write = self.redo.take(buffer);
        if ended.is_some()
            && let Some((generation, file)) = self.next_file.take()
        {
            self.redo = RedoWriter::begin(generation, file);
        }
        // What ends a generation is written into sled next, which must not be ahead of the log.
        let is_synced = is_sync_due || ended.is_some();
        if is_synced || self.durability == Durability::None {
            self.changed_since = None;
        }
        self.is_syncing = true;
        let last_event = self.tables.ledger().last_sequence;
        CommitGroup { write, is_synced, answers: std::mem::take(&mut self.waiting), last_event, ended, reclaims }
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

    /// Nothing is changed if something did not pass the gate.
    fn transact(&mut self, transaction: Transaction<'_>, gate: &Gate<'_>) -> Result<(), EngineError> {
        let view = WarmView::new(&self.tables, gate);
        let mut draft = Draft::new(&view);
        let outcome = transaction(&mut draft)?;
        let refused = self.space.is_low() && draft.needs_space();
        let changes = draft.into_changes();
        if outcome == Outcome::Abandon || changes.is_empty() || gate.has_missed() {
            return Ok(());
        }
        if refused {
            return Err(EngineError::StorageFull);
        }
        let handles = ChangeTrackers::changed(&changes);
        let prepared = self.tables.prepare(changes, gate)?;
        if self.is_damaged {
            self.tables.probe(&prepared)?;
        }
        self.redo.append(&prepared.rows);
        self.changed_since.get_or_insert_with(Instant::now);
        // It is in the redo log already: what readers see must not differ.
        self.tables.carry_out(prepared).inspect_err(|error| self.fail(error))?;
        self.trackers.note(&handles);
        Ok(())
    }
}
