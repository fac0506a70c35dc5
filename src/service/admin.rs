//! The `Admin` service, for operators.

use super::answer::{duration, timestamp};
use super::counts::{MET_DAMAGE, REFUSED_FOR_SPACE};
use super::events::resume_token;
use super::restore::Restores;
use super::status::Refusal;
use super::store::StoreService;
use super::stream::AnswerStream;
use crate::clock::Millis;
use crate::proto::admin_server::Admin;
use crate::proto::{
    BackupRequest, BackupResponse, GetStatisticsRequest, GetStatisticsResponse, NamespaceStatistics, RestoreRequest,
    RestoreResponse, SweepNowRequest, SweepNowResponse, VerifyRequest, VerifyResponse,
};
use prost_types::Duration;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status, Streaming};

/// Namespaces that the statistics name.
const MAX_NAMESPACES: usize = 1_000;

/// Sessions removed in one transaction.
const SWEEP_BATCH: usize = 64;

/// Serves operators over the sessions of a [`StoreService`]. Cheap to clone.
#[derive(Clone)]
pub struct AdminService {
    pub(super) store: StoreService,
    pub(super) restores: Restores,
    started: Millis,
    /// One backup or restore at a time.
    backups: Arc<Semaphore>,
    /// One check at a time.
    checks: Arc<Semaphore>,
}

impl AdminService {
    /// A service that tells of this one.
    #[must_use]
    pub fn new(store: StoreService, started: Millis, restores: Restores) -> Self {
        let [backups, checks] = std::array::from_fn(|_| Arc::new(Semaphore::new(1)));
        Self { store, restores, started, backups, checks }
    }

    fn backup_place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.backups).try_acquire_owned().map_err(|_| Refusal::BackupRunning)
    }

    fn check_place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.checks).try_acquire_owned().map_err(|_| Refusal::VerifyRunning)
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
        let clock = sessions.clock_agreement();
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
            watchers: self.store.watchers() as u64,
            refused_for_space: REFUSED_FOR_SPACE.read(),
            met_damage: MET_DAMAGE.read(),
            storage_stalls: engine.stalls,
            cpu_time: Some(cpu_time()),
            resume_token: resume_token(*sessions.last_event().borrow()),
            events_kept: engine.events,
            clock_steps: clock.steps,
            clock_ahead: Some(signed_duration(clock.ahead)),
            current_time: Some(timestamp(clock.time)),
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

    type VerifyStream = AnswerStream<VerifyResponse>;

    async fn verify(&self, _request: Request<VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        self.store.verify(self.check_place()?).map(Response::new)
    }

    type BackupStream = AnswerStream<BackupResponse>;

    async fn backup(&self, _request: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        self.store.back_up(self.backup_place()?).map(Response::new)
    }

    async fn restore(&self, request: Request<Streaming<RestoreRequest>>) -> Result<Response<RestoreResponse>, Status> {
        self.restore_backup(self.backup_place()?, request.into_inner()).await.map(Response::new)
    }
}

fn signed_duration(millis: i64) -> Duration {
    let length = duration(millis.unsigned_abs());
    if millis < 0 { Duration { seconds: -length.seconds, nanos: -length.nanos } } else { length }
}

/// What the process has in memory; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// What the process has used of the processors, all threads together.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration { seconds: time.tv_sec, nanos: i32::try_from(time.tv_nsec).unwrap_or_default() }
}
