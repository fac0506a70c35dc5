//! sled's log: makes sure that what was written is on disk.
//!
//! sled assumes that everything it has written is durable. When a page is written anew, sled reuses or cuts off the
//! space of the old copy as soon as the second segment behind the new copy is begun. If that reached the disk before
//! the new copy, a power cut would leave neither. So no more than a part of a segment may be written and not synced at
//! any time. sled's own flusher keeps no such bound: it moves pages for a quarter of a second without a sync. So it is
//! off, and its work is done here, step by step.

use super::database::Database;
use super::{SEGMENT_BYTES, housekeeping};
use crate::engine::EngineError;
use crate::engine::durable::space::Space;
use crate::engine::durable::sync_watermark::WatermarkFile;
use ::sled::{Db, Tree};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The most bytes that may be written and not synced, and how many bytes of rows may pass between two checks of that.
/// The bound leaves room for what is written between two checks: a page that is written anew, and a page that is moved,
/// may each take 320 KiB for a few rows.
const MAX_UNSYNCED_BYTES: u64 = SEGMENT_BYTES as u64 / 4;
const BYTES_BETWEEN_LOOKS: usize = 64 << 10;

/// What moving a page counts as for that bound, in bytes.
const MOVED_BYTES: usize = 16 << 10;

/// A tree whose only row is written to make sled clean up. sled moves a page out of a mostly free segment whenever it
/// writes a whole page anew, which it does after so many changes of the page.
const CLEANING_TREE: &str = "cleaning";
const CHANGES_TO_CLEAN: u64 = 10;

/// How many segments the log must go on before sled frees emptied segments, how many pages are moved first, and how
/// many bytes one write adds.
const TURNED_SEGMENTS: u64 = 3;
const TURNED_PAGES: usize = 2_048;
const FILLING_BYTES: usize = 1 << 10;

/// The log of an open database.
#[derive(Debug)]
pub(in super::super) struct Log {
    db: Db,
    /// A second descriptor. A flush is durable only once this is synced.
    file: File,
    watermark: Arc<WatermarkFile>,
    cleaning: Tree,
    cleaned: u64,
    /// How far the log was synced.
    synced: u64,
    /// Bytes of rows since the last flush.
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

    /// The end of the log: all bytes that were ever written to it.
    pub(in super::super) fn end(&self) -> u64 {
        log_end(&self.db)
    }

    /// The length of its file, including free space.
    pub(in super::super) fn file_bytes(&self) -> Result<u64, EngineError> {
        Ok(self.file.metadata()?.len())
    }

    /// Notes a change of so many bytes. Syncs if the bound on unsynced bytes is reached.
    pub(in super::super) fn note(&mut self, bytes: usize) -> Result<(), EngineError> {
        self.unwritten += bytes;
        if self.unwritten < BYTES_BETWEEN_LOOKS {
            return Ok(());
        }
        // sled buffers writes, and reports the end of its log only after a flush.
        self.db.flush()?;
        self.unwritten = 0;
        self.tell_space()?;
        if self.end().saturating_sub(self.synced) >= MAX_UNSYNCED_BYTES { self.sync() } else { Ok(()) }
    }

    /// Makes everything written durable, and updates the sync watermark.
    pub(in super::super) fn sync(&mut self) -> Result<(), EngineError> {
        self.db.flush()?;
        // The end is read before the sync, because sled may write at any time, and what it writes after the sync is not
        // synced.
        let (log_end, file_bytes) = (self.end(), self.file_bytes()?);
        // sled's flush only starts the write-back on Linux and leaves the file's size unsynced.
        self.file.sync_data()?;
        (self.synced, self.unwritten) = (log_end, 0);
        self.watermark.update(|watermark| (watermark.log_end, watermark.file_bytes) = (log_end, file_bytes))?;
        Ok(())
    }

    /// Lets the log go on until sled frees the segments that were emptied. sled waits for the end of the segment behind
    /// the one into which their last page was moved. Without changes that end might never come.
    pub(in super::super) fn turn_over(&mut self) -> Result<(), EngineError> {
        // Freed pages are so small that moving them looks almost like moving none, so the number of moves is fixed.
        for _ in 0..TURNED_PAGES {
            self.clean()?;
        }
        let end = self.end() + TURNED_SEGMENTS * SEGMENT_BYTES as u64;
        let mut filling = vec![0; FILLING_BYTES];
        while self.end() < end {
            // sled does not write an unchanged value, so each one differs.
            self.cleaned += 1;
            filling[..8].copy_from_slice(&self.cleaned.to_be_bytes());
            self.cleaning.insert(b"", &filling[..])?;
            self.note(FILLING_BYTES)?;
        }
        // This makes the page of the row small again.
        self.clean()?;
        self.sync()
    }

    /// How many segments of the file are not free.
    pub(in super::super) fn segments_in_use(&self) -> usize {
        self.db.context.pagecache.log.iter_from(0).segments.len()
    }

    /// Reports how much of the file is free, if that matters. sled writes there next.
    fn tell_space(&self) -> Result<(), EngineError> {
        if !self.space.wants_count() {
            return Ok(());
        }
        let file_bytes = self.file_bytes()?;
        self.space.note_log(file_bytes, file_bytes.saturating_sub((self.segments_in_use() * SEGMENT_BYTES) as u64));
        self.space.look();
        Ok(())
    }

    /// Makes sled move a page out of a mostly free segment, if there is one.
    pub(in super::super) fn clean(&mut self) -> Result<(), EngineError> {
        for _ in 0..CHANGES_TO_CLEAN {
            self.cleaned += 1;
            self.cleaning.insert(b"", &self.cleaned.to_be_bytes())?;
        }
        self.note(MOVED_BYTES)
    }
}

/// The end of what sled has written to its log.
fn log_end(db: &Db) -> u64 {
    let last_byte = db.context.pagecache.log.stable_offset();
    u64::try_from(last_byte.saturating_add(1)).unwrap_or(0)
}
