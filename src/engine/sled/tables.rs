//! The rows in sled: which trees there are, how their keys look, and how large records are split.
//!
//! | tree       | key                          | value                             |
//! |------------|------------------------------|-----------------------------------|
//! | `sessions` | handle                       | record, or the list of its parts  |
//! | `parts`    | handle, revision, part       | part of a large record            |
//! | `lookups`  | hash of a chosen ID          | handle                            |
//! | `touches`  | handle                       | last access                       |
//! | `due`      | moment, handle               | nothing                           |
//! | `members`  | namespace, 0, handle         | nothing                           |
//! |            | 0, hash of principal, handle | nothing                           |
//! | `events`   | sequence number              | event                             |
//! | `meta`     | `events-dropped-through`     | sequence number                   |
//! |            | `generation-of-` name        | n, if the tree is now `name.n`    |
//! |            | `gap-after-` sequence number | the last sequence number of a gap |

use super::super::codec::{self, RecordRow};
use super::super::transaction::{Change, Counts, Due, Group, View};
use super::super::{EngineError, EngineStatistics, Gap, place_behind};
use super::cache::{Cached, RecordCache};
use super::keys::{
    GAP_PREFIX, due_key, gap_key, generation_key, member_key, part_key, read_due_key, read_event, read_gap,
    read_member_key, to_bytes, tree_name,
};
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use ::sled::{Db, IVec, Tree};
use bytes::BytesMut;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Larger records are split. sled writes a page as one log record, and a page holds at most 20 rows before it is split
/// or after it was merged; 20 such rows stay below the 512 KiB above which it would write a blob file.
const MAX_ROW_BYTES: usize = 20 << 10;

/// Attributes of a larger session are not kept in its last event, for the same reason: an event has one row.
const MAX_EVENT_BYTES: usize = 16 << 10;

/// How often a reader looks again when the writer replaced a split record under it.
const MAX_READ_ATTEMPTS: usize = 100;

pub(super) const SESSIONS: &str = "sessions";
pub(super) const PARTS: &str = "parts";

/// The trees that can be replaced, see [`replace_index`](Tables::replace_index).
pub(super) const LOOKUPS: &str = "lookups";
pub(super) const TOUCHES: &str = "touches";
pub(super) const DUE: &str = "due";
pub(super) const MEMBERS: &str = "members";
pub(super) const EVENTS: &str = "events";

pub(super) const META: &str = "meta";
const DROPPED_THROUGH: &str = "events-dropped-through";

/// sled's trees.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    ledger: Arc<Mutex<Ledger>>,
    /// None while the folder is being opened.
    cache: Option<RecordCache>,
    pub(super) members: Tree,
    pub(super) events: Tree,
    pub(super) meta: Tree,
    pub(super) sessions: Tree,
    pub(super) parts: Tree,
    pub(super) lookups: Tree,
    pub(super) touches: Tree,
    pub(super) due: Tree,
}

/// What is counted while changes are carried out.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The newest event's sequence number.
    pub(super) last_sequence: u64,
    pub(super) statistics: EngineStatistics,
}

impl Tables {
    pub(super) fn open(db: &Db) -> Result<Self, EngineError> {
        let meta = db.open_tree(META)?;
        let tables = Self {
            sessions: db.open_tree(SESSIONS)?,
            parts: db.open_tree(PARTS)?,
            lookups: open_newest(db, &meta, LOOKUPS)?,
            touches: open_newest(db, &meta, TOUCHES)?,
            due: open_newest(db, &meta, DUE)?,
            members: open_newest(db, &meta, MEMBERS)?,
            events: open_newest(db, &meta, EVENTS)?,
            meta,
            ledger: Arc::default(),
            cache: None,
        };
        Ok(tables)
    }

    /// From now on keeps records in memory, too.
    pub(super) fn cache_records(&mut self, bytes: u64) {
        self.cache = Some(RecordCache::new(bytes));
    }

    /// Replaces an index of which a part is damaged by an empty one. What is left of the old one stays where it is.
    pub(super) fn replace_index(&mut self, db: &Db, name: &str) -> Result<(), EngineError> {
        let generation = generation(&self.meta, name)? + 1;
        put(&self.meta, generation_key(name).as_bytes(), &codec::encode_millis(generation))?;
        let tree = open_newest(db, &self.meta, name)?;
        match name {
            LOOKUPS => self.lookups = tree,
            TOUCHES => self.touches = tree,
            DUE => self.due = tree,
            MEMBERS => self.members = tree,
            _ => self.events = tree,
        }
        Ok(())
    }

