//! The checkpoint thread, which writes generations back into sled.

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

/// How far a checkpoint must be ahead of the filling of the next generation before it rests, in thousandths, and how
/// long it rests.
const LEAD: u64 = 50;
const REST: Duration = Duration::from_millis(1);

/// How full the next generation may be while cleaning up goes on and a generation waits, in thousandths.
const LATEST: u64 = 500;

/// How long cleaning up rests under load, as a multiple of its work. So it takes a tenth of the time while changes are
/// made, and half of the time if it is urgent or nothing changes.
const BUSY_RESTS: u32 = 9;

/// After so long without a generation, giving space back delays nobody.
const IDLE: Duration = Duration::from_secs(1);

/// A generation that has ended and is synced.
pub(super) struct Ended {
    pub(super) generation: u64,
    pub(super) rows: Arc<Layer>,
    /// Whether to shorten its file.
    pub(super) reclaims: bool,
}

/// Writes back the generations that have ended.
pub(super) struct CheckpointThread {
    pub(super) checkpoint: Checkpoint,
    pub(super) shared: Arc<Shared>,
    pub(super) watermark: Arc<WatermarkFile>,
    pub(super) folder: PathBuf,
}

impl CheckpointThread {
    /// Works until no generation can come any more, and returns the checkpoint; `None` if it failed.
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

    /// Waits for the next generation; `None` if there will be none. Meanwhile it encrypts anew what is to be. If no generation
    /// comes soon, it gives dead space back in passes, until one frees nothing: the next pass frees what the last one moved.
    fn wait(&mut self, ended: &Receiver<Ended>) -> Result<Option<Ended>, EngineError> {
        while self.checkpoint.is_reencrypting() {
            match self.reencrypt(ended)? {
                Ok(generation) => return Ok(Some(generation)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
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

    /// Makes a step of the re-encryption, and rests. It takes a tenth of the time while changes are made, and half of it
    /// otherwise. Without space for it, it only waits.
    fn reencrypt(&mut self, ended: &Receiver<Ended>) -> Result<Result<Ended, RecvTimeoutError>, EngineError> {
        if !self.checkpoint.can_reencrypt() {
            return Ok(ended.recv_timeout(IDLE));
        }
        let (began, changed) = (Instant::now(), self.shared.changed());
        self.checkpoint.reencrypt_some()?;
        let rests = if changed == self.shared.changed() { 1 } else { BUSY_RESTS };
        Ok(ended.recv_timeout(rests * began.elapsed()))
    }

    /// Writes a generation back. Returns how many bytes that was.
    fn write_back(&mut self, ended: &Ended) -> Result<u64, EngineError> {
        let shared = Arc::clone(&self.shared);
        let written = ended.rows.bytes() as u64;
        self.checkpoint.write_back(&ended.rows, |done| shared.rest(done))?;
        if !shared.sync_all()? {
            // The server is closing. It writes back the skipped rows before it empties the redo log.
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

    /// Cleans up after `written` bytes were written back, with long rests, until nothing is left to clean up or the
    /// next generation waits. It returns that generation. If cleaning up is urgent, the generation waits until as much
    /// is moved as was written: otherwise cleaning up would never catch up under lasting load.
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
                // The rest leaves the processor to others.
                let rests = if is_urgent || changed == self.shared.changed() { 1 } else { BUSY_RESTS };
                match ended.recv_timeout(rests * began.elapsed()) {
                    Ok(generation) => next = Some(generation),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            // Cleaning up stops before changes would have to wait for room.
            let is_late = self.shared.filled() > LATEST;
            if next.is_some() && (!is_urgent || cleaned >= written || is_late) {
                break;
            }
        }
        self.checkpoint.log.sync()?;
        Ok(next)
    }

    /// Turns the file of a written-back generation into that of the generation after the next.
    fn use_again(&self, generation: u64, reclaims: bool) -> io::Result<(u64, RedoFile)> {
        let needed = Position { generation: generation + 1, bytes: 0 };
        self.watermark.update(|watermark| watermark.redo = watermark.redo.max(needed))?;
        // The watermark must not name the old file after a power cut.
        self.watermark.sync()?;
        let next = generation + 2;
        Ok((next, RedoFile::make(&self.folder, next, Some(generation), reclaims)?))
    }
}

impl Shared {
    /// The end of the redo log, which tells whether anything has changed.
    fn changed(&self) -> Option<Position> {
        self.lock().committer.as_ref().map(|committer| committer.redo.end())
    }

    /// Waits until all changes so far are durable. Returns false if the engine is closing and syncs nothing more.
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

    /// Leaves the processor to others while the checkpoint is ahead of the filling of the next generation.
    fn rest(&self, done: u64) {
        if self.lock().closing.is_none() && done > self.filled() + LEAD {
            thread::sleep(REST);
        }
    }

    /// How full the generation is, in thousandths of the size at which it ends.
    fn filled(&self) -> u64 {
        self.lock().committer.as_ref().map_or(1_000, Committer::filled)
    }
}
