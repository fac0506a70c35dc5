//! A leaf table: one row of sled, a leaf, holds many small rows.
//!
//! sled splits a page that has more than 16 rows, however small they are. Each change of a row costs it the same: some
//! 20 us, and half a KiB of its log for a row of 20 B. In a leaf, neighbouring rows that are written back together cost
//! that once.
//!
//! A leaf holds the rows from its own key on, up to the key of the next leaf. Rows in it that belong to the next leaf
//! do not count: a crash between the steps of a change may leave them. A row that older versions wrote is stored by
//! itself, and counts as a leaf with one row.

#[cfg(test)]
mod tests;

use super::row_table::RowTable;
use crate::engine::EngineError;
use crate::engine::codec::{self, LeafReader};
use crate::engine::durable::keys::Key;
use crate::engine::durable::memtable::Range;
use crate::engine::durable::merge::{Direction, merge};
use bytes::Bytes;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The size above which a leaf is divided, the size of new leaves, and the size below which a leaf is joined with the
/// next, in bytes. New leaves are not full, so that they have room for more rows.
const MAX_BYTES: usize = 2 << 10;
const FILLED_BYTES: usize = MAX_BYTES / 4 * 3;
const MIN_BYTES: usize = MAX_BYTES / 4;

/// The size up to which one change takes in rows, in bytes. It is bounded because unsynced bytes are (see `log`).
const CHANGE_BYTES: usize = 16 << 10;

/// A table of small rows. Clones share it.
#[derive(Clone, Debug)]
pub(in super::super) struct LeafTable {
    stored: RowTable,
    /// Locked while several leaves change. Without it, a reader would miss rows that move from one leaf to another.
    change: Arc<RwLock<()>>,
}

/// Keys and contents of rows without their headers, in order.
type Rows = Vec<(Key, Bytes)>;

/// A leaf and its key.
#[derive(Debug)]
struct Leaf {
    low: Key,
    row: Bytes,
}

/// The span of keys that a leaf covers: from `low` up to the next leaf. The leaf need not exist yet. Rows that fall
/// between this leaf's last row and the next leaf's first belong here.
#[derive(Debug)]
struct LeafSpan {
    low: Key,
    rows: Rows,
    next: Option<Leaf>,
}

impl Leaf {
    fn rows(&self) -> Result<Rows, EngineError> {
        let mut rows = Rows::new();
        read(&self.low, self.row.clone(), |key, payload| {
            rows.push((key.into(), payload));
            true
        })?;
        Ok(rows)
    }
}

impl LeafTable {
    pub(in super::super) fn new(stored: RowTable) -> Self {
        Self { stored, change: Arc::default() }
    }

    pub(in super::super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let _unchanged = self.hold();
        let Some(leaf) = self.leaf_of(key)? else { return Ok(None) };
        let mut found = None;
        read(&leaf.low, leaf.row, |other, payload| {
            if other == key {
                found = Some(codec::encode_payload(&payload));
            }
            other < key
        })?;
        Ok(found)
    }