    /// Fails if a page that these steps change is damaged, so that a change is refused as a whole. Only needed in a folder
    /// that was found damaged at opening: damage that comes later ends the engine, and the next opening finds it.
    pub(super) fn probe(&self, changes: &[Change]) -> Result<(), EngineError> {
        let probe = |tree: &Tree, key: &[u8]| tree.contains_key(key).map(drop);
        for change in changes {
            match change {
                Change::AppendEvent(_) => probe(&self.events, &u64::MAX.to_be_bytes())?,
                Change::PutMember(group, handle) | Change::RemoveMember(group, handle) => {
                    probe(&self.members, &member_key(group, *handle))?;
                }
                Change::PutLookup(hash, _) | Change::RemoveLookup(hash) => probe(&self.lookups, hash.as_bytes())?,
                Change::PutDue(due) | Change::RemoveDue(due) => probe(&self.due, &due_key(*due))?,
                Change::PutRecord(record) => {
                    probe(&self.sessions, &record.handle.to_bytes())?;
                    probe(&self.parts, &part_key(record.handle, record.revision, 0))?;
                }
                Change::RemoveRecord(handle) => probe(&self.sessions, &handle.to_bytes())?,
                Change::PutTouch(handle, _) | Change::RemoveTouch(handle) => {
                    probe(&self.touches, &handle.to_bytes())?;
                }
                Change::RestoreEvent(event) => probe(&self.events, &event.sequence.to_be_bytes())?,
                Change::DropEvents(_) | Change::PutGap(_) => {}
            }
        }
        Ok(())
    }

    /// What was counted so far.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out the steps of one transaction.
    pub(super) fn apply(&self, changes: Vec<Change>) -> Result<(), EngineError> {
        let transaction = self.ledger().last_sequence + 1;
        changes.into_iter().try_for_each(|change| self.apply_step(change, transaction))
    }

    pub(super) fn apply_step(&self, change: Change, transaction: u64) -> Result<(), EngineError> {
        match change {
            Change::AppendEvent(event) => {
                let sequence = self.ledger().last_sequence + 1;
                // Not under the lock: sled may have to wait for the disk.
                self.put_event(Event { sequence, transaction, ..*event })?;
                let mut ledger = self.ledger();
                ledger.last_sequence = sequence;
                ledger.statistics.events += 1;
            }
            Change::RestoreEvent(event) => {
                let sequence = event.sequence;
                let is_new = self.put_event(*event)?.is_none();
                let mut ledger = self.ledger();
                ledger.last_sequence = ledger.last_sequence.max(sequence);
                ledger.statistics.events += u64::from(is_new);
            }
            Change::PutMember(group, handle) => {
                let previous = self.members.insert(member_key(&group, handle), &codec::empty_row()[..])?;
                if let (Group::Namespace(namespace), None) = (group, previous) {
                    self.ledger().statistics.session_added(&namespace);
                }
            }
            Change::RemoveMember(group, handle) => {
                let previous = self.members.remove(member_key(&group, handle))?;
                if let (Group::Namespace(namespace), Some(_)) = (group, previous) {
                    self.ledger().statistics.session_removed(&namespace);
                }
            }
            Change::DropEvents(through) => return self.drop_events(through),
            Change::PutGap(gap) => {
                put(&self.meta, &gap_key(gap), &codec::encode_millis(gap.through))?;
                let mut ledger = self.ledger();
                ledger.last_sequence = ledger.last_sequence.max(gap.through);
            }
            Change::PutLookup(hash, handle) => put(&self.lookups, hash.as_bytes(), &codec::encode_handle(handle))?,
            Change::PutDue(due) => put(&self.due, &due_key(due), &codec::empty_row())?,
            Change::PutRecord(record) => return self.put_record(*record),
            Change::PutTouch(handle, at) => {
                put(&self.touches, &handle.to_bytes(), &codec::encode_millis(at))?;
                self.in_cache(|cache| cache.touch(handle, Some(at)));
            }
            Change::RemoveRecord(handle) => {
                let previous = self.sessions.remove(handle.to_bytes())?;
                self.in_cache(|cache| cache.remove(handle));
                return self.remove_parts_of(handle, previous);
            }
            Change::RemoveTouch(handle) => {
                self.touches.remove(handle.to_bytes())?;
                self.in_cache(|cache| cache.touch(handle, None));
            }
            Change::RemoveDue(due) => self.due.remove(due_key(due)).map(drop)?,
            Change::RemoveLookup(hash) => self.lookups.remove(hash.as_bytes()).map(drop)?,
        }
        Ok(())
    }

