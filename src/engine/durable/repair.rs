//! Rebuilds damaged indexes when a folder is opened: index rows follow from the records.

use super::super::transaction::Change;
use super::super::{EngineError, IndexRow, rows_of};
use super::checkpoint::Checkpoint;
use super::inspection::{InspectedTable, Inspection};
use super::sled::Database;
use super::sync_watermark::StoredWatermark;
use super::table::Table;
use crate::engine::codec;
use crate::engine::transaction::View;
use crate::model::{Handle, Record};

/// The most rows that are kept in memory before they are written back, in bytes.
const MAX_UNWRITTEN: usize = 32 << 20;

impl Checkpoint {
    /// Rebuilds damaged indexes, if all pages of records can be read.
    pub(super) fn repair_indexes(&mut self, db: &Database, inspection: &Inspection) -> Result<(), EngineError> {
        if inspection.damaged_pages() == 0 {
            return Ok(());
        }
        let events = inspection.index(Table::Events)?;
        if events.missing_ranges() > 0 {
            self.restart_history(db, inspection)?;
        }
        let mut damaged = Vec::new();
        for table in [Table::Members, Table::Due, Table::Lookups, Table::Touches] {
            let index = inspection.index(table)?;
            if index.missing_ranges() > 0 {
                damaged.push((table, index));
            }
        }
        if damaged.is_empty() || inspection.table(Table::Sessions)?.missing_ranges() > 0 {
            return Ok(());
        }
        for (table, index) in damaged {
            tracing::warn!(index = table.name(), "an index is damaged; building it anew from the sessions");
            self.tables.replace_index(db, table)?;
            if table == Table::Touches {
                self.copy_touches(inspection, &index)?;
            }
            let tables = self.tables.clone();
            for row in tables.sessions.all() {
                let (key, _) = row?;
                let record = Handle::from_slice(&key).map(|handle| tables.record(handle));
                // A damaged record gets no index rows. Whoever reads it learns that it is damaged.
                if let Some(Ok(Some(record))) = record {
                    tables.apply(index_rows(table, &record))?;
                }
                // This keeps the memory within what a running server takes.
                if tables.memtable.bytes() > MAX_UNWRITTEN {
                    self.write_all_back()?;
                }
            }
        }
        Ok(())
    }

    /// Begins the history of events anew, so that events can be appended. Watchers are told that events are missing.
    fn restart_history(&mut self, db: &Database, inspection: &Inspection) -> Result<(), EngineError> {
        let StoredWatermark::Whole(watermark) = inspection.watermark else {
            return Ok(());
        };
        tracing::error!(through = watermark.last_event, "the history of events is damaged; beginning a new one");
        self.tables.replace_index(db, Table::Events)?;
        self.tables.apply(vec![Change::DropEvents(watermark.last_event)])
    }

    /// Copies the touches that can be read. A session whose touch is lost may expire early.
    fn copy_touches(&self, inspection: &Inspection, index: &InspectedTable) -> Result<(), EngineError> {
        for rows in inspection.rows(index) {
            for (key, row) in rows? {
                if let (Some(handle), Ok(at)) = (Handle::from_slice(&key), codec::decode_millis(row.into())) {
                    self.tables.apply(vec![Change::PutTouch(handle, at)])?;
                }
            }
        }
        Ok(())
    }
}

/// The rows of a record in this index.
fn index_rows(table: Table, record: &Record) -> Vec<Change> {
    let stands_there = |row: &IndexRow<'_>| match row {
        IndexRow::Namespace(_) | IndexRow::Principal(..) => table == Table::Members,
        IndexRow::Due(_) => table == Table::Due,
        IndexRow::Lookup(_) => table == Table::Lookups,
    };
    rows_of(record).filter(stands_there).map(|row| row.put(record)).collect()
}
