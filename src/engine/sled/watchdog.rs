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

/// So many looks in a row must miss the flusher before it counts as dead.
const FLUSHER_LOOKS: u32 = 8;

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
        low_space: Arc<AtomicBool>,
        is_damaged: bool,
    ) -> io::Result<Self> {
        if folder.blob_files() > 0 {
            tracing::error!(
                folder = %folder.path().display(),
                files = folder.blob_files(),
                "sled has written blob files, which it does not sync; please report this"
            );
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            path: folder.path().into(),
            options,
            progress,
            status,
            missed_flusher: None,
            low_space,
            is_damaged,
        };
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
    /// How many looks in a row have missed sled's flusher; `None` before it was seen.
    missed_flusher: Option<u32>,
    low_space: Arc<AtomicBool>,
    /// Whether parts of the data can't be read. sled's flusher ends when it comes across them while it collects garbage;
    /// everything else goes on without it.
    is_damaged: bool,
}

impl Watch {
    fn look(&mut self) {
        let new = self.judge();
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

    fn judge(&mut self) -> EngineStatus {
        let busy = self.progress.busy_for();
        let low_space = self.space_is_low();
        if busy >= self.options.stall_timeout || self.flusher_died() {
            EngineStatus::Failed
        } else if busy >= self.options.stall_timeout / 4 {
            EngineStatus::Stalled
        } else if low_space {
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

    fn space_is_low(&self) -> bool {
        let was_low = self.low_space.load(Ordering::Relaxed);
        // Wants a tenth more before it lets go, so that it doesn't flutter.
        let wanted = self.options.min_free_bytes + if was_low { self.options.min_free_bytes / 10 } else { 0 };
        let is_low = free_bytes(&self.path).map_or(was_low, |free| free < wanted);
        self.low_space.store(is_low, Ordering::Relaxed);
        is_low
    }

    fn flusher_died(&mut self) -> bool {
        if self.is_damaged {
            return false;
        }
        match flusher_is_running() {
            Some(true) => self.missed_flusher = Some(0),
            Some(false) => self.missed_flusher = self.missed_flusher.map(|looks| looks + 1),
            None => {}
        }
        self.missed_flusher.is_some_and(|looks| looks >= FLUSHER_LOOKS)
    }
}

/// Free space for this user on the folder's file system; `None` if it can't be told.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether sled's flusher thread is there; `None` if it can't be told, for want of free descriptors or on a system that
/// doesn't list threads.
fn flusher_is_running() -> Option<bool> {
    for thread in fs::read_dir("/proc/self/task").ok()? {
        match fs::read_to_string(thread.ok()?.path().join("comm")) {
            Ok(name) if name.trim_end() == FLUSHER_THREAD => return Some(true),
            Ok(_) => {}
            // It has ended since the list was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(false)
}
