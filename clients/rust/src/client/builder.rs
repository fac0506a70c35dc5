//! How a client is set up.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::{Client, Settings};
use crate::address::{Address, AddressError, DEFAULT_ADDRESS};
use crate::lane::Lane;
use crate::proto::TraceContext;
use crate::retry::RetryPolicy;
use crate::retry_budget::RetryBudget;
use crate::servers::Servers;
use crate::tls::{Tls, TlsError};
use crate::token::{TokenError, TokenSettings};
use crate::trace::TraceSource;

/// How long a call may take, its repetitions included, if nothing else is said.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(1);

/// How often a connection with calls in flight is checked, and how long the check may take. Without it, a server that
/// vanished without a farewell would make every call run into its deadline until TCP gives up, a quarter of an hour
/// later.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a client can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The settings of TLS, or their files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token, or its file.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    address: Option<String>,
    tls: Tls,
    token: TokenSettings,
    namespace: String,
    deadline: Duration,
    retry: RetryPolicy,
    lane: Lane,
    trace: TraceSource,
    /// Whether what is left out comes from the environment.
    environment: bool,
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            address: None,
            tls: Tls::new(),
            token: TokenSettings::default(),
            namespace: String::new(),
            deadline: DEFAULT_DEADLINE,
            retry: RetryPolicy::default(),
            lane: Lane::default(),
            trace: TraceSource::default(),
            environment: true,
        }
    }

    /// `HOST:PORT`, `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. Several, separated by commas, are the processes of one store. One is
    /// used at a time, and the next in turn when it can't be reached, is starting or is shutting down. Left out, the
    /// environment variable `SESSIOND_ADDR` says it; without that it is [`DEFAULT_ADDRESS`].
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// How the client speaks TLS to addresses with `https://`. What it leaves out comes from the environment: see [`Tls`].
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// The file whose first line is the token by which the server knows the caller; white space around it is left aside. It is
    /// read when the client is made, and again when it has changed, within two seconds, or at once when the server refuses
    /// the token; a file that can't be used then leaves the token before. Left out, the environment variable
    /// `SESSIOND_TOKEN_FILE` says it. At most one of a file and a token may be set.
    #[must_use]
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token.file = Some(file.into());
        self
    }

    /// The token by which the server knows the caller: 1 to 256 of the characters `!` to `~`. Left out, the environment variable
    /// `SESSIOND_TOKEN` says it. At most one of a file and a token may be set.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token.text = Some(token.into());
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

    /// How calls on single sessions travel; [`Lane::Auto`] at first.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Tells the trace of the caller's span, by the headers of W3C Trace Context. Each call then carries it, so that the server's
    /// spans and access lines belong to the caller's trace; streams of events and backups carry none. It is asked once for each
    /// call, when the call is first polled; a traceparent that no header can have counts as none.
    #[must_use]
    pub fn trace_context(mut self, current: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        self.trace = TraceSource::new(current);
        self
    }

    /// Takes nothing from the environment, for whoever has looked there already.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.environment = false;
        self
    }

    /// Makes the client. It connects at its first call.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, SettingsError> {
        let Self { address, tls, token, namespace, deadline, retry, lane, trace, environment } = self;
        let variable = |name: &str| env::var_os(name).filter(|value| environment && !value.is_empty());
        let address = address.or_else(|| variable("SESSIOND_ADDR")?.into_string().ok());
        let address: Address = address.as_deref().unwrap_or(DEFAULT_ADDRESS).parse()?;
        let endpoints = address.endpoints()?;
        // A call has time to try them all.
        let connect_timeout = deadline / u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let connect = |endpoint: &Endpoint| {
            endpoint.clone().http2_keep_alive_interval(KEEP_ALIVE_INTERVAL).keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        };
        let channels: Vec<Channel> = if address.is_tls() {
            let connectors = tls.or(&variable).connectors(&endpoints, connect_timeout)?;
            let pairs = endpoints.iter().zip(connectors);
            pairs.map(|(endpoint, connector)| connect(endpoint).connect_with_connector_lazy(connector)).collect()
        } else if tls.is_empty() {
            endpoints.iter().map(|endpoint| connect(endpoint).connect_timeout(connect_timeout).connect_lazy()).collect()
        } else {
            return Err(TlsError::without_https().into());
        };
        let tokens = token.read(&variable)?;
        let servers = Arc::new(Servers::new(channels.into_iter(), lane));
        let budget = Arc::new(RetryBudget::full());
        Ok(Client {
            servers,
            settings: Arc::new(Settings { address, namespace, deadline, retry, budget, tokens, trace }),
        })
    }
}
