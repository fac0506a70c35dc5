//! The rows of the tables, and how they are read.
//!
//! | table      | key                          | value                             |
//! |------------|------------------------------|-----------------------------------|
//! | `sessions` | handle                       | record, or the list of its parts  |
//! | `parts`    | handle, revision, part       | part of a large record            |
//! | `lookups`  | hash of a chosen ID          | handle                            |
//! | `touches`  | handle                       | last access                       |
//! | `due`      | moment, handle               | nothing                           |
//! | `members`  | namespace, 0, handle         | nothing                           |
//! |            | 0, hash of principal, handle | nothing                           |
//! |            | 1, keyed hash of it, handle  | nothing ([`PrincipalIndex`])      |
//! | `events`   | sequence number              | event; blocks in sled ([`History`])|
//! | `meta`     | `events-dropped-through`     | sequence number                   |
//! |            | `generation-of-` name        | n, if the tree is now `name.n`    |
//! |            | `gap-after-` sequence number | the last number of a sequence gap |
//!
//! In sled, `touches`, `due` and `members` are leaf tables ([`Store::Leaves`]).

use super::super::codec::{self, RecordRow};
use super::super::transaction::{Counts, Due, SessionList, View};
use super::super::{EngineError, EngineStatistics, SequenceGap, place_behind};
use super::cache::{Cached, LookupCache, RecordCache};
use super::history::History;
use super::keys::{
    DROPPED_THROUGH, GAP_PREFIX, GAP_PREFIX_END, Key, due_key, generation_key, part_key, read_due_key, read_gap,
    read_member_key, tree_name,
};
use super::layered_table::LayeredTable;
use super::memtable::{Memtable, Recent, Row};
use super::merge::Direction;
use super::principals::PrincipalIndex;
use super::sled::{Database, MAX_ROW_BYTES, RowTable, Store};
use super::table::Table;
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use bytes::{Bytes, BytesMut};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The share of the cache that chosen IDs get, as a divisor.
const LOOKUPS_SHARE: u64 = 16;

/// How often a reader tries again when the writer replaces a split record meanwhile.
const MAX_READ_ATTEMPTS: usize = 100;

/// The tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    ledger: Arc<Mutex<Ledger>>,
    /// None while the folder is being opened.
    pub(super) cache: Option<RecordCache>,
    pub(super) lookup_cache: Option<LookupCache>,
    pub(super) memtable: Memtable,
    pub(super) sessions: LayeredTable,
    pub(super) parts: LayeredTable,
    pub(super) lookups: LayeredTable,
    pub(super) touches: LayeredTable,
    pub(super) due: LayeredTable,
    pub(super) members: LayeredTable,
    pub(super) history: History,
    pub(super) meta: LayeredTable,
    pub(super) principals: PrincipalIndex,
}

/// What the writer counts while it carries out changes.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The newest event's sequence number.
    pub(super) last_sequence: u64,
    pub(super) statistics: EngineStatistics,
    /// Whether there has ever been a record in parts. While there is none, no parts are searched.
    pub(super) has_parts: bool,
}

impl Tables {
    /// Opens the tables of this database, under the rows that are not in it yet.
    pub(super) fn open(db: &Database, memtable: Memtable, principals: PrincipalIndex) -> Result<Self, EngineError> {
        let meta = LayeredTable::new(Table::Meta, db.table(Table::Meta, Table::Meta.name())?, memtable.clone());
        let tree =
            |table| Ok::<_, EngineError>(LayeredTable::new(table, open_newest(db, &meta, table)?, memtable.clone()));
        let dropped_through = meta.get(DROPPED_THROUGH)?.map_or(Ok(0), codec::decode_millis)?;
        Ok(Self {
            ledger: Arc::default(),
            cache: None,
            lookup_cache: None,
            sessions: tree(Table::Sessions)?,
            parts: tree(Table::Parts)?,
            lookups: tree(Table::Lookups)?,
            touches: tree(Table::Touches)?,
            due: tree(Table::Due)?,
            members: tree(Table::Members)?,
            history: History::new(open_newest(db, &meta, Table::Events)?, memtable.clone(), dropped_through),
            meta,
            principals,
            memtable,
        })
    }

    /// Caches records and the targets of chosen IDs from now on.
    pub(super) fn cache_records(&mut self, bytes: u64) {
        let lookups = bytes / LOOKUPS_SHARE;
        self.lookup_cache = Some(LookupCache::new(lookups));
        self.cache = Some(RecordCache::new(bytes - lookups));
    }

    /// A cached record. The access counts for the cache's eviction, and in its statistics if `is_first` says so.
    pub(super) fn cached(&self, handle: Handle, is_first: bool) -> Option<Cached> {
        self.cache.as_ref()?.get(handle, is_first)
    }

