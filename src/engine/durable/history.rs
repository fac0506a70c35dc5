//! The history of events, stored in sled in blocks, so that one row holds many events.
//!
//! A block holds events whose sequence numbers differ in the last bits only. Its key is the highest of these numbers,
//! and one byte more. An event that finds no room in its block has a row of its own, under its number. So have all
//! events that older versions wrote.

use super::keys::Key;
use super::memtable::Memtable;
use super::merge::Direction;
use super::sled::RowTable;
use super::table::Table;
use crate::engine::codec;
use crate::engine::{EngineError, place_behind};
use crate::model::Event;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most numbers in a block, and the most bytes of its events.
const BLOCK_NUMBERS: u64 = 64;
const BLOCK_BYTES: usize = 16 << 10;

/// The last byte of a block's key.
const BLOCK: u8 = 1;

/// Encoded events by their sequence numbers.
pub(super) type Events = BTreeMap<u64, Bytes>;

/// A count of events, and of their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// The table of events.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) stored: RowTable,
    memtable: Memtable,
    /// Events up to this number are dropped, though some may still be in sled.
    dropped_through: Arc<AtomicU64>,
}

impl History {
    pub(super) fn new(stored: RowTable, memtable: Memtable, dropped_through: u64) -> Self {
        Self { stored, memtable, dropped_through: Arc::new(dropped_through.into()) }
    }

    pub(super) fn dropped_through(&self) -> u64 {
        self.dropped_through.load(Ordering::Acquire)
    }

    /// Drops the events up to this number: they can't be found from now on. Returns what was dropped.
    pub(super) fn drop_through(&self, through: u64) -> Result<Held, EngineError> {
        let dropped = self.count_through(through);
        self.dropped_through.fetch_max(through, Ordering::AcqRel);
        // Dropped events that are not in sled yet need not be written back.
        self.memtable.forget_through(Table::Events, &through.to_be_bytes());
        dropped
    }

    /// The first events after this number, at most `limit`.
    pub(super) fn after(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        let mut found = Vec::new();
        self.walk(after, u64::MAX, limit, |sequence, payload| {
            if found.len() < limit {
                found.push((sequence, payload));
            }
            found.len() < limit
        })?;
        found.into_iter().map(|(sequence, payload)| codec::decode_event_payload(sequence, payload)).collect()
    }

    /// The sequence number of the newest event; 0 if there is none.
    pub(super) fn last(&self) -> Result<u64, EngineError> {
        let (newest, _) = self.memtable.slice(Table::Events, &(Bound::Unbounded, Bound::Unbounded), Direction::Down, 1);
        let mut last = newest.first().map_or(Ok(0), |(key, _)| number(key))?;
        if let Some((key, row)) = self.stored.last()? {
            // The events of one block may stand in several rows, and the last row need not hold the last event.
            let first = number(&key)? / BLOCK_NUMBERS * BLOCK_NUMBERS;
            let events = read(&key, row)?;
            last = events.into_keys().fold(last, u64::max);
            let block = (Bound::Included(Key::from(first.to_be_bytes())), Bound::Excluded(key));
            for row in self.stored.range(&block, Direction::Up) {
                let (key, _) = row?;
                if !is_block(&key) {
                    last = last.max(number(&key)?);
                }
            }
        }
        Ok(if last > self.dropped_through() { last } else { 0 })
    }

    /// Whether there is an event with this number.
    pub(super) fn contains(&self, sequence: u64) -> Result<bool, EngineError> {
        let mut is_there = false;
        self.walk(sequence.saturating_sub(1), sequence, 1, |_, _| {
            is_there = true;
            false
        })?;
        Ok(is_there)
    }

    /// Counts the events up to this number.
    pub(super) fn count_through(&self, through: u64) -> Result<Held, EngineError> {
        self.count_between(0, through)
    }

    /// Counts the events that can be read.
    pub(super) fn count(&self) -> Result<Held, EngineError> {
        self.count_between(0, u64::MAX)
    }

