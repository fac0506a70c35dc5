//! The rows that are in the redo log but not in sled yet, in memory: the rows that were changed lately, and those that
//! the checkpoint is writing back.

use super::keys::Key;
use super::merge::{Direction, merge};
use super::table::Table;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What an entry takes in memory besides its key and its value, in bytes: its share of a tree node, and its allocation.
const ENTRY_BYTES: usize = 112;

/// A changed row. The value is `None` if the row is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) key: Key,
    pub(super) value: Option<Bytes>,
}

impl Row {
    pub(super) fn put(table: Table, key: impl Into<Key>, value: Bytes) -> Self {
        Self { table, key: key.into(), value: Some(value) }
    }

    pub(super) fn remove(table: Table, key: impl Into<Key>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

/// The state of a row in the memtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recent {
    Put(Bytes),
    Removed,
}

/// Changed rows, each in its newest state.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    tables: [BTreeMap<Key, Option<Bytes>>; Table::ALL.len()],
    bytes: usize,
}

/// The keys and values of a part of a table, in order.
pub(super) type Slice = Vec<(Key, Option<Bytes>)>;

/// A range of keys, lower bound first.
pub(super) type Range = (Bound<Key>, Bound<Key>);

impl Layer {
    pub(super) fn apply(&mut self, row: Row) {
        let key_bytes = row.key.len();
        let added = row.value.as_ref().map_or(0, Bytes::len);
        match self.tables[row.table as usize].insert(row.key, row.value) {
            None => self.bytes += ENTRY_BYTES + key_bytes + added,
            Some(replaced) => self.bytes = (self.bytes + added).saturating_sub(replaced.map_or(0, |old| old.len())),
        }
    }

    /// The rows of a table, in the order of their keys.
    pub(super) fn rows(&self, table: Table) -> &BTreeMap<Key, Option<Bytes>> {
        &self.tables[table as usize]
    }

    /// Forgets the rows of a table up to this key, which need not be written back.
    fn forget_through(&mut self, table: Table, last: &[u8]) {
        let rows = &mut self.tables[table as usize];
        while let Some(first) = rows.first_entry().filter(|first| **first.key() <= *last) {
            let (key, value) = first.remove_entry();
            self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + key.len() + value.map_or(0, |value| value.len()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(BTreeMap::is_empty)
    }

    /// Memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of changed rows.
    pub(super) fn len(&self) -> usize {
        self.tables.iter().map(BTreeMap::len).sum()
    }

    fn range(&self, table: Table, range: &Range, direction: Direction, limit: usize) -> Slice {
        if is_void(range) {
            return Slice::new();
        }
        let found = self.rows(table).range::<[u8], _>((as_bytes(&range.0), as_bytes(&range.1)));
        let copy = |(key, value): (&Key, &Option<Bytes>)| (key.clone(), value.clone());
        match direction {
            Direction::Up => found.take(limit).map(copy).collect(),
            Direction::Down => found.rev().take(limit).map(copy).collect(),
        }
    }
}

fn as_bytes(bound: &Bound<Key>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

/// Whether no key can be in the range. `BTreeMap::range` panics on some such ranges.
fn is_void((from, to): &Range) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
    }
}

/// The rows that are not in sled yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Memtable(Arc<RwLock<Layers>>);

#[derive(Debug, Default)]
struct Layers {
    /// Changes go here.
    active: Layer,
    /// The checkpoint is writing this layer back.
    frozen: Option<Arc<Layer>>,
}

impl Memtable {
    /// A memtable with rows that are in the redo log already.
    pub(super) fn of(active: Layer) -> Self {
        Self(Arc::new(RwLock::new(Layers { active, frozen: None })))
    }

    /// Applies the rows of one transaction at once: a reader sees all of them or none.
    pub(super) fn apply(&self, rows: Vec<Row>) {
        let mut layers = self.write();
        for row in rows {
            layers.active.apply(row);
        }
    }

    /// The state of a row; `None` if it is unchanged since sled has it.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Recent> {
        let layers = self.read();
        let frozen = layers.frozen.as_ref();
        let value = layers.active.rows(table).get(key).or_else(|| frozen?.rows(table).get(key))?;
        Some(value.clone().map_or(Recent::Removed, Recent::Put))
    }

    /// Whether a row was changed again since the last layer was frozen.
    pub(super) fn has_changed(&self, table: Table, key: &[u8]) -> bool {
        self.read().active.rows(table).contains_key(key)
    }

