//! The sync watermark: how far the redo log and sled's log were synced when a change was last acknowledged.
//!
//! Without it, damage near the end of a log looks like a write that a crash cut short, and acknowledged changes there
//! would be lost silently. It is written in place after each sync, and mostly not synced itself. It survives the end of
//! the process; after a power cut it is merely older.

use super::access::PRIVATE_FILE;
use super::redo::Position;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "acknowledged";

/// The first byte of each copy, which is its format, and how many numbers follow it.
const FORMAT: u8 = 2;
/// The same in a folder with encrypted data. Servers that know no encryption don't know this format either, and refuse
/// the folder.
const ENCRYPTED_FORMAT: u8 = 3;
/// The same in a folder that may hold sealed sessions. Servers that know none would serve them without their attributes.
const SEALED_FORMAT: u8 = 4;
/// The same in a folder with both.
const SEALED_ENCRYPTED_FORMAT: u8 = 5;
const NUMBERS: usize = 5;
/// The same in versions without a redo log.
const OLD_FORMAT: u8 = 1;
const OLD_NUMBERS: usize = 3;

/// The bytes of the format, the numbers and a checksum.
const COPY_BYTES: usize = 1 + NUMBERS * 8 + 4;

/// The offset of the second copy. It is in another sector of the disk, so that damage to one copy does no harm, and
/// close enough that one write takes both.
const SECOND_COPY: usize = 512;
/// The same in the old format.
const OLD_SECOND_COPY: usize = 4_096;

/// What was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SyncWatermark {
    /// How far the redo log was synced.
    pub(super) redo: Position,
    /// The newest event's sequence number.
    pub(super) last_event: u64,
    /// Bytes of sled's log that were synced.
    pub(super) log_end: u64,
    /// The length of that log's file.
    pub(super) file_bytes: u64,
    /// Whether data may be encrypted.
    pub(super) is_encrypted: bool,
    /// Whether there may be sealed sessions.
    pub(super) is_sealed: bool,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredWatermark {
    /// There is none: the folder is new, or an older version wrote it that had no sync watermark.
    Missing,
    Damaged,
    Whole(SyncWatermark),
}

impl StoredWatermark {
    /// The watermark, if it is known.
    pub(super) fn known(self) -> Option<SyncWatermark> {
        match self {
            Self::Whole(watermark) => Some(watermark),
            Self::Missing | Self::Damaged => None,
        }
    }
}

impl SyncWatermark {
    fn encode(self) -> [u8; COPY_BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[0] = match (self.is_sealed, self.is_encrypted) {
            (false, false) => FORMAT,
            (false, true) => ENCRYPTED_FORMAT,
            (true, false) => SEALED_FORMAT,
            (true, true) => SEALED_ENCRYPTED_FORMAT,
        };
        let numbers = [self.log_end, self.last_event, self.file_bytes, self.redo.generation, self.redo.bytes];
        for (place, number) in copy[1..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let (content, sum) = copy.split_at_mut(COPY_BYTES - 4);
        sum.copy_from_slice(&crc32fast::hash(content).to_be_bytes());
        copy
    }

    /// Reads a copy at the start of these bytes.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let format = *bytes.first()?;
        let count = match format {
            FORMAT | ENCRYPTED_FORMAT | SEALED_FORMAT | SEALED_ENCRYPTED_FORMAT => NUMBERS,
            OLD_FORMAT => OLD_NUMBERS,
            _ => return None,
        };
        let (content, sum) = bytes.get(..1 + count * 8 + 4)?.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_be_bytes(*sum) {
            return None;
        }
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(content[1..].chunks_exact(8)) {
            *number = bytes.try_into().map(u64::from_be_bytes).ok()?;
        }
        let [log_end, last_event, file_bytes, generation, bytes] = numbers;
        let is_encrypted = matches!(format, ENCRYPTED_FORMAT | SEALED_ENCRYPTED_FORMAT);
        let is_sealed = matches!(format, SEALED_FORMAT | SEALED_ENCRYPTED_FORMAT);
        Some(Self { redo: Position { generation, bytes }, last_event, log_end, file_bytes, is_encrypted, is_sealed })
    }
}