    /// How often records were found in the cache, and how often not.
    pub(super) fn cache_uses(&self) -> (u64, u64) {
        self.cache.as_ref().map_or((0, 0), RecordCache::uses)
    }

    /// A cached record. The access does not count for the cache's eviction.
    pub(super) fn peek(&self, handle: Handle) -> Option<Cached> {
        self.cache.as_ref()?.peek(handle)
    }

    /// The session to which a chosen ID leads, if memory knows. `None` if only the disk can tell.
    pub(super) fn known_handle_of(&self, id: &IdHash) -> Option<Result<Option<Handle>, EngineError>> {
        match self.memtable.get(Table::Lookups, id.as_bytes()) {
            Some(Recent::Put(row)) => Some(codec::decode_handle(row).map(Some)),
            Some(Recent::Removed) => Some(Ok(None)),
            None => Some(Ok(Some(self.lookup_cache.as_ref()?.get(id)?))),
        }
    }

    /// The keys of all stored parts of a record.
    pub(super) fn part_keys(&self, handle: Handle) -> Result<Vec<Key>, EngineError> {
        let (first, last) = (part_key(handle, 0, 0), part_key(handle, u64::MAX, usize::MAX));
        self.parts.scan(first..=last, Direction::Up, 16).map(|row| Ok(row?.0)).collect()
    }

    /// A table, or `None` for the events, which are a [`History`].
    pub(super) fn tree(&self, table: Table) -> Option<&LayeredTable> {
        match table {
            Table::Sessions => Some(&self.sessions),
            Table::Parts => Some(&self.parts),
            Table::Lookups => Some(&self.lookups),
            Table::Touches => Some(&self.touches),
            Table::Due => Some(&self.due),
            Table::Members => Some(&self.members),
            Table::Events => None,
            Table::Meta => Some(&self.meta),
        }
    }

    /// Replaces a damaged index by an empty one. The rest of the old index stays in sled.
    pub(super) fn replace_index(&mut self, db: &Database, table: Table) -> Result<(), EngineError> {
        let generation = generation(&self.meta, table)? + 1;
        let row = Row::put(Table::Meta, generation_key(table.name()).as_bytes(), codec::encode_millis(generation));
        self.memtable.apply(vec![row]);
        let stored = open_newest(db, &self.meta, table)?;
        let tree = match table {
            Table::Lookups => &mut self.lookups,
            Table::Touches => &mut self.touches,
            Table::Due => &mut self.due,
            Table::Members => &mut self.members,
            _ => {
                self.history.stored = stored;
                return Ok(());
            }
        };
        tree.stored = Store::new(stored, table.has_leaves());
        Ok(())
    }

    /// The trees of all tables, also of generations of indexes that were replaced. The sessions come last, since they are the
    /// most.
    pub(super) fn trees(&self, db: &Database) -> Result<Vec<RowTable>, EngineError> {
        let mut trees = Vec::new();
        for table in Table::ALL.into_iter().rev() {
            for generation in 0..=generation(&self.meta, table)? {
                trees.push(db.table(table, &tree_name(table.name(), generation))?);
            }
        }
        Ok(trees)
    }

    /// What was counted so far.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first readable moment behind the next damaged page of the sweeper's index, or `end`.
    fn readable_due_after(&self, damaged: Millis, end: Millis) -> Result<Millis, EngineError> {
        let readable = |at: u128| match self.due.stored.get(&millis(at).to_be_bytes()) {
            Ok(_) => Ok(true),
            Err(EngineError::Corrupt(_)) => Ok(false),
            Err(error) => Err(error),
        };
        place_behind(damaged.into(), end.into(), readable).map(millis)
    }

    /// Joins the parts of a record; `None` if the writer replaced the record meanwhile.
    fn join_parts(&self, handle: Handle, revision: u64, parts: usize) -> Result<Option<Record>, EngineError> {
        let mut row = BytesMut::with_capacity(parts * MAX_ROW_BYTES);
        for part in 0..parts {
            let Some(bytes) = self.parts.get(&part_key(handle, revision, part))? else {
                return Ok(None);
            };
            row.extend_from_slice(&codec::decode_part(bytes)?);
        }
        codec::decode_record(row.freeze()).map(Some)
    }

    /// The record as it is in its rows, and whether it is split into parts.
    pub(super) fn stored_record(&self, handle: Handle) -> Result<Option<(Record, bool)>, EngineError> {
        let read = || self.sessions.get(&handle.to_bytes());
        for _ in 0..MAX_READ_ATTEMPTS {
            let Some(row) = read()? else {
                return Ok(None);
            };
            match codec::decode_row(Bytes::clone(&row))? {
                RecordRow::Whole(record) => return Ok(Some((*record, false))),
                RecordRow::Split { revision, parts } => {
                    if let Some(record) = self.join_parts(handle, revision, parts)? {
                        return Ok(Some((record, true)));
                    }
                    if read()?.as_ref() == Some(&row) {
                        return Err(codec::corrupt("a part of a large record is missing"));
                    }
                }
            }
        }
        Err(codec::corrupt("a large record can't be read"))
    }

