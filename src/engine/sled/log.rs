//! sled's log as far as durability goes: what it takes until a change is on disk, and the mark that tells so.

use super::folder::DataFolder;
use super::mark::{Mark, MarkFile};
use crate::engine::EngineError;
use ::sled::Db;
use std::fs::File;

/// The log of an open database.
#[derive(Debug)]
pub(super) struct Log {
    db: Db,
    /// A descriptor of our own: syncing it is what makes a flush durable.
    file: File,
    mark: MarkFile,
}

impl Log {
    /// Makes what the opening wrote durable, and marks it.
    pub(super) fn begin(db: Db, folder: &DataFolder, last_event: u64) -> Result<Self, EngineError> {
        let file = folder.open_log_file()?;
        let reached = flush(&db, &file, last_event)?;
        let mark = MarkFile::create(&folder.sled_path(), reached)?;
        Ok(Self { db, file, mark })
    }

    /// Makes all changes durable, the last of which has this event.
    pub(super) fn sync(&self, last_event: u64) -> Result<(), EngineError> {
        self.mark.write(flush(&self.db, &self.file, last_event)?)?;
        Ok(())
    }
}

/// Makes all that was written durable, and tells how far that is.
fn flush(db: &Db, file: &File, last_event: u64) -> Result<Mark, EngineError> {
    db.flush()?;
    // Before the sync: sled's own threads may write on at any time, and what they write after it is not synced.
    let reached = Mark::of(db, last_event, file)?;
    // sled's flush only starts the write-back on Linux and leaves the file's size unsynced.
    file.sync_data()?;
    Ok(reached)
}
