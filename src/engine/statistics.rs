//! Statistics of an engine, counted where things happen.

use std::collections::BTreeMap;

/// What an engine holds and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

impl EngineStatistics {
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
    }
}
