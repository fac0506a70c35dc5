//! The engine that forgets: everything in memory, nothing on disk. For tests, and for sites that can lose sessions.

use super::follow::Followers;
use super::transaction::{Change, Counts, Draft, Due, Group, Outcome, Query, Transaction, View};
use super::{ChangeFollower, Engine, EngineError, EngineFuture, EngineStatistics, EngineStatus, Gap, codec};
use crate::clock::Millis;
use crate::model::{Event, Handle, IdHash, Record};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// Keeps records in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    tables: RwLock<Tables>,
    status: watch::Sender<EngineStatus>,
    last_event: watch::Sender<u64>,
    followers: Followers,
}

#[derive(Debug, Default)]
struct Tables {
    /// Encoded, as on disk: that takes less room, and lets the conformance suite see the codec work.
    records: BTreeMap<Handle, Bytes>,
    lookups: HashMap<[u8; 32], Handle>,
    touches: HashMap<Handle, Millis>,
    due: BTreeSet<Due>,
    /// By the bytes that name the group.
    members: BTreeSet<(Vec<u8>, Handle)>,
    events: BTreeMap<u64, Event>,
    last_sequence: u64,
    dropped_through: u64,
    gaps: Vec<Gap>,
    statistics: EngineStatistics,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self {
            tables: RwLock::default(),
            status: watch::Sender::new(EngineStatus::Ready),
            last_event: watch::Sender::new(0),
            followers: Followers::default(),
        }
    }
}

impl MemoryEngine {
    fn read_tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_tables(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn read<'a>(&'a self, mut query: Query<'a>) -> EngineFuture<'a> {
        Box::pin(ready(query(&*self.read_tables())))
    }

    fn commit(&self, mut transaction: Transaction) -> EngineFuture<'_> {
        let mut tables = self.write_tables();
        let mut draft = Draft::new(&*tables);
        let outcome = transaction(&mut draft);
        let changes = draft.into_changes();
        if matches!(outcome, Ok(Outcome::Commit)) {
            let transaction = tables.last_sequence + 1;
            let handles = Followers::changed(&changes);
            for change in changes {
                tables.apply(change, transaction);
            }
            self.followers.note(&handles);
            tables.statistics.group_committed(1);
            self.last_event.send_if_modified(|last| std::mem::replace(last, tables.last_sequence) != *last);
        }
        Box::pin(ready(outcome.map(drop)))
    }

    fn status(&self) -> watch::Receiver<EngineStatus> {
        self.status.subscribe()
    }

    fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.subscribe()
    }

    fn follow_changes(&self) -> ChangeFollower {
        self.followers.follow()
    }

    fn statistics(&self) -> EngineStatistics {
        let tables = self.read_tables();
        EngineStatistics { events: tables.events.len() as u64, ..tables.statistics.clone() }
    }

    fn close(&self) -> EngineFuture<'_> {
        Box::pin(ready(Ok(())))
    }
}

impl View for Tables {
    fn record(&self, handle: Handle) -> Result<Option<Record>, EngineError> {
        self.records.get(&handle).cloned().map(codec::decode_record).transpose()
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

    fn members(&self, group: &Group, before: Option<Handle>, limit: usize) -> Result<Vec<Handle>, EngineError> {
        let name = group_name(group);
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

    fn has_member(&self, group: &Group, handle: Handle) -> Result<bool, EngineError> {
        Ok(self.members.contains(&(group_name(group), handle)))
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, EngineError> {
        let events = self.events.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(events.take(limit).map(|(_, event)| event.clone()).collect())
    }

    fn events_dropped_through(&self) -> Result<u64, EngineError> {
        Ok(self.dropped_through)
    }

    fn gaps(&self) -> Result<Vec<Gap>, EngineError> {
        Ok(self.gaps.clone())
    }

    fn counts(&self) -> Counts {
        Counts {
            sessions: self.statistics.sessions.values().sum(),
            events: self.events.len() as u64,
            event_bytes: self.statistics.event_bytes,
            last_event: self.last_sequence,
        }
    }

    fn due(&self, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        Ok(self.due.iter().take_while(|due| due.at <= now).take(limit).copied().collect())
    }

    fn has_due(&self, due: Due) -> Result<bool, EngineError> {
        Ok(self.due.contains(&due))
    }
}

/// About what an event takes besides the data of its session, in bytes.
const EVENT_BYTES: u64 = 96;

fn event_bytes(event: &Event) -> u64 {
    EVENT_BYTES + event.record.size() as u64
}

impl Tables {
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
            Change::PutMember(group, handle) => {
                let added = self.members.insert((group_name(&group), handle));
                if let (Group::Namespace(namespace), true) = (group, added) {
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
            Change::RemoveMember(group, handle) => {
                let removed = self.members.remove(&(group_name(&group), handle));
                if let (Group::Namespace(namespace), true) = (group, removed) {
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
            Change::PutGap(gap) => {
                self.gaps.push(gap);
                self.last_sequence = self.last_sequence.max(gap.through);
            }
        }
    }
}

fn group_name(group: &Group) -> Vec<u8> {
    match group {
        Group::Namespace(namespace) => namespace.as_bytes().to_vec(),
        // No namespace begins with this byte.
        Group::Principal(hash) => [&[0], &hash.as_bytes()[..]].concat(),
    }
}
