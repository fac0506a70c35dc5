//! How sled stores the rows of a table.

use super::leaf_table::LeafTable;
use super::row_table::RowTable;
use crate::engine::EngineError;
use crate::engine::durable::keys::Key;
use crate::engine::durable::memtable::Range;
use crate::engine::durable::merge::Direction;
use bytes::Bytes;

/// A table in sled.
#[derive(Clone, Debug)]
pub(in super::super) enum Store {
    /// Each row by itself.
    Rows(RowTable),
    /// Many small rows in one leaf.
    Leaves(LeafTable),
}

impl Store {
    /// A leaf table if it `has_leaves`, else a row table.
    pub(in super::super) fn new(table: RowTable, has_leaves: bool) -> Self {
        if has_leaves { Self::Leaves(LeafTable::new(table)) } else { Self::Rows(table) }
    }

    pub(in super::super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self {
            Self::Rows(table) => table.get(key),
            Self::Leaves(table) => table.get(key),
        }
    }

    /// The rows of a range, fetched lazily.
    pub(in super::super) fn range<'a>(
        &'a self,
        range: &Range,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = Result<(Key, Bytes), EngineError>> + 'a> {
        match self {
            Self::Rows(table) => Box::new(table.range(range, direction)),
            Self::Leaves(table) => Box::new(table.range(range, direction)),
        }
    }

    /// Fails if the page or leaf of this row can't be read.
    pub(in super::super) fn probe(&self, key: &[u8]) -> Result<(), EngineError> {
        match self {
            Self::Rows(table) => table.get(key).map(drop),
            Self::Leaves(table) => table.probe(key),
        }
    }

    /// Writes these rows, which come in order; `None` removes a row. After each step, `wrote` gets its bytes, or the
    /// error why a row can't be written.
    pub(in super::super) fn write_back<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>,
        mut wrote: impl FnMut(Result<usize, EngineError>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let table = match self {
            Self::Leaves(table) => return table.write_back(rows, wrote),
            Self::Rows(table) => table,
        };
        for (key, row) in rows {
            wrote(match row {
                Some(row) => table.insert(key, row).map(|()| key.len() + row.len()),
                None => table.remove(key).map(|()| key.len()),
            })?;
        }
        Ok(())
    }
}