    /// The changed rows of a range. Of each layer at most `limit` rows are read. If that leaves out rows, the second
    /// value is the last key up to which the slice is complete.
    pub(super) fn slice(
        &self,
        table: Table,
        range: &Range,
        direction: Direction,
        limit: usize,
    ) -> (Slice, Option<Key>) {
        let layers = self.read();
        let active = layers.active.range(table, range, direction, limit);
        let frozen =
            layers.frozen.as_ref().map_or_else(Slice::new, |frozen| frozen.range(table, range, direction, limit));
        drop(layers);
        let may_lack = |slice: &Slice| slice.last().filter(|_| slice.len() >= limit).map(|(key, _)| key.clone());
        let ends = may_lack(&active).into_iter().chain(may_lack(&frozen));
        let end = match direction {
            Direction::Up => ends.min(),
            Direction::Down => ends.max(),
        };
        let mut merged: Slice = merge(active.into_iter(), frozen.into_iter(), direction).collect();
        if let Some(end) = &end {
            let known = merged.partition_point(|(key, _)| !direction.comes_before(end, key));
            merged.truncate(known);
        }
        (merged, end)
    }

    /// Forgets the rows of a table up to this key, so that they are not written back. The frozen layer keeps its rows.
    pub(super) fn forget_through(&self, table: Table, last: &[u8]) {
        self.write().active.forget_through(table, last);
    }

    /// The size of the active layer, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.read().active.bytes
    }

    /// The size of both layers, in bytes.
    pub(super) fn bytes_of_all(&self) -> u64 {
        let layers = self.read();
        (layers.active.bytes + layers.frozen.as_ref().map_or(0, |frozen| frozen.bytes)) as u64
    }

    /// Freezes the active layer, to be written back, and begins a new one. The layer frozen before must be written back
    /// already.
    pub(super) fn freeze(&self) -> Arc<Layer> {
        let mut layers = self.write();
        let frozen = Arc::new(std::mem::take(&mut layers.active));
        layers.frozen = Some(Arc::clone(&frozen));
        frozen
    }

    /// Forgets the frozen layer, which is in sled now.
    pub(super) fn forget_frozen(&self) {
        let frozen = self.write().frozen.take();
        // The layer may be large, so it is freed after the lock is released.
        drop(frozen);
    }

    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u8, value: Option<&'static str>) -> Row {
        Row { table: Table::Due, key: Key::from(&[key]), value: value.map(Bytes::from) }
    }

    fn keys(slice: &Slice) -> Vec<u8> {
        slice.iter().map(|(key, _)| key[0]).collect()
    }

    #[test]
    fn the_newest_state_of_a_row_wins() {
        let memtable = Memtable::default();
        memtable.apply(vec![row(1, Some("old")), row(2, Some("old"))]);
        memtable.freeze();
        memtable.apply(vec![row(1, None)]);
        assert_eq!(memtable.get(Table::Due, &[1]), Some(Recent::Removed));
        assert_eq!(memtable.get(Table::Due, &[2]), Some(Recent::Put("old".into())));
        assert_eq!(memtable.get(Table::Due, &[3]), None);
        assert_eq!(memtable.get(Table::Meta, &[1]), None);
        assert!(memtable.has_changed(Table::Due, &[1]) && !memtable.has_changed(Table::Due, &[2]));
        memtable.forget_frozen();
        assert_eq!(memtable.get(Table::Due, &[2]), None);
        assert!(memtable.bytes() > 0);
    }

    #[test]
    fn a_slice_says_how_far_it_reaches() {
        let memtable = Memtable::default();
        memtable.apply([2, 4, 6].map(|key| row(key, Some("frozen"))).to_vec());
        memtable.freeze();
        memtable.apply([1, 3, 5, 6].map(|key| row(key, None)).to_vec());
        let all = (Bound::Unbounded, Bound::Unbounded);
        let (slice, end) = memtable.slice(Table::Due, &all, Direction::Up, 10);
        assert_eq!((keys(&slice), end), (vec![1, 2, 3, 4, 5, 6], None));
        assert_eq!(slice[5].1, None);
        let (slice, end) = memtable.slice(Table::Due, &all, Direction::Up, 2);
        assert_eq!((keys(&slice), end), (vec![1, 2, 3], Some(Key::from(&[3]))));
        let (slice, end) = memtable.slice(Table::Due, &all, Direction::Down, 2);
        assert_eq!((keys(&slice), end), (vec![6, 5], Some(Key::from(&[5]))));
        let void = (Bound::Excluded(Key::from(&[3])), Bound::Excluded(Key::from(&[3])));
        assert!(memtable.slice(Table::Due, &void, Direction::Up, 2).0.is_empty());
    }
}
