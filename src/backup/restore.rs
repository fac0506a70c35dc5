//! Restores a backup into a data folder: all of it or nothing.
//!
//! A new engine is built beside the one in use. It replaces the old one, by renaming, only once the backup was read to
//! its end, was undamaged, and every file is durable. If anything fails before, the new engine's folder is removed: at
//! once, or after a crash by the next start.

use super::{BackupReader, Cut, Finished, Next, ReadError, Saved};
use crate::engine::{
    DataFolder, Draft, Durability, DurableEngine, DurableOptions, Engine, EngineError, FolderError, Outcome,
    SequenceGap,
};
use crate::model::{Event, Handle, Record};
use std::io::{self, ErrorKind, Read};
use tokio::runtime;

/// The number of sessions and events restored in one transaction.
const BATCH: usize = 256;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup can't be read.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// The folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The engine can't store the backup.
    #[error("the backup can't be stored: {0}")]
    Engine(#[from] EngineError),
    /// The files can't be created or put in place.
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
    /// What the backup says about itself.
    pub backup: Finished,
    /// The number of restored sessions.
    pub sessions: u64,
    /// The number of restored events.
    pub events: u64,
}

/// Reads a whole backup into a new engine beside the one in use in this folder. It blocks, also on the source.
/// `options` bound the memory and disk space that it takes. Their keys decrypt the backup and encrypt the new engine.
pub fn restore(source: impl Read, folder: &DataFolder, options: &DurableOptions) -> Result<Built, RestoreError> {
    let mut reader = BackupReader::open(source, options.keys.as_ref())?;
    // From here on, a failure leaves files to remove.
    let unfinished = Unfinished(folder.clone());
    let beside = folder.beside()?;
    let seals = options.seals || reader.opening().may_hold_sealed();
    let mut target = Target::open(beside.clone(), &DurableOptions { seals, ..options.clone() })?;
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
    /// Replaces the engine in use, which must be closed and is lost. It waits until the old files are released.
    pub fn install(self) -> io::Result<Restored> {
        let folder = &self.unfinished.0;
        match folder.wait_for_release() {
            // No engine is in use.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            released => released?,
        }
        folder.install_beside()?;
        Ok(self.restored)
    }
}

/// Removes what was built. After an install there is nothing to remove.
#[derive(Debug)]
struct Unfinished(DataFolder);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = self.0.discard_beside() {
            tracing::warn!(%error, "what a restore had built could not be removed; the next start does");
        }
    }
}

/// The new engine that is being filled.
struct Target {
    engine: DurableEngine,
    runtime: runtime::Runtime,
    batch: Vec<Saved>,
    /// A backup begins with a walk over the sessions in the order of their handles. This is the walk's last session;
    /// `None` once it is over.
    walked: Option<Handle>,
}

impl Target {
    fn open(folder: DataFolder, options: &DurableOptions) -> Result<Self, RestoreError> {
        // An incomplete engine is worth nothing, so nothing is synced before the end.
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
        // A transaction sees the state before it. After the walk, a session may replace one that came just before, so
        // each gets its own transaction.
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

    /// Makes everything durable and closes the engine. Returns how many sessions and events it holds.
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
