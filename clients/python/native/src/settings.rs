//! What a client is opened with.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sessiond_client::{Address, Client, ClientBuilder, Error, SettingsError, TraceContext};
use tokio::runtime::{Builder, Handle};

use crate::error::{raised, settings_error};
use crate::fork::Owned;

/// `sessiond.Tls`.
#[derive(FromPyObject)]
pub(crate) struct Tls {
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    server_name: Option<String>,
}

impl From<Tls> for sessiond_client::Tls {
    fn from(settings: Tls) -> Self {
        let mut tls = Self::new();
        if let Some(file) = settings.ca_file {
            tls = tls.ca_file(file);
        }
        if let Some(file) = settings.certificate_file {
            tls = tls.certificate_file(file);
        }
        if let Some(file) = settings.key_file {
            tls = tls.key_file(file);
        }
        if let Some(name) = settings.server_name {
            tls = tls.server_name(name);
        }
        tls
    }
}

/// `sessiond.token.Token`: a file, or the token itself.
#[derive(FromPyObject)]
pub(crate) struct Token {
    file: Option<PathBuf>,
    text: Option<String>,
}

/// `sessiond.traces.Trace`: a traceparent and a tracestate.
pub(crate) type Trace = (String, String);

/// A client for each runtime that comes and goes: it is opened when it is first needed, and anew when the runtime is another.
pub(crate) struct Connection {
    addresses: String,
    timeout: Duration,
    /// None without TLS.
    tls: Option<sessiond_client::Tls>,
    token: Option<Token>,
    /// With the number of the runtime that it belongs to. Locked only by who holds the interpreter lock, and lets nobody
    /// else have it meanwhile, so that no fork finds it locked.
    client: Mutex<Option<(u64, Owned<Client>)>>,
}

/// A number for each runtime of this process and of those that it was forked from.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Connection {
    /// Refuses what can't be used, before the first call does.
    pub(crate) fn new(
        py: Python<'_>,
        addresses: &[String],
        timeout: f64,
        tls: Option<Tls>,
        token: Option<Token>,
    ) -> PyResult<Self> {
        let timeout = seconds(timeout)?;
        let addresses = addresses.join(",");
        addresses.parse::<Address>().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let connection = Self { addresses, timeout, tls: tls.map(Into::into), token, client: Mutex::new(None) };
        if connection.tls.is_some() || connection.token.is_some() {
            // Making a client reads the files. It needs a runtime, and those of the calls are there only for them.
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let _inside = runtime.enter();
            connection.builder().connect_lazy().map_err(|error| refused(py, &error))?;
        }
        Ok(connection)
    }

    /// The client on the runtime of this number, with this deadline, for calls of this trace.
    pub(crate) fn traced_client(
        &self,
        py: Python<'_>,
        (number, runtime): (u64, &Handle),
        timeout: f64,
        trace: Option<Trace>,
    ) -> PyResult<Client> {
        let client = self.client(py, number, runtime, timeout)?;
        Ok(match trace {
            Some((traceparent, tracestate)) => client.with_trace(TraceContext { traceparent, tracestate }),
            None => client,
        })
    }

    /// The client on the runtime of this number, with this deadline.
    pub(crate) fn client(&self, py: Python<'_>, number: u64, runtime: &Handle, timeout: f64) -> PyResult<Client> {
        let timeout = seconds(timeout)?;
        let client = self.opened(number, runtime).map_err(|error| self.unusable(py, &error))?;
        Ok(if timeout == self.timeout { client } else { client.with_deadline(timeout) })
    }

    /// The deadline of a call, in seconds.
    pub(crate) fn timeout(&self) -> f64 {
        self.timeout.as_secs_f64()
    }

    /// Nothing of Python runs in here, as the lock is held.
    fn opened(&self, number: u64, runtime: &Handle) -> Result<Client, SettingsError> {
        let mut known = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of, client)) if *of == number => Ok(Client::clone(client)),
            _ => {
                let _inside = runtime.enter();
                let client = self.builder().connect_lazy()?;
                *known = Some((number, Owned::new(client.clone())));
                Ok(client)
            }
        }
    }

    fn builder(&self) -> ClientBuilder {
        let mut builder = Client::builder().without_environment().address(&self.addresses).deadline(self.timeout);
        if let Some(tls) = &self.tls {
            builder = builder.tls(tls.clone());
        }
        if let Some(Token { file, text }) = &self.token {
            if let Some(file) = file {
                builder = builder.token_file(file);
            }
            if let Some(text) = text {
                builder = builder.token(text);
            }
        }
        builder
    }

    /// Files that could be used when this was made, and can't be read again: for a call, the store is away.
    fn unusable(&self, py: Python<'_>, error: &SettingsError) -> PyErr {
        raised(py, &Error::Unavailable { address: self.addresses.clone(), cause: error.to_string() })
    }

    pub(crate) fn close(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn refused(py: Python<'_>, error: &SettingsError) -> PyErr {
    match error {
        SettingsError::Tls(error) => settings_error(py, "sessiond.tls", "TlsError", &error.to_string()),
        SettingsError::Token(error) => settings_error(py, "sessiond.token", "TokenError", &error.to_string()),
        SettingsError::Address(error) => PyValueError::new_err(error.to_string()),
    }
}

fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|_| PyValueError::new_err("timeout must be a number of seconds above 0"))
}
