//! How the session rules see an engine: a [`View`] of the newest records, and a [`Draft`] in which a transaction notes
//! what it changes.

use super::index::{IndexRow, rows_beyond, rows_of, rows_to_put};
use super::{EngineError, SequenceGap};
use crate::clock::Millis;
use crate::model::{Event, EventKind, Handle, IdHash, PrincipalHash, Record};
use smol_str::SmolStr;
use std::sync::Arc;

/// Reads over the newest records.
pub type Query<'a> = &'a mut (dyn FnMut(&dyn View) -> Result<(), EngineError> + Send);

/// Decides on a change. With an error or [`Outcome::Abandon`] nothing is changed.
pub type Transaction<'a> = &'a mut (dyn FnMut(&mut Draft<'_>) -> Result<Outcome, EngineError> + Send);

/// What a transaction decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Carry out what the draft notes.
    Commit,
    /// Change nothing.
    Abandon,
}

/// The newest records and index rows.
pub trait View {
    /// Names what the query is going to read, so that an engine can load it all at once. This is only a hint: a query
    /// may read what it did not name, and need not read what it named.
    fn expect(&self, expected: Expected<'_>) -> Result<(), EngineError> {
        let _ = expected;
        Ok(())
    }

    /// The record of a session, expired or not. It is shared, because an engine may keep it in memory.
    fn record(&self, handle: Handle) -> Result<Option<Arc<Record>>, EngineError>;

    /// The sessions in the order of their handles, at most `limit`, beginning after the handle `after`.
    fn handles(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError>;

    /// The session to which a chosen ID's lookup row points. A hint: only the record tells whether the ID opens it.
    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError>;

    /// The last touch that was written beside the record. A hint: the record may have a later access.
    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError>;

    /// The sessions of a list that were created before the session `before`, newest first, at most `limit`. Hints: only
    /// the records tell whether the sessions exist and to whom they belong.
    fn members(&self, list: &SessionList, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError>;

    /// Whether a session has a row in a list.
    fn has_member(&self, list: &SessionList, handle: Handle) -> Result<bool, EngineError>;

    /// The first events after this sequence number, at most `limit`. They may not be durable yet.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError>;

    /// The sequence number up to which events were dropped from the history.
    fn events_dropped_through(&self) -> Result<u64, EngineError>;

    /// The sequence gaps, oldest first. There are few.
    fn sequence_gaps(&self) -> Result<Vec<SequenceGap>, EngineError>;

    /// How many sessions and events there are.
    fn counts(&self) -> Counts;

    /// How many sessions a namespace has. Expired sessions count until they are swept.
    fn sessions_in(&self, namespace: &str) -> u64;

    /// The first rows of the sweeper's index that are due at or after `from` and at or before `now`, oldest first, at most `limit`.
    fn due(&self, from: Millis, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError>;

    /// Whether the sweeper's index has this row.
    fn has_due(&self, due: Due) -> Result<bool, EngineError>;
}

/// What a query or a transaction is going to ask for.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// Records.
    Sessions(&'a [Handle]),
    /// Records and their index rows.
    IndexRows(&'a [Handle]),
    /// The lookup rows of chosen IDs, and the records to which they lead.
    Ids(&'a [IdHash]),
}

/// How much an engine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Sessions, counted by their rows in the lists of their namespaces. Expired sessions count until they are swept.
    pub sessions: u64,
    /// Events in the history.
    pub events: u64,
    /// The bytes of these events.
    pub event_bytes: u64,
    /// The newest event's sequence number; 0 if there was never an event.
    pub last_event: u64,
}

/// A row of the sweeper's index: this session may end at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Millis,
    /// Which.
    pub handle: Handle,
}

/// Sessions that can be listed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionList {
    /// All of a namespace.
    Namespace(SmolStr),
    /// Those of a principal.
    Principal(PrincipalHash),
}

impl SessionList {
    /// The list of this principal, or of the whole namespace if the principal is empty.
    #[must_use]
    pub fn of(namespace: &str, principal: &str) -> Self {
        if principal.is_empty() {
            Self::Namespace(namespace.into())
        } else {
            Self::Principal(PrincipalHash::of_principal(namespace, principal))
        }
    }
}

/// How many sessions a change ends, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Their time was over.
    pub expired: u64,
    /// A caller wanted it.
    pub deleted: u64,
    /// They were ended from outside.
    pub revoked: u64,
}

/// One step of a change, in terms of rows. The steps of a draft are ordered so that any prefix of them leaves the data
/// consistent. So rows that lead to a record are written before it and removed after it.
#[derive(Clone, Debug)]
pub enum Change {
    /// Append an event to the history. An event comes before the change that it tells of. After a crash between the
    /// two, the engine completes the end of a session, and drops any other event.
    AppendEvent(Box<Event>),
    /// Put an event from another history into this one, with its sequence number.
    RestoreEvent(Box<Event>),
    /// Put a session into a list. It must not be in the list yet.
    PutMember(SessionList, Handle),
    /// Put a lookup row for a chosen ID.
    PutLookup(IdHash, Handle),
    /// Put a row into the sweeper's index.
    PutDue(Due),
    /// Store a record.
    PutRecord(Arc<Record>),
    /// Write a touch beside the record.
    PutTouch(Handle, Millis),
    /// Remove a record.
    RemoveRecord(Handle),
    /// Remove a touch.
    RemoveTouch(Handle),
    /// Remove a row from the sweeper's index.
    RemoveDue(Due),
    /// Remove the lookup row of a chosen ID.
    RemoveLookup(IdHash),
    /// Remove a session from a list. It must be in the list.
    RemoveMember(SessionList, Handle),
    /// Drop the events up to this sequence number from the history.
    DropEvents(u64),
    /// Leave a sequence gap. The next event comes behind it.
    PutSequenceGap(SequenceGap),
}

impl Change {
    /// Whether the step takes space that it does not give back.
    fn grows(&self) -> bool {
        matches!(
            self,
            Self::RestoreEvent(_)
                | Self::PutLookup(..)
                | Self::PutDue(_)
                | Self::PutRecord(_)
                | Self::PutTouch(..)
                | Self::PutMember(..)
        )
    }
}

/// Why a record changes or goes, as the history tells it.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub time: Millis,
    /// Whether the event keeps the attributes.
    pub keep_attributes: bool,
}

/// A change that a transaction prepares. Reads see the state before the change.
pub struct Draft<'a> {
    view: &'a dyn View,
    changes: Vec<Change>,
    cleans_up: bool,
}

