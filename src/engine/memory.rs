//! The engine that forgets: everything in memory, nothing on disk. For tests, and for sites that can lose sessions.

use super::transaction::{Change, Draft, Due, Outcome, Query, Transaction, View};
use super::{Engine, EngineError, EngineFuture, EngineStatus, codec};
use crate::clock::Millis;
use crate::model::{Handle, IdHash, Record};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::{PoisonError, RwLock};
use tokio::sync::watch;

/// Keeps records in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    tables: RwLock<Tables>,
    status: watch::Sender<EngineStatus>,
}

#[derive(Debug, Default)]
struct Tables {
    /// Encoded, as on disk: that takes less room, and lets the conformance suite see the codec work.
    records: BTreeMap<Handle, Bytes>,
    lookups: HashMap<[u8; 32], Handle>,
    touches: HashMap<Handle, Millis>,
    due: BTreeSet<Due>,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self {
            tables: RwLock::default(),
            status: watch::Sender::new(EngineStatus::Ready),
        }
    }
}

impl Engine for MemoryEngine {
    fn read<'a>(&'a self, mut query: Query<'a>) -> EngineFuture<'a> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(query(&*tables)))
    }

    fn commit(&self, mut transaction: Transaction) -> EngineFuture<'_> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft::new(&*tables);
        let outcome = transaction(&mut draft);
        let changes = draft.into_changes();
        if matches!(outcome, Ok(Outcome::Commit)) {
            for change in changes {
                tables.apply(change);
            }
        }
        Box::pin(ready(outcome.map(drop)))
    }

    fn status(&self) -> watch::Receiver<EngineStatus> {
        self.status.subscribe()
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

    fn due(&self, now: Millis, limit: usize) -> Result<Vec<Due>, EngineError> {
        Ok(self
            .due
            .iter()
            .take_while(|due| due.at <= now)
            .take(limit)
            .copied()
            .collect())
    }
}

impl Tables {
    fn apply(&mut self, change: Change) {
        match change {
            Change::PutLookup(hash, handle) => {
                self.lookups.insert(*hash.as_bytes(), handle);
            }
            Change::PutDue(due) => {
                self.due.insert(due);
            }
            Change::PutRecord(record) => {
                self.records.insert(record.handle, codec::encode_record(*record));
            }
            Change::PutTouch(handle, at) => {
                self.touches.insert(handle, at);
            }
            Change::RemoveRecord(handle) => {
                self.records.remove(&handle);
            }
            Change::RemoveTouch(handle) => {
                self.touches.remove(&handle);
            }
            Change::RemoveDue(due) => {
                self.due.remove(&due);
            }
            Change::RemoveLookup(hash) => {
                self.lookups.remove(hash.as_bytes());
            }
        }
    }
}
