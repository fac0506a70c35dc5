//! A table: its rows in sled, overridden by the rows in the memtable that are not in sled yet.

use super::keys::Key;
use super::memtable::{Memtable, Range, Recent};
use super::merge::{Direction, merge};
use super::sled::{RowTable, Store};
use super::table::Table;
use crate::engine::EngineError;
use bytes::Bytes;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

/// The most rows that a scan fetches at a time.
const SCAN_ROWS: usize = 1_024;

/// A table.
#[derive(Clone, Debug)]
pub(super) struct LayeredTable {
    table: Table,
    /// The rows that are written back. Only the checkpoint changes them, so they lag behind.
    pub(super) stored: Store,
    memtable: Memtable,
}

impl LayeredTable {
    pub(super) fn new(table: Table, stored: RowTable, memtable: Memtable) -> Self {
        Self { table, stored: Store::new(stored, table.has_leaves()), memtable }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.memtable.get(self.table, key) {
            Some(Recent::Put(value)) => Ok(Some(value)),
            Some(Recent::Removed) => Ok(None),
            // The memtable forgets a row only after it is in sled, so no row is missed between the two reads.
            None => self.stored.get(key),
        }
    }

    pub(super) fn contains_key(&self, key: &[u8]) -> Result<bool, EngineError> {
        match self.memtable.get(self.table, key) {
            Some(recent) => Ok(recent != Recent::Removed),
            None => Ok(self.stored.get(key)?.is_some()),
        }
    }

    /// The rows of a range, fetched lazily. `limit` is a hint how many will be taken. It ends after an error.
    pub(super) fn scan<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
        limit: usize,
    ) -> impl Iterator<Item = Result<(Key, Bytes), EngineError>> {
        let own = |bound: Bound<&K>| bound.map(|key| Key::from(key.as_ref()));
        let range = (own(range.start_bound()), own(range.end_bound()));
        Scan { table: self, rest: Some(range), direction, rows: limit.clamp(1, SCAN_ROWS), fetched: VecDeque::new() }
    }

    /// All rows in the order of their keys.
    pub(super) fn all(&self) -> impl Iterator<Item = Result<(Key, Bytes), EngineError>> {
        self.scan::<&[u8]>(.., Direction::Up, SCAN_ROWS)
    }
}

struct Scan<'a> {
    table: &'a LayeredTable,
    /// The range that is not fetched yet.
    rest: Option<Range>,
    direction: Direction,
    /// How many rows to fetch at a time.
    rows: usize,
    fetched: VecDeque<Result<(Key, Bytes), EngineError>>,
}

impl Scan<'_> {
    /// Fetches the next rows of the rest. It may find none.
    fn fetch(&mut self, rest: &Range) {
        // The memtable is read first: a row that is written back between the two reads is then found in sled.
        let (changed, known_to) = self.table.memtable.slice(self.table.table, rest, self.direction, self.rows);
        let part = known_to.as_ref().map_or_else(|| rest.clone(), |last| self.up_to(rest, last));
        let failure = Cell::new(None);
        let stored = self.table.stored.range(&part, self.direction).map_while(|row| match row {
            Ok((key, value)) => Some((key, Some(value))),
            Err(error) => {
                failure.set(Some(error));
                None
            }
        });
        let mut last = None;
        for (key, value) in merge(changed.into_iter(), stored, self.direction) {
            if let Some(error) = failure.take() {
                self.fetched.push_back(Err(error));
                return;
            }
            last = Some(key.clone());
            self.fetched.extend(value.map(|value| Ok((key, value))));
            if self.fetched.len() >= self.rows {
                break;
            }
        }
        if let Some(error) = failure.take() {
            self.fetched.push_back(Err(error));
        } else if self.fetched.len() >= self.rows {
            self.rest = last.map(|last| self.behind(rest, last));
        } else {
            self.rest = known_to.map(|last| self.behind(rest, last));
        }
        // Many rows may be removed but still in sled, for example where sessions were swept. So each fetch takes more.
        self.rows = (2 * self.rows).min(SCAN_ROWS);
    }

    fn up_to(&self, (from, to): &Range, last: &Key) -> Range {
        match self.direction {
            Direction::Up => (from.clone(), Bound::Included(last.clone())),
            Direction::Down => (Bound::Included(last.clone()), to.clone()),
        }
    }

    fn behind(&self, (from, to): &Range, last: Key) -> Range {
        match self.direction {
            Direction::Up => (Bound::Excluded(last), to.clone()),
            Direction::Down => (from.clone(), Bound::Excluded(last)),
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Key, Bytes), EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.fetched.is_empty() {
            let rest = self.rest.take()?;
            self.fetch(&rest);
        }
        self.fetched.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::durable::memtable::Row;
    use crate::engine::durable::sled::Database;

    /// The numbers below 100 as keys. Sled has the even ones, of which the multiples of 6 are removed. The memtable has
    /// the multiples of 5.
    fn table() -> LayeredTable {
        let stored = Database::temporary().table(Table::Sessions, "sessions").unwrap();
        let memtable = Memtable::default();
        for number in (0..100_u8).step_by(2) {
            stored.insert(&[number], &[1]).unwrap();
        }
        let removed = (0..100_u8).step_by(6).map(|number| Row::remove(Table::Sessions, [number]));
        memtable.apply(removed.collect());
        memtable.freeze();
        let put = (0..100_u8).step_by(5).map(|number| Row::put(Table::Sessions, [number], Bytes::from_static(&[2])));
        memtable.apply(put.collect());
        LayeredTable::new(Table::Sessions, stored, memtable)
    }

    fn expected(number: u8) -> Option<u8> {
        if number.is_multiple_of(5) {
            Some(2)
        } else {
            (number.is_multiple_of(2) && !number.is_multiple_of(6)).then_some(1)
        }
    }

    #[test]
    fn a_row_is_as_it_was_changed_last() {
        let table = table();
        for number in 0..100 {
            let found = table.get(&[number]).unwrap();
            assert_eq!(found.map(|value| value[0]), expected(number), "{number}");
            assert_eq!(table.contains_key(&[number]).unwrap(), expected(number).is_some(), "{number}");
        }
    }

    #[test]
    fn scans_find_the_same_however_they_are_cut() {
        let table = table();
        for (from, to) in [(0, 100), (7, 60), (50, 51), (30, 30), (99, 3)] {
            for rows in [1, 2, 3, 7, 1_000] {
                let wanted: Vec<_> = (from..to).filter_map(|number| Some((number, expected(number)?))).collect();
                let read = |direction| {
                    let rows = table.scan([from]..[to], direction, rows).map(Result::unwrap);
                    rows.map(|(key, value)| (key[0], value[0])).collect::<Vec<_>>()
                };
                assert_eq!(read(Direction::Up), wanted, "{from}..{to} by {rows}");
                assert_eq!(
                    read(Direction::Down),
                    wanted.into_iter().rev().collect::<Vec<_>>(),
                    "{from}..{to} by {rows}"
                );
            }
        }
        assert_eq!(table.all().count(), (0..100).filter(|number| expected(*number).is_some()).count());
    }
}
