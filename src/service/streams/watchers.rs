//! The watch streams that are open, and how far each has come.

use crate::service::errors::status::Refusal;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most so many watch streams may be open: each reads the history for itself.
const MAX_WATCHERS: usize = 1_000;

/// All of them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(in crate::service) struct Watchers(Arc<Mutex<Positions>>);

#[derive(Debug, Default)]
struct Positions {
    next: u64,
    of: BTreeMap<u64, Arc<AtomicU64>>,
}

/// One of them. It counts until this is dropped.
#[derive(Debug)]
pub(in crate::service) struct WatcherEntry {
    watchers: Watchers,
    number: u64,
    position: Arc<AtomicU64>,
}

impl Watchers {
    /// Adds a watcher that has come as far as this event, unless there are too many.
    pub(in crate::service) fn enter(&self, position: u64) -> Result<WatcherEntry, Refusal> {
        let mut positions = self.positions();
        if positions.of.len() >= MAX_WATCHERS {
            return Err(Refusal::TooManyRequests);
        }
        positions.next += 1;
        let (number, position) = (positions.next, Arc::new(AtomicU64::new(position)));
        positions.of.insert(number, Arc::clone(&position));
        Ok(WatcherEntry { watchers: self.clone(), number, position })
    }

    /// How many there are.
    pub(in crate::service) fn count(&self) -> usize {
        self.positions().of.len()
    }

    /// How many there are, and how far the slowest has come.
    pub(in crate::service) fn count_and_slowest(&self) -> (usize, Option<u64>) {
        let positions = self.positions();
        (positions.of.len(), positions.of.values().map(|position| position.load(Ordering::Relaxed)).min())
    }

    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatcherEntry {
    /// Notes how far the watcher has come.
    pub(super) fn note(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }
}

impl Drop for WatcherEntry {
    fn drop(&mut self) {
        self.watchers.positions().of.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_is_known_for_as_long_as_it_is_there() {
        let watchers = Watchers::default();
        assert_eq!(watchers.count_and_slowest(), (0, None));
        let (fast, slow) = (watchers.enter(3).unwrap(), watchers.enter(3).unwrap());
        fast.note(9);
        slow.note(5);
        assert_eq!(watchers.count_and_slowest(), (2, Some(5)));
        drop(slow);
        assert_eq!(watchers.count_and_slowest(), (1, Some(9)));
    }

    #[test]
    fn there_are_only_so_many() {
        let watchers = Watchers::default();
        let mut entries: Vec<_> = (0..MAX_WATCHERS).map(|_| watchers.enter(0).unwrap()).collect();
        assert_eq!(watchers.enter(0).unwrap_err(), Refusal::TooManyRequests);
        entries.pop();
        assert!(watchers.enter(0).is_ok());
    }
}