    /// Counts the events after one number and up to another. It skips damage, which is reported elsewhere.
    fn count_between(&self, after: u64, through: u64) -> Result<Held, EngineError> {
        let (mut held, mut after) = (Held::default(), after.max(self.dropped_through()));
        while after < through {
            let counted = self.walk(after, through, usize::MAX, |sequence, payload| {
                held.events += 1;
                held.bytes += payload.len() as u64;
                after = sequence;
                true
            });
            if !is_damage(&counted) {
                return counted.map(|()| held);
            }
            let readable = |place| {
                let read = self.walk(to_number(place), through, 1, |_, _| false);
                if is_damage(&read) { Ok(false) } else { read.map(|()| true) }
            };
            after = to_number(place_behind(after.into(), through.into(), readable)?);
        }
        Ok(held)
    }

    /// Shows the events after one number and up to another, in order, until `visit` returns false. `limit` is how many
    /// it is going to accept.
    fn walk(
        &self,
        after: u64,
        through: u64,
        limit: usize,
        mut visit: impl FnMut(u64, Bytes) -> bool,
    ) -> Result<(), EngineError> {
        let after = after.max(self.dropped_through());
        // An excluded bound would not do: the key of the block that ends with `after` is longer than that bound, and so
        // behind it.
        let from = Bound::Included(Key::from(&after.saturating_add(1).to_be_bytes()));
        let to = Bound::Included(Key::from(&through.to_be_bytes()));
        // The memtable is read first: a row that is written back between the two reads is then found in sled.
        let (new, _) = self.memtable.slice(Table::Events, &(from.clone(), to), Direction::Up, limit);
        let mut found = Events::new();
        for (key, row) in new {
            if let Some(row) = row {
                found.insert(number(&key)?, codec::payload(row)?);
            }
        }
        let mut show = |events: Events| events.into_iter().all(|(sequence, payload)| visit(sequence, payload));
        let mut block_index = 0;
        // The key of a block is its highest number, which may be behind `through`.
        for row in self.stored.range(&(from, Bound::Unbounded), Direction::Up) {
            let (key, row) = row?;
            let next = number(&key)? / BLOCK_NUMBERS;
            if next > block_index {
                let rest = found.split_off(&(next * BLOCK_NUMBERS));
                if !show(std::mem::replace(&mut found, rest)) || next > through / BLOCK_NUMBERS {
                    return Ok(());
                }
                block_index = next;
            }
            let wanted = |sequence: u64| after < sequence && sequence <= through;
            found.extend(read(&key, row)?.into_iter().filter(|(sequence, _)| wanted(*sequence)));
            if is_block(&key) {
                // The block's row is the last of its rows. The walk must not go on without need, since the next row may
                // be damaged.
                let rest = found.split_off(&((block_index + 1).saturating_mul(BLOCK_NUMBERS)));
                if !show(std::mem::replace(&mut found, rest)) || block_index >= through / BLOCK_NUMBERS {
                    return Ok(());
                }
            }
        }
        show(found);
        Ok(())
    }

    /// Writes these events, which come in order, into sled, and removes dropped ones. `wrote` gets the bytes of each
    /// step.
    pub(super) fn write_back<'a>(
        &self,
        events: impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>,
        mut wrote: impl FnMut(Result<usize, EngineError>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let dropped_through = self.dropped_through();
        let mut block = Events::new();
        let mut block_index = 0;
        for (key, row) in events {
            let (sequence, Some(row)) = (number(key)?, row) else { continue };
            if sequence <= dropped_through {
                continue;
            }
            if sequence / BLOCK_NUMBERS != block_index {
                wrote(put_block(&self.stored, block_index, std::mem::take(&mut block)))?;
                block_index = sequence / BLOCK_NUMBERS;
            }
            block.insert(sequence, codec::payload(row.clone())?);
        }
        wrote(put_block(&self.stored, block_index, block))?;
        let dropped = (Bound::Unbounded, Bound::Included(Key::from(dropped_through.to_be_bytes())));
        for row in self.stored.range(&dropped, Direction::Up) {
            let removed = row.and_then(|(key, _)| self.stored.remove(&key).map(|()| key.len()));
            if is_damage(&removed) {
                // The rows behind the damage stay, too: removing them could make sled merge a page with few rows into
                // the damaged page, and the readable rows would be lost.
                tracing::error!(dropped_through, "dropped events stay on disk, since some of them are damaged");
                break;
            }
            wrote(removed)?;
        }
        Ok(())
    }
}

