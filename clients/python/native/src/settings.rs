//! What a client is opened with.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sessiond_client::{Address, Client};
use tokio::runtime::Handle;

use crate::fork::Owned;

/// A client for each runtime that comes and goes: it is opened when it is first needed, and anew when the runtime is another.
pub(crate) struct Connection {
    addresses: String,
    timeout: Duration,
    /// With the number of the runtime that it belongs to. Locked only by who holds the interpreter lock, so that no fork
    /// finds it locked.
    client: Mutex<Option<(u64, Owned<Client>)>>,
}

/// A number for each runtime of this process and of those that it was forked from.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Connection {
    pub(crate) fn new(addresses: &[String], timeout: f64) -> PyResult<Self> {
        let timeout = seconds(timeout)?;
        let addresses = addresses.join(",");
        // Refuses what is none, before the first call does.
        addresses.parse::<Address>().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { addresses, timeout, client: Mutex::new(None) })
    }

    /// The client on the runtime of this number, with this deadline.
    pub(crate) fn client(&self, number: u64, runtime: &Handle, timeout: f64) -> PyResult<Client> {
        let timeout = seconds(timeout)?;
        let mut known = self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let client = match &*known {
            Some((of, client)) if *of == number => Client::clone(client),
            _ => {
                let _inside = runtime.enter();
                let client = Client::builder().address(&self.addresses).deadline(self.timeout).connect_lazy();
                let client = client.map_err(|error| PyValueError::new_err(error.to_string()))?;
                *known = Some((number, Owned::new(client.clone())));
                client
            }
        };
        Ok(if timeout == self.timeout { client } else { client.with_deadline(timeout) })
    }

    /// The deadline of a call, in seconds.
    pub(crate) fn timeout(&self) -> f64 {
        self.timeout.as_secs_f64()
    }

    pub(crate) fn close(&self) {
        *self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|_| PyValueError::new_err("timeout must be a number of seconds above 0"))
}