    /// The rows of a range, fetched lazily. The table can't be changed until the iterator is dropped.
    pub(in super::super) fn range<'a>(
        &'a self,
        range: &Range,
        direction: Direction,
    ) -> impl Iterator<Item = Result<(Key, Bytes), EngineError>> + use<'a> {
        let unchanged = self.hold();
        let range = range.clone();
        let mut leaves = self.leaves(&range, direction);
        let mut found = VecDeque::new();
        std::iter::from_fn(move || {
            let _unchanged = &unchanged;
            while found.is_empty() {
                match leaves.next()? {
                    Ok(rows) => {
                        let rows = rows.into_iter().filter(|(key, _)| range.contains(key));
                        found.extend(rows.map(|(key, payload)| Ok((key, codec::encode_payload(&payload)))));
                    }
                    Err(error) => found.push_back(Err(error)),
                }
                if direction == Direction::Down {
                    found.make_contiguous().reverse();
                }
            }
            found.pop_front()
        })
    }

    /// Fails if the leaf of this row can't be read.
    pub(in super::super) fn probe(&self, key: &[u8]) -> Result<(), EngineError> {
        self.span_of(key).map(drop)
    }

    /// Writes these rows, which come in order; `None` removes a row. After each step, `wrote` gets its bytes, or the
    /// error why the next row can't be written.
    pub(in super::super) fn write_back<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>,
        mut wrote: impl FnMut(Result<usize, EngineError>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut rows = rows.peekable();
        while let Some((key, _)) = rows.peek() {
            match self.span_of(key) {
                Ok(span) => wrote(self.plan(span, &mut rows).and_then(|steps| self.carry_out(steps)))?,
                Err(damage) => {
                    rows.next();
                    wrote(Err(damage))?;
                }
            }
        }
        Ok(())
    }

    /// Plans the steps that apply the changes of one span to its leaf. After each step, all other rows can still be
    /// found.
    fn plan<'a>(
        &self,
        span: LeafSpan,
        changes: &mut Peekable<impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>>,
    ) -> Result<Vec<(Key, Option<Bytes>)>, EngineError> {
        let LeafSpan { low, rows, mut next } = span;
        let mut rows = change(rows, changes, next.as_ref())?;
        let mut joined = Vec::new();
        // A leaf is joined only after all changes before it were taken.
        while bytes(&rows) < MIN_BYTES
            && let Some(leaf) = next.take_if(|leaf| changes.peek().is_none_or(|(key, _)| **key >= leaf.low))
        {
            // A leaf stays as it is if it, or the leaf behind it, can't be read.
            let (Ok(more), Ok(behind)) = (leaf.rows(), self.leaf_behind(Some(&leaf.low))) else { break };
            rows.extend(change(more, changes, behind.as_ref())?);
            joined.push(leaf.low);
            next = behind;
        }
        let mut leaves = divide(&rows);
        // The first leaf keeps its key, because keys before its first row belong to it, too.
        leaves[0].0 = low;
        // The last leaf comes first: rows that move are in their new leaf before they leave the old one.
        let mut steps: Vec<_> = leaves.into_iter().rev().map(|(low, row)| (low, Some(row))).collect();
        let is_new = |low: &Key| steps.iter().any(|(new, _)| new == low);
        let removed: Vec<_> = joined.into_iter().filter(|low| !is_new(low)).map(|low| (low, None)).collect();
        steps.extend(removed);
        Ok(steps)
    }

    /// Carries out the steps of a change. Returns how many bytes were written.
    fn carry_out(&self, steps: Vec<(Key, Option<Bytes>)>) -> Result<usize, EngineError> {
        let _changing = self.change.write().unwrap_or_else(PoisonError::into_inner);
        let mut written = 0;
        for (low, row) in steps {
            written += low.len() + row.as_ref().map_or(0, Bytes::len);
            match row {
                Some(row) => self.stored.insert(&low, &row)?,
                None => self.stored.remove(&low)?,
            }
        }
        Ok(written)
    }

    /// The span to which this key belongs.
    fn span_of(&self, key: &[u8]) -> Result<LeafSpan, EngineError> {
        let leaf = self.leaf_of(key)?;
        let next = self.leaf_behind(leaf.as_ref().map(|leaf| &leaf.low))?;
        let rows = leaf.as_ref().map_or(Ok(Rows::new()), Leaf::rows)?;
        Ok(LeafSpan { low: leaf.map_or_else(Key::default, |leaf| leaf.low), rows, next })
    }

    /// The leaf to which this key belongs.
    fn leaf_of(&self, key: &[u8]) -> Result<Option<Leaf>, EngineError> {
        let range = (Bound::Unbounded, Bound::Included(key.into()));
        let found = self.stored.range(&range, Direction::Down).next().transpose()?;
        Ok(found.map(|(low, row)| Leaf { low, row }))
    }

    /// The leaf behind the one with this key; for `None` the first leaf.
    fn leaf_behind(&self, low: Option<&Key>) -> Result<Option<Leaf>, EngineError> {
        let from = low.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.stored.range(&(from.cloned(), Bound::Unbounded), Direction::Up).next().transpose()?;
        Ok(found.map(|(low, row)| Leaf { low, row }))
    }

    /// The rows of each leaf that may hold rows of this range. It ends after an error.
    fn leaves(&self, range: &Range, direction: Direction) -> Box<dyn Iterator<Item = Result<Rows, EngineError>>> {
        let first = match &range.0 {
            Bound::Unbounded => Ok(None),
            Bound::Included(from) | Bound::Excluded(from) => self.leaf_of(from),
        };
        let from = match first {
            Ok(first) => first.map_or(Bound::Unbounded, |leaf| Bound::Included(leaf.low)),
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let stored = self.stored.range(&(from, range.1.clone()), direction);
        match direction {
            Direction::Up => {
                let mut stored = stored.peekable();
                Box::new(std::iter::from_fn(move || {
                    let (low, row) = match stored.next()? {
                        Ok(leaf) => leaf,
                        Err(error) => return Some(Err(error)),
                    };
                    let end = stored.peek().and_then(|next| Some(next.as_ref().ok()?.0.clone()));
                    Some(Leaf { low, row }.rows().map(|rows| clip(rows, end.as_ref())))
                }))
            }
            Direction::Down => {
                let (mut stored, mut end) = (stored, None);
                Box::new(std::iter::from_fn(move || {
                    let (low, row) = match stored.next()? {
                        Ok(leaf) => leaf,
                        Err(error) => return Some(Err(error)),
                    };
                    let end = end.replace(low.clone());
                    Some(Leaf { low, row }.rows().map(|rows| clip(rows, end.as_ref())))
                }))
            }
        }
    }

    fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.change.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the rows in a row of sled with the key `low`: keys, and contents without headers. Ends when `visit` returns
/// false.
pub(in super::super) fn read(
    low: &[u8],
    row: Bytes,
    mut visit: impl FnMut(&[u8], Bytes) -> bool,
) -> Result<(), EngineError> {
    if !codec::is_leaf(&row) {
        visit(low, codec::payload(row)?);
        return Ok(());
    }
    let mut leaf = LeafReader::new(row)?;
    while let Some((key, payload)) = leaf.next()? {
        if !visit(key, payload) {
            break;
        }
    }
    Ok(())
}

/// Drops the rows from this key on.
fn clip(mut rows: Rows, end: Option<&Key>) -> Rows {
    if let Some(end) = end {
        rows.truncate(rows.partition_point(|(key, _)| key < end));
    }
    rows
}

/// Applies changes to the rows of a leaf, up to [`CHANGE_BYTES`] of them. `next` is the leaf behind it.
fn change<'a>(
    rows: Rows,
    changes: &mut Peekable<impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>>,
    next: Option<&Leaf>,
) -> Result<Rows, EngineError> {
    let end = next.map(|leaf| &leaf.low);
    let (mut newer, mut taken) = (Vec::new(), 0);
    while taken < CHANGE_BYTES
        && let Some((key, row)) = changes.next_if(|(key, _)| end.is_none_or(|end| *key < end))
    {
        taken += key.len() + row.as_ref().map_or(0, Bytes::len);
        newer.push((key.clone(), row.clone().map(codec::payload).transpose()?));
    }
    let older = clip(rows, end).into_iter().map(|(key, payload)| (key, Some(payload)));
    let merged = merge(newer.into_iter(), older, Direction::Up);
    Ok(merged.filter_map(|(key, payload)| Some((key, payload?))).collect())
}

