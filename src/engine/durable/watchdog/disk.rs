//! Asks the disk how much space is free and used. A thread of its own asks, because the question hangs if the disk
//! hangs. That is how a hanging disk is noticed while nobody writes.

use super::super::folder::bytes_of;
use super::super::space::Space;
use super::super::writer::Reclaimer;
use super::LOOK_EVERY;
use super::progress::Progress;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

/// The disk's last answers. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct DiskWatch {
    space: Arc<Space>,
    reclaimer: Reclaimer,
    /// The bytes of the data folder.
    used_bytes: AtomicU64,
    /// The progress of the question that is being asked.
    pub(super) progress: Progress,
}

impl DiskWatch {
    /// Begins to ask regularly about this folder and its disk.
    pub(super) fn start(folder: PathBuf, space: Arc<Space>, reclaimer: Reclaimer) -> io::Result<Arc<Self>> {
        let used_bytes = AtomicU64::new(bytes_of(&folder));
        let watch = Arc::new(Self { space, reclaimer, used_bytes, progress: Progress::default() });
        let watching = Arc::downgrade(&watch);
        // Nobody waits for the thread's end, because a hanging disk would delay it.
        thread::Builder::new().name("disk watch".into()).spawn(move || {
            while let Some(()) = ask(&watching, &folder) {
                thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(watch)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn free_bytes(&self) -> u64 {
        self.space.disk_free()
    }

    pub(super) fn space_is_low(&self) -> bool {
        self.space.is_low()
    }
}

/// Asks once; `None` if the answers are no longer needed.
fn ask(watch: &Weak<DiskWatch>, folder: &Path) -> Option<()> {
    let watch = watch.upgrade()?;
    watch.progress.begin();
    let was_exhausted = watch.space.is_exhausted();
    watch.space.look();
    if was_exhausted || watch.space.is_tight() {
        watch.reclaimer.reclaim();
    }
    watch.used_bytes.store(bytes_of(folder), Ordering::Relaxed);
    watch.progress.end();
    Some(())
}
