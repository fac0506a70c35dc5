//! The view that queries and transactions read from.

use super::{ColdRead, Loaded};
use crate::clock::Millis;
use crate::engine::durable::keys::due_key;
use crate::engine::durable::memtable::Recent;
use crate::engine::durable::table::Table;
use crate::engine::durable::tables::Tables;
use crate::engine::transaction::{Counts, Due, Expected, SessionList, View};
use crate::engine::{EngineError, SequenceGap};
use crate::model::{Event, Handle, IdHash, Record};
use std::cell::RefCell;
use std::sync::Arc;

/// Lets reads through that don't wait for the disk, and notes the first read that would.
#[derive(Debug)]
pub(in super::super) struct Gate<'a> {
    /// `None` if nothing was loaded yet.
    loaded: Option<&'a Loaded>,
    is_open: bool,
    missed: RefCell<Option<ColdRead>>,
}

/// The error of a run that is thrown away. No caller sees it.
#[derive(Debug, thiserror::Error)]
#[error("it is not in memory")]
struct NotInMemory;

impl<'a> Gate<'a> {
    /// A gate that lets through what was loaded.
    pub(in super::super) fn new(loaded: Option<&'a Loaded>) -> Self {
        Self { loaded, is_open: false, missed: RefCell::default() }
    }

    /// A gate that lets everything through, for a place where waiting for the disk blocks nobody.
    pub(in super::super) fn open() -> Self {
        Self { loaded: None, is_open: true, missed: RefCell::default() }
    }

    /// Fails if this read would wait for the disk. The run is then thrown away, whatever it does with the error.
    pub(in super::super) fn pass(&self, read: ColdRead) -> Result<(), EngineError> {
        if self.is_open || self.loaded.is_some_and(|loaded| loaded.has(&read)) {
            return Ok(());
        }
        self.missed.borrow_mut().get_or_insert(read);
        Err(EngineError::Storage(Arc::new(NotInMemory)))
    }

    /// Whether nothing was loaded yet for the query or the transaction.
    fn is_first_run(&self) -> bool {
        self.loaded.is_none()
    }

    /// Whether a read did not pass.
    pub(in super::super) fn has_missed(&self) -> bool {
        self.missed.borrow().is_some()
    }

    /// The first read that did not pass.
    pub(in super::super) fn missed(self) -> Option<ColdRead> {
        self.missed.into_inner()
    }
}

/// The tables, limited to reads that don't wait for the disk.
#[derive(Debug)]
pub(in super::super) struct WarmView<'a> {
    tables: &'a Tables,
    gate: &'a Gate<'a>,
}

impl<'a> WarmView<'a> {
    pub(in super::super) fn new(tables: &'a Tables, gate: &'a Gate<'a>) -> Self {
        Self { tables, gate }
    }

    /// Whether the memtable has a row.
    fn is_recent(&self, table: Table, key: &[u8]) -> bool {
        self.tables.memtable.get(table, key).is_some()
    }

    fn is_known(&self, handle: Handle) -> bool {
        self.tables.peek(handle).is_some()
            || self.tables.memtable.get(Table::Sessions, &handle.to_bytes()) == Some(Recent::Removed)
    }
}

impl View for WarmView<'_> {
    fn record(&self, handle: Handle) -> Result<Option<Arc<Record>>, EngineError> {
        if let Some(cached) = self.tables.cached(handle, self.gate.is_first_run()) {
            return Ok(Some(cached.record));
        }
        if self.tables.memtable.get(Table::Sessions, &handle.to_bytes()) == Some(Recent::Removed) {
            return Ok(None);
        }
        self.gate.pass(ColdRead::Sessions(vec![handle]))?;
        // It is not read through the cache: that would wait for another reader that loads it.
        Ok(self.tables.stored_record(handle)?.map(|(record, _)| Arc::new(record)))
    }

    fn expect(&self, expected: Expected<'_>) -> Result<(), EngineError> {
        let unknown = |handles: &[Handle]| handles.iter().copied().filter(|handle| !self.is_known(*handle)).collect();
        let missing = match expected {
            Expected::Sessions(handles) => ColdRead::Sessions(unknown(handles)),
            Expected::IndexRows(handles) => ColdRead::IndexRows(handles.to_vec()),
            Expected::Ids(ids) => {
                let unknown = ids.iter().copied().filter(|id| self.tables.known_handle_of(id).is_none());
                ColdRead::Ids(unknown.collect())
            }
        };
        match &missing {
            ColdRead::Sessions(handles) | ColdRead::IndexRows(handles) if handles.is_empty() => Ok(()),
            ColdRead::Ids(ids) if ids.is_empty() => Ok(()),
            _ => self.gate.pass(missing),
        }
    }

    fn handles(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        self.gate.pass(ColdRead::Handles(after, limit))?;
        self.tables.handles(after, limit)
    }

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        if let Some(known) = self.tables.known_handle_of(hash) {
            return known;
        }
        self.gate.pass(ColdRead::Ids(vec![*hash]))?;
        self.tables.stored_handle_of(hash)
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        if let Some(cached) = self.tables.peek(handle) {
            return Ok(cached.touched);
        }
        if !self.is_recent(Table::Touches, &handle.to_bytes()) {
            self.gate.pass(ColdRead::Sessions(vec![handle]))?;
        }
        self.tables.touched(handle)
    }

    fn members(&self, list: &SessionList, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        self.gate.pass(ColdRead::Members(list.clone(), before, limit))?;
        self.tables.members(list, before, limit)
    }

    fn has_member(&self, list: &SessionList, handle: Handle) -> Result<bool, EngineError> {
        if !self.is_recent(Table::Members, &self.tables.principals.member_key(list, handle)) {
            self.gate.pass(ColdRead::Member(list.clone(), handle))?;
        }
        self.tables.has_member(list, handle)
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        self.gate.pass(ColdRead::Events(after, limit))?;
        self.tables.events(after, limit)
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        self.tables.events_dropped_through()
    }

    fn sequence_gaps(&self) -> Result<Vec<SequenceGap>, EngineError> {
        self.gate.pass(ColdRead::SequenceGaps)?;
        self.tables.sequence_gaps()
    }

    fn counts(&self) -> Counts {
        self.tables.counts()
    }

    fn sessions_in(&self, namespace: &str) -> u64 {
        self.tables.sessions_in(namespace)
    }

    fn due(&self, from: Millis, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        self.gate.pass(ColdRead::Due(from, now, limit))?;
        self.tables.due(from, now, limit)
    }

    fn has_due(&self, due: Due) -> Result<bool, EngineError> {
        if !self.is_recent(Table::Due, &due_key(due)) {
            self.gate.pass(ColdRead::DueRow(due))?;
        }
        self.tables.has_due(due)
    }
}