/// The bytes of these rows in a leaf.
fn bytes(rows: &Rows) -> usize {
    sizes(rows).sum()
}

/// The bytes of each of these rows behind the one before it.
fn sizes(rows: &Rows) -> impl Iterator<Item = usize> + use<'_> {
    let previous = std::iter::once(&[][..]).chain(rows.iter().map(|(key, _)| &**key));
    rows.iter().zip(previous).map(|((key, payload), previous)| codec::leaf_bytes(previous, key, payload))
}

/// Divides rows into leaves of about the same size, each with its first row's key. There is at least one leaf.
fn divide(rows: &Rows) -> Vec<(Key, Bytes)> {
    let all = bytes(rows);
    let count = if all <= MAX_BYTES { 1 } else { all.div_ceil(FILLED_BYTES) };
    let mut leaves = Vec::with_capacity(count);
    let (mut begin, mut filled) = (0, 0);
    let mut cut = |rows: &[(Key, Bytes)]| {
        let low = rows.first().map_or_else(Key::default, |(key, _)| key.clone());
        leaves.push((low, codec::encode_leaf(rows.iter().map(|(key, payload)| (&**key, &payload[..])))));
    };
    for (at, size) in sizes(rows).enumerate() {
        if filled > 0 && filled + size > all.div_ceil(count) {
            cut(&rows[begin..at]);
            (begin, filled) = (at, 0);
        }
        filled += size;
    }
    cut(&rows[begin..]);
    leaves
}
