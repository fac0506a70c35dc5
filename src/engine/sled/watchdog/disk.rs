//! What the disk says of itself. It is asked by a thread of its own: where the disk hangs, so does the question, and that is
//! how a disk that hangs is noticed while nobody writes.

use super::super::folder::bytes_of;
use super::LOOK_EVERY;
use super::progress::Progress;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

/// What was last heard. The asking ends when this is dropped.
#[derive(Debug)]
pub(super) struct DiskWatch {
    /// Whether there is less than the wanted free space.
    low_space: Arc<AtomicBool>,
    /// What the data folder takes.
    used_bytes: AtomicU64,
    /// Of the question that is being asked.
    pub(super) progress: Progress,
}

impl DiskWatch {
    /// Begins to ask, every now and then, about this folder and the disk on which it is.
    pub(super) fn start(folder: PathBuf, min_free_bytes: u64, low_space: Arc<AtomicBool>) -> io::Result<Arc<Self>> {
        let used_bytes = AtomicU64::new(bytes_of(&folder));
        let watch = Arc::new(Self { low_space, used_bytes, progress: Progress::default() });
        let watching = Arc::downgrade(&watch);
        // Nobody waits for its end, which a disk that hangs would put off.
        thread::Builder::new().name("disk watch".into()).spawn(move || {
            while let Some(()) = ask(&watching, &folder, min_free_bytes) {
                thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(watch)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn space_is_low(&self) -> bool {
        self.low_space.load(Ordering::Relaxed)
    }
}

/// Asks once; `None` if nobody wants to know any more.
fn ask(watch: &Weak<DiskWatch>, folder: &Path, min_free_bytes: u64) -> Option<()> {
    let watch = watch.upgrade()?;
    watch.progress.begin();
    let was_low = watch.space_is_low();
    // Wants a tenth more before it lets go, so that it doesn't flutter.
    let wanted = min_free_bytes + if was_low { min_free_bytes / 10 } else { 0 };
    let is_low = free_bytes(folder).map_or(was_low, |free| free < wanted);
    watch.low_space.store(is_low, Ordering::Relaxed);
    watch.used_bytes.store(bytes_of(folder), Ordering::Relaxed);
    watch.progress.end();
    Some(())
}

/// Free space for this user on the folder's file system; `None` if it can't be told.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