    /// Puts an event under its sequence number; what stood there.
    fn put_event(&self, mut event: Event) -> Result<Option<IVec>, EngineError> {
        if event.record.size() > MAX_EVENT_BYTES {
            event.record.attributes.clear();
        }
        let key = event.sequence.to_be_bytes();
        Ok(self.events.insert(key, &codec::encode_event(event)[..])?)
    }

    fn in_cache(&self, change: impl FnOnce(&RecordCache)) {
        if let Some(cache) = &self.cache {
            change(cache);
        }
    }

    fn put_record(&self, record: Record) -> Result<(), EngineError> {
        let (handle, revision) = (record.handle, record.revision);
        let mut row = codec::encode_record(record.clone());
        if row.len() > MAX_ROW_BYTES {
            // Parts first: a crash in between leaves parts without a record, never a record without its parts.
            let parts = row.chunks(MAX_ROW_BYTES).enumerate();
            for (part, bytes) in parts {
                put(&self.parts, &part_key(handle, revision, part), &codec::encode_part(bytes))?;
            }
            row = codec::encode_part_list(revision, row.len().div_ceil(MAX_ROW_BYTES));
        }
        let previous = self.sessions.insert(handle.to_bytes(), &row[..])?;
        self.in_cache(|cache| cache.put(record));
        self.remove_parts_of(handle, previous)
    }

    fn drop_events(&self, through: u64) -> Result<(), EngineError> {
        // First the mark: a reader that finds events missing must find out why.
        put(&self.meta, DROPPED_THROUGH.as_bytes(), &codec::encode_millis(through))?;
        {
            let mut ledger = self.ledger();
            ledger.last_sequence = ledger.last_sequence.max(through);
        }
        for key in self.events.range(..=through.to_be_bytes()).keys() {
            self.events.remove(key?)?;
            let mut ledger = self.ledger();
            ledger.statistics.events = ledger.statistics.events.saturating_sub(1);
        }
        Ok(())
    }

    /// Removes the parts of a record that was replaced or removed.
    fn remove_parts_of(&self, handle: Handle, previous: Option<IVec>) -> Result<(), EngineError> {
        // A damaged row tells nothing of its parts; they are found when the folder is next opened.
        if let Some(Ok(RecordRow::Split { revision, parts })) = previous.map(|row| codec::decode_row(to_bytes(row))) {
            for part in 0..parts {
                self.parts.remove(part_key(handle, revision, part))?;
            }
        }
        Ok(())
    }

    /// A moment behind the damaged page that follows this one, or `end`.
    fn readable_due_after(&self, damaged: Millis, end: Millis) -> Result<Millis, EngineError> {
        let readable = |at: u128| match self.due.contains_key(millis(at).to_be_bytes()).map_err(EngineError::from) {
            Ok(_) => Ok(true),
            Err(EngineError::Corrupt(_)) => Ok(false),
            Err(error) => Err(error),
        };
        place_behind(damaged.into(), end.into(), readable).map(millis)
    }

    /// Puts a split record together; `None` if the writer replaced it meanwhile.
    fn join_parts(&self, handle: Handle, revision: u64, parts: usize) -> Result<Option<Record>, EngineError> {
        let mut row = BytesMut::with_capacity(parts * MAX_ROW_BYTES);
        for part in 0..parts {
            let Some(bytes) = self.parts.get(part_key(handle, revision, part))? else {
                return Ok(None);
            };
            row.extend_from_slice(&codec::decode_part(to_bytes(bytes))?);
        }
        codec::decode_record(row.freeze()).map(Some)
    }

    /// The record as it is in sled.
    fn stored_record(&self, handle: Handle) -> Result<Option<Record>, EngineError> {
        for _ in 0..MAX_READ_ATTEMPTS {
            let Some(row) = self.sessions.get(handle.to_bytes())? else {
                return Ok(None);
            };
            match codec::decode_row(to_bytes(row.clone()))? {
                RecordRow::Whole(record) => return Ok(Some(*record)),
                RecordRow::Split { revision, parts } => {
                    if let Some(record) = self.join_parts(handle, revision, parts)? {
                        return Ok(Some(record));
                    }
                    if self.sessions.get(handle.to_bytes())?.as_ref() == Some(&row) {
                        return Err(codec::corrupt("a part of a large record is missing"));
                    }
                }
            }
        }
        Err(codec::corrupt("a large record can't be read"))
    }

