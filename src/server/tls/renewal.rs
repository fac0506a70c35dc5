//! A renewed certificate is used by the next connection, and those that are open go on.

use super::Tls;
use super::files::{Loaded, TlsProblem};
use crate::server::renewal::Renewable;
use crate::watched_file::Stamp;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is said that the certificate ends soon.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

impl Renewable for Tls {
    type Loaded = Loaded;
    type Problem = TlsProblem;
    const WHAT: &'static str = "the certificate";

    fn stamps(&self) -> Vec<Stamp> {
        self.0.files.stamps()
    }

    fn load(&self) -> Result<Loaded, TlsProblem> {
        self.0.files.load()
    }

    fn renew(&self, loaded: Loaded) {
        let ends = humantime::format_rfc3339_seconds(loaded.ends);
        tracing::info!(%ends, "new connections use the certificate as it is now");
        *self.in_use() = loaded;
        self.0.is_stale.send_replace(false);
        *self.warned() = None;
    }

    fn is_stale(&self) -> bool {
        *self.0.is_stale.borrow()
    }

    fn set_stale(&self) {
        self.0.is_stale.send_replace(true);
    }

    fn is_due(&self) -> bool {
        self.in_use().has_ended()
    }

    fn end_look(&self) {
        let mut warned = self.warned();
        if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            let in_use = self.in_use();
            in_use.warn_of_its_end(&self.0.files);
            in_use.warn_of_readers(&self.0.files);
        }
    }
}

impl Tls {
    /// When the end of the certificate was last warned of.
    fn warned(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.warned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
