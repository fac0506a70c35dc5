//! Writing rows back into sled, so that the redo log can be used again.

use super::memtable::Layer;
use super::sled::{Log, SEGMENT_BYTES};
use super::space::Space;
use super::table::Table;
use super::tables::Tables;
use super::watchdog::Progress;
use crate::engine::EngineError;
use std::cell::Cell;
use std::sync::Arc;

/// How often sled is made to clean up at a time, and how much the log grows then if there was hardly a page to move: one
/// time takes 210 to 240 B itself, and the smallest pages are not much larger.
const CLEANS: usize = 16;
const IDLE_GROWTH: u64 = 264 * CLEANS as u64;

/// There is too much to clean up if the log is so many times as long as when there was nothing, and longer than this. Cleaning
/// up takes as much of the processor as the calls that make it necessary, so that less is left to times of less load.
pub(super) const BLOAT: u64 = 2;
const BLOAT_BYTES: u64 = 1 << 30;

/// In which order the tables are written back. Rows that are changed often come late: most of them have changed again by
/// then, and need not be written. The last one says which generation of an index is in use.
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

/// Steps after which a checkpoint may rest.
const STEPS_BETWEEN_RESTS: u64 = 32;

/// What must have been written before the log is turned over: usually, while space is tight, and if nobody changes anything
/// then; in bytes.
const TURN_OVER: u64 = 16 << 20;
const TURN_OVER_TIGHT: u64 = 4 << 20;
const TURN_OVER_IDLE: u64 = 64 << 10;
const LEAST_TURNS: usize = 3;

/// How much a checkpoint writes, in bytes, before it cleans up while space is tight, and how often it then does so at most.
const BYTES_BETWEEN_CLEANS: u64 = SEGMENT_BYTES as u64 / 4;
const CLEANS_WHILE_WRITING: usize = 32;

/// What it takes to write rows back. Whoever has it may change sled, and nobody else.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) log: Log,
    pub(super) tables: Tables,
    /// Whether a part of the folder could not be read at opening.
    pub(super) is_damaged: bool,
    /// How long the log was, in bytes, when there was nothing to clean up. After opening that is not known, and the log should
    /// not grow before it is.
    pub(super) settled: u64,
    /// Where the log was when sled last freed all that was emptied.
    pub(super) turned_at: u64,
    /// Where the log was when there was last nothing left to give back.
    pub(super) given_back_at: u64,
    pub(super) progress: Arc<Progress>,
    pub(super) space: Arc<Space>,
}

impl Checkpoint {
    /// Writes back all that is not in sled yet. Nobody may change anything meanwhile.
    pub(super) fn write_all_back(&mut self) -> Result<(), EngineError> {
        let layer = self.tables.memtable.freeze();
        if !layer.is_empty() {
            self.write_back(&layer, |_| {})?;
        }
        self.tables.memtable.forget_frozen();
        Ok(())
    }

    /// Writes a layer back and makes it durable, but for rows that were changed again since then: they come with the next
    /// layer. So the redo log of this one is needed until that of the next is durable up to here. `rest` is called now and
    /// then with what is done, in thousandths.
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
                    // What was written back so far has left something behind, without which the rest may find no room.
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

    /// In a folder that is damaged in places, rows that belong there are left out: who asks for them learns of it.
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

    /// Moves some pages out of segments that are mostly free. How many bytes were written; `None` if there were hardly any
    /// pages to move.
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

    /// Whether so much was written since sled last freed all that was emptied that it is worth to have it do so again: three
    /// segments are written for that.
    pub(super) fn is_worth_a_turn(&self) -> bool {
        self.has_written(if self.space.is_tight() { TURN_OVER_TIGHT } else { TURN_OVER }, self.turned_at)
    }

    /// The same since there was last nothing to give back, where nobody changes anything: less is enough.
    pub(super) fn is_worth_giving_back(&self) -> bool {
        self.has_written(if self.space.is_tight() { TURN_OVER_IDLE } else { TURN_OVER }, self.given_back_at)
    }

    fn has_written(&self, least: u64, since: u64) -> bool {
        !self.is_damaged && !self.space.is_exhausted() && self.log.end().saturating_sub(since) >= least
    }

    /// Moves what can be moved and has sled free what was emptied. Whether anything was freed.
    pub(super) fn give_back(&mut self) -> Result<bool, EngineError> {
        let before = self.log.segments_in_use();
        self.clean_some()?;
        self.turn_over()?;
        Ok(self.log.segments_in_use() < before)
    }

    /// There is nothing left to give back.
    pub(super) fn has_given_back(&mut self) {
        self.given_back_at = self.log.end();
    }

    /// Once there is hardly anything left to move, has sled free what was emptied; what it frees may leave more to move.
    pub(super) fn turn_over(&mut self) -> Result<(), EngineError> {
        let mut in_use = self.log.segments_in_use();
        for turn in 1.. {
            self.progress.begin();
            self.log.turn_over()?;
            self.progress.end();
            let left = self.log.segments_in_use();
            // What one turn moves the next one frees.
            if turn >= LEAST_TURNS && left >= in_use {
                break;
            }
            in_use = left;
        }
        self.turned_at = self.log.end();
        Ok(())
    }

    /// Whether cleaning up can't wait for times of less load.
    pub(super) fn is_bloated(&self) -> Result<bool, EngineError> {
        Ok(self.space.is_tight() || self.log.file_bytes()? > BLOAT_BYTES.max(BLOAT * self.settled))
    }

    fn clean(&mut self) -> Result<(), EngineError> {
        // sled meets what is damaged when it moves it, and can't go on from there.
        if self.is_damaged { Ok(()) } else { self.log.clean() }
    }
}
