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
use std::sync::mpsc::Receiver;
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
        while let Ok(generation) = ended.recv() {
            if let Err(error) = self.write_back(&generation) {
                self.shared.fail(&error);
                return None;
            }
        }
        Some(self.checkpoint)
    }

    fn write_back(&mut self, ended: &Ended) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        self.checkpoint.write_back(&ended.rows, |done| shared.rest(done))?;
        self.checkpoint.tables.memtable.forget_frozen();
        let progress = Arc::clone(&self.checkpoint.progress);
        progress.begin();
        let next = self.use_again(ended.generation)?;
        progress.end();
        if let Some(committer) = &mut self.shared.lock().committer {
            committer.next_file = Some(next);
        }
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
        Ok(())
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
