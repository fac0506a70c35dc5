//! sled's log: what it takes until what was written is on disk.
//!
//! sled takes what it has written for durable. What a new copy of a page replaces it uses again, or cuts off, once the second
//! segment behind the new copy is begun; were that on disk before the new copy, a power cut would leave neither. So no
//! more than a part of a segment may be written and not synced at any time. sled's own flusher keeps no such bound: it moves
//! pages for a quarter of a second without a sync. It is off, and what it did is done here, step by step.

use super::database::Database;
use super::{SEGMENT_BYTES, housekeeping};
use crate::engine::EngineError;
use crate::engine::durable::space::Space;
use crate::engine::durable::sync_watermark::WatermarkFile;
use ::sled::{Db, Tree};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The most that may be written and not synced, in bytes, as found out so often. That leaves room for what is written in
/// between: a page that is written anew, and one that is moved, may each take 320 KiB for a few rows.
const MAX_UNSYNCED_BYTES: u64 = SEGMENT_BYTES as u64 / 4;
const BYTES_BETWEEN_LOOKS: usize = 64 << 10;

/// What moving a page counts as, in bytes.
const MOVED_BYTES: usize = 16 << 10;

/// The tree of which the one row is written so that sled cleans up: it moves a page out of a segment that is mostly free
/// whenever it writes a whole page anew, which it does after so many changes of it.
const CLEANING_TREE: &str = "cleaning";
const CHANGES_TO_CLEAN: u64 = 10;

/// How far the log goes on so that sled frees what was emptied, in segments, and what is written at a time for that, in bytes.
const TURNED_SEGMENTS: u64 = 3;
const TURNED_PAGES: usize = 2_048;
const FILLING_BYTES: usize = 1 << 10;

/// The log of an open database.
#[derive(Debug)]
pub(in super::super) struct Log {
    db: Db,
    /// A descriptor of our own: syncing it is what makes a flush durable.
    file: File,
    watermark: Arc<WatermarkFile>,
    cleaning: Tree,
    cleaned: u64,
    /// How far it was synced.
    synced: u64,
    /// Bytes of rows since sled was last made to write.
    unwritten: usize,
    space: Arc<Space>,
}

impl Log {
    pub(in super::super) fn new(
        database: &Database,
        sled: &Path,
        watermark: Arc<WatermarkFile>,
        space: Arc<Space>,
    ) -> Result<Self, EngineError> {
        let db = database.db.clone();
        let file = housekeeping::open_log(sled)?;
        let cleaning = db.open_tree(CLEANING_TREE)?;
        let synced = log_end(&db);
        let log = Self { db, file, watermark, cleaning, cleaned: 0, synced, unwritten: 0, space };
        log.tell_space()?;
        Ok(log)
    }

    /// How much was ever written to it, in bytes.
    pub(in super::super) fn end(&self) -> u64 {
        log_end(&self.db)
    }

    /// How long its file is, with what is free in it.
    pub(in super::super) fn file_bytes(&self) -> Result<u64, EngineError> {
        Ok(self.file.metadata()?.len())
    }

    /// Notes a change of so many bytes, and syncs if no other change may follow before that.
    pub(in super::super) fn note(&mut self, bytes: usize) -> Result<(), EngineError> {
        self.unwritten += bytes;
        if self.unwritten < BYTES_BETWEEN_LOOKS {
            return Ok(());
        }
        // sled writes late, and tells how far it is only when it has written.
        self.db.flush()?;
        self.unwritten = 0;
        self.tell_space()?;
        if self.end().saturating_sub(self.synced) >= MAX_UNSYNCED_BYTES { self.sync() } else { Ok(()) }
    }

    /// Makes all that was written durable, and marks it.
    pub(in super::super) fn sync(&mut self) -> Result<(), EngineError> {
        self.db.flush()?;
        // Before the sync: sled may write on at any time, and what it writes after it is not synced.
        let (log_end, file_bytes) = (self.end(), self.file_bytes()?);
        // sled's flush only starts the write-back on Linux and leaves the file's size unsynced.
        self.file.sync_data()?;
        (self.synced, self.unwritten) = (log_end, 0);
        self.watermark.update(|watermark| (watermark.log_end, watermark.file_bytes) = (log_end, file_bytes))?;
        Ok(())
    }

    /// Writes on until the log has come so far that sled frees what was emptied before: it waits for the end of the segment
    /// behind that into which the last of it was moved, which might never come while nothing is changed.
    pub(in super::super) fn turn_over(&mut self) -> Result<(), EngineError> {
        // Pages that are free themselves take so little that moving them is hardly to be told from moving none.
        for _ in 0..TURNED_PAGES {
            self.clean()?;
        }
        let end = self.end() + TURNED_SEGMENTS * SEGMENT_BYTES as u64;
        let mut filling = vec![0; FILLING_BYTES];
        while self.end() < end {
            // sled does not write what is there already.
            self.cleaned += 1;
            filling[..8].copy_from_slice(&self.cleaned.to_be_bytes());
            self.cleaning.insert(b"", &filling[..])?;
            self.note(FILLING_BYTES)?;
        }
        // The page of the row is small again.
        self.clean()?;
        self.sync()
    }

    /// Segments of the file that are not free.
    pub(in super::super) fn segments_in_use(&self) -> usize {
        self.db.context.pagecache.log.iter_from(0).segments.len()
    }

    /// Tells how much of the file is free, where that matters: it is for what sled writes next.
    fn tell_space(&self) -> Result<(), EngineError> {
        if !self.space.wants_count() {
            return Ok(());
        }
        let file_bytes = self.file_bytes()?;
        self.space.note_log(file_bytes, file_bytes.saturating_sub((self.segments_in_use() * SEGMENT_BYTES) as u64));
        self.space.look();
        Ok(())
    }

    /// Lets sled move a page out of a segment that is mostly free, if there is one.
    pub(in super::super) fn clean(&mut self) -> Result<(), EngineError> {
        for _ in 0..CHANGES_TO_CLEAN {
            self.cleaned += 1;
            self.cleaning.insert(b"", &self.cleaned.to_be_bytes())?;
        }
        self.note(MOVED_BYTES)
    }
}

/// Bytes of the log that this database has written.
fn log_end(db: &Db) -> u64 {
    let last_byte = db.context.pagecache.log.stable_offset();
    u64::try_from(last_byte.saturating_add(1)).unwrap_or(0)
}