impl<'a> Draft<'a> {
    /// An empty draft over the newest state.
    #[must_use]
    pub fn new(view: &'a dyn View) -> Self {
        Self { view, changes: Vec::new(), cleans_up: false }
    }

    /// The state before the change.
    #[must_use]
    pub fn view(&self) -> &'a dyn View {
        self.view
    }

    /// Stores a new record, or a new state of `previous`, together with its index rows and the event that tells of it.
    /// Without a cause, no event is written. Returns the record as it is stored.
    pub fn put(
        &mut self,
        mut record: Record,
        previous: Option<&Record>,
        cause: Option<Cause>,
    ) -> Result<Arc<Record>, EngineError> {
        let handle = record.handle;
        record.revision = previous.map_or(1, |previous| previous.revision + 1);
        record.sweep_at = match previous {
            // A row that is too early costs the sweeper one look; a row that is too late would keep dead data.
            Some(previous) if record.sweep_at == previous.sweep_at => record.expires_at().min(previous.sweep_at),
            _ => record.expires_at(),
        };
        if let Some(cause) = cause {
            self.emit(cause, &record);
        }
        for row in rows_to_put(&record, previous) {
            // A crash may have left the row of an ID.
            if !matches!(row, IndexRow::Lookup(hash) if self.view.handle_of(hash)? == Some(handle)) {
                self.changes.push(row.put(&record));
            }
        }
        let record = Arc::new(record);
        self.changes.push(Change::PutRecord(Arc::clone(&record)));
        if let Some(previous) = previous {
            self.remove_rows(previous, Some(&record))?;
        }
        Ok(record)
    }

    /// Stores a record from another engine, in place of the record that has its handle here. Version and revision stay
    /// as they are, and no event is written. `lookups` are those of its chosen IDs that lead to it.
    pub fn restore(&mut self, mut record: Record, lookups: &[IdHash]) -> Result<(), EngineError> {
        let is_replaced = self.remove_present(record.handle)?;
        record.sweep_at = record.expires_at();
        for row in rows_of(&record) {
            let is_needed = match row {
                IndexRow::Lookup(hash) => lookups.contains(hash),
                // A crash of an older version may have left the row.
                IndexRow::Namespace(_) => is_replaced || !row.is_in(self.view, &record)?,
                IndexRow::Principal(..) | IndexRow::Due(_) => true,
            };
            if is_needed {
                self.changes.push(row.put(&record));
            }
        }
        self.changes.push(Change::PutRecord(Arc::new(record)));
        Ok(())
    }

    /// Removes the record with this handle, if there is one. No event is written.
    pub fn restore_absence(&mut self, handle: Handle) -> Result<(), EngineError> {
        self.remove_present(handle).map(drop)
    }

    /// Removes the record with this handle, if there is one. Returns whether there was one.
    fn remove_present(&mut self, handle: Handle) -> Result<bool, EngineError> {
        let Some(record) = self.view.record(handle)? else { return Ok(false) };
        self.remove_untold(&record)?;
        Ok(true)
    }

    /// Puts an event from another engine into the history, with its sequence number.
    pub fn restore_event(&mut self, event: Event) {
        self.changes.push(Change::RestoreEvent(Box::new(event)));
    }

    /// Makes the next [`put`](Draft::put) move the sweeper's index row to the true end of the record.
    pub fn reschedule(record: &mut Record) {
        record.sweep_at = 0;
    }

    /// Removes a record and its index rows.
    pub fn remove(&mut self, record: &Record, cause: Cause) -> Result<(), EngineError> {
        self.emit(cause, record);
        self.remove_untold(record)
    }

    /// Removes a record without an event.
    pub(super) fn remove_untold(&mut self, record: &Record) -> Result<(), EngineError> {
        self.changes.push(Change::RemoveRecord(record.handle));
        if self.view.touched(record.handle)?.is_some() {
            self.changes.push(Change::RemoveTouch(record.handle));
        }
        self.remove_rows(record, None)
    }

    /// Removes the rows of a record that its next state does not have, or all rows if there is no next state.
    fn remove_rows(&mut self, record: &Record, next: Option<&Record>) -> Result<(), EngineError> {
        for row in rows_beyond(record, next) {
            // The ID may belong to another session since it was rotated away here.
            if !matches!(row, IndexRow::Lookup(hash) if self.view.handle_of(hash)? != Some(record.handle)) {
                self.changes.push(row.remove(record));
            }
        }
        Ok(())
    }

    /// Writes a touch beside the record of a session that is there.
    pub fn touch(&mut self, handle: Handle, at: Millis) {
        self.changes.push(Change::PutTouch(handle, at));
    }

    fn emit(&mut self, cause: Cause, record: &Record) {
        let event = Event::new(cause.kind, cause.time, record, cause.keep_attributes);
        self.changes.push(Change::AppendEvent(Box::new(event)));
    }

    /// Drops the events up to this sequence number from the history.
    pub fn drop_events(&mut self, through: u64) {
        self.changes.push(Change::DropEvents(through));
    }

    /// Leaves a sequence gap. The next event comes behind it.
    pub fn leave_sequence_gap(&mut self, gap: SequenceGap) {
        self.changes.push(Change::PutSequenceGap(gap));
    }

    /// Removes a session from a list to which it does not belong, if it is there.
    pub fn drop_member(&mut self, list: &SessionList, handle: Handle) -> Result<(), EngineError> {
        if self.view.has_member(list, handle)? {
            self.changes.push(Change::RemoveMember(list.clone(), handle));
        }
        Ok(())
    }

    /// Removes a row of the sweeper's index that points to nothing.
    pub fn drop_due(&mut self, due: Due) {
        self.changes.push(Change::RemoveDue(due));
    }

    /// Marks the change as part of a cleanup, which is allowed while space is low because it frees space.
    pub fn clean_up(&mut self) {
        self.cleans_up = true;
    }

    /// Whether the change needs space and must be refused while it is low.
    #[must_use]
    pub fn needs_space(&self) -> bool {
        !self.cleans_up && self.changes.iter().any(Change::grows)
    }

    /// The sessions whose records are removed.
    pub fn removed(&self) -> impl Iterator<Item = Handle> {
        self.changes.iter().filter_map(|change| match change {
            Change::RemoveRecord(handle) => Some(*handle),
            _ => None,
        })
    }

    /// How many sessions the change ends.
    #[must_use]
    pub fn ended(&self) -> Ended {
        let mut ended = Ended::default();
        for change in &self.changes {
            let Change::AppendEvent(event) = change else { continue };
            match event.kind {
                EventKind::Expired => ended.expired += 1,
                EventKind::Deleted => ended.deleted += 1,
                EventKind::Revoked => ended.revoked += 1,
                EventKind::Created | EventKind::Updated | EventKind::Rotated => {}
            }
        }
        ended
    }

    /// The steps noted so far, in the order in which they must be carried out.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}
