//! TLS of the listeners: [`files`] reads and judges the certificates, [`renewal`] says what a change of them does, [`accept`] makes the
//! handshake of a connection, and [`client_names`] says which of the clients get in.

pub(in crate::server) mod accept;
mod client_names;
mod files;
mod renewal;
mod short_chains;

pub use files::{TlsFiles, TlsProblem};

use crate::watched_file::Stamp;
use client_names::ClientNames;
use files::Loaded;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;
use tokio::time::Instant;

/// What connections are served with: the certificate that is in use now, and those after it. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<State>);

struct State {
    files: TlsFiles,
    client_names: ClientNames,
    in_use: Mutex<Loaded>,
    /// Whether the files, as they are now, can't be used.
    is_stale: watch::Sender<bool>,
    failed_handshakes: AtomicU64,
    warned: Mutex<Option<Instant>>,
}

impl Tls {
    /// Reads the files. Each later change of them is followed while the server runs. Only clients with one of these names get in,
    /// or all of them.
    pub fn load(files: TlsFiles, client_names: &[String]) -> Result<Self, TlsProblem> {
        let loaded = files.load()?;
        let (is_stale, failed_handshakes) = (watch::Sender::new(false), AtomicU64::new(0));
        Ok(Self(Arc::new(State {
            files,
            client_names: ClientNames::new(client_names),
            in_use: Mutex::new(loaded),
            is_stale,
            failed_handshakes,
            warned: Mutex::new(None),
        })))
    }

    /// Whether the files, as they are now, can't be used: the certificate in use is an older one.
    pub(in crate::server) fn staleness(&self) -> watch::Receiver<bool> {
        self.0.is_stale.subscribe()
    }

    /// The files as they were before the certificate in use was read.
    pub(in crate::server) fn seen(&self) -> Vec<Stamp> {
        self.in_use().stamps.clone()
    }

    /// When the certificate in use ends.
    pub(in crate::server) fn ends(&self) -> SystemTime {
        self.in_use().ends
    }

    /// How many handshakes have failed.
    pub(in crate::server) fn failed_handshakes(&self) -> u64 {
        self.0.failed_handshakes.load(Ordering::Relaxed)
    }

    fn in_use(&self) -> MutexGuard<'_, Loaded> {
        self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.0.files).finish_non_exhaustive()
    }
}
