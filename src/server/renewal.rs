//! Following files that are read again when they change: a certificate, the rules of access. What they say holds from then on,
//! and files that can't be used leave what held before.

use crate::call_record::AuditLog;
use crate::watched_file::Stamp;
use std::fmt::Display;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Between the end of a look and one that is wanted, so that a peer can't have the disk kept busy.
const REST: Duration = Duration::from_millis(100);

/// Reading the files takes no longer, unless their disk hangs.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What is read from files that may change.
pub(in crate::server) trait Renewable: Clone + Send + Sync + 'static {
    /// What was read, before it is used.
    type Loaded: Send + 'static;
    /// Why the files can't be used.
    type Problem: Display + PartialEq + Send + 'static;
    /// What the files hold, for the log.
    const WHAT: &'static str;

    /// The files as they are now.
    fn stamps(&self) -> Vec<Stamp>;
    /// Reads the files.
    fn load(&self) -> Result<Self::Loaded, Self::Problem>;
    /// Uses what was read, and says so.
    fn renew(&self, loaded: Self::Loaded);
    /// Whether the files, as they were at the last look, can't be used.
    fn is_stale(&self) -> bool;
    /// Remembers that.
    fn set_stale(&self);
    /// Whether to read the files although they have not changed.
    fn is_due(&self) -> bool {
        false
    }
    /// Waits until somebody wants the files to be looked at.
    fn look_wanted(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
    /// Done before each look.
    fn begin_look(&self) {}
    /// Done after each look.
    fn end_look(&self) {}
}

/// Follows the files until this is dropped.
pub(in crate::server) fn follow<R: Renewable>(
    renewable: R,
    seen: Vec<Stamp>,
    audit: AuditLog,
) -> io::Result<AbortOnDropHandle<()>> {
    let hangup = signal(SignalKind::hangup())?;
    Ok(AbortOnDropHandle::new(tokio::spawn(follow_files(renewable, seen, hangup, audit))))
}

/// Reads the files again whenever they change, and at each `hangup`. While they can't be used, they are also read at each look:
/// what is wrong may be the time, or something beside the files.
async fn follow_files<R: Renewable>(renewable: R, mut seen: Vec<Stamp>, mut hangup: Signal, audit: AuditLog) {
    // A problem is told once.
    let mut told = None;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let rested = sleep(REST);
        let is_asked = tokio::select! {
            _ = looks.tick() => false,
            _ = hangup.recv() => true,
            () = async { rested.await; renewable.look_wanted().await } => false,
        };
        renewable.begin_look();
        let stamps = read(&renewable, "looking at", R::stamps).await;
        let has_changed = stamps.as_ref().is_some_and(|stamps| *stamps != seen);
        seen = stamps.unwrap_or(seen);
        if has_changed || is_asked || renewable.is_stale() || renewable.is_due() {
            match read(&renewable, "reading", R::load).await {
                Some(Ok(loaded)) => {
                    renewable.renew(loaded);
                    audit.renewed(R::WHAT, None);
                    told = None;
                }
                Some(Err(problem)) => {
                    renewable.set_stale();
                    if told.as_ref() != Some(&problem) {
                        tracing::error!(%problem, "{} can't be renewed; what was before stays in use", R::WHAT);
                        audit.renewed(R::WHAT, Some(&problem));
                        told = Some(problem);
                    }
                }
                None => {}
            }
        }
        renewable.end_look();
    }
}

/// Does what may take long on a thread of its own: a disk that hangs must not stop this runtime's threads, which also accept
/// connections. Meanwhile the files count as stale.
async fn read<R: Renewable, T: Send + 'static>(
    renewable: &R,
    doing: &str,
    read: impl FnOnce(&R) -> T + Send + 'static,
) -> Option<T> {
    let copy = renewable.clone();
    let mut reading = tokio::task::spawn_blocking(move || read(&copy));
    if let Ok(result) = timeout(READ_WITHIN, &mut reading).await {
        return result.ok();
    }
    tracing::error!("{doing} the files of {} does not end; what was before stays in use", R::WHAT);
    renewable.set_stale();
    reading.await.ok()
}
