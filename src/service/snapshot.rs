//! What the server holds and has done at one moment, for those who watch it.

use super::store::StoreService;
use crate::clock::Agreement;
use crate::engine::EngineStatistics;
use crate::session::CounterValues;

/// The numbers of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What is stored.
    pub engine: EngineStatistics,
    /// What happened to sessions since the start.
    pub counters: CounterValues,
    /// How the clocks agree.
    pub clock: Agreement,
    /// Watch streams that are open.
    pub watchers: usize,
    /// How many events the slowest of them has not been sent yet.
    pub slowest_watcher: u64,
}

impl StoreService {
    /// The present numbers; `None` while there are no sessions to serve. It reads no disk.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let sessions = self.sessions().ok()?;
        // In this order, so that no watcher seems to be ahead.
        let (watchers, slowest) = self.watchers.count_and_slowest();
        let newest = *sessions.last_event().borrow();
        Some(Snapshot {
            engine: sessions.engine_statistics(),
            counters: sessions.counters(),
            clock: sessions.clock_agreement(),
            watchers,
            slowest_watcher: slowest.map_or(0, |slowest| newest.saturating_sub(slowest)),
        })
    }
}
