//! Watches what sled does not report: free space, a writer that makes no progress, a flusher that died, blob files.

use super::folder::DataFolder;
use crate::engine::EngineStatus;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The name that sled gives to the thread that flushes its log and collects its garbage.
const FLUSHER_THREAD: &str = "log flusher";

/// What counts as trouble.
#[derive(Clone, Debug)]
pub struct WatchdogOptions {
    /// With less free disk space than this many bytes, writes that need space are refused before sled is hurt: after one
    /// failed write it works no more until it is opened again.
    pub min_free_bytes: u64,
    /// A writer that has been at one group for so long has failed; after a quarter of it, it counts as stalled.
    pub stall_timeout: Duration,
}

/// Tells since when the writer has been at its present work.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<Instant>>);

impl Progress {
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn busy_for(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The watching thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(super) fn start(
        folder: &DataFolder,
        options: WatchdogOptions,
        progress: Arc<Progress>,
        status: Arc<watch::Sender<EngineStatus>>,
    ) -> io::Result<Self> {
        if folder.blob_files() > 0 {
            tracing::error!(
                folder = %folder.path().display(),
                files = folder.blob_files(),
                "sled has written blob files, which it does not sync; please report this"
            );
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut watch = Watch { path: folder.path().into(), options, progress, status, flusher_seen: false };
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new().name("watchdog".into()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                watch.look();
                thread::park_timeout(LOOK_EVERY);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A watchdog that panicked has nothing left to clean up.
            thread.join().ok();
        }
    }
}

struct Watch {
    path: PathBuf,
    options: WatchdogOptions,
    progress: Arc<Progress>,
    status: Arc<watch::Sender<EngineStatus>>,
    flusher_seen: bool,
}

impl Watch {
    fn look(&mut self) {
        let old = self.status.borrow().clone();
        let new = self.judge(&old);
        // The writer may have failed meanwhile, which is final.
        let changed = self.status.send_if_modified(|status| {
            let changes = *status != EngineStatus::Failed && *status != new;
            if changes {
                *status = new.clone();
            }
            changes
        });
        if changed {
            self.report(&new);
        }
    }

    fn judge(&mut self, old: &EngineStatus) -> EngineStatus {
        let busy = self.progress.busy_for();
        if busy >= self.options.stall_timeout || self.flusher_died() {
            EngineStatus::Failed
        } else if busy >= self.options.stall_timeout / 4 {
            EngineStatus::Stalled
        } else if self.space_is_low(*old == EngineStatus::LowSpace) {
            EngineStatus::LowSpace
        } else {
            EngineStatus::Ready
        }
    }

    fn report(&self, status: &EngineStatus) {
        let busy_ms = u64::try_from(self.progress.busy_for().as_millis()).unwrap_or(u64::MAX);
        match status {
            EngineStatus::Ready => tracing::info!("the storage is ready again"),
            EngineStatus::LowSpace => tracing::error!(
                folder = %self.path.display(),
                min_free_space = self.options.min_free_bytes,
                "free disk space is low; refusing writes until there is more"
            ),
            EngineStatus::Stalled => tracing::error!(busy_ms, "the storage makes no progress"),
            EngineStatus::Failed => {
                tracing::error!(busy_ms, "the storage is stuck or its background flusher died; only a restart helps");
            }
        }
    }

    fn space_is_low(&self, was_low: bool) -> bool {
        // Wants a tenth more before it lets go, so that it doesn't flutter.
        let wanted = self.options.min_free_bytes + if was_low { self.options.min_free_bytes / 10 } else { 0 };
        free_bytes(&self.path).is_some_and(|free| free < wanted)
    }

    fn flusher_died(&mut self) -> bool {
        match flusher_is_running() {
            Some(true) => self.flusher_seen = true,
            Some(false) => return self.flusher_seen,
            None => {}
        }
        false
    }
}

/// Free space for this user on the folder's file system; `None` if it can't be told.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether sled's flusher thread is there; `None` where the system doesn't list threads.
fn flusher_is_running() -> Option<bool> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    Some(names.into_iter().any(|name| name.trim_end() == FLUSHER_THREAD))
}
