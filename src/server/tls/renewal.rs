//! Following the files: a new certificate is used by the next connection, and those that are open go on.

use super::Tls;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What changes when a file is replaced or written; `None` while it can't be looked at.
type Stamp = Option<(SystemTime, u64)>;

impl Tls {
    /// Reads the files again whenever they change, and at each `hangup`. Never returns.
    pub(in crate::server) async fn follow_files(self, mut hangup: Signal) {
        let mut seen = self.stamps().await;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = looks.tick() => false,
                _ = hangup.recv() => true,
            };
            // Taken before the files are read: what changes meanwhile is seen at the next look.
            let now = self.stamps().await;
            if now != seen || asked {
                seen = now;
                self.renew().await;
            }
        }
    }

    async fn renew(&self) {
        let files = self.0.files.clone();
        // A disk that hangs must not stop this runtime's threads, which also accept connections.
        let Ok(read) = tokio::task::spawn_blocking(move || files.load()).await else { return };
        match read {
            Ok(loaded) => {
                let ends = humantime::format_rfc3339_seconds(loaded.ends);
                tracing::info!(%ends, "new connections use the certificate as it is now");
                loaded.warn_of_its_end(&self.0.files);
                *self.in_use() = loaded;
                self.0.is_stale.send_replace(false);
            }
            Err(problem) => {
                tracing::error!(%problem, "the certificate can't be renewed; the one before stays in use");
                self.0.is_stale.send_replace(true);
            }
        }
    }

    async fn stamps(&self) -> Vec<Stamp> {
        let files = self.0.files.clone();
        let stamps = move || files.paths().map(stamp).collect();
        tokio::task::spawn_blocking(stamps).await.unwrap_or_default()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
