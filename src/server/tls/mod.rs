//! TLS of the listeners: [`files`] reads and judges the certificates, [`renewal`] follows their changes, and [`accept`] makes
//! the handshake of a connection.

pub(in crate::server) mod accept;
mod files;
mod renewal;

pub use files::{TlsFiles, TlsProblem};

use files::Loaded;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::ServerConfig;

/// What connections are served with: the certificate that is in use now, and those after it. Clones share it.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    in_use: Arc<Mutex<Loaded>>,
}

impl Tls {
    /// Reads the files. Each later change of them is followed while the server runs.
    pub fn load(files: TlsFiles) -> Result<Self, TlsProblem> {
        let loaded = files.load()?;
        loaded.warn_of_its_end(&files);
        Ok(Self { files: Arc::new(files), in_use: Arc::new(Mutex::new(loaded)) })
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.in_use.lock().unwrap_or_else(PoisonError::into_inner).config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
