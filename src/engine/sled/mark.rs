//! The mark: how far sled's log was synced when a change was last acknowledged.
//!
//! Without it, damage near the end of the log looks like a write that a crash cut short, and what was acknowledged there
//! would be lost without a word. It is written in place after each sync and not synced itself: it survives the end of the
//! process, and after a power cut it is merely older.

use ::sled::Db;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const FILE: &str = "acknowledged";

/// The first byte of each copy, which tells its format.
const FORMAT: u8 = 1;

/// Format, three numbers and a checksum.
const COPY_BYTES: usize = 1 + 3 * 8 + 4;

/// Where the copies stand: two, in different sectors of the disk, so that damage of one does no harm.
const COPIES: [u64; 2] = [0, 4_096];

/// What was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// Bytes of the log that were synced.
    pub(super) log_end: u64,
    /// The newest event's sequence number.
    pub(super) last_event: u64,
    /// The length of the log's file.
    pub(super) file_bytes: u64,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none: the folder is new, or of a time before there were marks.
    Missing,
    Damaged,
    Whole(Mark),
}

/// The file.
#[derive(Debug)]
pub(super) struct MarkFile(File);

impl Mark {
    /// How far this database has written its log: what a sync that begins after this makes durable.
    pub(super) fn of(db: &Db, last_event: u64, log: &File) -> io::Result<Self> {
        let last_byte = db.context.pagecache.log.stable_offset();
        let log_end = u64::try_from(last_byte.saturating_add(1)).unwrap_or(0);
        Ok(Self { log_end, last_event, file_bytes: log.metadata()?.len() })
    }

    fn encode(self) -> [u8; COPY_BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[0] = FORMAT;
        for (place, number) in copy[1..].chunks_exact_mut(8).zip([self.log_end, self.last_event, self.file_bytes]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let (content, sum) = copy.split_at_mut(COPY_BYTES - 4);
        sum.copy_from_slice(&crc32fast::hash(content).to_be_bytes());
        copy
    }

    fn decode(copy: &[u8]) -> Option<Self> {
        let (content, sum) = copy.split_last_chunk::<4>()?;
        if content.first() != Some(&FORMAT) || crc32fast::hash(content) != u32::from_be_bytes(*sum) {
            return None;
        }
        let mut numbers = content[1..].chunks_exact(8).map(|number| number.try_into().map(u64::from_be_bytes));
        let mut number = || numbers.next()?.ok();
        Some(Self { log_end: number()?, last_event: number()?, file_bytes: number()? })
    }
}

/// Reads the mark beside sled's files.
pub(super) fn read(folder: &Path) -> io::Result<Found> {
    let file = match fs::read(folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let copy = |at| file.get(usize::try_from(at).ok()?..)?.get(..COPY_BYTES).and_then(Mark::decode);
    let newest = COPIES.into_iter().filter_map(copy).max();
    Ok(newest.map_or(Found::Damaged, Found::Whole))
}

impl MarkFile {
    /// Makes the file, in place of one that may be there, whole at every moment.
    pub(super) fn create(folder: &Path, mark: Mark) -> io::Result<Self> {
        let new = folder.join("acknowledged.new");
        let this = Self(OpenOptions::new().create(true).truncate(true).write(true).open(&new)?);
        this.write(mark)?;
        this.0.sync_all()?;
        fs::rename(new, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(this)
    }

    /// Replaces the mark.
    pub(super) fn write(&self, mark: Mark) -> io::Result<()> {
        let copy = mark.encode();
        COPIES.into_iter().try_for_each(|at| self.0.write_all_at(&copy, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_one_damaged_byte_and_notices_more() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(read(temp.path()).unwrap(), Found::Missing);
        let mark = Mark { log_end: 7, last_event: 8, file_bytes: 9 };
        MarkFile::create(temp.path(), Mark::default()).unwrap().write(mark).unwrap();
        let path = temp.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..COPY_BYTES).chain(4_096..whole.len()) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(read(temp.path()).unwrap(), Found::Whole(mark), "byte {at}");
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(temp.path()).unwrap(), Found::Damaged);
    }
}
