//! Restoring a backup into a data folder: all of it or nothing.
//!
//! The engine is built beside the one in use. Only once the backup was read to its end, all of it was as it was written, and
//! every file is durable, does the new one take the place of the old, by renaming. Whatever happens before leaves a folder
//! that is removed: at once, or after a crash at the next start.

use super::{BackupReader, Cut, Finished, Next, ReadError, Saved};
use crate::engine::{
    DataFolder, Draft, Durability, DurableEngine, DurableOptions, Engine, EngineError, FolderError, Outcome,
    SequenceGap,
};
use crate::model::{Event, Handle, Record};
use std::io::{self, ErrorKind, Read};
use tokio::runtime;

/// Sessions and events restored in one transaction.
const BATCH: usize = 256;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup itself is at fault.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// The folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The engine could not store it.
    #[error("the backup can't be stored: {0}")]
    Engine(#[from] EngineError),
    /// The files could not be made or put in place.
    #[error("the backup can't be stored: {0}")]
    Files(#[from] io::Error),
}

/// A restored engine that is complete and durable, beside the one in use. Dropping it removes it.
#[derive(Debug)]
pub struct Built {
    restored: Restored,
    unfinished: Unfinished,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup says of itself.
    pub backup: Finished,
    /// Sessions that were restored.
    pub sessions: u64,
    /// Events that were restored.
    pub events: u64,
}

/// Reads a whole backup into an engine beside the one in use in this folder. It blocks, also on the source; `options` say how
/// much memory and disk it may take.
pub fn restore(source: impl Read, folder: &DataFolder, options: &DurableOptions) -> Result<Built, RestoreError> {
    let mut reader = BackupReader::open(source)?;
    // From here on there is something to remove.
    let unfinished = Unfinished(folder.clone());
    let beside = folder.beside()?;
    let mut target = Target::open(beside.clone(), options)?;
    let backup = loop {
        match reader.read_next()? {
            Next::Saved(saved) => target.add(saved)?,
            Next::Finished(backup) => break backup,
        }
    };
    let (sessions, events) = target.finish(&backup.cut)?;
    if sessions != backup.cut.sessions {
        tracing::warn!(
            sessions,
            expected = backup.cut.sessions,
            "the server that made the backup had counted otherwise"
        );
    }
    beside.wait_for_release()?;
    beside.sync_files()?;
    Ok(Built { restored: Restored { backup, sessions, events }, unfinished })
}

impl Built {
    /// Puts it in the place of the engine in use, which must be closed and is lost. It waits until its files are let go.
    pub fn install(self) -> io::Result<Restored> {
        let folder = &self.unfinished.0;
        match folder.wait_for_release() {
            // Nothing is in use.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            released => released?,
        }
        folder.install_beside()?;
        Ok(self.restored)
    }
}

/// Removes what was built unless it was installed, after which there is nothing to remove.
#[derive(Debug)]
struct Unfinished(DataFolder);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = self.0.discard_beside() {
            tracing::warn!(%error, "what a restore had built could not be removed; the next start does");
        }
    }
}

/// The engine that is being filled.
struct Target {
    engine: DurableEngine,
    runtime: runtime::Runtime,
    batch: Vec<Saved>,
    /// The last session of the walk in the order of handles with which a backup begins; `None` once it is over.
    walked: Option<Handle>,
}

impl Target {
    fn open(folder: DataFolder, options: &DurableOptions) -> Result<Self, RestoreError> {
        // What is not complete is worth nothing, so nothing is synced before the end.
        let options = DurableOptions { durability: Durability::None, ..options.clone() };
        let runtime = runtime::Builder::new_current_thread().build()?;
        Ok(Self {
            engine: DurableEngine::open(folder, &options)?,
            runtime,
            batch: Vec::new(),
            walked: Some(Handle::FIRST),
        })
    }

    fn add(&mut self, saved: Saved) -> Result<(), EngineError> {
        let handle = match &saved {
            Saved::Session { record, .. } => Some(record.handle),
            Saved::Removed(handle) => Some(*handle),
            Saved::Event(_) => None,
        };
        if let Some(handle) = handle {
            self.walked = self.walked.filter(|walked| handle > *walked).map(|_| handle);
        }
        // A transaction sees the state before it. After the walk a session may replace what came a moment ago, so each
        // gets a transaction of its own.
        let alone = handle.is_some() && self.walked.is_none();
        if alone {
            self.commit()?;
        }
        self.batch.push(saved);
        if alone || self.batch.len() >= BATCH { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.transact(|draft| {
            batch.iter().try_for_each(|saved| match saved {
                Saved::Session { record, lookups } => draft.restore(Record::clone(record), lookups),
                Saved::Removed(handle) => draft.restore_absence(*handle),
                Saved::Event(event) => {
                    draft.restore_event(Event::clone(event));
                    Ok(())
                }
            })
        })
    }

    fn transact(
        &self,
        mut change: impl FnMut(&mut Draft<'_>) -> Result<(), EngineError> + Send,
    ) -> Result<(), EngineError> {
        let mut transaction = |draft: &mut Draft<'_>| change(draft).map(|()| Outcome::Commit);
        self.runtime.block_on(self.engine.commit(&mut transaction))
    }

    /// Makes everything durable and closes the engine; how many sessions and events it holds.
    fn finish(mut self, cut: &Cut) -> Result<(u64, u64), EngineError> {
        self.commit()?;
        let dropped_through = cut.dropped_through;
        let gaps: Vec<SequenceGap> = cut.gaps.iter().copied().chain([SequenceGap::behind(cut.last_event)]).collect();
        self.transact(|draft| {
            if dropped_through > 0 {
                draft.drop_events(dropped_through);
            }
            for gap in &gaps {
                draft.leave_sequence_gap(*gap);
            }
            Ok(())
        })?;
        let statistics = self.engine.statistics();
        self.runtime.block_on(self.engine.close())?;
        Ok((statistics.sessions.values().sum(), statistics.events))
    }
}
