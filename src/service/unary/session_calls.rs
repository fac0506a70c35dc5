//! Create, get, update, touch, rotate and delete.

use crate::authorization::{Caller, Permission};
use crate::proto::delete_session_request::Target;
use crate::proto::{
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse, GetSessionRequest,
    GetSessionResponse, RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, TouchSessionResponse,
    UpdateSessionRequest, UpdateSessionResponse,
};
use crate::service::convert::answer::{seen_session, session_without_attributes, timestamp};
use crate::service::convert::request;
use crate::service::store::StoreService;
use crate::session::{Access, DeleteTarget, Error, NewSession, Rotation, Seen, Update};
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn create(
        &self,
        caller: &Caller,
        request: CreateSessionRequest,
    ) -> Result<CreateSessionResponse, Status> {
        let sessions = self.sessions()?;
        let new = NewSession {
            namespace: request::namespace(caller, Permission::Sessions, request.namespace)?,
            id: request::optional_session_id("session_id", request.session_id)?,
            data: request::first_data(
                &request.attributes,
                request.principal,
                request.labels,
                request.timeouts,
                &self.limits,
            )?,
            past: request::past(request.create_time, request.last_access_time)?,
        };
        let asked = caller.asks_engine();
        let created = sessions.create(new).await;
        caller.note_engine(asked);
        let (id, record) = created?;
        caller.note(|notes| notes.handle = Some(record.handle));
        Ok(CreateSessionResponse { session_id: id.reveal(), session: session_without_attributes(&record) })
    }

    pub(in crate::service) async fn get(
        &self,
        caller: &Caller,
        request: GetSessionRequest,
    ) -> Result<GetSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let access = request::access(request.access)?;
        let asked = caller.asks_engine();
        let seen = sessions.get(&namespace, &id, access).await;
        caller.note_engine(asked);
        let seen = seen?;
        caller.note(|notes| notes.handle = Some(seen.record.handle));
        let not_modified = request.if_version_not == Some(seen.record.version);
        let with_attributes = !not_modified && !request.omit_attributes;
        let seen = if with_attributes { seen.opened(&id)? } else { seen };
        Ok(GetSessionResponse { session: seen_session(&seen, with_attributes), not_modified })
    }

    pub(in crate::service) async fn update(
        &self,
        caller: &Caller,
        request: UpdateSessionRequest,
    ) -> Result<UpdateSessionResponse, Status> {
        let sessions = self.sessions()?;
        let lock_token = Some(request.lock_token).filter(|token| !token.is_empty());
        let update = Update {
            namespace: request::namespace(caller, Permission::Sessions, request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            change: request::change(request.change, &self.limits)?,
            expected_version: request::expected_version(request.expected_version, request.upsert)?,
            upsert: request.upsert,
            unlock: request::unlock(request.unlock, lock_token.as_ref())?,
            lock_token,
        };
        let asked = caller.asks_engine();
        let updated = sessions.update(update).await;
        caller.note_engine(asked);
        let updated = updated?;
        caller.note(|notes| notes.handle = Some(updated.session.record.handle));
        Ok(UpdateSessionResponse { session: seen_session(&updated.session, false), created: updated.created })
    }

    pub(in crate::service) async fn touch(
        &self,
        caller: &Caller,
        request: TouchSessionRequest,
    ) -> Result<TouchSessionResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let asked = caller.asks_engine();
        let seen = sessions.get(&namespace, &id, Access::Touch).await;
        caller.note_engine(asked);
        let Seen { record, life } = seen?;
        caller.note(|notes| notes.handle = Some(record.handle));
        Ok(TouchSessionResponse { expire_time: Some(timestamp(life.expires_at())), version: record.version })
    }

    pub(in crate::service) async fn rotate(
        &self,
        caller: &Caller,
        request: RotateSessionRequest,
    ) -> Result<RotateSessionResponse, Status> {
        let sessions = self.sessions()?;
        let rotation = Rotation {
            namespace: request::namespace(caller, Permission::Sessions, request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            new_id: request::optional_session_id("new_session_id", request.new_session_id)?,
            grace: request::grace(request.grace)?,
            change: request::change(request.change, &self.limits)?,
            expected_version: request.expected_version,
        };
        let asked = caller.asks_engine();
        let rotated = sessions.rotate(rotation).await;
        caller.note_engine(asked);
        let (id, record) = rotated?;
        caller.note(|notes| notes.handle = Some(record.handle));
        Ok(RotateSessionResponse { session_id: id.reveal(), session: session_without_attributes(&record) })
    }

    pub(in crate::service) async fn delete(
        &self,
        caller: &Caller,
        request: DeleteSessionRequest,
    ) -> Result<DeleteSessionResponse, Status> {
        let sessions = self.sessions()?;
        let is_by_handle = matches!(request.target, Some(Target::Handle(_)));
        caller.note(|notes| (notes.is_audited, notes.scope) = (is_by_handle, is_by_handle.then_some("handle")));
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let target = request::target(request.target)?;
        if let DeleteTarget::Handle(handle) = target {
            caller.note(|notes| (notes.handle, notes.sessions) = (Some(handle), Some(0)));
        }
        let asked = caller.asks_engine();
        let deleted = sessions.delete(namespace, target).await;
        caller.note_engine(asked);
        let deleted = match deleted {
            Ok(handle) => {
                caller.note(|notes| (notes.handle, notes.sessions) = (Some(handle), Some(1)));
                true
            }
            Err(Error::NotFound) if request.allow_missing => {
                self.guesses.note(caller, 1).await?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        Ok(DeleteSessionResponse { deleted })
    }
}