/// Adds events to their block. Returns how many bytes were written.
fn put_block(stored: &RowTable, block_index: u64, mut new: Events) -> Result<usize, EngineError> {
    if new.is_empty() {
        return Ok(0);
    }
    let key = block_key(block_index);
    let mut block = match stored.get(&key)? {
        Some(row) => read(&key, row)?,
        None => Events::new(),
    };
    // A write-back that was interrupted is repeated, so some events may be there.
    new.retain(|sequence, _| !block.contains_key(sequence));
    let mut bytes: usize = block.values().map(Bytes::len).sum();
    while let Some((sequence, payload)) = new.pop_first() {
        bytes += payload.len();
        if bytes > BLOCK_BYTES {
            new.insert(sequence, payload);
            break;
        }
        block.insert(sequence, payload);
    }
    let mut written = 0;
    if !block.is_empty() {
        let row = codec::encode_block(&block);
        written += row.len();
        stored.insert(&key, &row)?;
    }
    for (sequence, payload) in new {
        let row = codec::encode_payload(&payload);
        written += row.len();
        stored.insert(&sequence.to_be_bytes(), &row)?;
    }
    Ok(written)
}

fn block_key(block_index: u64) -> [u8; 9] {
    let mut key = [BLOCK; 9];
    key[..8].copy_from_slice(&(block_index * BLOCK_NUMBERS + (BLOCK_NUMBERS - 1)).to_be_bytes());
    key
}

/// The number in a key: that of the event, or the highest of the block.
fn number(key: &[u8]) -> Result<u64, EngineError> {
    key.first_chunk().copied().map(u64::from_be_bytes).ok_or_else(|| codec::corrupt("an event's key"))
}

fn is_block(key: &[u8]) -> bool {
    key.len() > size_of::<u64>()
}

fn is_damage<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Corrupt(_)))
}

/// A position in the history, as a sequence number.
fn to_number(place: u128) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX)
}

/// The events of a row.
pub(super) fn read(key: &[u8], row: Bytes) -> Result<Events, EngineError> {
    let number = number(key)?;
    if !is_block(key) {
        return Ok(Events::from([(number, codec::payload(row)?)]));
    }
    codec::decode_block(number - number % BLOCK_NUMBERS, row)
}

#[cfg(test)]
mod tests {
    use super::super::memtable::Row;
    use super::super::sled::Database;
    use super::*;
    use crate::model::{Attributes, EventKind, Handle, Record};
    use smallvec::SmallVec;

    fn event(sequence: u64, bytes: usize) -> Bytes {
        let record = Record {
            handle: Handle::FIRST,
            namespace: "default".into(),
            version: 1,
            revision: 1,
            created: 1,
            updated: 1,
            accessed: 1,
            idle_timeout: 1,
            ends_at: None,
            credentials: SmallVec::new(),
            tickets: Vec::new(),
            principal: "x".repeat(bytes).into(),
            labels: BTreeMap::new(),
            attributes: Attributes::default(),
            sealed: None,
            sweep_at: 1,
        };
        codec::encode_event(&Event { sequence, ..Event::new(EventKind::Updated, 1, &record, false) })
    }

    struct Fixture {
        history: History,
        memtable: Memtable,
    }

    impl Fixture {
        fn new() -> Self {
            let db = Database::temporary();
            let memtable = Memtable::default();
            Self { history: History::new(db.table(Table::Events, "events").unwrap(), memtable.clone(), 0), memtable }
        }

        fn append(&self, numbers: impl IntoIterator<Item = u64>, bytes: usize) {
            let put = |sequence: u64| Row::put(Table::Events, sequence.to_be_bytes(), event(sequence, bytes));
            self.memtable.apply(numbers.into_iter().map(put).collect());
        }

