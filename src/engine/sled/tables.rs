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

use super::super::codec::{self, RecordRow};
use super::super::transaction::{Change, Due, Group, View};
use super::super::{EngineError, EngineStatistics};
use super::keys::{due_key, member_key, part_key, read_due_key, read_event, read_member_key, to_bytes};
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use ::sled::{Db, IVec, Tree};
use bytes::BytesMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Larger records are split. sled writes a page as one log record, and a page holds at most 20 rows before it is split
/// or after it was merged; 20 such rows stay below the 512 KiB above which it would write a blob file.
const MAX_ROW_BYTES: usize = 20 << 10;

/// Attributes of a larger session are not kept in its last event, for the same reason: an event has one row.
const MAX_EVENT_BYTES: usize = 16 << 10;

/// How often a reader looks again when the writer replaced a split record under it.
const MAX_READ_ATTEMPTS: usize = 100;

const DROPPED_THROUGH: &str = "events-dropped-through";

/// sled's trees.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    ledger: Arc<Mutex<Ledger>>,
    pub(super) members: Tree,
    pub(super) events: Tree,
    pub(super) meta: Tree,
    pub(super) sessions: Tree,
    pub(super) parts: Tree,
    lookups: Tree,
    touches: Tree,
    due: Tree,
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
        let tables = Self {
            sessions: db.open_tree("sessions")?,
            parts: db.open_tree("parts")?,
            lookups: db.open_tree("lookups")?,
            touches: db.open_tree("touches")?,
            due: db.open_tree("due")?,
            members: db.open_tree("members")?,
            events: db.open_tree("events")?,
            meta: db.open_tree("meta")?,
            ledger: Arc::default(),
        };
        tables.remove_orphaned_parts()?;
        tables.finish_last_transaction()?;
        tables.take_stock()?;
        Ok(tables)
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
                let mut ledger = self.ledger();
                let sequence = ledger.last_sequence + 1;
                let mut event = Event { sequence, transaction, ..*event };
                if event.record.size() > MAX_EVENT_BYTES {
                    event.record.attributes.clear();
                }
                let row = codec::encode_event(event);
                put(&self.events, &sequence.to_be_bytes(), &row)?;
                ledger.last_sequence = sequence;
                ledger.statistics.events += 1;
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
            Change::PutLookup(hash, handle) => put(&self.lookups, hash.as_bytes(), &codec::encode_handle(handle))?,
            Change::PutDue(due) => put(&self.due, &due_key(due), &codec::empty_row())?,
            Change::PutRecord(record) => return self.put_record(*record),
            Change::PutTouch(handle, at) => put(&self.touches, &handle.to_bytes(), &codec::encode_millis(at))?,
            Change::RemoveRecord(handle) => {
                let previous = self.sessions.remove(handle.to_bytes())?;
                return self.remove_parts_of(handle, previous);
            }
            Change::RemoveTouch(handle) => self.touches.remove(handle.to_bytes()).map(drop)?,
            Change::RemoveDue(due) => self.due.remove(due_key(due)).map(drop)?,
            Change::RemoveLookup(hash) => self.lookups.remove(hash.as_bytes()).map(drop)?,
        }
        Ok(())
    }

    fn put_record(&self, record: Record) -> Result<(), EngineError> {
        let (handle, revision) = (record.handle, record.revision);
        let mut row = codec::encode_record(record);
        if row.len() > MAX_ROW_BYTES {
            // Parts first: a crash in between leaves parts without a record, never a record without its parts.
            let parts = row.chunks(MAX_ROW_BYTES).enumerate();
            for (part, bytes) in parts {
                put(&self.parts, &part_key(handle, revision, part), &codec::encode_part(bytes))?;
            }
            row = codec::encode_part_list(revision, row.len().div_ceil(MAX_ROW_BYTES));
        }
        let previous = self.sessions.insert(handle.to_bytes(), &row[..])?;
        self.remove_parts_of(handle, previous)
    }

    fn drop_events(&self, through: u64) -> Result<(), EngineError> {
        // First the mark: a reader that finds events missing must find out why.
        put(&self.meta, DROPPED_THROUGH.as_bytes(), &codec::encode_millis(through))?;
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
}

impl View for Tables {
    fn record(&self, handle: Handle) -> Result<Option<Record>, EngineError> {
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

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        self.lookups.get(hash.as_bytes())?.map(|row| codec::decode_handle(to_bytes(row))).transpose()
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        self.touches.get(handle.to_bytes())?.map(|row| codec::decode_millis(to_bytes(row))).transpose()
    }

    fn members(&self, group: &Group, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = member_key(group, Handle::FIRST);
        let end = member_key(group, before.unwrap_or(Handle::LAST));
        self.members.range(start..end).rev().take(limit).map(|row| read_member_key(&row?.0)).collect()
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        let start = after.saturating_add(1).to_be_bytes();
        self.events.range(start..).take(limit).map(|row| read_event(&row?)).collect()
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        self.meta.get(DROPPED_THROUGH)?.map_or(Ok(0), |row| codec::decode_millis(to_bytes(row)))
    }

    fn due(&self, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        let after = now.saturating_add(1).to_be_bytes();
        self.due.range(..&after[..]).keys().take(limit).map(|key| read_due_key(&key?)).collect()
    }
}

fn put(tree: &Tree, key: &[u8], value: &[u8]) -> Result<(), ::sled::Error> {
    tree.insert(key, value).map(drop)
}
