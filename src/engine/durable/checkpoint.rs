//! Writes rows back into sled, so that the redo log's files can be used again.

use super::memtable::Layer;
use super::reencryption::Reencryption;
use super::sled::{Log, SEGMENT_BYTES};
use super::space::Space;
use super::table::Table;
use super::tables::Tables;
use super::watchdog::Progress;
use crate::engine::EngineError;
use std::cell::Cell;
use std::sync::Arc;

/// How often sled cleans up in one go, and how much the log grows by that if there was hardly a page to move. One
/// cleanup writes 210 to 240 B itself, and the smallest pages are not much larger.
const CLEANS: usize = 16;
const IDLE_GROWTH: u64 = 264 * CLEANS as u64;

/// Cleaning up is urgent if the log is so many times as long as it was with nothing to clean up, and longer than this.
/// Cleaning up takes as much of the processor as the calls that make it necessary, so the rest is left for times of
/// less load.
pub(super) const BLOAT: u64 = 2;
const BLOAT_BYTES: u64 = 1 << 30;

/// The order in which the tables are written back. Rows that change often come late: most of them have changed again by
/// then, and need not be written. `meta` is last, because it names the generation of an index that is in use.
const ORDER: [Table; Table::ALL.len()] = [
    Table::Events,
    Table::Members,
    Table::Lookups,
    Table::Due,
    Table::Parts,
    Table::Touches,
    Table::Sessions,
    Table::Meta,
];

/// How many steps a checkpoint makes between two rests.
const STEPS_BETWEEN_RESTS: u64 = 32;

/// How much must have been written before the log is turned over, in bytes: usually, while space is tight, and while
/// space is tight and nothing changes.
const TURN_OVER: u64 = 16 << 20;
const TURN_OVER_TIGHT: u64 = 4 << 20;
const TURN_OVER_IDLE: u64 = 64 << 10;
const LEAST_TURNS: usize = 3;

/// While space is tight, a checkpoint cleans up after so many bytes that it wrote, at most so many times in one go.
const BYTES_BETWEEN_CLEANS: u64 = SEGMENT_BYTES as u64 / 4;
const CLEANS_WHILE_WRITING: usize = 32;

/// All that is needed to write rows back. Only its owner may change sled.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) log: Log,
    pub(super) tables: Tables,
    /// Whether a part of the folder could not be read at opening.
    pub(super) is_damaged: bool,
    /// The length of the log when there was nothing to clean up, in bytes. After an opening it is unknown, and set so
    /// that any growth of a long log counts as bloat.
    pub(super) settled: u64,
    /// The end of the log when sled last freed all emptied segments.
    pub(super) turned_at: u64,
    /// The end of the log when there was last nothing to give back.
    pub(super) given_back_at: u64,
    pub(super) progress: Arc<Progress>,
    pub(super) space: Arc<Space>,
    /// `None` if everything is encrypted as it should be.
    pub(super) reencryption: Option<Reencryption>,
}

impl Checkpoint {
    /// Writes back all rows that are not in sled yet. Nothing may change meanwhile.
    pub(super) fn write_all_back(&mut self) -> Result<(), EngineError> {
        let layer = self.tables.memtable.freeze();
        if !layer.is_empty() {
            self.write_back(&layer, |_| {})?;
        }
        self.tables.memtable.forget_frozen();
        Ok(())
    }

    /// Writes a layer back and makes it durable. Rows that have changed again since are left out: they come with the
    /// next layer. So the redo log of this layer is needed until the redo log of the next one is durable up to this
    /// moment. `rest` is called now and then with the progress, in thousandths.
    pub(super) fn write_back(&mut self, layer: &Layer, mut rest: impl FnMut(u64)) -> Result<(), EngineError> {
        let all = layer.len() as u64;
        let (done, mut steps) = (Cell::new(0), 0_u64);
        let mut cleaned_at = self.log.end();
        let tables = self.tables.clone();
        self.progress.begin();
        for table in ORDER {
            let rows = layer.rows(table).iter().inspect(|_| done.set(done.get() + 1));
            let wrote = |wrote| {
                let bytes = self.outcome(table, wrote)?;
                self.log.note(bytes)?;
                steps += 1;
                if self.space.is_tight() && self.log.end().saturating_sub(cleaned_at) >= BYTES_BETWEEN_CLEANS {
                    // The rows written so far have replaced old ones. Without the space of those, the rest may find no
                    // room.
                    self.clean_while_writing()?;
                    cleaned_at = self.log.end();
                }
                if steps % STEPS_BETWEEN_RESTS == 0 {
                    self.progress.end();
                    rest(done.get() * 1_000 / all);
                    self.progress.begin();
                }
                Ok(())
            };
            match tables.tree(table) {
                Some(tree) => {
                    let unchanged = rows.filter(|(key, _)| !tables.memtable.has_changed(table, key));
                    tree.stored.write_back(unchanged, wrote)?;
                }
                None => tables.history.write_back(rows, wrote)?,
            }
        }
        self.log.sync()?;
        self.progress.end();
        Ok(())
    }

