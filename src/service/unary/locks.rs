//! Locks.

use crate::authorization::{Caller, Permission};
use crate::proto::{LockSessionRequest, LockSessionResponse, UnlockSessionRequest, UnlockSessionResponse};
use crate::service::Share;
use crate::service::convert::answer::{seen_session, timestamp};
use crate::service::convert::request;
use crate::service::store::StoreService;
use crate::session::{Access, LockRequest, Locked};
use bytes::Bytes;
use std::sync::Arc;
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn lock(
        &self,
        caller: &Caller,
        request: LockSessionRequest,
        share: &Arc<Share>,
    ) -> Result<LockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let renewed = Some(request.lock_token).filter(|token| !token.is_empty());
        let wanted = LockRequest {
            namespace: request::namespace(caller, Permission::Sessions, request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            lease: request::lease(request.lease)?,
            wait: request::lock_wait(request.wait, renewed.is_some())?,
            renewed,
        };
        let with_session = request.include_session.then(|| (wanted.namespace.clone(), wanted.id.clone()));
        let Locked { token, until, mut session } = sessions.lock(wanted).await?;
        caller.note(|notes| notes.handle = Some(session.record.handle));
        let session = if let Some((namespace, id)) = with_session {
            if !share.has_room_to_answer() {
                // Many locks may end at once, and nobody take what those who waited for them are told.
                let size = session.record.attributes.fields().len() + session.record.seal_bytes();
                drop(session);
                share.room_to_answer().await;
                let _held = share.hold_answer(size);
                session = sessions.get(&namespace, &id, Access::Peek).await?;
            }
            seen_session(&session.opened(&id)?, true)
        } else {
            Bytes::new()
        };
        Ok(LockSessionResponse { lock_token: token, expire_time: Some(timestamp(until)), session })
    }

    pub(in crate::service) async fn unlock(
        &self,
        caller: &Caller,
        request: UnlockSessionRequest,
    ) -> Result<UnlockSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let (handle, released) = sessions.unlock(&namespace, &id, &request.lock_token).await?;
        caller.note(|notes| notes.handle = handle);
        Ok(UnlockSessionResponse { released })
    }
}
