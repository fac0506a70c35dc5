//! The engines under test, and their test data.

use crate::encryption::ring;
use sessiond::clock::Millis;
use sessiond::encryption::{KeyRing, new_key};
use sessiond::engine::{
    Cause, DataFolder, Draft, Due, Durability, DurableEngine, DurableOptions, Engine, EngineError, MemoryEngine,
    Outcome, SessionList, View, WatchdogOptions,
};
use sessiond::model::{Attribute, Attributes, Credential, EventKind, Handle, IdHash, Record, SessionId};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An engine under test. An engine on disk can be reopened.
pub(crate) struct Subject {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) folder: Option<tempfile::TempDir>,
    pub(crate) keys: Option<KeyRing>,
}

impl Subject {
    pub(crate) fn memory() -> Self {
        Self { engine: Arc::new(MemoryEngine::default()), folder: None, keys: None }
    }

    pub(crate) fn sled() -> Self {
        Self::on_disk(None)
    }

    pub(crate) fn encrypted() -> Self {
        Self::on_disk(Some(ring(&[&new_key().1])))
    }

    fn on_disk(keys: Option<KeyRing>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { engine: open_with(folder.path(), 0, keys.clone()), folder: Some(folder), keys }
    }

    pub(crate) async fn reopen(&mut self) {
        let Some(folder) = &self.folder else { return };
        self.engine.close().await.unwrap();
        self.engine = Arc::new(MemoryEngine::default());
        self.engine = open_with(folder.path(), 0, self.keys.clone());
    }

    pub(crate) async fn read<T: Send>(&self, mut read: impl FnMut(&dyn View) -> Result<T, EngineError> + Send) -> T {
        let mut found = None;
        self.engine
            .read(&mut |view| {
                found = Some(read(view)?);
                Ok(())
            })
            .await
            .unwrap();
        found.unwrap()
    }

    pub(crate) async fn commit(
        &self,
        mut change: impl FnMut(&mut Draft<'_>) -> Result<Outcome, EngineError> + Send,
    ) -> Result<(), EngineError> {
        self.engine.commit(&mut change).await
    }

    pub(crate) async fn put(&self, record: &Record, previous: Option<&Record>) {
        self.commit(|draft| {
            draft.put(record.clone(), previous, Some(cause(EventKind::Updated)))?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    }

    pub(crate) async fn record(&self, handle: Handle) -> Option<Record> {
        self.read(|view| Ok(view.record(handle)?.map(Arc::unwrap_or_clone))).await
    }

    pub(crate) async fn due(&self) -> Vec<Due> {
        self.read(|view| view.due(0, Millis::MAX, 1_000)).await
    }

    pub(crate) async fn restore(&self, record: &Record, lookups: &[IdHash]) {
        self.commit(|draft| {
            draft.restore(record.clone(), lookups)?;
            Ok(Outcome::Commit)
        })
        .await
        .unwrap();
    }

    pub(crate) async fn members(&self, principal: &str) -> Vec<Handle> {
        self.read(|view| view.members(&SessionList::of("default", principal), None, 10)).await
    }
}

pub(crate) fn open_sled(folder: &Path, min_free_bytes: u64) -> Arc<dyn Engine> {
    open_with(folder, min_free_bytes, None)
}

fn open_with(folder: &Path, min_free_bytes: u64, keys: Option<KeyRing>) -> Arc<dyn Engine> {
    let options = DurableOptions {
        keys,
        durability: Durability::Always,
        watchdog: WatchdogOptions { min_free_bytes, stall_timeout: Duration::from_secs(30) },
        ..DurableOptions::unsynced(32 << 20)
    };
    Arc::new(DurableEngine::open(DataFolder::claim(folder).unwrap(), &options).unwrap())
}

pub(crate) fn cause(kind: EventKind) -> Cause {
    Cause { kind, time: 1_500, keep_attributes: kind == EventKind::Deleted }
}

pub(crate) fn record(attribute_bytes: usize) -> (Record, IdHash) {
    let handle = Handle::mint(1_000);
    let hash = IdHash::of("default", &SessionId::mint(handle));
    let record = Record {
        handle,
        namespace: "default".into(),
        version: 1,
        revision: 0,
        created: 1_000,
        updated: 1_000,
        accessed: 1_000,
        idle_timeout: 60_000,
        ends_at: None,
        credentials: [Credential::new(hash, true)].into(),
        tickets: Vec::new(),
        principal: "ada".into(),
        labels: BTreeMap::from([("device".into(), "laptop".into())]),
        attributes: attributes(attribute_bytes),
        sealed: None,
        sweep_at: 0,
    };
    (record, hash)
}

pub(crate) fn attributes(bytes: usize) -> Attributes {
    let text = "x".repeat(bytes);
    let mut value = vec![0x2a];
    prost::encoding::encode_varint(bytes as u64, &mut value);
    value.extend(text.as_bytes());
    let mut entry = vec![0x0a, 1, b'a', 0x12];
    prost::encoding::encode_varint(value.len() as u64, &mut entry);
    entry.extend(value);
    Attributes::from_iter([Attribute::from_wire(&entry).unwrap()])
}