    /// The session to which a chosen ID leads, from its row.
    pub(super) fn stored_handle_of(&self, id: &IdHash) -> Result<Option<Handle>, EngineError> {
        self.lookups.get(id.as_bytes())?.map(codec::decode_handle).transpose()
    }

    /// The touch from its row.
    fn stored_touch(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        self.touches.get(&handle.to_bytes())?.map(codec::decode_millis).transpose()
    }

    fn load(&self, handle: Handle) -> Result<Option<Cached>, EngineError> {
        let Some((record, is_split)) = self.stored_record(handle)? else {
            return Ok(None);
        };
        let touched = match self.stored_touch(handle) {
            // A touch is a hint, so a damaged one counts as none.
            Err(EngineError::Corrupt(_)) => None,
            touched => touched?,
        };
        Ok(Some(Cached { record: Arc::new(record), touched, is_split }))
    }
}

impl View for Tables {
    fn record(&self, handle: Handle) -> Result<Option<Arc<Record>>, EngineError> {
        match &self.cache {
            Some(cache) => Ok(cache.get_or_load(handle, || self.load(handle))?.map(|cached| cached.record)),
            None => Ok(self.stored_record(handle)?.map(|(record, _)| Arc::new(record))),
        }
    }

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        match &self.lookup_cache {
            Some(cache) => cache.get_or_load(hash, || self.stored_handle_of(hash)),
            None => self.stored_handle_of(hash),
        }
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        match self.peek(handle) {
            Some(cached) => Ok(cached.touched),
            None => self.stored_touch(handle),
        }
    }

    fn handles(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.to_bytes()));
        let rows = self.sessions.scan((start, Bound::Unbounded), Direction::Up, limit).take(limit);
        rows.map(|row| Handle::from_slice(&row?.0).ok_or_else(|| codec::corrupt("a record's key"))).collect()
    }

    fn members(&self, list: &SessionList, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = self.principals.member_key(list, Handle::FIRST);
        let end = self.principals.member_key(list, before.unwrap_or(Handle::LAST));
        let rows = self.members.scan(start..end, Direction::Down, limit).take(limit);
        rows.map(|row| read_member_key(&row?.0)).collect()
    }

    fn has_member(&self, list: &SessionList, handle: Handle) -> Result<bool, EngineError> {
        self.members.contains_key(&self.principals.member_key(list, handle))
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        self.history.after(after, limit)
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        Ok(self.history.dropped_through())
    }

    fn sequence_gaps(&self) -> Result<Vec<SequenceGap>, EngineError> {
        let rows = self.meta.scan(GAP_PREFIX..GAP_PREFIX_END, Direction::Up, 16);
        rows.map(|row| read_gap(&row?)).collect()
    }

    fn counts(&self) -> Counts {
        let Ledger { last_sequence, statistics, .. } = &*self.ledger();
        Counts {
            sessions: statistics.sessions.values().sum(),
            events: statistics.events,
            event_bytes: statistics.event_bytes,
            last_event: *last_sequence,
        }
    }

    fn sessions_in(&self, namespace: &str) -> u64 {
        self.ledger().statistics.sessions_in(namespace)
    }

    fn due(&self, mut from: Millis, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        let end = now.saturating_add(1);
        let mut found = Vec::new();
        while found.len() < limit && from < end {
            let mut damaged = false;
            let wanted = limit - found.len();
            for row in self.due.scan(from.to_be_bytes()..end.to_be_bytes(), Direction::Up, wanted).take(wanted) {
                match row.and_then(|(key, _)| read_due_key(&key)) {
                    Ok(due) => found.push(due),
                    Err(EngineError::Corrupt(_)) => {
                        damaged = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            if !damaged {
                break;
            }
            // A row that can't be read must not keep the sweeper from the rows behind it.
            from = self.readable_due_after(found.last().map_or(from, |due: &Due| due.at), end)?;
        }
        Ok(found)
    }

    fn has_due(&self, due: Due) -> Result<bool, EngineError> {
        self.due.contains_key(&due_key(due))
    }
}

/// A position in the sweeper's index, as a moment.
fn millis(place: u128) -> Millis {
    Millis::try_from(place).unwrap_or(Millis::MAX)
}

/// Opens the newest generation of a table.
fn open_newest(db: &Database, meta: &LayeredTable, table: Table) -> Result<RowTable, EngineError> {
    db.table(table, &tree_name(table.name(), generation(meta, table)?))
}

fn generation(meta: &LayeredTable, table: Table) -> Result<u64, EngineError> {
    meta.get(generation_key(table.name()).as_bytes())?.map_or(Ok(0), codec::decode_millis)
}