    /// The touch as it is in sled.
    fn stored_touch(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        self.touches.get(handle.to_bytes())?.map(|row| codec::decode_millis(to_bytes(row))).transpose()
    }

    fn load(&self, handle: Handle) -> Result<Option<Cached>, EngineError> {
        let Some(record) = self.stored_record(handle)? else {
            return Ok(None);
        };
        let touched = match self.stored_touch(handle) {
            // A damaged one is as good as none: it is a hint.
            Err(EngineError::Corrupt(_)) => None,
            touched => touched?,
        };
        Ok(Some(Cached { record: Arc::new(record), touched }))
    }
}

impl View for Tables {
    fn record(&self, handle: Handle) -> Result<Option<Record>, EngineError> {
        match &self.cache {
            Some(cache) => Ok(cache.get(handle, || self.load(handle))?.map(|cached| Record::clone(&cached.record))),
            None => self.stored_record(handle),
        }
    }

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        self.lookups.get(hash.as_bytes())?.map(|row| codec::decode_handle(to_bytes(row))).transpose()
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        match self.cache.as_ref().and_then(|cache| cache.peek(handle)) {
            Some(cached) => Ok(cached.touched),
            None => self.stored_touch(handle),
        }
    }

    fn handles(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.to_bytes()));
        let keys = self.sessions.range((start, Bound::Unbounded)).keys().take(limit);
        keys.map(|key| Handle::from_slice(&key?).ok_or_else(|| codec::corrupt("a record's key"))).collect()
    }

    fn members(&self, group: &Group, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = member_key(group, Handle::FIRST);
        let end = member_key(group, before.unwrap_or(Handle::LAST));
        self.members.range(start..end).rev().take(limit).map(|row| read_member_key(&row?.0)).collect()
    }

    fn has_member(&self, group: &Group, handle: Handle) -> Result<bool, EngineError> {
        Ok(self.members.contains_key(member_key(group, handle))?)
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        let start = after.saturating_add(1).to_be_bytes();
        self.events.range(start..).take(limit).map(|row| read_event(&row?)).collect()
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        self.meta.get(DROPPED_THROUGH)?.map_or(Ok(0), |row| codec::decode_millis(to_bytes(row)))
    }

    fn gaps(&self) -> Result<Vec<Gap>, EngineError> {
        self.meta.scan_prefix(GAP_PREFIX).map(|row| read_gap(&row?)).collect()
    }

    fn counts(&self) -> Counts {
        let Ledger { last_sequence, statistics } = &*self.ledger();
        Counts { sessions: statistics.sessions.values().sum(), events: statistics.events, last_event: *last_sequence }
    }

    fn due(&self, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        let end = now.saturating_add(1);
        let (mut found, mut from) = (Vec::new(), 0);
        while found.len() < limit && from < end {
            let mut damaged = false;
            for key in self.due.range(&from.to_be_bytes()[..]..&end.to_be_bytes()[..]).keys().take(limit - found.len())
            {
                match key.map_err(EngineError::from).and_then(|key| read_due_key(&key)) {
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
            // A hint that can't be read must not keep the sweeper from the others.
            from = self.readable_due_after(found.last().map_or(from, |due: &Due| due.at), end)?;
        }
        Ok(found)
    }

    fn has_due(&self, due: Due) -> Result<bool, EngineError> {
        Ok(self.due.contains_key(due_key(due))?)
    }
}

/// The moment at a place of the sweeper's index.
fn millis(place: u128) -> Millis {
    Millis::try_from(place).unwrap_or(Millis::MAX)
}

/// Opens the newest generation of an index.
fn open_newest(db: &Db, meta: &Tree, name: &str) -> Result<Tree, EngineError> {
    Ok(db.open_tree(tree_name(name, generation(meta, name)?))?)
}

fn generation(meta: &Tree, name: &str) -> Result<u64, EngineError> {
    meta.get(generation_key(name))?.map_or(Ok(0), |row| codec::decode_millis(to_bytes(row)))
}

fn put(tree: &Tree, key: &[u8], value: &[u8]) -> Result<(), ::sled::Error> {
    tree.insert(key, value).map(drop)
}
