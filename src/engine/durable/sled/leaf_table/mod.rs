//! Small rows, of which many stand in one row of sled, a leaf.
//!
//! sled splits a page that has more than 16 rows, however small they are, and each change of a row costs it the same: some
//! 20 us, and half a KiB of its log where the row itself has 20 B. In leaves, rows that are neighbours and are written
//! back together cost that once.
//!
//! A leaf holds rows from its own key on, up to the key of the next leaf. Rows in it that belong to the next leaf do not
//! count: a crash may come between the steps of a change. A row that older versions wrote stands for itself, and is a leaf
//! with one row.

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

/// A larger leaf is divided, and a smaller one joined with the next, in bytes. Where leaves are made of many new rows, room is
/// left for more.
const MAX_BYTES: usize = 2 << 10;
const FILLED_BYTES: usize = MAX_BYTES / 4 * 3;
const MIN_BYTES: usize = MAX_BYTES / 4;

/// Rows are taken into one change until it is so large, in bytes: what is written and not synced is bounded (see `log`).
const CHANGE_BYTES: usize = 16 << 10;

/// A table of small rows. Clones share it.
#[derive(Clone, Debug)]
pub(in super::super) struct LeafTable {
    stored: RowTable,
    /// Held while a change of several leaves is carried out: a reader would miss rows that move from one to another.
    change: Arc<RwLock<()>>,
}

/// Keys, and what stands behind the headers of the rows; in order.
type Rows = Vec<(Key, Bytes)>;

/// A leaf with its key.
#[derive(Debug)]
struct Leaf {
    low: Key,
    row: Bytes,
}

/// Where a key belongs: in the leaf with the key `low`, of which there need not be any yet, between its rows and the next.
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

    /// The rows of a range, as they are asked for. Nothing can be changed until this is dropped.
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

    /// Fails if the place of this row can't be read.
    pub(in super::super) fn probe(&self, key: &[u8]) -> Result<(), EngineError> {
        self.span_of(key).map(drop)
    }

    /// Changes these rows, which come in order; `None` removes. `wrote` is told after each step how many bytes it has, or why
    /// the next row has no place.
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

    /// The steps that change the leaf at this place by the rows that belong there. Each of them leaves all other rows where
    /// they can be found.
    fn plan<'a>(
        &self,
        span: LeafSpan,
        changes: &mut Peekable<impl Iterator<Item = (&'a Key, &'a Option<Bytes>)>>,
    ) -> Result<Vec<(Key, Option<Bytes>)>, EngineError> {
        let LeafSpan { low, rows, mut next } = span;
        let mut rows = change(rows, changes, next.as_ref())?;
        let mut joined = Vec::new();
        // Not before all changes of what is before it were taken.
        while bytes(&rows) < MIN_BYTES
            && let Some(leaf) = next.take_if(|leaf| changes.peek().is_none_or(|(key, _)| **key >= leaf.low))
        {
            // A leaf that is not known to its end stays as it is.
            let (Ok(more), Ok(behind)) = (leaf.rows(), self.leaf_behind(Some(&leaf.low))) else { break };
            rows.extend(change(more, changes, behind.as_ref())?);
            joined.push(leaf.low);
            next = behind;
        }
        let mut leaves = divide(&rows);
        // Not by its first row: what is to come before that belongs there, too.
        leaves[0].0 = low;
        // From the last on: what is divided off stands in its new place before it goes from its old one.
        let mut steps: Vec<_> = leaves.into_iter().rev().map(|(low, row)| (low, Some(row))).collect();
        let is_new = |low: &Key| steps.iter().any(|(new, _)| new == low);
        let removed: Vec<_> = joined.into_iter().filter(|low| !is_new(low)).map(|low| (low, None)).collect();
        steps.extend(removed);
        Ok(steps)
    }

    /// Carries out the steps of a change. How many bytes were written.
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

    /// Where this key belongs.
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

    /// The leaf behind the one with this key; the first one for none.
    fn leaf_behind(&self, low: Option<&Key>) -> Result<Option<Leaf>, EngineError> {
        let from = low.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.stored.range(&(from.cloned(), Bound::Unbounded), Direction::Up).next().transpose()?;
        Ok(found.map(|(low, row)| Leaf { low, row }))
    }

    /// The rows of each leaf in which there may be some of this range. After an error it ends.
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

/// Shows the rows in a row of sled with this key, until `visit` wants no more: keys, and what stands behind their headers.
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

/// Without the rows from this key on.
fn clip(mut rows: Rows, end: Option<&Key>) -> Rows {
    if let Some(end) = end {
        rows.truncate(rows.partition_point(|(key, _)| key < end));
    }
    rows
}

/// The rows of a leaf with the changes of them, as many as are taken; `next` is the leaf behind it.
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

/// What these rows take in a leaf.
fn bytes(rows: &Rows) -> usize {
    sizes(rows).sum()
}

/// What each of these rows takes behind the one before.
fn sizes(rows: &Rows) -> impl Iterator<Item = usize> + use<'_> {
    let previous = std::iter::once(&[][..]).chain(rows.iter().map(|(key, _)| &**key));
    rows.iter().zip(previous).map(|((key, payload), previous)| codec::leaf_bytes(previous, key, payload))
}

/// Divides rows into leaves of about the same size, one at least, each under its first key.
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
