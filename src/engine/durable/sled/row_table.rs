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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::{KeyRing, new_key};
    use crate::engine::durable::encryption_state::EncryptionState;

    fn cipher(lines: &[&str]) -> Cipher {
        Cipher::new(Some(&KeyRing::parse(&lines.join("\n")).unwrap()), &EncryptionState::PLAIN)
    }

    fn row(moment: u64) -> Bytes {
        codec::encode_millis(moment)
    }

    #[test]
    fn exchanged_rows_are_damaged_where_they_are_read_and_hide_no_others() {
        let db = ::sled::Config::new().temporary(true).open().unwrap();
        let (tree, cipher) = (db.open_tree("touches").unwrap(), cipher(&[&new_key().1]));
        let table = RowTable::new(tree.clone(), Table::Touches, cipher);
        for key in [b"a", b"b", b"c"] {
            table.insert(key, &row(1)).unwrap();
        }
        let [a, b] = [b"a", b"b"].map(|key| tree.get(key).unwrap().unwrap());
        tree.insert(b"a", b).unwrap();
        tree.insert(b"b", a).unwrap();
        let rows: Vec<_> =
            table.range(&(Bound::Unbounded, Bound::Unbounded), Direction::Up).map(Result::unwrap).collect();
        assert_eq!(rows.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        let readable = rows.into_iter().map(|(_, row)| codec::decode_millis(row).is_ok());
        assert_eq!(readable.collect::<Vec<_>>(), [false, false, true]);
        assert!(codec::decode_millis(table.get(b"a").unwrap().unwrap()).is_err());
    }

    #[test]
    fn rows_are_renewed_as_they_are_and_only_if_they_have_to_be() {
        let db = ::sled::Config::new().temporary(true).open().unwrap();
        let tree = db.open_tree("touches").unwrap();
        let [old, new] = [new_key().1, new_key().1];
        let table = |cipher| RowTable::new(tree.clone(), Table::Touches, cipher);
        let [plain, before, after] = [table(Cipher::default()), table(cipher(&[&old])), table(cipher(&[&new, &old]))];
        for number in 0..90_u8 {
            let into = [&plain, &before, &after][usize::from(number % 3)];
            into.insert(&[number], &row(number.into())).unwrap();
        }
        // One of the old key is damaged, and stays so.
        tree.insert([1], tree.get([4]).unwrap().unwrap()).unwrap();
        let (mut last, mut looked_at, mut unreadable) = (None, 0, 0);
        loop {
            let renewed = after.renew(last.as_ref(), 7).unwrap();
            (looked_at, unreadable) = (looked_at + renewed.rows, unreadable + renewed.unreadable);
            last = renewed.last;
            if last.is_none() {
                break;
            }
        }
        assert_eq!((looked_at, unreadable), (90, 1));
        let only_new = table(cipher(&[&new]));
        for number in (0..90_u8).filter(|number| *number != 1) {
            let found = only_new.get(&[number]).unwrap().unwrap();
            assert_eq!(found, row(number.into()), "{number}");
        }
        let again = after.renew(None, 100).unwrap();
        assert_eq!((again.rows, again.bytes, again.unreadable), (90, 0, 1));
    }
}
