//! Following the files: a new certificate is used by the next connection, and those that are open go on.

use super::Tls;
use super::files::{Loaded, TlsProblem};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is said that the certificate ends soon.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Reading the files takes no longer, unless their disk hangs.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What was last told.
#[derive(Default)]
struct Told {
    /// Why the files can't be used. It is told once.
    problem: Option<TlsProblem>,
    warned: Option<Instant>,
}

impl Tls {
    /// Reads the files again whenever they change, and at each `hangup`. While the certificate in use has ended or the files
    /// can't be used, they are also read at each look: what is wrong may be the time, or something beside the files. Never
    /// returns.
    pub(in crate::server) async fn follow_files(self, mut hangup: Signal) {
        let mut told = Told::default();
        let mut seen = self.in_use().stamps.clone();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = looks.tick() => false,
                _ = hangup.recv() => true,
            };
            let stamps = self.read("looking at", |tls| tls.0.files.stamps()).await;
            let has_changed = stamps.as_ref().is_some_and(|stamps| *stamps != seen);
            seen = stamps.unwrap_or(seen);
            let is_due = *self.0.is_stale.borrow() || self.in_use().has_ended();
            if (has_changed || is_asked || is_due)
                && let Some(read) = self.read("reading", |tls| tls.0.files.load()).await
            {
                self.renew(read, &mut told);
            }
            if told.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
                told.warned = Some(Instant::now());
                self.in_use().warn_of_its_end(&self.0.files);
            }
        }
    }

    fn renew(&self, read: Result<Loaded, TlsProblem>, told: &mut Told) {
        match read {
            Ok(loaded) => {
                let ends = humantime::format_rfc3339_seconds(loaded.ends);
                tracing::info!(%ends, "new connections use the certificate as it is now");
                *self.in_use() = loaded;
                self.0.is_stale.send_replace(false);
                *told = Told::default();
            }
            Err(problem) => {
                self.0.is_stale.send_replace(true);
                if told.problem.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "the certificate can't be renewed; the one before stays in use");
                    told.problem = Some(problem);
                }
            }
        }
    }

    /// Does what may take long on a thread of its own: a disk that hangs must not stop this runtime's threads, which also
    /// accept connections. Meanwhile the certificate counts as stale.
    async fn read<T: Send + 'static>(&self, what: &str, read: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let tls = self.clone();
        let mut reading = tokio::task::spawn_blocking(move || read(&tls));
        if let Ok(result) = timeout(READ_WITHIN, &mut reading).await {
            return result.ok();
        }
        tracing::error!("{what} the files of the certificate does not end; the one before stays in use");
        self.0.is_stale.send_replace(true);
        reading.await.ok()
    }
}
