//! The `Admin` service, for operators: this file lists its methods, each of which has a file of its own.

mod backup;
pub(super) mod restore;
mod statistics;
mod verify;

use restore::Restores;

use super::errors::status::Refusal;
use super::store::StoreService;
use super::streams::answer_stream::AnswerStream;
use crate::authorization::{Caller, Permission};
use crate::clock::Millis;
use crate::proto::admin_server::Admin;
use crate::proto::{
    BackupRequest, BackupResponse, GetStatisticsRequest, GetStatisticsResponse, RestoreRequest, RestoreResponse,
    SweepNowRequest, SweepNowResponse, VerifyRequest, VerifyResponse,
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status, Streaming};

/// Sessions removed in one transaction.
const SWEEP_BATCH: usize = 64;

/// Serves operators over the sessions of a [`StoreService`]. Cheap to clone.
#[derive(Clone)]
pub struct AdminService {
    pub(in crate::service) store: StoreService,
    restores: Restores,
    started: Millis,
    /// One backup or restore at a time.
    backups: Arc<Semaphore>,
    /// One check at a time.
    checks: Arc<Semaphore>,
}

impl AdminService {
    /// A service for the operators of this one.
    #[must_use]
    pub fn new(store: StoreService, started: Millis, restores: Restores) -> Self {
        let [backups, checks] = std::array::from_fn(|_| Arc::new(Semaphore::new(1)));
        Self { store, restores, started, backups, checks }
    }

    /// The caller, who may do this, which is about the whole server.
    fn check<T>(&self, request: &Request<T>, permission: Permission) -> Result<Caller, Status> {
        let caller = self.store.caller(request)?;
        caller.check(permission, None)?;
        Ok(caller)
    }

    fn backup_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.backups).try_acquire_owned().map_err(|_| Refusal::BackupRunning)
    }

    fn check_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.checks).try_acquire_owned().map_err(|_| Refusal::VerifyRunning)
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn get_statistics(
        &self,
        request: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        self.check(&request, Permission::Statistics)?;
        self.statistics().await.map(Response::new)
    }

    async fn sweep_now(&self, request: Request<SweepNowRequest>) -> Result<Response<SweepNowResponse>, Status> {
        let caller = self.check(&request, Permission::Maintenance)?;
        let sessions = self.store.sessions()?;
        let mut removed = 0;
        loop {
            let swept = sessions.sweep(SWEEP_BATCH).await?;
            removed += swept.removed as u64;
            caller.note(|notes| notes.sessions = Some(removed));
            if swept.looked_at < SWEEP_BATCH {
                return Ok(Response::new(SweepNowResponse { removed }));
            }
            tokio::task::yield_now().await;
        }
    }

    type VerifyStream = AnswerStream<VerifyResponse>;

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        let caller = self.check(&request, Permission::Maintenance)?;
        self.store.verify(caller, self.check_permit()?).map(Response::new)
    }

    type BackupStream = AnswerStream<BackupResponse>;

    async fn backup(&self, request: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let caller = self.check(&request, Permission::Backup)?;
        self.store.back_up(caller, self.backup_permit()?, self.restores.keys()).map(Response::new)
    }

    async fn restore(&self, request: Request<Streaming<RestoreRequest>>) -> Result<Response<RestoreResponse>, Status> {
        let caller = self.check(&request, Permission::Backup)?;
        self.restore_backup(caller, self.backup_permit()?, request.into_inner()).await.map(Response::new)
    }
}
