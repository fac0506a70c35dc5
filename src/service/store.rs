//! The `SessionStore` service: this file lists its methods. Each is carried out in the file of its family.

use super::convert::request::RequestLimits;
use super::errors::status::Refusal;
use super::exchange::ExchangeStream;
use super::guesses::Guesses;
use super::in_flight::received::ReceivedMessages;
use super::streams::answer_stream::AnswerStream;
use super::streams::background::Background;
use super::streams::watchers::Watchers;
use crate::authorization::{Caller, PeerIdentity};
use crate::call_record::Recorder;
use crate::proto::session_store_server::SessionStore;
use crate::proto::{
    BatchDeleteSessionsRequest, BatchDeleteSessionsResponse, BatchGetSessionsRequest, BatchGetSessionsResponse,
    CountSessionsRequest, CountSessionsResponse, CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest,
    DeleteSessionResponse, ExchangeRequest, GetSessionRequest, GetSessionResponse, IssueCsrfTokenRequest,
    IssueCsrfTokenResponse, IssueHandoffRequest, IssueHandoffResponse, ListSessionsRequest, ListSessionsResponse,
    LockSessionRequest, LockSessionResponse, RedeemHandoffRequest, RedeemHandoffResponse, RevokeSessionsRequest,
    RevokeSessionsResponse, RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, TouchSessionResponse,
    UnlockSessionRequest, UnlockSessionResponse, UpdateSessionRequest, UpdateSessionResponse, VerifyCsrfTokenRequest,
    VerifyCsrfTokenResponse, WatchSessionsRequest, WatchSessionsResponse,
};
use crate::session::Sessions;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// Serves sessions once the engine is open; until then every call is refused as not ready. Cheap to clone.
#[derive(Clone)]
pub struct StoreService {
    sessions: Arc<RwLock<Option<Arc<Sessions>>>>,
    pub(super) limits: RequestLimits,
    /// Turns true when the server drains: streams end then.
    pub(super) draining: watch::Receiver<bool>,
    /// Where walks over many sessions run.
    pub(super) background: Background,
    pub(super) watchers: Watchers,
    callers: CallerRules,
    pub(super) guesses: Guesses,
    /// Begins the records of calls that come in streams.
    pub(super) recorder: Recorder,
}

/// What holds for all callers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallerRules {
    /// Whether every request has to bring its [`Caller`] in its extensions.
    pub are_asked_for: bool,
    /// How many look-ups of a caller may fail in a second; `None` for any number.
    pub max_failed_lookups: Option<usize>,
}

/// Resolves when the server drains.
pub(super) async fn until_drained(mut draining: watch::Receiver<bool>) {
    // Without a sender the server is gone.
    draining.wait_for(|draining| *draining).await.ok();
}

impl StoreService {
    /// A service without sessions yet. Its streams end when `draining` turns true.
    #[must_use]
    pub fn new(
        limits: RequestLimits,
        background: Background,
        draining: watch::Receiver<bool>,
        callers: CallerRules,
        recorder: Recorder,
    ) -> Self {
        let guesses = Guesses::limited_to(callers.max_failed_lookups);
        let (sessions, watchers) = (Arc::default(), Watchers::default());
        Self { sessions, limits, draining, background, watchers, callers, guesses, recorder }
    }

    /// How many answers were held back because too many look-ups failed.
    pub(crate) fn delayed_lookups(&self) -> u64 {
        self.guesses.delayed()
    }

    /// Begins to serve these sessions.
    pub fn open(&self, sessions: Sessions) {
        *self.sessions.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(sessions));
    }

    /// Refuses every call as not ready again. Those that have begun go on.
    pub fn close(&self) {
        *self.sessions.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The sessions, while they are there.
    pub(super) fn sessions(&self) -> Result<Arc<Sessions>, Refusal> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Refusal::NotReady)
    }

    /// Who makes a call. The server adds it to every request, if anybody is asked.
    pub(super) fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        match request.extensions().get() {
            Some(caller) => Ok(Caller::clone(caller)),
            None if self.callers.are_asked_for => Err(Status::internal("the call has no caller")),
            None => Ok(Caller::anybody()),
        }
    }
}

