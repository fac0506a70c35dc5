//! The thread that writes back what has come together.

use super::Shared;
use crate::engine::EngineError;
use crate::engine::sled::checkpoint::Checkpoint;
use crate::engine::sled::committer::Committer;
use crate::engine::sled::mark::MarkFile;
use crate::engine::sled::memtable::Layer;
use crate::engine::sled::redo::{Position, RedoFile};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// How far it may be ahead of what makes it necessary before it rests, in thousandths, and for how long.
const LEAD: u64 = 50;
const REST: Duration = Duration::from_millis(1);

/// A generation that has ended, and is synced.
pub(super) struct Ended {
    pub(super) generation: u64,
    pub(super) rows: Arc<Layer>,
}

/// Writes generations back that have ended.
pub(super) struct CheckpointThread {
    pub(super) checkpoint: Checkpoint,
    pub(super) shared: Arc<Shared>,
    pub(super) mark: Arc<MarkFile>,
    pub(super) folder: PathBuf,
}

impl CheckpointThread {
    /// Works until there is nothing more to come, and hands over what it works with; `None` if it failed.
    pub(super) fn run(mut self, ended: &Receiver<Ended>) -> Option<Checkpoint> {
        let mut next = ended.recv().ok();
        while let Some(generation) = next {
            next = match self.write_back(generation).and_then(|written| self.clean_up(written, ended)) {
                Ok(waiting) => waiting.or_else(|| ended.recv().ok()),
                Err(error) => {
                    self.shared.fail(&error);
                    return None;
                }
            }
        }
        Some(self.checkpoint)
    }

    /// How many bytes were written back.
    fn write_back(&mut self, ended: Ended) -> Result<u64, EngineError> {
        let shared = Arc::clone(&self.shared);
        let written = ended.rows.bytes() as u64;
        self.checkpoint.write_back(&ended.rows, |done| shared.rest(done))?;
        let generation = ended.generation;
        drop(ended);
        self.checkpoint.tables.memtable.forget_frozen();
        let progress = Arc::clone(&self.checkpoint.progress);
        progress.begin();
        let next = self.use_again(generation)?;
        progress.end();
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.next_file = Some(next);
        }
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
        Ok(written)
    }

    /// Cleans up after a generation until there is nothing left to clean. While the next one waits, which is returned, no
    /// more is moved than was written back: with less, cleaning never catches up under lasting load.
    fn clean_up(&mut self, written: u64, ended: &Receiver<Ended>) -> Result<Option<Ended>, EngineError> {
        let mut next = None;
        let mut cleaned = 0;
        while next.is_none() || cleaned < written {
            let Some(grown) = self.checkpoint.clean_some()? else { break };
            cleaned += grown;
            if next.is_none() {
                match ended.try_recv() {
                    Ok(generation) => next = Some(generation),
                    Err(TryRecvError::Empty) => thread::sleep(REST),
                    Err(TryRecvError::Disconnected) => break,
                }
            }
        }
        self.checkpoint.log.sync()?;
        Ok(next)
    }

    /// Makes the file of a generation that is written back that of the one after the next.
    fn use_again(&self, generation: u64) -> io::Result<(u64, RedoFile)> {
        let needed = Position { generation: generation + 1, bytes: 0 };
        self.mark.update(|mark| mark.redo = mark.redo.max(needed))?;
        // It must not name the old file after a power cut.
        self.mark.sync()?;
        let next = generation + 2;
        Ok((next, RedoFile::make(&self.folder, next, Some(generation))?))
    }
}

impl Shared {
    /// Lets others have the processor, as long as the checkpoint is ahead of what makes it necessary.
    fn rest(&self, done: u64) {
        let ahead = {
            let state = self.lock();
            let filled = state.committer.as_ref().map_or(1_000, Committer::filled);
            state.closing.is_none() && done > filled + LEAD
        };
        if ahead {
            thread::sleep(REST);
        }
    }
}
