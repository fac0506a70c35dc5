//! The engine in memory: nothing is on disk. For tests, and for sites that can lose sessions.

use super::change_tracker::ChangeTrackers;
use super::transaction::{Change, Counts, Draft, Due, Outcome, Query, SessionList, Transaction, View};
use super::{ChangeTracker, Engine, EngineError, EngineFuture, EngineStatistics, EngineStatus, SequenceGap, codec};
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// Keeps records in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    contents: RwLock<Contents>,
    status: watch::Sender<EngineStatus>,
    last_event: watch::Sender<u64>,
    trackers: ChangeTrackers,
}

#[derive(Debug, Default)]
struct Contents {
    /// Encoded as on disk: that takes less memory, and the conformance suite tests the codec.
    records: BTreeMap<Handle, Bytes>,
    lookups: HashMap<[u8; 32], Handle>,
    touches: HashMap<Handle, Millis>,
    due: BTreeSet<Due>,
    /// Keyed by the bytes that name the list.
    members: BTreeSet<(Vec<u8>, Handle)>,
    events: BTreeMap<u64, Event>,
    last_sequence: u64,
    dropped_through: u64,
    sequence_gaps: Vec<SequenceGap>,
    statistics: EngineStatistics,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self {
            contents: RwLock::default(),
            status: watch::Sender::new(EngineStatus::Ready),
            last_event: watch::Sender::new(0),
            trackers: ChangeTrackers::default(),
        }
    }
}

impl MemoryEngine {
    fn read_contents(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_contents(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn read<'a>(&'a self, query: Query<'a>) -> EngineFuture<'a> {
        EngineFuture::done(query(&*self.read_contents()))
    }

    fn commit<'a>(&'a self, transaction: Transaction<'a>) -> EngineFuture<'a> {
        let mut contents = self.write_contents();
        let mut draft = Draft::new(&*contents);
        let outcome = transaction(&mut draft);
        let changes = draft.into_changes();
        if matches!(outcome, Ok(Outcome::Commit)) {
            let transaction = contents.last_sequence + 1;
            let handles = ChangeTrackers::changed(&changes);
            for change in changes {
                contents.apply(change, transaction);
            }
            self.trackers.note(&handles);
            contents.statistics.group_committed(1);
            self.last_event.send_if_modified(|last| std::mem::replace(last, contents.last_sequence) != *last);
        }
        EngineFuture::done(outcome.map(drop))
    }

    fn status(&self) -> watch::Receiver<EngineStatus> {
        self.status.subscribe()
    }

    fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.subscribe()
    }

    fn track_changes(&self) -> ChangeTracker {
        self.trackers.track()
    }

    fn statistics(&self) -> EngineStatistics {
        let contents = self.read_contents();
        EngineStatistics { events: contents.events.len() as u64, ..contents.statistics.clone() }
    }

    fn close(&self) -> EngineFuture<'_> {
        EngineFuture::done(Ok(()))
    }
}

impl View for Contents {
    fn record(&self, handle: Handle) -> Result<Option<Arc<Record>>, EngineError> {
        self.records.get(&handle).cloned().map(|row| codec::decode_record(row).map(Arc::new)).transpose()
    }

    fn handle_of(&self, hash: &IdHash) -> Result<Option<Handle>, EngineError> {
        Ok(self.lookups.get(hash.as_bytes()).copied())
    }

    fn touched(&self, handle: Handle) -> Result<Option<Millis>, EngineError> {
        Ok(self.touches.get(&handle).copied())
    }