        /// Writes back once or twice, as an interrupted write-back is repeated.
        fn write_back(&self, times: usize) {
            let layer = self.memtable.freeze();
            for _ in 0..times {
                self.history.write_back(layer.rows(Table::Events).iter(), |wrote| wrote.map(drop)).unwrap();
            }
            self.memtable.forget_frozen();
        }

        fn numbers(&self, after: u64, limit: usize) -> Vec<u64> {
            self.history.after(after, limit).unwrap().into_iter().map(|event| event.sequence).collect()
        }
    }

    #[test]
    fn events_are_found_in_order_wherever_they_are() {
        for bytes in [1, 1_000, 15_000] {
            let fixture = Fixture::new();
            fixture.append(1..=100, bytes);
            fixture.write_back(2);
            fixture.append(101..=150, bytes);
            fixture.write_back(1);
            fixture.append((151..=170).chain([1 << 24]), bytes);
            let all: Vec<u64> = (1..=170).chain([1 << 24]).collect();
            assert_eq!(fixture.numbers(0, 1_000), all, "{bytes} bytes");
            for after in [0, 1, 62, 63, 64, 99, 100, 127, 150, 169, 170] {
                for limit in [1, 2, 63, 64, 65] {
                    let wanted: Vec<u64> = all.iter().copied().filter(|number| *number > after).take(limit).collect();
                    assert_eq!(fixture.numbers(after, limit), wanted, "{limit} after {after}, {bytes} bytes");
                }
            }
            assert_eq!(fixture.history.last().unwrap(), 1 << 24);
            fixture.write_back(1);
            assert_eq!((fixture.history.count().unwrap().events, fixture.history.last().unwrap()), (171, 1 << 24));
            assert_eq!(fixture.numbers(0, 1_000), all, "{bytes} bytes");
            let rows = fixture.history.stored.len();
            assert!(if bytes == 1 { rows == 4 } else { rows > 10 }, "{rows} rows");
        }
    }

    #[test]
    fn damage_hides_nothing_before_or_behind_it() {
        let fixture = Fixture::new();
        fixture.append(1..=1_000, 1);
        fixture.write_back(1);
        for block_index in [2, 3, 9] {
            fixture.history.stored.insert(&block_key(block_index), b"damage").unwrap();
        }
        let readable = 1_000 - 3 * BLOCK_NUMBERS;
        assert_eq!(fixture.history.count().unwrap().events, readable);
        assert_eq!(fixture.numbers(0, 127), (1..128).collect::<Vec<_>>());
        assert!(fixture.history.after(0, 128).is_err());
        assert_eq!(fixture.history.drop_through(100).unwrap().events, 100);
        assert_eq!(fixture.history.drop_through(700).unwrap().events, 600 - 3 * BLOCK_NUMBERS);
        fixture.write_back(1);
        assert_eq!((fixture.history.count().unwrap().events, fixture.numbers(0, 1)), (300, vec![701]));
        assert_eq!(fixture.history.stored.len(), 6, "damaged blocks are removed, too");
    }

    #[test]
    fn what_is_dropped_is_gone_at_once_and_from_sled_later() {
        let fixture = Fixture::new();
        fixture.append(1..=100, 1);
        fixture.write_back(1);
        fixture.append(101..=110, 1);
        assert_eq!(fixture.history.drop_through(70).unwrap().events, 70);
        assert_eq!(fixture.history.drop_through(70).unwrap().events, 0);
        assert_eq!(fixture.numbers(0, 2), [71, 72]);
        fixture.write_back(1);
        assert_eq!(fixture.history.count().unwrap().events, 40);
        assert_eq!(fixture.history.stored.len(), 1, "the first block is gone");
        assert_eq!(fixture.history.drop_through(110).unwrap().events, 40);
        assert_eq!((fixture.history.count().unwrap().events, fixture.history.last().unwrap()), (0, 0));
    }
}
