//! Tracks which sessions change, for a backup that reads them meanwhile.

use super::transaction::Change;
use crate::model::Handle;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions whose records or touches have changed since the tracker was made, or since they were last taken. It
/// ends when its last clone is dropped. A noted session takes some 30 bytes, so a million sessions that change take at
/// most 30 MB.
///
/// A session is noted after its change was carried out and before the next transaction. So a backup that takes the
/// notes and then reads the sessions misses no change, and the notes are complete within a transaction.
#[derive(Clone, Debug)]
pub struct ChangeTracker(Arc<Tracking>);

/// Ends with the last clone of the tracker.
#[derive(Debug)]
struct Tracking {
    notes: Notes,
    trackers: ChangeTrackers,
}

impl ChangeTracker {
    /// Takes the sessions noted so far, in the order of their handles.
    #[must_use]
    pub fn take(&self) -> BTreeSet<Handle> {
        std::mem::take(&mut *lock(&self.0.notes))
    }

    /// The sessions noted so far, without taking them; `None` if there are more than `limit`.
    #[must_use]
    pub fn few(&self, limit: usize) -> Option<Vec<Handle>> {
        let notes = lock(&self.0.notes);
        (notes.len() <= limit).then(|| notes.iter().copied().collect())
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        let mut all = lock(&self.trackers.all);
        all.retain(|notes| !Arc::ptr_eq(notes, &self.notes));
        self.trackers.count.store(all.len(), Ordering::SeqCst);
    }
}

type Notes = Arc<Mutex<BTreeSet<Handle>>>;

/// The change trackers of an engine. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeTrackers {
    all: Arc<Mutex<Vec<Notes>>>,
    /// How many there are, so that a change costs one atomic load while there is none.
    count: Arc<AtomicUsize>,
}

impl ChangeTrackers {
    /// Begins to track changes.
    pub(super) fn track(&self) -> ChangeTracker {
        let notes = Notes::default();
        let mut all = lock(&self.all);
        all.push(Arc::clone(&notes));
        self.count.store(all.len(), Ordering::SeqCst);
        ChangeTracker(Arc::new(Tracking { notes, trackers: self.clone() }))
    }

    /// The sessions that these steps change. It runs before the steps are carried out, because carrying them out
    /// consumes them. It also runs while there is no tracker, because one may begin before the sessions are noted.
    pub(super) fn changed(changes: &[Change]) -> Vec<Handle> {
        let handles = changes.iter().filter_map(|change| match change {
            Change::PutRecord(record) => Some(record.handle),
            Change::PutTouch(handle, _) | Change::RemoveRecord(handle) | Change::RemoveTouch(handle) => Some(*handle),
            _ => None,
        });
        handles.collect()
    }

    /// Notes these sessions in every tracker.
    pub(super) fn note(&self, changed: &[Handle]) {
        if self.count.load(Ordering::SeqCst) > 0 {
            for notes in lock(&self.all).iter() {
                lock(notes).extend(changed);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