    /// In a folder that is damaged in places, rows that belong to a damaged page are left out. A read of them fails.
    fn outcome(&self, table: Table, wrote: Result<usize, EngineError>) -> Result<usize, EngineError> {
        match wrote {
            Err(EngineError::Corrupt(damage)) if self.is_damaged => {
                tracing::error!(
                    table = table.name(),
                    damage,
                    "a change could not be written into a damaged part of the data"
                );
                Ok(0)
            }
            wrote => wrote,
        }
    }

    fn clean_while_writing(&mut self) -> Result<(), EngineError> {
        for _ in 0..CLEANS_WHILE_WRITING {
            if self.clean_some()?.is_none() {
                break;
            }
        }
        self.progress.begin();
        Ok(())
    }

    /// Moves some pages out of segments that are mostly free. Returns how many bytes that wrote; `None` if there was
    /// hardly a page to move.
    pub(super) fn clean_some(&mut self) -> Result<Option<u64>, EngineError> {
        let before = self.log.end();
        self.progress.begin();
        for _ in 0..CLEANS {
            self.clean()?;
        }
        self.progress.end();
        let growth = self.log.end().saturating_sub(before);
        if growth > IDLE_GROWTH {
            return Ok(Some(growth));
        }
        self.settled = self.log.file_bytes()?;
        Ok(None)
    }

    /// Whether enough was written since sled last freed all emptied segments. Turning the log over writes three
    /// segments, so it must be worth that.
    pub(super) fn is_worth_a_turn(&self) -> bool {
        self.has_written(if self.space.is_tight() { TURN_OVER_TIGHT } else { TURN_OVER }, self.turned_at)
    }

    /// The same since there was last nothing to give back, for a time without changes. While space is tight, less is
    /// enough.
    pub(super) fn is_worth_giving_back(&self) -> bool {
        self.has_written(if self.space.is_tight() { TURN_OVER_IDLE } else { TURN_OVER }, self.given_back_at)
    }

    fn has_written(&self, least: u64, since: u64) -> bool {
        !self.is_damaged && !self.space.is_exhausted() && self.log.end().saturating_sub(since) >= least
    }

    /// Moves what can be moved and makes sled free the emptied segments. Returns whether anything was freed.
    pub(super) fn give_back(&mut self) -> Result<bool, EngineError> {
        if self.has_no_room() {
            return Ok(false);
        }
        let before = self.log.segments_in_use();
        self.clean_some()?;
        self.turn_over()?;
        Ok(self.log.segments_in_use() < before)
    }

    /// Notes that there is nothing left to give back.
    pub(super) fn has_given_back(&mut self) {
        self.given_back_at = self.log.end();
    }

    /// Makes sled free the emptied segments, once there is hardly a page left to move. Freeing may leave more to move,
    /// so it goes on until nothing more is freed.
    pub(super) fn turn_over(&mut self) -> Result<(), EngineError> {
        let mut in_use = self.log.segments_in_use();
        for turn in 1.. {
            if self.has_no_room() {
                break;
            }
            self.progress.begin();
            self.log.turn_over()?;
            self.progress.end();
            let left = self.log.segments_in_use();
            // The next turn frees what this one moves.
            if turn >= LEAST_TURNS && left >= in_use {
                break;
            }
            in_use = left;
        }
        self.turned_at = self.log.end();
        Ok(())
    }

    /// Whether others have taken the disk at this moment. A write that fails would end the server, and what only gives space
    /// back can wait.
    fn has_no_room(&self) -> bool {
        self.space.look();
        self.space.is_exhausted()
    }

    /// Whether cleaning up is urgent.
    pub(super) fn is_bloated(&self) -> Result<bool, EngineError> {
        Ok(self.space.is_tight() || self.log.file_bytes()? > BLOAT_BYTES.max(BLOAT * self.settled))
    }

    fn clean(&mut self) -> Result<(), EngineError> {
        // sled fails for good when it moves a damaged page.
        if self.is_damaged { Ok(()) } else { self.log.clean() }
    }
}
