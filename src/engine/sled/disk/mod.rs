//! sled's files, read without sled and without changing them: to find damage before sled meets it, and to save what is
//! whole from a folder that sled can't open.

mod message;
mod node;
mod pages;
mod snapshot;
#[cfg(test)]
mod tests;
mod trees;

use super::keys::{DROPPED_THROUGH, generation_key, tree_name};
use super::mark::{self, Found};
use super::redo::Redo;
use super::table::Table;
use super::{DATABASE_FILE, SEGMENT_BYTES};
use crate::engine::codec;
use pages::Pages;
use snapshot::Snapshot;
use std::fs::File;
use std::io;
use std::path::Path;
pub(super) use trees::Tree;

/// What was found in a data folder.
#[derive(Debug)]
pub(super) struct Inspection {
    pages: Option<Pages>,
    snapshot_damaged: bool,
    pub(super) mark: Found,
    /// What is to come on top of the pages.
    pub(super) redo: Redo,
}

impl Inspection {
    /// Reads all that is in use. That takes about as long as reading the files.
    pub(super) fn of(sled: &Path) -> io::Result<Self> {
        let mark = mark::read(sled)?;
        let redo = Redo::read(sled, mark.known().map(|mark| mark.redo))?;
        let log = match File::open(sled.join(DATABASE_FILE)) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { pages: None, snapshot_damaged: false, mark, redo });
            }
            Err(error) => return Err(error),
        };
        let snapshot = snapshot::read(sled)?;
        let snapshot_damaged = snapshot.is_none();
        let pages = Pages::find(log, SEGMENT_BYTES, snapshot.unwrap_or_else(Snapshot::default), mark.known())?;
        Ok(Self { pages: Some(pages), snapshot_damaged, mark, redo })
    }

    /// How many pages hold something.
    pub(super) fn used_pages(&self) -> usize {
        self.pages
            .as_ref()
            .map_or(0, |pages| pages.table.iter().filter(|page| matches!(page, snapshot::Page::Used(_))).count())
    }

    /// How many pages can't be read. Sessions on them are damaged; sled can work with the others.
    pub(super) fn damaged_pages(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.damaged.len())
    }

    /// Whether acknowledged changes may be missing, without it being known of which sessions.
    pub(super) fn is_uncertain(&self) -> bool {
        self.mark == Found::Damaged
            || self.is_unmarked()
            || self.redo.damage.is_some()
            || self.log_damage().is_some()
            || self.pages.as_ref().is_some_and(|pages| pages.uncertain)
    }

    /// Whether there is data without a mark that tells whether it is all there.
    pub(super) fn is_unmarked(&self) -> bool {
        self.mark == Found::Missing && (self.used_pages() > 0 || !self.redo.rows.is_empty())
    }

    /// Whether nothing was ever stored here.
    pub(super) fn is_new(&self) -> bool {
        self.mark == Found::Missing && self.pages.is_none() && self.redo.rows.is_empty()
    }

    /// Whether the redo log has this row as it was changed last, of which nothing is missing.
    pub(super) fn is_in_whole_redo_log(&self, table: Table, key: &[u8]) -> bool {
        let is_whole = self.redo.damage.is_none() && matches!(self.mark, Found::Whole(_));
        is_whole && self.redo.rows.rows(table).contains_key(key)
    }

    /// Finds the pages of an index, of its newest generation.
    pub(super) fn index(&self, table: Table) -> io::Result<Tree> {
        let generation = self.number_in_meta(generation_key(table.name()).as_bytes())?;
        self.named(table, &tree_name(table.name(), generation))
    }

    /// Events up to this number were dropped.
    pub(super) fn events_dropped_through(&self) -> io::Result<u64> {
        self.number_in_meta(DROPPED_THROUGH)
    }

    fn number_in_meta(&self, wanted: &[u8]) -> io::Result<u64> {
        let mut number = 0;
        for rows in self.rows(&self.tree(Table::Meta)?) {
            let row = rows?.into_iter().find(|(key, _)| *key == wanted);
            number = row.and_then(|(_, row)| codec::decode_millis(row.into()).ok()).unwrap_or(number);
        }
        Ok(number)
    }

    /// Where in the log's file segments begin that sled must not see; see [`Pages`].
    pub(super) fn stray_segments(&self) -> &[u64] {
        self.pages.as_ref().map_or(&[], |pages| &pages.stray)
    }

    /// Why sled must not open the folder, if so.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.mark == Found::Damaged {
            return Some(
                "the file acknowledged is damaged, so that nobody can tell whether changes are missing".into(),
            );
        }
        if self.is_unmarked() {
            return Some(
                "the file acknowledged is missing, so that nobody can tell whether changes are; put it back, or if the \
                 folder is of a version that had none, start once with --accept-unmarked-data"
                    .into(),
            );
        }
        self.damage_beside_mark()
    }

    /// The same for a folder of which it is accepted that it has no mark.
    pub(super) fn damage_beside_mark(&self) -> Option<String> {
        if let Some(damage) = &self.redo.damage {
            return Some(damage.clone());
        }
        if self.snapshot_damaged {
            return Some("sled's snapshot is damaged".into());
        }
        self.log_damage()
    }

    /// How sled's log is not what the other files say that it is. What it holds may then be of another time than they are.
    fn log_damage(&self) -> Option<String> {
        let Some(pages) = &self.pages else {
            let Found::Whole(mark) = self.mark else { return None };
            return (mark.log_end > 0).then(|| "sled's log is missing".into());
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
