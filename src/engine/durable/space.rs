//! The space that is left to write into: what the disk has free beyond the reserve, and what is free inside sled's
//! file.
//!
//! Plenty of space changes nothing. The less there is, the fewer changes may wait to be written back, so that accepted
//! changes always find room in sled. With no space left, changes that need space are refused. Deletions go on in the
//! existing redo files, in small generations. Each generation is written back and cleaned up after, which gives space
//! back.

use super::sled::SEGMENT_BYTES;
use super::writer::Limits;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What writing back and cleaning up need for a while, in bytes, though they give back more in the end. sled reuses a
/// segment only two segments later. A share of the log comes on top: a deletion writes the page anew before the old
/// page is worth cleaning up.
const WORKING_BYTES: u64 = 6 * SEGMENT_BYTES as u64;
const WORKING_SHARE: u64 = 4;
const MAX_WORKING_BYTES: u64 = 1 << 30;

/// With less free space than this, nothing is written back any more, in bytes.
const EXHAUSTED_BYTES: u64 = 3 * SEGMENT_BYTES as u64;

/// With more than this beyond the reserve, the free space inside sled's file does not matter, and is not counted.
const PLENTY_BYTES: u64 = 4 << 30;

/// How many bytes of sled's log a byte of rows may take before it is cleaned up: sled writes a page anew after ten
/// changes. Up to four limits of rows may wait to be written back (see [`Limits`]), and half of the space is for them.
const AMPLIFICATION: u64 = 3;
const SHARES: u64 = 2 * 4 * AMPLIFICATION;

/// The space of a data folder.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    /// The reserve that is to stay free on the disk, in bytes. With 0 nothing is ever refused.
    min_free_bytes: u64,
    disk_free: AtomicU64,
    /// The free bytes inside sled's file, and its length.
    inside: AtomicU64,
    log_bytes: AtomicU64,
    /// The bytes that may still be filled.
    spare: AtomicU64,
    is_low: AtomicBool,
    is_exhausted: AtomicBool,
}

impl Space {
    pub(super) fn new(folder: &Path, min_free_bytes: u64) -> Self {
        let space = Self {
            folder: folder.into(),
            min_free_bytes,
            disk_free: AtomicU64::new(u64::MAX),
            inside: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            spare: AtomicU64::new(u64::MAX),
            is_low: AtomicBool::new(false),
            is_exhausted: AtomicBool::new(false),
        };
        space.look();
        space
    }

    /// Asks the disk for its free space. The disk may hang.
    pub(super) fn look(&self) {
        // If the disk can't tell, the last answer stays.
        if let Ok(stat) = rustix::fs::statvfs(&self.folder) {
            self.disk_free.store(stat.f_bavail.saturating_mul(stat.f_frsize), Ordering::Relaxed);
        }
        self.judge();
    }

    /// Whether the free space inside sled's file matters.
    pub(super) fn wants_count(&self) -> bool {
        self.disk_free.load(Ordering::Relaxed) < self.min_free_bytes.saturating_add(PLENTY_BYTES)
    }

    /// Notes how long sled's file is, and how much of it is free.
    pub(super) fn note_log(&self, log_bytes: u64, free_bytes: u64) {
        self.log_bytes.store(log_bytes, Ordering::Relaxed);
        self.inside.store(free_bytes, Ordering::Relaxed);
    }

    /// The bytes that are free on the disk, by its last answer.
    pub(super) fn disk_free(&self) -> u64 {
        self.disk_free.load(Ordering::Relaxed)
    }

    /// Whether changes that need space are refused.
    pub(super) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Whether there is too little space for sled's file to grow by half. Dead space in it must then be freed soon.
    pub(super) fn is_tight(&self) -> bool {
        self.spare.load(Ordering::Relaxed) < self.log_bytes.load(Ordering::Relaxed) / 2
    }

    /// Whether others have filled the disk so much that a write-back might find no room, which would end the server.
    /// Until there is space again, deletions go into the redo log only, as far as its file reaches.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed)
    }

    /// How much may wait to be written back, at most `most`.
    pub(super) fn limits(&self, most: Limits) -> Limits {
        if self.is_exhausted() {
            return most;
        }
        let share = self.spare.load(Ordering::Relaxed) / SHARES;
        most.at_most(share)
    }

    fn judge(&self) {
        let there = self.disk_free.load(Ordering::Relaxed).saturating_add(self.inside.load(Ordering::Relaxed));
        self.is_exhausted.store(there < EXHAUSTED_BYTES, Ordering::Relaxed);
        if self.min_free_bytes == 0 {
            return;
        }
        let log_bytes = self.log_bytes.load(Ordering::Relaxed);
        let working = (WORKING_BYTES + log_bytes / WORKING_SHARE).min(MAX_WORKING_BYTES);
        let needed = self.min_free_bytes.saturating_add(working);
        // It takes more space to leave the low state than to enter it, so that the state doesn't flutter.
        let more = if self.is_low() { (self.min_free_bytes / 10).max(WORKING_BYTES / 4) } else { 0 };
        self.is_low.store(there < needed.saturating_add(more), Ordering::Relaxed);
        self.spare.store(there.saturating_sub(needed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn space(min_free: u64, disk_free: u64, inside: u64) -> Space {
        let folder = std::env::temp_dir();
        let space = Space::new(&folder, min_free);
        space.disk_free.store(disk_free, Ordering::Relaxed);
        space.is_low.store(false, Ordering::Relaxed);
        space.note_log(inside, inside);
        space.judge();
        space
    }

    #[test]
    fn space_inside_the_file_counts_as_free() {
        assert!(!space(16 * MIB, 29 * MIB, 0).is_low());
        assert!(space(16 * MIB, 20 * MIB, 0).is_low());
        assert!(!space(16 * MIB, 10 * MIB, 100 * MIB).is_low());
        assert!(!space(0, 0, 0).is_low(), "0 never refuses");
    }

    #[test]
    fn the_less_space_the_less_may_wait_to_be_written_back() {
        let most = Limits::of(256 * MIB);
        let memtable = |disk_free| space(16 * MIB, disk_free * MIB, 0).limits(most).memtable as u64;
        assert_eq!(memtable(10_000), 16 * MIB);
        assert!((4 * MIB..5 * MIB).contains(&memtable(124)), "{}", memtable(124));
        assert_eq!(memtable(20), 128 << 10);
    }
}