#[tonic::async_trait]
impl SessionStore for StoreService {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        self.create(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn get_session(&self, request: Request<GetSessionRequest>) -> Result<Response<GetSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.get(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn update_session(
        &self,
        request: Request<UpdateSessionRequest>,
    ) -> Result<Response<UpdateSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.update(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn touch_session(
        &self,
        request: Request<TouchSessionRequest>,
    ) -> Result<Response<TouchSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.touch(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn rotate_session(
        &self,
        request: Request<RotateSessionRequest>,
    ) -> Result<Response<RotateSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.rotate(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn delete_session(
        &self,
        request: Request<DeleteSessionRequest>,
    ) -> Result<Response<DeleteSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.delete(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn batch_get_sessions(
        &self,
        request: Request<BatchGetSessionsRequest>,
    ) -> Result<Response<BatchGetSessionsResponse>, Status> {
        self.batch_get(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn batch_delete_sessions(
        &self,
        request: Request<BatchDeleteSessionsRequest>,
    ) -> Result<Response<BatchDeleteSessionsResponse>, Status> {
        self.batch_delete(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        self.list(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn count_sessions(
        &self,
        request: Request<CountSessionsRequest>,
    ) -> Result<Response<CountSessionsResponse>, Status> {
        self.count(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn revoke_sessions(
        &self,
        request: Request<RevokeSessionsRequest>,
    ) -> Result<Response<RevokeSessionsResponse>, Status> {
        self.revoke(&self.caller(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn lock_session(
        &self,
        request: Request<LockSessionRequest>,
    ) -> Result<Response<LockSessionResponse>, Status> {
        let share = Arc::clone(received(&request)?.share());
        let caller = self.caller(&request)?;
        let answer = self.lock(&caller, request.into_inner(), &share).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn unlock_session(
        &self,
        request: Request<UnlockSessionRequest>,
    ) -> Result<Response<UnlockSessionResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.unlock(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn issue_handoff(
        &self,
        request: Request<IssueHandoffRequest>,
    ) -> Result<Response<IssueHandoffResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.issue_handoff_ticket(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn redeem_handoff(
        &self,
        request: Request<RedeemHandoffRequest>,
    ) -> Result<Response<RedeemHandoffResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.redeem_handoff_ticket(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn issue_csrf_token(
        &self,
        request: Request<IssueCsrfTokenRequest>,
    ) -> Result<Response<IssueCsrfTokenResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.issue_csrf(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    async fn verify_csrf_token(
        &self,
        request: Request<VerifyCsrfTokenRequest>,
    ) -> Result<Response<VerifyCsrfTokenResponse>, Status> {
        let caller = self.caller(&request)?;
        let answer = self.verify_csrf(&caller, request.into_inner()).await;
        self.guesses.judge(&caller, answer).await.map(Response::new)
    }

    type WatchSessionsStream = AnswerStream<WatchSessionsResponse>;

    async fn watch_sessions(
        &self,
        request: Request<WatchSessionsRequest>,
    ) -> Result<Response<Self::WatchSessionsStream>, Status> {
        let share = Arc::clone(received(&request)?.share());
        self.watch(self.caller(&request)?, request.into_inner(), share).await.map(Response::new)
    }

    type ExchangeStream = ExchangeStream;

    async fn exchange(
        &self,
        requests: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<ExchangeStream>, Status> {
        let received = received(&requests)?.clone();
        let caller = self.caller(&requests)?.unrecorded();
        let peer = requests.extensions().get::<Arc<PeerIdentity>>().cloned().unwrap_or_default();
        Ok(Response::new(self.open_exchange((caller, peer), requests.into_inner(), received)))
    }
}

/// What the call holds of the budget. The server adds it to every call that is a stream or waits.
fn received<T>(request: &Request<T>) -> Result<&ReceivedMessages, Status> {
    request.extensions().get().ok_or_else(|| Status::internal("the call belongs to no connection"))
}