    fn handles(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.records.range((start, Bound::Unbounded)).take(limit).map(|(handle, _)| *handle).collect())
    }

    fn members(&self, list: &SessionList, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let name = list_name(list);
        let start = (name.clone(), Handle::FIRST);
        let end = match before {
            Some(before) => Bound::Excluded((name, before)),
            None => Bound::Included((name, Handle::LAST)),
        };
        if before == Some(Handle::FIRST) {
            return Ok(Vec::new());
        }
        let members = self.members.range((Bound::Included(start), end)).rev();
        Ok(members.take(limit).map(|(_, handle)| *handle).collect())
    }

    fn has_member(&self, list: &SessionList, handle: Handle) -> Result<bool, EngineError> {
        Ok(self.members.contains(&(list_name(list), handle)))
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        let events = self.events.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(events.take(limit).map(|(_, event)| event.clone()).collect())
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        Ok(self.dropped_through)
    }

    fn sequence_gaps(&self) -> Result<Vec<SequenceGap>, EngineError> {
        Ok(self.sequence_gaps.clone())
    }

    fn counts(&self) -> Counts {
        Counts {
            sessions: self.statistics.sessions.values().sum(),
            events: self.events.len() as u64,
            event_bytes: self.statistics.event_bytes,
            last_event: self.last_sequence,
        }
    }

    fn sessions_in(&self, namespace: &str) -> u64 {
        self.statistics.sessions_in(namespace)
    }

    fn due(&self, from: Millis, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        Ok(self
            .due
            .iter()
            .skip_while(|due| due.at < from)
            .take_while(|due| due.at <= now)
            .take(limit)
            .copied()
            .collect())
    }

    fn has_due(&self, due: Due) -> Result<bool, EngineError> {
        Ok(self.due.contains(&due))
    }
}

/// About how many bytes an event takes besides the data of its session.
const EVENT_BYTES: u64 = 96;

fn event_bytes(event: &Event) -> u64 {
    EVENT_BYTES + event.record.size() as u64
}

impl Contents {
    fn put_event(&mut self, event: Event) {
        self.statistics.event_bytes += event_bytes(&event);
        if let Some(replaced) = self.events.insert(event.sequence, event) {
            self.statistics.event_bytes -= event_bytes(&replaced);
        }
    }

    fn apply(&mut self, change: Change, transaction: u64) {
        match change {
            Change::AppendEvent(event) => {
                self.last_sequence += 1;
                let sequence = self.last_sequence;
                self.put_event(Event { sequence, transaction, ..*event });
            }
            Change::RestoreEvent(event) => {
                self.last_sequence = self.last_sequence.max(event.sequence);
                self.put_event(*event);
            }
            Change::PutMember(list, handle) => {
                let added = self.members.insert((list_name(&list), handle));
                if let (SessionList::Namespace(namespace), true) = (list, added) {
                    self.statistics.session_added(&namespace);
                }
            }
            Change::PutLookup(hash, handle) => drop(self.lookups.insert(*hash.as_bytes(), handle)),
            Change::PutDue(due) => drop(self.due.insert(due)),
            Change::PutRecord(record) => drop(self.records.insert(record.handle, codec::encode_record(&record))),
            Change::PutTouch(handle, at) => drop(self.touches.insert(handle, at)),
            Change::RemoveRecord(handle) => drop(self.records.remove(&handle)),
            Change::RemoveTouch(handle) => drop(self.touches.remove(&handle)),
            Change::RemoveDue(due) => drop(self.due.remove(&due)),
            Change::RemoveLookup(hash) => drop(self.lookups.remove(hash.as_bytes())),
            Change::RemoveMember(list, handle) => {
                let removed = self.members.remove(&(list_name(&list), handle));
                if let (SessionList::Namespace(namespace), true) = (list, removed) {
                    self.statistics.session_removed(&namespace);
                }
            }
            Change::DropEvents(through) => {
                let kept = self.events.split_off(&(through + 1));
                let dropped = std::mem::replace(&mut self.events, kept);
                self.statistics.event_bytes -= dropped.values().map(event_bytes).sum::<u64>();
                self.dropped_through = self.dropped_through.max(through);
                self.last_sequence = self.last_sequence.max(through);
            }
            Change::PutSequenceGap(gap) => {
                self.sequence_gaps.push(gap);
                self.last_sequence = self.last_sequence.max(gap.through);
            }
        }
    }
}

fn list_name(list: &SessionList) -> Vec<u8> {
    match list {
        SessionList::Namespace(namespace) => namespace.as_bytes().to_vec(),
        // No namespace begins with this byte.
        SessionList::Principal(hash) => [&[0], &hash.as_bytes()[..]].concat(),
    }
}
