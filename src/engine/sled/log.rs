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
        db.flush()?;
        file.sync_data()?;
        let mark = MarkFile::create(&folder.sled_path(), Mark::of(&db, last_event, &file)?)?;
        Ok(Self { db, file, mark })
    }

    /// Makes all changes durable, the last of which has this event.
    pub(super) fn sync(&self, last_event: u64) -> Result<(), EngineError> {
        self.db.flush()?;
        // sled's flush only starts the write-back on Linux and leaves the file's size unsynced.
        self.file.sync_data()?;
        self.mark.write(Mark::of(&self.db, last_event, &self.file)?)?;
        Ok(())
    }
}
