//! Writing the redo log.

use super::{Position, entry, path_of};
use crate::engine::durable::access::PRIVATE_FILE;
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::memtable::Row;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// By how much a file grows at a time, in bytes. The growth is filled with zeros, because overwritten bytes are synced
/// faster than appended ones.
pub(in super::super) const GROWTH: u64 = 1 << 20;

/// A buffer larger than this is freed after use, in bytes.
const KEPT_BUFFER: usize = 4 << 20;

/// Collects entries to be written.
#[derive(Debug)]
pub(in super::super) struct RedoWriter {
    /// Entries that are not written yet.
    buffer: Vec<u8>,
    /// The position of the first of them.
    written: Position,
    file: Arc<RedoFile>,
    cipher: Cipher,
}

/// Entries to be written, and their position.
#[derive(Debug)]
pub(in super::super) struct Write {
    buffer: Vec<u8>,
    at: u64,
    file: Arc<RedoFile>,
    /// The position behind these entries.
    pub(in super::super) end: Position,
}

/// The file of a generation.
#[derive(Debug)]
pub(in super::super) struct RedoFile {
    file: File,
    length: AtomicU64,
}

impl RedoWriter {
    /// Begins a generation in this file.
    pub(in super::super) fn begin(generation: u64, file: RedoFile, cipher: Cipher) -> Self {
        let written = Position { generation, bytes: 0 };
        Self { buffer: Vec::new(), written, file: Arc::new(file), cipher }
    }

    /// Goes on in the file of this generation. What was appended must be handed out already.
    pub(in super::super) fn go_on(&mut self, generation: u64, file: RedoFile) {
        *self = Self::begin(generation, file, self.cipher.clone());
    }

    /// Appends the entry of a transaction. It is written later.
    pub(in super::super) fn append(&mut self, rows: &[Row]) {
        let at = self.end();
        entry::append(&mut self.buffer, at, rows, &self.cipher);
    }

    /// Ends the generation.
    pub(in super::super) fn seal(&mut self) {
        self.append(&[]);
    }

    /// Bytes that are not yet handed out to be written.
    pub(in super::super) fn waiting_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// How many bytes can be appended before the file has to grow.
    pub(in super::super) fn left_in_file(&self) -> u64 {
        self.file.length.load(Ordering::Relaxed).saturating_sub(self.end().bytes)
    }

    /// Whether the file is longer than a new one.
    pub(in super::super) fn has_grown(&self) -> bool {
        self.file.length.load(Ordering::Relaxed) > GROWTH
    }

    /// The position where the next entry begins.
    pub(in super::super) fn end(&self) -> Position {
        Position { bytes: self.written.bytes + self.buffer.len() as u64, ..self.written }
    }

    /// Hands out the entries to be written. `buffer` must be empty; it collects the next ones.
    pub(in super::super) fn take(&mut self, buffer: Vec<u8>) -> Write {
        let (at, end) = (self.written.bytes, self.end());
        self.written = end;
        Write { buffer: std::mem::replace(&mut self.buffer, buffer), at, file: Arc::clone(&self.file), end }
    }
}

impl Write {
    /// Writes the entries, and syncs them if `sync` says so. Returns the emptied buffer.
    pub(in super::super) fn carry_out(mut self, sync: bool) -> io::Result<Vec<u8>> {
        let RedoFile { file, length } = &*self.file;
        if self.end.bytes > length.load(Ordering::Relaxed) {
            let grown = (self.end.bytes / GROWTH + 1) * GROWTH;
            let zeros = usize::try_from(grown - self.end.bytes).unwrap_or(0);
            self.buffer.resize(self.buffer.len() + zeros, 0);
            length.store(grown, Ordering::Relaxed);
        }
        if !self.buffer.is_empty() {
            file.write_all_at(&self.buffer, self.at)?;
        }
        if sync {
            file.sync_data()?;
        }
        if self.buffer.capacity() > KEPT_BUFFER {
            return Ok(Vec::new());
        }
        self.buffer.clear();
        Ok(self.buffer)
    }
}

impl RedoFile {
    /// The file for a generation: that of a `retired` generation, if one is given, or a new one. With `reclaims` it is
    /// made as short as a new one.
    pub(in super::super) fn make(
        folder: &Path,
        generation: u64,
        retired: Option<u64>,
        reclaims: bool,
    ) -> io::Result<Self> {
        let path = path_of(folder, generation);
        if let Some(retired) = retired {
            fs::rename(path_of(folder, retired), &path)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(PRIVATE_FILE).open(path)?;
        if reclaims && file.metadata()?.len() > GROWTH {
            // Nothing that is cut off is needed. If a power cut brings it back, it is of an older generation.
            file.set_len(GROWTH)?;
        }
        let mut length = file.metadata()?.len();
        if length < GROWTH {
            // This space is allocated at once, so that it is there even if others fill the disk.
            let zeros = vec![0; usize::try_from(GROWTH - length).unwrap_or(0)];
            file.write_all_at(&zeros, length)?;
            length = GROWTH;
        }
        File::open(folder)?.sync_all()?;
        Ok(Self { file, length: length.into() })
    }
}
