//! Watches what sled does not report: free space, a disk or thread that makes no progress, a failed write in the
//! background, and blob files.

mod disk;
mod progress;

use super::folder::DataFolder;
use super::sled::{Health, housekeeping};
use super::space::Space;
use super::writer::Reclaimer;
use crate::engine::EngineStatus;
use disk::DiskWatch;
pub(super) use progress::Progress;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What counts as trouble.
#[derive(Clone, Debug)]
pub struct WatchdogOptions {
    /// With less free disk space than this, in bytes, writes that need space are refused. That protects sled, which
    /// stops working after one failed write until it is opened again.
    pub min_free_bytes: u64,
    /// A thread that takes this long for one sync, or for a few rows, has failed. So has a disk that takes this long to
    /// tell its free space. After a quarter of this time they count as stalled.
    pub stall_timeout: Duration,
}

/// The watching thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    disk: Arc<DiskWatch>,
    stalls: Arc<AtomicU64>,
}

impl Watchdog {
    pub(super) fn start(
        folder: &DataFolder,
        options: WatchdogOptions,
        threads: [Arc<Progress>; 2],
        status: Arc<watch::Sender<EngineStatus>>,
        space: Arc<Space>,
        reclaimer: Reclaimer,
        health: Health,
    ) -> io::Result<Self> {
        let blob_files = housekeeping::blob_files(&folder.sled_path());
        if blob_files > 0 {
            tracing::error!(
                folder = %folder.path().display(),
                files = blob_files,
                "sled has written blob files, which it does not sync; please report this"
            );
        }
        let disk = DiskWatch::start(folder.sled_path(), space, reclaimer)?;
        let (stop, stalls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watch = Watch { options, threads, disk: Arc::clone(&disk), health, status, stalls: Arc::clone(&stalls) };
        // Whoever is told first how the storage is knows already whether there is space.
        watch.look();
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new().name("watchdog".into()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                watch.look();
                thread::park_timeout(LOOK_EVERY);
            }
        })?;
        Ok(Self { stop, thread: Some(thread), disk, stalls })
    }

    /// The bytes of the data folder, from the disk's last answer, so that a hanging disk blocks no caller.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk.used_bytes()
    }

    /// The bytes that are free on the disk, from the same answer.
    pub(super) fn free_bytes(&self) -> u64 {
        self.disk.free_bytes()
    }

    /// How often the storage has stalled.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
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

/// What the watching thread knows. It never asks the disk itself, so that it can report a disk that hangs.
struct Watch {
    options: WatchdogOptions,
    threads: [Arc<Progress>; 2],
    disk: Arc<DiskWatch>,
    /// Tells whether a write of sled failed in the background.
    health: Health,
    status: Arc<watch::Sender<EngineStatus>>,
    stalls: Arc<AtomicU64>,
}

impl Watch {
    fn look(&self) {
        let background_failed = self.health.has_failed();
        let threads = self.threads.iter().map(|progress| progress.busy_for());
        let busy = threads.fold(self.disk.progress.busy_for(), Duration::max);
        let new = self.judge(busy, background_failed);
        let old = self.status.borrow().clone();
        if old == EngineStatus::Failed || old == new {
            return;
        }
        // The report comes before the status, because a server whose storage has failed ends at once.
        self.report(&new, busy, background_failed);
        if busy >= self.stalled_after() && old != EngineStatus::Stalled {
            self.stalls.fetch_add(1, Ordering::Relaxed);
        }
        self.status.send_if_modified(|status| {
            // The writer may have set `Failed` meanwhile, which is final.
            let changes = *status != EngineStatus::Failed;
            if changes {
                *status = new;
            }
            changes
        });
    }

    fn stalled_after(&self) -> Duration {
        self.options.stall_timeout / 4
    }

    fn judge(&self, busy: Duration, background_failed: bool) -> EngineStatus {
        if busy >= self.options.stall_timeout || background_failed {
            EngineStatus::Failed
        } else if busy >= self.stalled_after() {
            EngineStatus::Stalled
        } else if self.disk.space_is_low() {
            EngineStatus::LowSpace
        } else {
            EngineStatus::Ready
        }
    }

    fn report(&self, status: &EngineStatus, busy: Duration, background_failed: bool) {
        let busy_ms = u64::try_from(busy.as_millis()).unwrap_or(u64::MAX);
        match status {
            EngineStatus::Ready => tracing::info!("the storage is ready again"),
            EngineStatus::LowSpace => tracing::error!(
                min_free_space = self.options.min_free_bytes,
                "free disk space is low; refusing writes until there is more"
            ),
            EngineStatus::Stalled => tracing::error!(busy_ms, "the storage makes no progress"),
            EngineStatus::Failed if background_failed => {
                tracing::error!("sled could not write in the background; only a restart helps");
            }
            EngineStatus::Failed => tracing::error!(busy_ms, "the storage is stuck; only a restart helps"),
        }
    }
}
