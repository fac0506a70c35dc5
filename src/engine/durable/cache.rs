//! Records that were read or written lately, decoded: a session in use is found without a walk through sled's tree and
//! without decoding.
//!
//! The writer changes the cache right after the memtable, and before anyone is told. Who finds nothing loads the record under
//! a placeholder. The writer never waits for that: if it changes the record meanwhile, it takes the placeholder away, and
//! what was loaded is not kept.

use crate::clock::Millis;
use crate::engine::EngineError;
use crate::model::{Handle, IdHash, Record};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, EntryAction, EntryResult, GuardResult};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a record takes in memory besides its data: itself, its place in the cache, and what two allocations round up.
const RECORD_BYTES: u64 = size_of::<Record>() as u64 + 192;
/// The same for each label.
const LABEL_BYTES: u64 = 192;
/// A guess at a record's size, by which the cache makes its first tables.
const EXPECTED_BYTES: u64 = 2 << 10;

/// A record and the touch that is kept beside it.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) record: Arc<Record>,
    pub(super) touched: Option<Millis>,
    /// Whether its row is so large that it stands in parts.
    pub(super) is_split: bool,
}

/// The cache. Clones share it.
#[derive(Clone)]
pub(super) struct RecordCache(Arc<Cache<Handle, Cached, ByBytes>>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Handle, Cached> for ByBytes {
    fn weight(&self, _: &Handle, cached: &Cached) -> u64 {
        let record = &cached.record;
        RECORD_BYTES + record.size() as u64 + LABEL_BYTES * record.labels.len() as u64
    }
}

impl RecordCache {
    /// A cache that takes at most so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / EXPECTED_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Cache::with_weighter(items, bytes, ByBytes)))
    }

    /// The record with this handle, if it is in the cache.
    pub(super) fn get(&self, handle: Handle) -> Option<Cached> {
        self.0.get(&handle)
    }

    /// The record with this handle, which `load` brings if it is not in the cache.
    pub(super) fn get_or_load(
        &self,
        handle: Handle,
        load: impl FnOnce() -> Result<Option<Cached>, EngineError>,
    ) -> Result<Option<Cached>, EngineError> {
        match self.0.get_value_or_guard(&handle, None) {
            GuardResult::Value(cached) => Ok(Some(cached)),
            GuardResult::Guard(guard) => {
                let loaded = load()?;
                if let Some(loaded) = &loaded {
                    // Refused if it has been replaced meanwhile.
                    guard.insert(loaded.clone()).ok();
                }
                Ok(loaded)
            }
            // Without a time limit there is none.
            GuardResult::Timeout => load(),
        }
    }

    /// The record, if it is in the cache.
    pub(super) fn peek(&self, handle: Handle) -> Option<Cached> {
        self.0.peek(&handle)
    }

    /// The writer has stored this record. A new one is taken in; another only in place of what is there.
    pub(super) fn put(&self, record: &Arc<Record>, is_split: bool) {
        let replace = |cached: &mut Cached| (cached.record, cached.is_split) = (Arc::clone(record), is_split);
        if !self.change(record.handle, replace) && record.revision == 1 {
            self.0.insert(record.handle, Cached { record: Arc::clone(record), touched: None, is_split });
        }
    }

    /// The writer has stored, or removed, this touch.
    pub(super) fn touch(&self, handle: Handle, touched: Option<Millis>) {
        self.change(handle, |cached| cached.touched = touched);
    }

    /// The writer has removed this record.
    pub(super) fn remove(&self, handle: Handle) {
        // Also a placeholder.
        drop(self.0.remove(&handle));
    }

    /// Changes what is there. False if nothing is.
    fn change(&self, handle: Handle, change: impl FnOnce(&mut Cached)) -> bool {
        let changed = self.0.entry(&handle, Some(Duration::ZERO), |_, cached| {
            change(cached);
            EntryAction::Retain(())
        });
        match changed {
            EntryResult::Retained(()) => true,
            // Somebody loads it, and may have read what it was before.
            EntryResult::Timeout => {
                self.remove(handle);
                false
            }
            _ => false,
        }
    }
}

impl fmt::Debug for RecordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCache").field("records", &self.0.len()).finish_non_exhaustive()
    }
}

/// To which sessions chosen IDs lead: those that were asked for or put lately. Clones share it.
#[derive(Clone)]
pub(super) struct LookupCache(Arc<Cache<[u8; 32], Handle>>);

/// What an entry takes in memory: its key, its value, and its place.
const LOOKUP_BYTES: u64 = 128;

impl LookupCache {
    /// A cache that takes at most so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / LOOKUP_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Cache::new(items)))
    }

    /// Where this ID leads, if that is in the cache.
    pub(super) fn get(&self, id: &IdHash) -> Option<Handle> {
        self.0.get(id.as_bytes())
    }

    /// Where this ID leads, which `load` finds out if it is not in the cache.
    pub(super) fn get_or_load(
        &self,
        id: &IdHash,
        load: impl FnOnce() -> Result<Option<Handle>, EngineError>,
    ) -> Result<Option<Handle>, EngineError> {
        match self.0.get_value_or_guard(id.as_bytes(), None) {
            GuardResult::Value(handle) => Ok(Some(handle)),
            GuardResult::Guard(guard) => {
                let loaded = load()?;
                if let Some(handle) = loaded {
                    // Refused if it has been replaced meanwhile.
                    guard.insert(handle).ok();
                }
                Ok(loaded)
            }
            // Without a time limit there is none.
            GuardResult::Timeout => load(),
        }
    }

    /// The writer has changed where this ID leads, to `None` if it leads nowhere. Takes away a placeholder, too.
    pub(super) fn change(&self, id: &IdHash, handle: Option<Handle>) {
        match handle {
            Some(handle) => self.0.insert(*id.as_bytes(), handle),
            None => drop(self.0.remove(id.as_bytes())),
        }
    }
}

impl fmt::Debug for LookupCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupCache").field("ids", &self.0.len()).finish_non_exhaustive()
    }
}
