//! Statistics of an engine, counted where things happen.

use crate::encryption::KeyNumber;
use crate::histogram::{DURATIONS, GROUP_SIZES, Histogram};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an engine holds and has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatistics {
    /// Stored sessions by namespace. Expired sessions count until they are swept.
    pub sessions: BTreeMap<String, u64>,
    /// Bytes of the data folder; 0 if there is none.
    pub disk_bytes: u64,
    /// Groups of transactions committed since the engine was opened.
    pub groups: u64,
    /// Transactions in them.
    pub grouped_transactions: u64,
    /// The largest group.
    pub largest_group: u64,
    /// Events in the history.
    pub events: u64,
    /// The bytes of these events, encoded.
    pub event_bytes: u64,
    /// How often the storage has made no progress for a while since the engine was opened.
    pub stalls: u64,
    /// How many transactions each group had.
    pub group_sizes: Histogram,
    /// How long it took to write and sync the redo log, in nanoseconds.
    pub syncs: Histogram,
    /// What there is only with a disk.
    pub disk: Option<DiskStatistics>,
    /// How the data is encrypted; `None` if nothing is.
    pub encryption: Option<EncryptionStatistics>,
    /// Whether there may be sealed sessions from earlier runs.
    pub may_hold_sealed: bool,
}

/// How data at rest is encrypted, and how far a re-encryption has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionStatistics {
    /// The key that encrypts; `None` if what was encrypted is being turned into plain.
    pub key: Option<KeyNumber>,
    /// The other keys under which something may still be encrypted.
    pub older_keys: Vec<KeyNumber>,
    /// Whether something may still be in plain that is to be encrypted.
    pub is_partly_plain: bool,
    /// The sessions that a re-encryption has looked at since the engine was opened, of about `sessions_expected`. Both are 0
    /// once there is nothing left to encrypt anew.
    pub sessions_checked: u64,
    /// See `sessions_checked`.
    pub sessions_expected: u64,
}

/// What an engine has on the way to its disk, and what it spares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Bytes that wait to be written to the redo log.
    pub redo_unwritten: u64,
    /// Bytes of the redo log's present generation.
    pub redo: u64,
    /// Bytes of changed rows in memory that are not in the database yet.
    pub checkpoint_backlog: u64,
    /// Records that were found in memory.
    pub cache_hits: u64,
    /// Records that were not.
    pub cache_misses: u64,
    /// Bytes that are free on the disk, by its last answer.
    pub free: u64,
}

impl Default for EngineStatistics {
    fn default() -> Self {
        Self {
            sessions: BTreeMap::new(),
            disk_bytes: 0,
            groups: 0,
            grouped_transactions: 0,
            largest_group: 0,
            events: 0,
            event_bytes: 0,
            stalls: 0,
            group_sizes: Histogram::new(&GROUP_SIZES),
            syncs: Histogram::new(&DURATIONS),
            disk: None,
            encryption: None,
            may_hold_sealed: false,
        }
    }
}

impl EngineStatistics {
    pub(super) fn sessions_in(&self, namespace: &str) -> u64 {
        self.sessions.get(namespace).copied().unwrap_or(0)
    }

    /// Counts a session that was put into its namespace.
    pub(super) fn session_added(&mut self, namespace: &str) {
        match self.sessions.get_mut(namespace) {
            Some(count) => *count += 1,
            None => drop(self.sessions.insert(namespace.into(), 1)),
        }
    }

    /// Counts a session that was taken out of its namespace.
    pub(super) fn session_removed(&mut self, namespace: &str) {
        if let Some(count) = self.sessions.get_mut(namespace) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sessions.remove(namespace);
            }
        }
    }

    /// Counts a group that was committed.
    pub(super) fn group_committed(&mut self, transactions: u64) {
        self.groups += 1;
        self.grouped_transactions += transactions;
        self.largest_group = self.largest_group.max(transactions);
        self.group_sizes.add(transactions);
    }

    /// Counts a sync of the redo log.
    pub(super) fn synced(&mut self, took: Duration) {
        self.syncs.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}
