//! Locks.

use super::answer::timestamp;
use super::request;
use super::store::StoreService;
use crate::proto::{LockSessionRequest, LockSessionResponse, UnlockSessionRequest, UnlockSessionResponse};
use tonic::Status;

impl StoreService {
    pub(super) async fn lock(&self, request: LockSessionRequest) -> Result<LockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let lease = request::lease(request.lease)?;
        let wait = request::lock_wait(request.wait)?;
        let (lock_token, until) = sessions.lock(&namespace, &id, lease, wait).await?;
        Ok(LockSessionResponse { lock_token, expire_time: Some(timestamp(until)) })
    }

    pub(super) async fn unlock(&self, request: UnlockSessionRequest) -> Result<UnlockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let released = sessions.unlock(&namespace, &id, &request.lock_token).await?;
        Ok(UnlockSessionResponse { released })
    }
}
