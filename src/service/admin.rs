//! The `Admin` service, for operators.

use super::answer::{duration, timestamp};
use super::store::StoreService;
use crate::clock::Millis;
use crate::proto::admin_server::Admin;
use crate::proto::{
    GetStatisticsRequest, GetStatisticsResponse, NamespaceStatistics, SweepNowRequest, SweepNowResponse,
};
use tonic::{Request, Response, Status};

/// Namespaces that the statistics name.
const MAX_NAMESPACES: usize = 1_000;

/// Sessions removed in one transaction.
const SWEEP_BATCH: usize = 64;

/// Serves operators over the sessions of a [`StoreService`]. Cheap to clone.
#[derive(Clone)]
pub struct AdminService {
    store: StoreService,
    started: Millis,
}

impl AdminService {
    /// A service that tells of this one.
    #[must_use]
    pub fn new(store: StoreService, started: Millis) -> Self {
        Self { store, started }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn get_statistics(
        &self,
        _request: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        let sessions = self.store.sessions()?;
        let engine = sessions.engine_statistics();
        let tallied = sessions.tallied();
        let namespaces = engine.sessions.iter().take(MAX_NAMESPACES);
        let namespaces = namespaces
            .map(|(namespace, sessions)| NamespaceStatistics { namespace: namespace.clone(), sessions: *sessions });
        let last_event_sequence = *sessions.last_event().borrow();
        Ok(Response::new(GetStatisticsResponse {
            sessions: engine.sessions.values().sum(),
            namespaces: namespaces.collect(),
            created: tallied.created,
            expired: tallied.expired,
            created_per_second: tallied.created_per_second,
            expired_per_second: tallied.expired_per_second,
            disk_bytes: engine.disk_bytes,
            memory_bytes: resident_bytes().unwrap_or(0),
            sweeper_lag: Some(duration(sessions.sweeper_lag().await?)),
            groups: engine.groups,
            grouped_transactions: engine.grouped_transactions,
            largest_group: engine.largest_group,
            start_time: Some(timestamp(self.started)),
            last_event_sequence,
            watchers: self.store.watchers() as u64,
        }))
    }

    async fn sweep_now(&self, _request: Request<SweepNowRequest>) -> Result<Response<SweepNowResponse>, Status> {
        let sessions = self.store.sessions()?;
        let mut removed = 0;
        loop {
            let swept = sessions.sweep(SWEEP_BATCH).await?;
            removed += swept.removed as u64;
            if swept.looked_at < SWEEP_BATCH {
                return Ok(Response::new(SweepNowResponse { removed }));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What the process has in memory; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
