//! The client: one connection, shared by all its clones.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::address::{Address, AddressError, DEFAULT_ADDRESS};
use crate::answer::{Complete, Created, Health, Read, Rotated, Touched, Updated};
use crate::error::Error;
use crate::proto::session_store_client::SessionStoreClient;
use crate::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange,
    TouchSessionRequest, UpdateSessionRequest,
};
use crate::retry::{self, RetryPolicy};

/// How long a call may take, its repetitions included, if nothing else is said.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(1);

/// How often a connection with calls in flight is checked, and how long the check may take. Without it, a server that
/// vanished without a farewell would make every call run into its deadline until TCP gives up, a quarter of an hour
/// later.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read: the largest that a server can be set to send.
const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// A handle on a sessiond. Clones share one connection.
///
/// A request whose namespace is empty works in the client's namespace.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    settings: Arc<Settings>,
}

#[derive(Debug)]
struct Settings {
    address: Address,
    namespace: String,
    deadline: Duration,
    retry: RetryPolicy,
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    address: Option<String>,
    namespace: String,
    deadline: Duration,
    retry: RetryPolicy,
}

impl ClientBuilder {
    /// `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`. Left out, the environment variable `SESSIOND_ADDR` says it;
    /// without that it is [`DEFAULT_ADDRESS`].
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The namespace of requests that name none; empty, as at first, means "default".
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long a call may take, its repetitions included; [`DEFAULT_DEADLINE`] at first.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often a call is repeated that found the server unavailable.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Makes the client. It connects at its first call.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, AddressError> {
        let from_environment = || env::var("SESSIOND_ADDR").ok().filter(|address| !address.is_empty());
        let address = self.address.or_else(from_environment);
        let address: Address = address.as_deref().unwrap_or(DEFAULT_ADDRESS).parse()?;
        let channel = address
            .endpoint()?
            .connect_timeout(self.deadline)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect_lazy();
        let Self {
            namespace,
            deadline,
            retry,
            ..
        } = self;
        Ok(Client {
            channel,
            settings: Arc::new(Settings {
                address,
                namespace,
                deadline,
                retry,
            }),
        })
    }
}

impl Client {
    /// Settings for a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            address: None,
            namespace: String::new(),
            deadline: DEFAULT_DEADLINE,
            retry: RetryPolicy::default(),
        }
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

    /// Makes a session; never overwrites one.
    pub async fn create(&self, request: impl Into<CreateSessionRequest>) -> Result<Created, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.store(request, |mut stub, request| async move {
            stub.create_session(request).await
        })
        .await?
        .complete(self.address())
    }

    /// Reads a session and, unless the request says to peek, slides its idle timeout. Takes an ID or a whole request.
    pub async fn get(&self, request: impl Into<GetSessionRequest>) -> Result<Read, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.store(
            request,
            |mut stub, request| async move { stub.get_session(request).await },
        )
        .await?
        .complete(self.address())
    }

    /// Changes a session, whatever its version is. Never creates one.
    pub async fn update(&self, id: impl Into<String>, change: SessionChange) -> Result<Updated, Error> {
        self.update_with(UpdateSessionRequest::new(id, change)).await
    }

    /// Changes a session with every option of the request: expected version, upsert.
    pub async fn update_with(&self, mut request: UpdateSessionRequest) -> Result<Updated, Error> {
        self.fill_namespace(&mut request.namespace);
        self.store(request, |mut stub, request| async move {
            stub.update_session(request).await
        })
        .await?
        .complete(self.address())
    }

    /// Slides a session's idle timeout. Takes an ID or a whole request.
    pub async fn touch(&self, request: impl Into<TouchSessionRequest>) -> Result<Touched, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.store(
            request,
            |mut stub, request| async move { stub.touch_session(request).await },
        )
        .await?
        .complete(self.address())
    }

    /// Gives a session a new ID. Takes an ID or a whole request.
    pub async fn rotate(&self, request: impl Into<RotateSessionRequest>) -> Result<Rotated, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        self.store(request, |mut stub, request| async move {
            stub.rotate_session(request).await
        })
        .await?
        .complete(self.address())
    }

    /// Ends a session. Takes an ID or a whole request. True if this call ended it; false only if the request allows
    /// that there is none.
    pub async fn delete(&self, request: impl Into<DeleteSessionRequest>) -> Result<bool, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        let response = self
            .store(request, |mut stub, request| async move {
                stub.delete_session(request).await
            })
            .await?;
        Ok(response.deleted)
    }

    /// Asks how the server is. The empty name means the server as a whole.
    pub async fn health(&self, service: impl Into<String>) -> Result<Health, Error> {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let send = |request| {
            let mut stub = HealthClient::new(self.channel());
            async move { stub.check(request).await }
        };
        match self.call(request, send).await {
            Ok(response) => Ok(match response.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing | ServingStatus::Unknown => Health::NotServing,
                ServingStatus::ServiceUnknown => Health::UnknownService,
            }),
            Err(status) if status.code() == Code::NotFound => Ok(Health::UnknownService),
            Err(status) => Err(self.error(&status)),
        }
    }

    fn fill_namespace(&self, namespace: &mut String) {
        if namespace.is_empty() {
            namespace.clone_from(&self.settings.namespace);
        }
    }

    async fn store<Q, A, F>(
        &self,
        request: Q,
        send: impl Fn(SessionStoreClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let send = |request| {
            let stub = SessionStoreClient::new(self.channel());
            send(stub.max_decoding_message_size(LARGEST_MESSAGE), request)
        };
        self.call(request, send).await.map_err(|status| self.error(&status))
    }

    /// Every call goes through here: it gets its deadline, which the server is told too, and its repetitions.
    async fn call<Q, A, F>(&self, request: Q, send: impl Fn(Request<Q>) -> F) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let Settings { deadline, retry, .. } = *self.settings;
        let attempt = |left| {
            let mut request = Request::new(request.clone());
            request.set_timeout(left);
            send(request)
        };
        retry::within(deadline, retry, attempt).await.map(Response::into_inner)
    }

    fn error(&self, status: &Status) -> Error {
        Error::from_status(status, &self.settings.address, self.settings.deadline)
    }
}