/// Reads the watermark beside sled's files.
pub(super) fn read(folder: &Path) -> io::Result<StoredWatermark> {
    let file = match fs::read(folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoredWatermark::Missing),
        Err(error) => return Err(error),
    };
    let copies = [0, SECOND_COPY, OLD_SECOND_COPY];
    let newest = copies.into_iter().filter_map(|at| SyncWatermark::decode(file.get(at..)?)).max();
    Ok(newest.map_or(StoredWatermark::Damaged, StoredWatermark::Whole))
}

/// The watermark's file. The two threads that sync share it.
#[derive(Debug)]
pub(super) struct WatermarkFile {
    folder: PathBuf,
    file: File,
    watermark: Mutex<SyncWatermark>,
}

impl WatermarkFile {
    /// Creates the file, or replaces it. The file is whole at every moment.
    pub(super) fn create(folder: &Path, watermark: SyncWatermark) -> io::Result<Self> {
        let new = folder.join("acknowledged.new");
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(PRIVATE_FILE).open(&new)?;
        let this = Self { folder: folder.into(), file, watermark: Mutex::new(watermark) };
        this.update(|_| {})?;
        this.sync()?;
        fs::rename(new, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(this)
    }

    /// The folder in which it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes the watermark.
    pub(super) fn update(&self, change: impl FnOnce(&mut SyncWatermark)) -> io::Result<()> {
        let mut watermark = self.watermark.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut watermark);
        let copy = watermark.encode();
        let mut both = [0; SECOND_COPY + COPY_BYTES];
        both[..COPY_BYTES].copy_from_slice(&copy);
        both[SECOND_COPY..].copy_from_slice(&copy);
        self.file.write_all_at(&both, 0)
    }

    /// Syncs the file, for the cases where the watermark must not be older after a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATERMARK: SyncWatermark = SyncWatermark {
        redo: Position { generation: 5, bytes: 6 },
        last_event: 8,
        log_end: 7,
        file_bytes: 9,
        is_encrypted: false,
        is_sealed: false,
    };

    #[test]
    fn a_mark_survives_one_damaged_byte_and_notices_more() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(read(temp.path()).unwrap(), StoredWatermark::Missing);
        WatermarkFile::create(temp.path(), SyncWatermark::default())
            .unwrap()
            .update(|watermark| *watermark = WATERMARK)
            .unwrap();
        let path = temp.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..COPY_BYTES).chain(SECOND_COPY..whole.len()) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(read(temp.path()).unwrap(), StoredWatermark::Whole(WATERMARK), "byte {at}");
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(temp.path()).unwrap(), StoredWatermark::Damaged);
    }

    #[test]
    fn a_mark_says_that_there_is_encrypted_data_and_that_there_are_sealed_sessions() {
        let temp = tempfile::tempdir().unwrap();
        for (is_encrypted, is_sealed, format) in [(true, false, 3), (false, true, 4), (true, true, 5)] {
            let watermark = SyncWatermark { is_encrypted, is_sealed, ..WATERMARK };
            WatermarkFile::create(temp.path(), watermark).unwrap();
            assert_eq!(read(temp.path()).unwrap(), StoredWatermark::Whole(watermark));
            let first = std::fs::read(temp.path().join(FILE)).unwrap()[0];
            assert_eq!(first, format, "servers that are older than either know no such format");
        }
    }

    #[test]
    fn a_mark_of_the_old_format_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let mut copy = vec![OLD_FORMAT];
        copy.extend([7_u64, 8, 9].iter().flat_map(|number| number.to_be_bytes()));
        copy.extend(crc32fast::hash(&copy).to_be_bytes());
        let mut file = copy.clone();
        file.resize(OLD_SECOND_COPY, 0);
        file.extend(&copy);
        let watermark = StoredWatermark::Whole(SyncWatermark { redo: Position::default(), ..WATERMARK });
        std::fs::write(temp.path().join(FILE), &file).unwrap();
        assert_eq!(read(temp.path()).unwrap(), watermark);
        file[3] ^= 1;
        std::fs::write(temp.path().join(FILE), &file).unwrap();
        assert_eq!(read(temp.path()).unwrap(), watermark);
    }
}
