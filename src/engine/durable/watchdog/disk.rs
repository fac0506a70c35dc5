//! What the disk says of itself. It is asked by a thread of its own: where the disk hangs, so does the question, and that is
//! how a disk that hangs is noticed while nobody writes.

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

/// What was last heard. The asking ends when this is dropped.
#[derive(Debug)]
pub(super) struct DiskWatch {
    space: Arc<Space>,
    reclaimer: Reclaimer,
    /// What the data folder takes.
    used_bytes: AtomicU64,
    /// Of the question that is being asked.
    pub(super) progress: Progress,
}

impl DiskWatch {
    /// Begins to ask, every now and then, about this folder and the disk on which it is.
    pub(super) fn start(folder: PathBuf, space: Arc<Space>, reclaimer: Reclaimer) -> io::Result<Arc<Self>> {
        let used_bytes = AtomicU64::new(bytes_of(&folder));
        let watch = Arc::new(Self { space, reclaimer, used_bytes, progress: Progress::default() });
        let watching = Arc::downgrade(&watch);
        // Nobody waits for its end, which a disk that hangs would put off.
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

    pub(super) fn space_is_low(&self) -> bool {
        self.space.is_low()
    }
}

/// Asks once; `None` if nobody wants to know any more.
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
