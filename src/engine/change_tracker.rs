//! Tracking which sessions change, for a backup that reads them while they do.

use super::transaction::Change;
use crate::model::Handle;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions whose records or touches have changed since this was handed out, or since they were last taken, until
/// the last clone is dropped. Takes some 30 bytes for each, so at most 30 MB while a million sessions change.
///
/// A session is noted after its change was carried out and before the next transaction: who takes the notes and then reads
/// the sessions misses no change, and within a transaction the notes are complete.
#[derive(Clone, Debug)]
pub struct ChangeTracker(Arc<Tracking>);

/// Ends with the last clone of the follower.
#[derive(Debug)]
struct Tracking {
    notes: Notes,
    trackers: ChangeTrackers,
}

impl ChangeTracker {
    /// Takes what was noted so far, in the order of the handles.
    #[must_use]
    pub fn take(&self) -> BTreeSet<Handle> {
        std::mem::take(&mut *lock(&self.0.notes))
    }

    /// What was noted so far, without taking it; `None` if that is more than `limit`.
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

/// Those who follow the changes of an engine. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeTrackers {
    all: Arc<Mutex<Vec<Notes>>>,
    /// How many there are, so that changes nobody follows cost one look.
    count: Arc<AtomicUsize>,
}

impl ChangeTrackers {
    /// Begins to follow.
    pub(super) fn track(&self) -> ChangeTracker {
        let notes = Notes::default();
        let mut all = lock(&self.all);
        all.push(Arc::clone(&notes));
        self.count.store(all.len(), Ordering::SeqCst);
        ChangeTracker(Arc::new(Tracking { notes, trackers: self.clone() }))
    }

    /// The sessions that these steps change. Asked before the steps are carried out, since that uses them up; and also
    /// while nobody follows, since somebody may begin to before they are noted.
    pub(super) fn changed(changes: &[Change]) -> Vec<Handle> {
        let handles = changes.iter().filter_map(|change| match change {
            Change::PutRecord(record) => Some(record.handle),
            Change::PutTouch(handle, _) | Change::RemoveRecord(handle) | Change::RemoveTouch(handle) => Some(*handle),
            _ => None,
        });
        handles.collect()
    }

    /// Notes sessions that were changed.
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
