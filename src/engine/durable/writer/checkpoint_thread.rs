//! The thread that writes back what has come together.

use super::Shared;
use crate::engine::EngineError;
use crate::engine::durable::checkpoint::Checkpoint;
use crate::engine::durable::committer::Committer;
use crate::engine::durable::memtable::Layer;
use crate::engine::durable::redo::{Position, RedoFile};
use crate::engine::durable::sync_watermark::WatermarkFile;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How far it may be ahead of what makes it necessary before it rests, in thousandths, and for how long.
const LEAD: u64 = 50;
const REST: Duration = Duration::from_millis(1);

/// What was changed since the generation that waits, at most, in thousandths of what ends one.
const LATEST: u64 = 500;

/// While changes are made, cleaning up that is not urgent takes a tenth of the time; otherwise half of it.
const BUSY_RESTS: u32 = 9;

/// After so long without a generation nobody would have to wait.
const IDLE: Duration = Duration::from_secs(1);

/// A generation that has ended, and is synced.
pub(super) struct Ended {
    pub(super) generation: u64,
    pub(super) rows: Arc<Layer>,
    /// Whether its file is to be made shorter.
    pub(super) reclaims: bool,
}

/// Writes generations back that have ended.
pub(super) struct CheckpointThread {
    pub(super) checkpoint: Checkpoint,
    pub(super) shared: Arc<Shared>,
    pub(super) watermark: Arc<WatermarkFile>,
    pub(super) folder: PathBuf,
}

impl CheckpointThread {
    /// Works until there is nothing more to come, and hands over what it works with; `None` if it failed.
    pub(super) fn run(mut self, ended: &Receiver<Ended>) -> Option<Checkpoint> {
        match self.work(ended) {
            Ok(()) => Some(self.checkpoint),
            Err(error) => {
                self.shared.fail(&error);
                None
            }
        }
    }

    fn work(&mut self, ended: &Receiver<Ended>) -> Result<(), EngineError> {
        // An earlier server may have left something to clean up.
        let mut next = self.clean_up(0, ended)?;
        loop {
            let Some(generation) = (match next {
                Some(generation) => Some(generation),
                None => self.wait(ended)?,
            }) else {
                return Ok(());
            };
            let written = self.write_back(&generation)?;
            next = self.clean_up(written, ended)?;
        }
    }

    /// Waits for the next generation; `None` if there will be none. If it does not come soon, what is dead is given back, in
    /// passes until one frees nothing: what one moves another one frees.
    fn wait(&mut self, ended: &Receiver<Ended>) -> Result<Option<Ended>, EngineError> {
        if self.checkpoint.is_worth_giving_back() {
            let mut frees = true;
            while frees {
                match ended.recv_timeout(IDLE) {
                    Ok(generation) => return Ok(Some(generation)),
                    Err(RecvTimeoutError::Timeout) => frees = self.checkpoint.give_back()?,
                    Err(RecvTimeoutError::Disconnected) => return Ok(None),
                }
            }
            self.checkpoint.has_given_back();
        }
        Ok(ended.recv().ok())
    }

    /// How many bytes were written back.
    fn write_back(&mut self, ended: &Ended) -> Result<u64, EngineError> {
        let shared = Arc::clone(&self.shared);
        let written = ended.rows.bytes() as u64;
        self.checkpoint.write_back(&ended.rows, |done| shared.rest(done))?;
        if !shared.sync_all()? {
            // The server ends, and writes back what was skipped before it forgets any redo log.
            return Ok(written);
        }
        let Ended { generation, reclaims, .. } = *ended;
        self.checkpoint.tables.memtable.forget_frozen();
        let progress = Arc::clone(&self.checkpoint.progress);
        progress.begin();
        let next = self.use_again(generation, reclaims)?;
        progress.end();
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.next_file = Some(next);
        }
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
        Ok(written)
    }

    /// Cleans up after so many bytes were written back, with much rest, until there is nothing left to clean up or the next
    /// generation waits, which is returned. If there is too much, it waits until as much is moved as was written: with less,
    /// cleaning up would never catch up under lasting load.
    fn clean_up(&mut self, written: u64, ended: &Receiver<Ended>) -> Result<Option<Ended>, EngineError> {
        let mut next = None;
        let mut cleaned = 0;
        while !self.checkpoint.space.is_exhausted() {
            let (began, changed) = (Instant::now(), self.shared.changed());
            let Some(grown) = self.checkpoint.clean_some()? else {
                if next.is_none() && self.checkpoint.is_worth_a_turn() {
                    self.checkpoint.turn_over()?;
                }
                break;
            };
            cleaned += grown;
            let is_urgent = self.checkpoint.is_bloated()?;
            if next.is_none() {
                // Others have the processor, if there are any who need it.
                let rests = if is_urgent || changed == self.shared.changed() { 1 } else { BUSY_RESTS };
                match ended.recv_timeout(rests * began.elapsed()) {
                    Ok(generation) => next = Some(generation),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            // Nobody should have to wait for room because of it.
            let is_late = self.shared.filled() > LATEST;
            if next.is_some() && (!is_urgent || cleaned >= written || is_late) {
                break;
            }
        }
        self.checkpoint.log.sync()?;
        Ok(next)
    }

    /// Makes the file of a generation that is written back that of the one after the next.
    fn use_again(&self, generation: u64, reclaims: bool) -> io::Result<(u64, RedoFile)> {
        let needed = Position { generation: generation + 1, bytes: 0 };
        self.watermark.update(|watermark| watermark.redo = watermark.redo.max(needed))?;
        // It must not name the old file after a power cut.
        self.watermark.sync()?;
        let next = generation + 2;
        Ok((next, RedoFile::make(&self.folder, next, Some(generation), reclaims)?))
    }
}

impl Shared {
    /// Where the redo log ends, which tells whether anything has changed.
    fn changed(&self) -> Option<Position> {
        self.lock().committer.as_ref().map(|committer| committer.redo.end())
    }

    /// Waits until all that was changed so far is durable. False if nothing more will be, since the engine is closed.
    fn sync_all(&self) -> Result<bool, EngineError> {
        let mut state = self.lock();
        let Some(end) = state.committer.as_ref().map(|committer| committer.redo.end()) else {
            return Err(EngineError::Stopped);
        };
        while state.synced < end {
            if state.committer.as_ref().is_none_or(|committer| committer.has_failed) {
                return Err(EngineError::Stopped);
            }
            if state.has_stopped {
                return Ok(false);
            }
            state.is_sync_wanted = true;
            self.work.notify_one();
            state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(true)
    }

    /// Lets others have the processor, as long as the checkpoint is ahead of what makes it necessary.
    fn rest(&self, done: u64) {
        if self.lock().closing.is_none() && done > self.filled() + LEAD {
            thread::sleep(REST);
        }
    }

    /// How full what is changed now is, in thousandths of what ends a generation.
    fn filled(&self) -> u64 {
        self.lock().committer.as_ref().map_or(1_000, Committer::filled)
    }
}
