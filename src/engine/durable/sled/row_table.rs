//! A table of sled in which every row is stored by itself. This is where rows are encrypted and decrypted: sled sees only
//! what is encrypted, and all others only what is not.

use super::to_bytes;
use crate::engine::EngineError;
use crate::engine::codec;
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::keys::Key;
use crate::engine::durable::memtable::Range;
use crate::engine::durable::merge::Direction;
use crate::engine::durable::table::Table;
use ::sled::IVec;
use bytes::Bytes;
use std::ops::Bound;

/// A table without leaves. Clones share it.
#[derive(Clone, Debug)]
pub(in super::super) struct RowTable {
    tree: ::sled::Tree,
    table: Table,
    cipher: Cipher,
}

/// What [`RowTable::renew`] did.
#[derive(Debug, Default)]
pub(in super::super) struct Renewed {
    /// The last row that it looked at; `None` at the end of the table.
    pub(in super::super) last: Option<Key>,
    /// How many rows it looked at.
    pub(in super::super) rows: u64,
    /// How many bytes it wrote.
    pub(in super::super) bytes: usize,
    /// How many rows it left as they were, because they can't be decrypted.
    pub(in super::super) unreadable: u64,
}

/// A key and its row.
type Row = (Key, Bytes);

impl RowTable {
    pub(super) fn new(tree: ::sled::Tree, table: Table, cipher: Cipher) -> Self {
        Self { tree, table, cipher }
    }

    pub(in super::super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.tree.get(key)?.map(|row| self.cipher.decrypt(self.table, key, to_bytes(row))))
    }

    /// The last row.
    pub(in super::super) fn last(&self) -> Result<Option<Row>, EngineError> {
        Ok(self.tree.last()?.map(|row| self.to_row(row)))
    }

    pub(in super::super) fn insert(&self, key: &[u8], row: &[u8]) -> Result<(), EngineError> {
        self.tree.insert(key, &*self.cipher.encrypt(self.table, key, row))?;
        Ok(())
    }

    pub(in super::super) fn remove(&self, key: &[u8]) -> Result<(), EngineError> {
        self.tree.remove(key)?;
        Ok(())
    }

    /// The rows of a range, fetched lazily.
    pub(in super::super) fn range(
        &self,
        range: &Range,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Row, EngineError>> + use<> {
        let table = self.clone();
        let mut rows = self.tree.range::<Key, _>(range.clone());
        std::iter::from_fn(move || {
            let row = match direction {
                Direction::Up => rows.next(),
                Direction::Down => rows.next_back(),
            };
            row.map(|row| Ok(table.to_row(row?)))
        })
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether its rows stand for sessions.
    pub(in super::super) fn has_sessions(&self) -> bool {
        self.table == Table::Sessions
    }

    /// Writes rows anew that are not encrypted as the cipher would encrypt them now. It looks at the next `limit` rows after
    /// a key.
    pub(in super::super) fn renew(&self, after: Option<&Key>, limit: usize) -> Result<Renewed, EngineError> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let mut renewed = Renewed::default();
        for row in self.tree.range::<Key, _>((from, Bound::Unbounded)).take(limit) {
            let (key, stored) = row?;
            renewed.rows += 1;
            renewed.last = Some(Key::from(&*key));
            if self.cipher.is_current(&stored) {
                continue;
            }
            let row = self.cipher.decrypt(self.table, &key, to_bytes(stored));
            if codec::is_unreadable(&row) {
                renewed.unreadable += 1;
                continue;
            }
            let stored = self.cipher.encrypt(self.table, &key, &row);
            renewed.bytes += key.len() + stored.len();
            self.tree.insert(key, &*stored)?;
        }
        if renewed.rows < limit as u64 {
            renewed.last = None;
        }
        Ok(renewed)
    }

    fn to_row(&self, (key, row): (IVec, IVec)) -> Row {
        let row = self.cipher.decrypt(self.table, &key, to_bytes(row));
        (Key::from(&*key), row)
    }
}
