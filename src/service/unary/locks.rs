//! Locks.

use crate::proto::{LockSessionRequest, LockSessionResponse, UnlockSessionRequest, UnlockSessionResponse};
use crate::service::convert::answer::{seen_session, timestamp};
use crate::service::convert::request;
use crate::service::store::StoreService;
use crate::session::{LockRequest, Locked};
use bytes::Bytes;
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn lock(&self, request: LockSessionRequest) -> Result<LockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let renewed = Some(request.lock_token).filter(|token| !token.is_empty());
        let wanted = LockRequest {
            namespace: request::namespace(request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            lease: request::lease(request.lease)?,
            wait: request::lock_wait(request.wait, renewed.is_some())?,
            renewed,
        };
        let Locked { token, until, session } = sessions.lock(wanted).await?;
        let session = if request.include_session { seen_session(&session, true) } else { Bytes::new() };
        Ok(LockSessionResponse { lock_token: token, expire_time: Some(timestamp(until)), session })
    }

    pub(in crate::service) async fn unlock(
        &self,
        request: UnlockSessionRequest,
    ) -> Result<UnlockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let released = sessions.unlock(&namespace, &id, &request.lock_token).await?;
        Ok(UnlockSessionResponse { released })
    }
}
