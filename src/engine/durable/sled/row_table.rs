//! A table of sled in which every row is stored by itself.

use super::to_bytes;
use crate::engine::EngineError;
use crate::engine::durable::keys::Key;
use crate::engine::durable::memtable::Range;
use crate::engine::durable::merge::Direction;
use ::sled::IVec;
use bytes::Bytes;

/// A table without leaves. Clones share it.
#[derive(Clone, Debug)]
pub(in super::super) struct RowTable(::sled::Tree);

/// A key and its row.
type Row = (Key, Bytes);

impl RowTable {
    pub(super) fn new(tree: ::sled::Tree) -> Self {
        Self(tree)
    }

    pub(in super::super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(key)?.map(to_bytes))
    }

    /// The last row.
    pub(in super::super) fn last(&self) -> Result<Option<Row>, EngineError> {
        Ok(self.0.last()?.map(to_row))
    }

    pub(in super::super) fn insert(&self, key: &[u8], row: &[u8]) -> Result<(), EngineError> {
        self.0.insert(key, row)?;
        Ok(())
    }

    pub(in super::super) fn remove(&self, key: &[u8]) -> Result<(), EngineError> {
        self.0.remove(key)?;
        Ok(())
    }

    /// The rows of a range, fetched lazily.
    pub(in super::super) fn range(
        &self,
        range: &Range,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Row, EngineError>> + use<> {
        let mut rows = self.0.range::<Key, _>(range.clone());
        std::iter::from_fn(move || {
            let row = match direction {
                Direction::Up => rows.next(),
                Direction::Down => rows.next_back(),
            };
            row.map(|row| Ok(row.map(to_row)?))
        })
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn to_row((key, row): (IVec, IVec)) -> Row {
    (Key::from(&*key), to_bytes(row))
}
