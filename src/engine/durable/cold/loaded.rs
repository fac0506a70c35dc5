//! Cold reads: what memory did not have for a query or a transaction, and what was loaded for it since.

use super::super::tables::Tables;
use crate::clock::Millis;
use crate::engine::index::rows_of;
use crate::engine::transaction::{Due, SessionList, View};
use crate::model::{Handle, IdHash};
use std::collections::BTreeSet;

/// The most runs of a query or a transaction. It may ask for other data in each run. After this many, it may read from
/// the disk wherever it runs.
const MAX_RUNS: usize = 64;

/// What has to be read from the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum ColdRead {
    /// Records with their touches.
    Sessions(Vec<Handle>),
    /// The same, and their index rows.
    IndexRows(Vec<Handle>),
    /// The lookup rows of chosen IDs, and the sessions to which they lead.
    Ids(Vec<IdHash>),
    /// The parts of a large record.
    Parts(Handle),
    /// A part of the handles of all sessions.
    Handles(Option<Handle>, usize),
    /// A part of a list of sessions.
    Members(SessionList, Option<Handle>, usize),
    /// Whether a session has a row in a list.
    Member(SessionList, Handle),
    /// A part of the sweeper's index.
    Due(Millis, Millis, usize),
    /// Whether a row is in the sweeper's index.
    DueRow(Due),
    /// A part of the history.
    Events(u64, usize),
    /// The events up to this number, which are to be dropped.
    DroppedEvents(u64),
    /// The sequence gaps.
    SequenceGaps,
}

/// What was read for one query or transaction.
#[derive(Debug, Default)]
pub(in super::super) struct Loaded {
    runs: usize,
    sessions: BTreeSet<Handle>,
    index_rows: BTreeSet<Handle>,
    ids: BTreeSet<[u8; 32]>,
    others: Vec<ColdRead>,
}

impl Loaded {
    /// Reads into memory what was asked for. It blocks.
    pub(super) fn load(&mut self, read: ColdRead, tables: &Tables) {
        self.runs += 1;
        // Errors are ignored here. The next run meets and reports them.
        match &read {
            ColdRead::Sessions(handles) => self.load_sessions(handles, tables),
            ColdRead::IndexRows(handles) => self.load_index_rows(handles, tables),
            ColdRead::Ids(ids) => self.load_ids(ids, tables),
            ColdRead::Parts(handle) => drop(tables.part_keys(*handle)),
            ColdRead::Handles(after, limit) => drop(tables.handles(*after, *limit)),
            ColdRead::Members(list, before, limit) => {
                let handles = tables.members(list, *before, *limit).unwrap_or_default();
                self.load_sessions(&handles, tables);
            }
            ColdRead::Member(list, handle) => drop(tables.has_member(list, *handle)),
            ColdRead::Due(from, now, limit) => {
                let due = tables.due(*from, *now, *limit).unwrap_or_default();
                let handles: Vec<Handle> = due.into_iter().map(|due| due.handle).collect();
                self.load_sessions(&handles, tables);
            }
            ColdRead::DueRow(due) => drop(tables.has_due(*due)),
            ColdRead::Events(after, limit) => drop(tables.events(*after, *limit)),
            ColdRead::DroppedEvents(through) => drop(tables.history.count_through(*through)),
            ColdRead::SequenceGaps => drop(tables.sequence_gaps()),
        }
        if !matches!(read, ColdRead::Sessions(_) | ColdRead::IndexRows(_) | ColdRead::Ids(_)) {
            self.others.push(read);
        }
    }

    /// Whether this was loaded, so that reading it again does not wait for the disk.
    pub(super) fn has(&self, read: &ColdRead) -> bool {
        if self.runs >= MAX_RUNS {
            return true;
        }
        match read {
            ColdRead::Sessions(handles) => handles.iter().all(|handle| self.sessions.contains(handle)),
            ColdRead::IndexRows(handles) => handles.iter().all(|handle| self.index_rows.contains(handle)),
            ColdRead::Ids(ids) => ids.iter().all(|id| self.ids.contains(id.as_bytes())),
            ColdRead::Member(_, handle) if self.index_rows.contains(handle) => true,
            ColdRead::DueRow(due) if self.index_rows.contains(&due.handle) => true,
            other => self.others.contains(other),
        }
    }

    fn load_sessions(&mut self, handles: &[Handle], tables: &Tables) {
        for handle in handles {
            if self.sessions.insert(*handle) {
                tables.record(*handle).ok();
                tables.touched(*handle).ok();
            }
        }
    }

    fn load_index_rows(&mut self, handles: &[Handle], tables: &Tables) {
        self.load_sessions(handles, tables);
        for handle in handles {
            if let Ok(Some(record)) = tables.record(*handle) {
                for row in rows_of(&record) {
                    row.is_in(tables, &record).ok();
                }
                let chosen = record.credentials.iter().filter(|credential| credential.chosen);
                self.ids.extend(chosen.map(|credential| *credential.hash.as_bytes()));
            }
            self.index_rows.insert(*handle);
        }
    }

    fn load_ids(&mut self, ids: &[IdHash], tables: &Tables) {
        for id in ids {
            if let Ok(Some(handle)) = tables.handle_of(id) {
                self.load_sessions(&[handle], tables);
            }
            self.ids.insert(*id.as_bytes());
        }
    }
}
