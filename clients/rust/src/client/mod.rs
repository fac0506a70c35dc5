//! The client: one connection, shared by all its clones, and what every call gets.

mod builder;

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::error::Error;
use crate::lane::{Failure, FastLane};
use crate::proto::session_store_client::SessionStoreClient;
use crate::retry::{self, RetryPolicy};
use crate::sessions::HotCall;

pub use builder::{ClientBuilder, DEFAULT_DEADLINE};

/// The largest answer that is read: the largest that a server can be set to send.
pub(crate) const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// A handle on a sessiond. Clones share one connection.
///
/// A request whose namespace is empty works in the client's namespace.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    /// None if every call is to be unary.
    lane: Option<Arc<FastLane>>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    address: Address,
    namespace: String,
    deadline: Duration,
    retry: RetryPolicy,
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
        Self { channel: self.channel.clone(), lane: self.lane.clone(), settings: Arc::new(settings) }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.settings.address
    }

    /// The connection, for other services of the same server. Calls on it have no deadline of their own.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    pub(crate) fn fill_namespace(&self, namespace: &mut String) {
        if namespace.is_empty() {
            namespace.clone_from(&self.settings.namespace);
        }
    }

    pub(crate) fn stub(&self) -> SessionStoreClient<Channel> {
        SessionStoreClient::new(self.channel()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    /// A call on a single session, over the fast lane where there is one.
    pub(crate) async fn hot<Q: HotCall>(&self, request: Q) -> Result<Q::Response, Error> {
        let attempt = |left| self.try_hot(&request, left);
        self.repeat(attempt).await.map_err(|status| self.error(&status))
    }

    async fn try_hot<Q: HotCall>(&self, request: &Q, left: Duration) -> Result<Q::Response, Failure> {
        if let Some(lane) = &self.lane {
            match lane.call(request.clone().into_method(), left).await {
                Ok(answer) => {
                    let mismatch = || Failure::Answered(Status::internal("a reply to another call"));
                    return Q::response(answer).ok_or_else(mismatch);
                }
                Err(Failure::Refused) => {}
                Err(Failure::Unknown(status)) if Q::IS_IDEMPOTENT => return Err(Failure::NotCarriedOut(status)),
                Err(failure) => return Err(failure),
            }
        }
        let mut request = Request::new(request.clone());
        request.set_timeout(left);
        let answer = Q::unary(self.stub(), request).await;
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
        self.call(request, |request| send(self.stub(), request)).await.map_err(|status| self.error(&status))
    }

    /// Every call with a single answer goes through here: it gets its deadline, which the server is told too, and its
    /// repetitions.
    pub(crate) async fn call<Q, A, F>(&self, request: Q, send: impl Fn(Request<Q>) -> F) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let attempt = |left| {
            let mut request = Request::new(request.clone());
            request.set_timeout(left);
            let answer = send(request);
            async { answer.await.map_err(|status| Failure::of_unary(status, false)) }
        };
        self.repeat(attempt).await.map(Response::into_inner)
    }

    /// Runs `attempt` with the client's deadline and repetitions. It is told how much time is left.
    pub(crate) async fn repeat<T, F>(&self, attempt: impl FnMut(Duration) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let Settings { deadline, retry, .. } = *self.settings;
        retry::within(deadline, retry, attempt).await
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
