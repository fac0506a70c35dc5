//! The `SessionStore` service: where a request enters.

use super::answer::{session, session_without_attributes, timestamp};
use super::request::{self, RequestLimits};
use super::status::Refusal;
use crate::proto::session_store_server::SessionStore;
use crate::proto::{
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse, GetSessionRequest,
    GetSessionResponse, RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, TouchSessionResponse,
    UpdateSessionRequest, UpdateSessionResponse,
};
use crate::session::{Access, Error, NewSession, Rotation, Sessions, Update};
use std::sync::{Arc, OnceLock};
use tonic::{Request, Response, Status};

/// Serves sessions once the engine is open; until then every call is refused as not ready. Cheap to clone.
#[derive(Clone)]
pub struct StoreService {
    sessions: Arc<OnceLock<Sessions>>,
    limits: RequestLimits,
}

impl StoreService {
    /// A service without sessions yet.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            sessions: Arc::default(),
            limits,
        }
    }

    /// Begins to serve these sessions; only the first call counts.
    pub fn open(&self, sessions: Sessions) {
        self.sessions.get_or_init(|| sessions);
    }

    fn sessions(&self) -> Result<&Sessions, Refusal> {
        self.sessions.get().ok_or(Refusal::NotReady)
    }
}

#[tonic::async_trait]
impl SessionStore for StoreService {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let new = NewSession {
            namespace: request::namespace(request.namespace)?,
            id: request::optional_session_id("session_id", request.session_id)?,
            data: request::first_data(
                &request.attributes,
                request.principal,
                request.labels,
                request.timeouts,
                &self.limits,
            )?,
        };
        let (id, record) = sessions.create(new).await?;
        Ok(Response::new(CreateSessionResponse {
            session_id: id.reveal(),
            session: Some(session_without_attributes(record)),
        }))
    }

    async fn get_session(&self, request: Request<GetSessionRequest>) -> Result<Response<GetSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let access = request::access(request.access)?;
        let record = sessions.get(&namespace, &id, access).await?;
        let not_modified = request.if_version_not == Some(record.version);
        let session = if not_modified {
            session_without_attributes(record)
        } else {
            session(record)
        };
        Ok(Response::new(GetSessionResponse {
            session: Some(session),
            not_modified,
        }))
    }

    async fn update_session(
        &self,
        request: Request<UpdateSessionRequest>,
    ) -> Result<Response<UpdateSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let update = Update {
            namespace: request::namespace(request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            change: request::change(request.change, &self.limits)?,
            expected_version: request::expected_version(request.expected_version, request.upsert)?,
            upsert: request.upsert,
        };
        let updated = sessions.update(update).await?;
        Ok(Response::new(UpdateSessionResponse {
            session: Some(session_without_attributes(updated.record)),
            created: updated.created,
        }))
    }

    async fn touch_session(
        &self,
        request: Request<TouchSessionRequest>,
    ) -> Result<Response<TouchSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let namespace = request::namespace(request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let record = sessions.get(&namespace, &id, Access::Touch).await?;
        Ok(Response::new(TouchSessionResponse {
            expire_time: Some(timestamp(record.expires_at())),
            version: record.version,
        }))
    }

    async fn rotate_session(
        &self,
        request: Request<RotateSessionRequest>,
    ) -> Result<Response<RotateSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let rotation = Rotation {
            namespace: request::namespace(request.namespace)?,
            id: request::session_id("session_id", request.session_id)?,
            new_id: request::optional_session_id("new_session_id", request.new_session_id)?,
            grace: request::grace(request.grace)?,
            change: request::change(request.change, &self.limits)?,
            expected_version: request.expected_version,
        };
        let (id, record) = sessions.rotate(rotation).await?;
        Ok(Response::new(RotateSessionResponse {
            session_id: id.reveal(),
            session: Some(session_without_attributes(record)),
        }))
    }

    async fn delete_session(
        &self,
        request: Request<DeleteSessionRequest>,
    ) -> Result<Response<DeleteSessionResponse>, Status> {
        let sessions = self.sessions()?;
        let request = request.into_inner();
        let namespace = request::namespace(request.namespace)?;
        let target = request::target(request.target)?;
        let deleted = match sessions.delete(namespace, target).await {
            Ok(()) => true,
            Err(Error::NotFound) if request.allow_missing => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Response::new(DeleteSessionResponse { deleted }))
    }
}
