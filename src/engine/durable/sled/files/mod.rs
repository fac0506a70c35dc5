//! Reads sled's files without sled and without changing them. That finds damage before sled meets it, and saves what is
//! whole in a folder that sled can't open.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod message;
mod node;
mod pages;
mod rows;
mod snapshot;
#[cfg(test)]
mod tests;

use super::{SEGMENT_BYTES, log_path};
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::sync_watermark::SyncWatermark;
use pages::Pages;
pub(in super::super) use rows::{PageRows, TablePages};
use snapshot::Snapshot;
use std::fs::File;
use std::io;
use std::path::Path;

/// What is in sled's files.
#[derive(Debug)]
pub(in super::super) struct SledFiles {
    /// `None` if there is no log.
    pages: Option<Pages>,
    snapshot_is_damaged: bool,
    watermark: Option<SyncWatermark>,
    cipher: Cipher,
}

impl SledFiles {
    /// Reads all data in use. `watermark` tells how far the log was synced, if known. It takes about as long as reading
    /// the files. Rows are decrypted by the cipher.
    pub(in super::super) fn read(sled: &Path, watermark: Option<SyncWatermark>, cipher: Cipher) -> io::Result<Self> {
        let log = match File::open(log_path(sled)) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { pages: None, snapshot_is_damaged: false, watermark, cipher });
            }
            Err(error) => return Err(error),
        };
        let snapshot = snapshot::read(sled)?;
        let snapshot_is_damaged = snapshot.is_none();
        let pages = Pages::find(log, SEGMENT_BYTES, snapshot.unwrap_or_else(Snapshot::default), watermark)?;
        Ok(Self { pages: Some(pages), snapshot_is_damaged, watermark, cipher })
    }

    /// Whether there is a log at all.
    pub(in super::super) fn has_log(&self) -> bool {
        self.pages.is_some()
    }

    /// How many pages hold something.
    pub(in super::super) fn used_pages(&self) -> usize {
        self.pages
            .as_ref()
            .map_or(0, |pages| pages.table.values().filter(|page| matches!(page, snapshot::Page::Used(_))).count())
    }

    /// How many pages can't be read. Sessions on them are damaged; sled can work with the others.
    pub(in super::super) fn damaged_pages(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.damaged.len())
    }

    /// Whether changes of unknown rows may be missing.
    pub(in super::super) fn is_uncertain(&self) -> bool {
        self.log_damage().is_some() || self.pages.as_ref().is_some_and(|pages| pages.uncertain)
    }

    /// The offsets in the log's file of segments that sled must not see; see [`Pages`].
    pub(in super::super) fn stray_segments(&self) -> &[u64] {
        self.pages.as_ref().map_or(&[], |pages| &pages.stray)
    }

    /// Why sled must not open the files; `None` if it may.
    pub(in super::super) fn damage(&self) -> Option<String> {
        if self.snapshot_is_damaged {
            return Some("sled's snapshot is damaged".into());
        }
        self.log_damage()
    }

    /// How sled's log contradicts the other files; `None` if it does not. A log that does may be older or newer than
    /// they are.
    fn log_damage(&self) -> Option<String> {
        let Some(pages) = &self.pages else {
            return self
                .watermark
                .is_some_and(|watermark| watermark.log_end > 0)
                .then(|| "sled's log is missing".into());
        };
        if let Some(first) = pages.lost.first() {
            return Some(format!(
                "sled's log is damaged at byte {first}, where it holds changes since the last start that were acknowledged"
            ));
        }
        if pages.tip_damaged {
            return Some("sled's log is damaged in the segment with which it goes on".into());
        }
        if pages.cut_off {
            return Some("sled's log is cut off".into());
        }
        if !pages.stray.is_empty() && !pages.damaged.is_empty() {
            return Some("sled's log is damaged behind the last sync, and pages are missing".into());
        }
        pages.is_headless().then(|| "the pages of sled that list all others are damaged".into())
    }
}
