//! A cache of decoded records that were read or written lately. A session in use is found without a search in sled's
//! tree and without decoding.
//!
//! The writer changes the cache right after the memtable, and before it answers anyone. A reader that misses loads the
//! record under a placeholder. The writer never waits for that load: if it changes the record meanwhile, it removes the
//! placeholder, and the loaded record is not cached.

use crate::clock::Millis;
use crate::engine::EngineError;
use crate::model::{Handle, IdHash, Record};
use crate::striped::Striped;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, EntryAction, EntryResult, GuardResult};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a record takes in memory besides its data: the struct, its entry in the cache, and the rounding of two
/// allocations.
const RECORD_BYTES: u64 = size_of::<Record>() as u64 + 192;
/// The same for each label.
const LABEL_BYTES: u64 = 192;
/// A guess at a record's size. The cache sizes its first tables by it.
const EXPECTED_BYTES: u64 = 2 << 10;

/// A record and the touch that is kept beside it.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) record: Arc<Record>,
    pub(super) touched: Option<Millis>,
    /// Whether its row is so large that it is split into parts.
    pub(super) is_split: bool,
}

/// The cache. Clones share it.
#[derive(Clone)]
pub(super) struct RecordCache(Arc<Inner>);

struct Inner {
    records: Cache<Handle, Cached, ByBytes>,
    hits: Striped,
    misses: Striped,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Handle, Cached> for ByBytes {
    fn weight(&self, _: &Handle, cached: &Cached) -> u64 {
        let record = &cached.record;
        RECORD_BYTES + (record.size() + record.seal_bytes()) as u64 + LABEL_BYTES * record.labels.len() as u64
    }
}

impl RecordCache {
    /// A cache that takes at most so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / EXPECTED_BYTES).unwrap_or(usize::MAX);
        let records = Cache::with_weighter(items, bytes, ByBytes);
        Self(Arc::new(Inner { records, hits: Striped::default(), misses: Striped::default() }))
    }

    /// The record with this handle, if it is in the cache. Whether it is goes into [`uses`](Self::uses) if the access
    /// `counts`.
    pub(super) fn get(&self, handle: Handle, counts: bool) -> Option<Cached> {
        let found = self.0.records.get(&handle);
        if counts {
            if found.is_some() { &self.0.hits } else { &self.0.misses }.add_one();
        }
        found
    }

    /// How often a record was found, and how often not.
    pub(super) fn uses(&self) -> (u64, u64) {
        (self.0.hits.sum(), self.0.misses.sum())
    }

    /// The record with this handle. `load` reads it if it is not in the cache.
    pub(super) fn get_or_load(
        &self,
        handle: Handle,
        load: impl FnOnce() -> Result<Option<Cached>, EngineError>,
    ) -> Result<Option<Cached>, EngineError> {
        match self.0.records.get_value_or_guard(&handle, None) {
            GuardResult::Value(cached) => Ok(Some(cached)),
            GuardResult::Guard(guard) => {
                let loaded = load()?;
                if let Some(loaded) = &loaded {
                    // The cache refuses it if the writer has removed or replaced the placeholder meanwhile.
                    guard.insert(loaded.clone()).ok();
                }
                Ok(loaded)
            }
            // The call has no time limit, so this does not happen.
            GuardResult::Timeout => load(),
        }
    }

    /// The record with this handle, if it is in the cache. The access does not count for eviction.
    pub(super) fn peek(&self, handle: Handle) -> Option<Cached> {
        self.0.records.peek(&handle)
    }

    /// Tells the cache that the writer has stored this record. A new record is cached; a changed one only replaces a
    /// cached one.
    pub(super) fn put(&self, record: &Arc<Record>, is_split: bool) {
        let replace = |cached: &mut Cached| (cached.record, cached.is_split) = (Arc::clone(record), is_split);
        if !self.change(record.handle, replace) && record.revision == 1 {
            self.0.records.insert(record.handle, Cached { record: Arc::clone(record), touched: None, is_split });
        }
    }

    /// Tells the cache that the writer has stored or removed this touch.
    pub(super) fn touch(&self, handle: Handle, touched: Option<Millis>) {
        self.change(handle, |cached| cached.touched = touched);
    }

    /// Tells the cache that the writer has removed this record.
    pub(super) fn remove(&self, handle: Handle) {
        // This also removes a placeholder.
        drop(self.0.records.remove(&handle));
    }

    /// Changes a cached record. Returns false if there is none.
    fn change(&self, handle: Handle, change: impl FnOnce(&mut Cached)) -> bool {
        let changed = self.0.records.entry(&handle, Some(Duration::ZERO), |_, cached| {
            change(cached);
            EntryAction::Retain(())
        });
        match changed {
            EntryResult::Retained(()) => true,
            // A reader is loading the record, and may have read its old state.
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
        f.debug_struct("RecordCache").field("records", &self.0.records.len()).finish_non_exhaustive()
    }
}

/// A cache of the sessions to which chosen IDs lead, for IDs that were read or put lately. Clones share it.
#[derive(Clone)]
pub(super) struct LookupCache(Arc<Cache<[u8; 32], Handle>>);

/// What an entry takes in memory: its key, its value, and its share of the tables.
const LOOKUP_BYTES: u64 = 128;

impl LookupCache {
    /// A cache that takes at most so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / LOOKUP_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Cache::new(items)))
    }

    /// The session to which this ID leads, if it is in the cache.
    pub(super) fn get(&self, id: &IdHash) -> Option<Handle> {
        self.0.get(id.as_bytes())
    }

    /// The session to which this ID leads. `load` reads it if it is not in the cache.
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
                    // The cache refuses it if the writer has removed or replaced the placeholder meanwhile.
                    guard.insert(handle).ok();
                }
                Ok(loaded)
            }
            // The call has no time limit, so this does not happen.
            GuardResult::Timeout => load(),
        }
    }

    /// Tells the cache that the writer has changed where this ID leads; `None` if it leads nowhere. This also removes a
    /// placeholder.
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
