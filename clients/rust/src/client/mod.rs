//! The client: its servers, shared by all its clones, and what every call gets.

mod attempt;
mod builder;

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::address::Address;
use crate::error::Error;
use crate::lane::Failure;
use crate::proto::TraceContext;
use crate::proto::session_store_client::SessionStoreClient;
use crate::retry::{self, RetryPolicy, Time};
use crate::retry_budget::RetryBudget;
use crate::servers::Servers;
use crate::sessions::HotCall;
use crate::token::Tokens;
use crate::trace::{Trace, TraceSource};

pub(crate) use attempt::{Attempt, authorized};
pub use builder::{ClientBuilder, DEFAULT_DEADLINE, SettingsError};

/// The largest answer that is read: the largest that a server can be set to send.
pub(crate) const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// A handle on a sessiond, or on one of several processes of a store. Clones share one connection.
///
/// A request whose namespace is empty works in the client's namespace.
#[derive(Debug, Clone)]
pub struct Client {
    servers: Arc<Servers>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    address: Address,
    namespace: String,
    deadline: Duration,
    retry: RetryPolicy,
    /// Shared by all clients of one connection.
    budget: Arc<RetryBudget>,
    tokens: Option<Tokens>,
    trace: TraceSource,
}

impl Client {
    /// Settings for a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// The same connection with another deadline, for calls that take longer: revoking a whole namespace, counting it.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        let settings = Settings { deadline, ..(*self.settings).clone() };
        Self { servers: Arc::clone(&self.servers), settings: Arc::new(settings) }
    }

    /// The same connection for calls of this trace, whatever [`ClientBuilder::trace_context`] says.
    #[must_use]
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        let settings = Settings { trace: TraceSource::new(move || Some(trace.clone())), ..(*self.settings).clone() };
        Self { servers: Arc::clone(&self.servers), settings: Arc::new(settings) }
    }

    /// The server's address, or the addresses, as they were written.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// The connection, for other services of the same server. Calls on it have no deadline and no token of their own. Of
    /// several addresses it is the connection to the one that is in use now.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.servers.current().channel()
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    pub(crate) fn fill_namespace(&self, namespace: &mut String) {
        if namespace.is_empty() {
            namespace.clone_from(&self.settings.namespace);
        }
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.settings.retry
    }

    /// A call on a single session, over the fast lane where there is one.
    pub(crate) async fn hot<Q: HotCall>(&self, request: Q) -> Result<Q::Response, Error> {
        let attempt = |attempt| Self::try_hot(&request, attempt);
        let trace = self.trace();
        self.repeat(trace.as_ref(), attempt).await.map_err(|status| self.error(&status))
    }

    async fn try_hot<Q: HotCall>(request: &Q, attempt: Attempt<'_>) -> Result<Q::Response, Failure> {
        if let Some(lane) = attempt.server.lane() {
            match lane.call(request.clone().into_method(), attempt).await {
                Ok(answer) => {
                    let mismatch = || Failure::Answered(Status::internal("a reply to another call"));
                    return Q::response(answer).ok_or_else(mismatch);
                }
                Err(Failure::Refused) => {}
                Err(Failure::Unknown(status, charge)) if Q::IS_IDEMPOTENT => {
                    return Err(Failure::NotCarriedOut(status, charge));
                }
                Err(failure) => return Err(failure),
            }
        }
        let mut request = attempt.request(request.clone());
        request.set_timeout(attempt.time.rest().left);
        let answer = Q::unary(store(attempt.channel()), request).await;
        answer.map(Response::into_inner).map_err(|status| Failure::of_unary(status, Q::IS_IDEMPOTENT))
    }

    /// A call of the store, with the client's deadline.
    pub(crate) async fn store<Q, A, F>(
        &self,
        request: Q,
        send: impl Fn(SessionStoreClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let send = |channel, request| send(store(channel), request);
        self.call(request, send).await.map_err(|status| self.error(&status))
    }

    /// Every call with a single answer goes through here: it gets its deadline, which the server is told too, and its
    /// repetitions.
    pub(crate) async fn call<Q, A, F>(&self, request: Q, send: impl Fn(Channel, Request<Q>) -> F) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let attempt = |attempt: Attempt<'_>| {
            let mut request = attempt.request(request.clone());
            request.set_timeout(attempt.time.left);
            let answer = send(attempt.channel(), request);
            async { answer.await.map_err(|status| Failure::of_unary(status, false)) }
        };
        let trace = self.trace();
        self.repeat(trace.as_ref(), attempt).await.map(Response::into_inner)
    }

    fn trace(&self) -> Option<Trace> {
        self.settings.trace.current()
    }

    /// Runs `attempt` with the client's deadline and repetitions.
    pub(crate) async fn repeat<'a, T, F>(
        &'a self,
        trace: Option<&'a Trace>,
        attempt: impl Fn(Attempt<'a>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let Settings { deadline, retry, ref budget, .. } = *self.settings;
        let result = retry::within(deadline, retry, budget, |time| self.by_token((time, trace), &attempt)).await;
        if result.as_ref().is_err_and(|status| status.code() == Code::DeadlineExceeded) {
            self.servers.leave_if_silent();
        }
        result
    }

    /// Runs `attempt` with the token in use; once more if that is refused and its file holds another.
    async fn by_token<'a, T, F>(
        &'a self,
        (time, trace): (Time, Option<&'a Trace>),
        attempt: impl Fn(Attempt<'a>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let tokens = self.tokens();
        let in_turn =
            |time| self.servers.in_turn(time, |time, server| attempt(Attempt { server, time, tokens, trace }));
        let Some(tokens) = tokens else { return in_turn(time).await };
        tokens.look_if_due().await;
        let used = tokens.number();
        match in_turn(time).await {
            Err(failure) if failure.is_unauthenticated() && tokens.has_another_than(used).await => {
                in_turn(time.rest()).await
            }
            result => result,
        }
    }

    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        self.settings.tokens.as_ref()
    }

    /// Why a stream ended that has no deadline to miss.
    pub(crate) fn stream_error(&self, status: &Status) -> Error {
        match self.error(status) {
            Error::DeadlineExceeded { address, .. } => {
                Error::Unavailable { address, cause: "the stream was cut off".to_owned() }
            }
            error => error,
        }
    }

    pub(crate) fn error(&self, status: &Status) -> Error {
        Error::from_status(status, &self.settings.address, self.settings.deadline)
    }
}

/// The stub of the store.
pub(crate) fn store(channel: Channel) -> SessionStoreClient<Channel> {
    SessionStoreClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE)
}
