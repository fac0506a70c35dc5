//! Writes a backup: added items come out as the bytes of the file, chunk by chunk.

use super::entry::{Counts, End, Entry, Kind};
use super::{CHUNK_BYTES, CHUNK_HEADER_BYTES, Cut, FORMAT_VERSION, MAGIC, Opening, Saved};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use sha2::{Digest, Sha256};

/// Makes the bytes of a backup. It keeps one unfinished chunk, and finished bytes that were not taken yet, in memory.
#[derive(Debug)]
pub struct BackupWriter {
    /// The messages of the unfinished chunk.
    messages: BytesMut,
    /// Finished bytes.
    finished: BytesMut,
    /// The hash of all finished bytes.
    hash: Sha256,
    counts: Counts,
    written: u64,
}

impl BackupWriter {
    /// Begins a backup.
    #[must_use]
    pub fn new(opening: &Opening) -> Self {
        let mut writer = Self {
            messages: BytesMut::new(),
            finished: BytesMut::new(),
            hash: Sha256::new(),
            counts: Counts::default(),
            written: 0,
        };
        writer.put(&[&MAGIC[..], &FORMAT_VERSION.to_be_bytes()].concat());
        writer.add_entry(Kind::Header(opening.into()));
        writer
    }

    /// Adds an item to the backup.
    pub fn add(&mut self, saved: Saved) {
        self.counts.count(&saved);
        self.add_entry(saved.into());
    }

    /// The bytes that were finished since the last call. There may be none.
    #[must_use]
    pub fn take(&mut self) -> Bytes {
        self.finished.split().freeze()
    }

    /// The number of session messages so far.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.counts.sessions
    }

    /// Ends the backup. Returns the number of all its bytes. The last bytes must still be taken.
    pub fn finish(&mut self, cut: &Cut) -> u64 {
        self.close_chunk();
        let sha256 = Bytes::copy_from_slice(&self.hash.clone().finalize());
        self.add_entry(Kind::End(End::new(cut, self.counts, sha256)));
        self.close_chunk();
        self.written
    }

    fn add_entry(&mut self, kind: Kind) {
        let entry = Entry { kind: Some(kind) };
        entry.encode_length_delimited(&mut self.messages).expect("the buffer grows as needed");
        if self.messages.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
    }

    fn close_chunk(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let payload = lz4_flex::block::compress(&self.messages);
        let length = |length: usize| u32::try_from(length).expect("a session is far below 4 GiB").to_be_bytes();
        let mut chunk = BytesMut::with_capacity(CHUNK_HEADER_BYTES + payload.len());
        let lengths = [length(payload.len()), length(self.messages.len())].concat();
        chunk.put_slice(&lengths);
        chunk.put_u32(checksum(&lengths, &payload));
        chunk.put_slice(&payload);
        self.messages.clear();
        self.put(&chunk);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        self.finished.put_slice(bytes);
    }
}

/// The checksum of a chunk.
pub(super) fn checksum(lengths: &[u8], payload: &[u8]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(lengths);
    checksum.update(payload);
    checksum.finalize()
}
