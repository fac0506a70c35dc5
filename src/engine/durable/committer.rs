//! Carries out transactions, one after the other: runs them, appends their rows to the redo log, and shows the rows to
//! readers.

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

/// The room in the redo log's file that a transaction needs while the file must not grow for lack of space, in bytes.
const ROOM_BYTES: u64 = 256 << 10;

/// All that is needed to change the data. A lock protects it, so only one thread changes data at a time.
#[expect(clippy::struct_excessive_bools, reason = "each says something else, and none follows from another")]
pub(super) struct Committer {
    pub(super) tables: Tables,
    pub(super) redo: RedoWriter,
    pub(super) durability: Durability,
    pub(super) limits: Limits,
    pub(super) status: Arc<watch::Sender<EngineStatus>>,
    /// The watchdog and the checkpoint update it.
    pub(super) space: Arc<Space>,
    /// Whether a part of the folder could not be read at opening. Each change must then first probe its pages.
    pub(super) is_damaged: bool,
    pub(super) trackers: ChangeTrackers,
    /// The newest event that watchers may see.
    pub(super) last_event: watch::Sender<u64>,
    /// The callers that wait for the next sync.
    pub(super) waiting: Vec<Answer>,
    /// The time of the oldest change that is not as durable yet as promised.
    pub(super) changed_since: Option<Instant>,
    /// Whether a sync is under way. What a transaction saw may then not be durable yet.
    pub(super) is_syncing: bool,
    /// The file of the next generation; `None` while the last one is being written back.
    pub(super) next_file: Option<(u64, RedoFile)>,
    /// Whether the generation is to end early, to give space back.
    pub(super) is_reclaiming: bool,
    /// Whether memory and disk may differ. Nothing more may be acknowledged then.
    pub(super) has_failed: bool,
}

/// The result of an attempt to run a transaction.
pub(super) enum Attempt {
    /// It has decided. On success, the receiver is there if the answer must wait for a sync.
    Decided(Result<Option<Answered>, EngineError>),
    /// It asked for data that is not in memory. Nothing is changed.
    Missed(ColdRead),
    /// There is no room for a change. It was not run.
    NoRoom,
}

/// Changes that are written, and maybe synced, together.
pub(super) struct CommitGroup {
    pub(super) write: Write,
    /// Whether to sync it.
    pub(super) is_synced: bool,
    pub(super) answers: Vec<Answer>,
    /// The sequence number of the newest event in it.
    pub(super) last_event: u64,
    /// The rows to write back after it, if it ends a generation.
    pub(super) ended: Option<Arc<Layer>>,
    /// Whether the end of the generation is to give space back, including that of the redo log.
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

    /// Whether the generation should end, and can.
    pub(super) fn ends_generation(&self) -> bool {
        let Limits { memtable, redo, .. } = self.space.limits(self.limits);
        self.next_file.is_some()
            && !self.space.is_exhausted()
            && (self.tables.memtable.bytes() >= memtable || self.redo.end().bytes >= redo || self.is_reclaiming)
    }

    /// How full the generation is, in thousandths of the size at which it ends.
    pub(super) fn filled(&self) -> u64 {
        let Limits { memtable, redo, .. } = self.space.limits(self.limits);
        let rows = self.tables.memtable.bytes() * 1_000 / memtable;
        (rows as u64).max(self.redo.end().bytes * 1_000 / redo)
    }

    /// Whether ending the generation would give space back: from dead rows in sled, or from the redo log.
    pub(super) fn has_dead_space(&self) -> bool {
        let is_dead = self.tables.memtable.bytes() > 0 || self.redo.has_grown();
        is_dead && self.next_file.is_some() && !self.space.is_exhausted()
    }

    /// Ends the generation soon, if that gives space back. Returns whether it will end early.
    pub(super) fn begin_reclaiming(&mut self) -> bool {
        self.is_reclaiming |= self.has_dead_space() && !self.has_failed;
        self.is_reclaiming
    }

    /// Whether there is something to sync.
    pub(super) fn has_work(&self) -> bool {
        self.changed_since.is_some() || !self.waiting.is_empty()
    }

    /// Whether there is so much to write that it can't wait until it is due.
    pub(super) fn is_urgent(&self) -> bool {
        self.ends_generation() || self.redo.waiting_bytes() >= self.limits.early
    }

    /// Carries out a transaction, unless it asks for data that is neither in memory nor loaded for it.
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

    /// Returns what to wait for, if the answer has to wait for a sync.
    fn answer(&mut self, decided: Result<(), EngineError>) -> Result<Option<Answered>, EngineError> {
        if self.durability != Durability::Always {
            let last_event = self.tables.ledger().last_sequence;
            self.tell(last_event, 1);
            return decided.map(|()| None);
        }
        decided?;
        // Even a decision to change nothing may depend on a change that is not durable yet.
        if self.redo.waiting_bytes() == 0 && !self.is_syncing {
            return Ok(None);
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(answer);
        Ok(Some(answered))
    }

    /// Takes the next group to write, and to sync if a sync is due. `buffer` must be empty; it collects what comes
    /// after the group.
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
            self.redo.go_on(generation, file);
        }
        // The rows of an ended generation go into sled next, and sled must not be ahead of the redo log.
        let is_synced = is_sync_due || ended.is_some();
        if is_synced || self.durability == Durability::None {
            self.changed_since = None;
        }
        self.is_syncing = true;
        let last_event = self.tables.ledger().last_sequence;
        CommitGroup { write, is_synced, answers: std::mem::take(&mut self.waiting), last_event, ended, reclaims }
    }

    /// Accepts no change any more.
    pub(super) fn fail(&mut self, error: &EngineError) {
        if !self.has_failed {
            tracing::error!(%error, "the storage failed; no change is accepted any more");
            self.has_failed = true;
            self.status.send_replace(EngineStatus::Failed);
        }
        for answer in self.waiting.drain(..) {
            // The caller may no longer wait.
            answer.send(Err(error.clone())).ok();
        }
    }

    /// Publishes a group in the statistics and to watchers. It runs before the answers, so that a caller that has its
    /// answer and then watches, or reads statistics, finds its change there.
    pub(super) fn tell(&self, last_event: u64, transactions: u64) {
        self.tables.ledger().statistics.group_committed(transactions);
        self.last_event.send_if_modified(|last| std::mem::replace(last, last_event) != last_event);
    }

    /// Runs a transaction. Nothing is changed if a read did not pass the gate.
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
        // The rows are in the redo log already, and readers must see the same, so an error is final.
        self.tables.carry_out(prepared).inspect_err(|error| self.fail(error))?;
        self.trackers.note(&handles);
        Ok(())
    }
}
