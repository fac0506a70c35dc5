//! The sync thread, which writes and syncs the redo log.

use super::checkpoint_thread::Ended;
use super::{Durability, Shared, UNPROMISED};
use crate::engine::EngineError;
use crate::engine::durable::checkpoint::Checkpoint;
use crate::engine::durable::committer::{CommitGroup, Committer};
use crate::engine::durable::redo::{self, Write};
use crate::engine::durable::sync_watermark::WatermarkFile;
use crate::engine::durable::watchdog::Progress;
use crate::engine::durable::writer::Sleep;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After so long without a change, giving dead space back delays nobody.
const IDLE: Duration = Duration::from_secs(5);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextStep {
    /// Write the waiting changes and sync them.
    Sync,
    /// Write the waiting changes without a sync.
    Write,
    /// Wait at most so long.
    In(Duration),
    /// Wait for a change.
    Nothing,
}

pub(super) struct SyncThread {
    pub(super) durability: Durability,
    pub(super) flush_interval: Duration,
    pub(super) shared: Arc<Shared>,
    /// To the checkpoint thread.
    pub(super) layers: Sender<Ended>,
    pub(super) checkpoint: JoinHandle<Option<Checkpoint>>,
    pub(super) watermark: Arc<WatermarkFile>,
    pub(super) folder: PathBuf,
    pub(super) progress: Arc<Progress>,
}

impl SyncThread {
    pub(super) fn run(self) {
        let mut buffer = Vec::new();
        while let Some(group) = self.next_group(&mut buffer) {
            match self.sync(group) {
                Ok(empty) => buffer = empty,
                Err(error) => {
                    self.shared.fail(&error);
                    break;
                }
            }
        }
        self.end();
    }

    /// Waits until something has to be written; `None` once the engine is closing and nothing is left, or has failed.
    fn next_group(&self, buffer: &mut Vec<u8>) -> Option<CommitGroup> {
        let mut state = self.shared.lock();
        loop {
            let (is_closing, is_sync_wanted) = (state.closing.is_some(), state.is_sync_wanted);
            let committer = state.committer.as_mut().filter(|committer| !committer.has_failed)?;
            committer.is_syncing = false;
            if is_closing && !committer.has_work() && !is_sync_wanted {
                return None;
            }
            let due = if is_closing || is_sync_wanted { NextStep::Sync } else { self.next_step(committer) };
            let wait = match due {
                NextStep::Sync | NextStep::Write => {
                    let group = committer.take_group(std::mem::take(buffer), due == NextStep::Sync);
                    state.is_sync_wanted &= due != NextStep::Sync;
                    return Some(group);
                }
                NextStep::In(wait) => Some(wait),
                NextStep::Nothing => committer.has_dead_space().then_some(IDLE),
            };
            state.sleep = if due == NextStep::Nothing { Sleep::UntilWork } else { Sleep::UntilDue };
            let mut is_over = false;
            state = match wait {
                None => self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.shared.work.wait_timeout(state, wait);
                    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    is_over = timeout.timed_out();
                    state
                }
            };
            let is_idle = is_over && due == NextStep::Nothing && state.sleep != Sleep::Awake;
            state.sleep = Sleep::Awake;
            if let Some(committer) = state.committer.as_mut().filter(|_| is_idle) {
                committer.begin_reclaiming();
            }
        }
    }

    fn next_step(&self, committer: &Committer) -> NextStep {
        if committer.ends_generation() {
            return NextStep::Sync;
        }
        let age = committer.changed_since.map(|since| since.elapsed());
        match (self.durability, age) {
            (Durability::Always, _) if !committer.waiting.is_empty() => NextStep::Sync,
            (Durability::Interval, Some(age)) if age >= self.flush_interval => NextStep::Sync,
            (Durability::None, Some(age)) if age >= UNPROMISED => NextStep::Write,
            _ if committer.is_urgent() => NextStep::Write,
            (Durability::Interval, Some(age)) => NextStep::In(self.flush_interval.saturating_sub(age)),
            (Durability::None, Some(age)) => NextStep::In(UNPROMISED.saturating_sub(age)),
            _ => NextStep::Nothing,
        }
    }

    /// Writes a group, makes it as durable as promised, and answers its callers. Returns the emptied buffer.
    fn sync(&self, group: CommitGroup) -> Result<Vec<u8>, EngineError> {
        let CommitGroup { write, is_synced, answers, last_event, ended, reclaims } = group;
        let end = write.end;
        self.progress.begin();
        let began = Instant::now();
        let written = self.write(write, is_synced, last_event);
        let took = began.elapsed();
        self.progress.end();
        let answer = written.as_ref().map(drop).map_err(EngineError::clone);
        if answer.is_ok() && is_synced {
            let mut state = self.shared.lock();
            state.synced = end;
            self.shared.synced.notify_one();
            if let Some(committer) = &state.committer {
                committer.tables.ledger().statistics.synced(took);
                if self.durability == Durability::Always {
                    committer.tell(last_event, answers.len() as u64);
                }
            }
        }
        for waiting in answers {
            // The caller may no longer wait.
            waiting.send(answer.clone()).ok();
        }
        if let (Ok(_), Some(rows)) = (&written, ended) {
            let sent = self.layers.send(Ended { generation: end.generation, rows, reclaims });
            sent.map_err(|_| EngineError::Stopped)?;
        }
        self.shared.room.notify_waiters();
        written
    }

    fn write(&self, write: Write, sync: bool, last_event: u64) -> Result<Vec<u8>, EngineError> {
        let end = write.end;
        let buffer = write.carry_out(sync)?;
        if sync {
            self.watermark.update(|watermark| (watermark.redo, watermark.last_event) = (end, last_event))?;
        }
        Ok(buffer)
    }

    /// Ends the threads and writes everything back, unless something has failed.
    fn end(self) {
        // The checkpoint thread finishes its present generation.
        self.shared.lock().has_stopped = true;
        self.shared.synced.notify_one();
        drop(self.layers);
        let checkpoint = self.checkpoint.join().ok().flatten();
        let (committer, closing) = {
            let mut state = self.shared.lock();
            state.has_ended = true;
            (state.committer.take_if(|committer| !committer.has_failed), state.closing.take())
        };
        self.shared.room.notify_waiters();
        let closed = match (committer, checkpoint) {
            (Some(committer), Some(checkpoint)) => {
                self.progress.begin();
                let closed = close(committer, checkpoint, &self.watermark, &self.folder);
                self.progress.end();
                closed
            }
            _ => Err(EngineError::Stopped),
        };
        if let Some(closing) = closing {
            // The caller of close may no longer wait.
            closing.send(closed).ok();
        }
    }
}

/// Writes everything back and releases the data. The folder can then be opened again at once.
fn close(
    mut committer: Committer,
    mut checkpoint: Checkpoint,
    watermark: &WatermarkFile,
    folder: &Path,
) -> Result<(), EngineError> {
    let next = committer.redo.end().generation + 1;
    // sled must not be ahead of the redo log, which may be unsynced with the durability `none`.
    committer.redo.take(Vec::new()).carry_out(true)?;
    checkpoint.write_all_back()?;
    Ok(redo::empty(folder, watermark, next)?)
}
