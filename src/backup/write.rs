//! Writes a backup: added items come out as the bytes of the file, chunk by chunk.

use super::entry::{Counts, End, Entry, Kind};
use super::{CHUNK_BYTES, CHUNK_HEADER_BYTES, Cut, ID_BYTES, MAGIC, Opening, Saved};
use crate::encryption::{KeyRing, OVERHEAD_BYTES, Place};
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
    /// `None` if the backup is not encrypted.
    encryption: Option<Encryption>,
}

/// How chunks are encrypted.
#[derive(Debug)]
struct Encryption {
    keys: KeyRing,
    id: [u8; ID_BYTES],
    /// The number of the next chunk.
    chunk: u64,
}

impl Encryption {
    fn new(keys: KeyRing) -> Self {
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id).expect("the operating system provides randomness");
        Self { keys, id, chunk: 0 }
    }

    fn encrypt(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut encrypted = Vec::with_capacity(payload.len() + OVERHEAD_BYTES);
        let place = Place::chunk(&self.id, self.chunk);
        self.chunk += 1;
        self.keys.encrypt_into(&place, &mut encrypted, |encrypted| encrypted.extend_from_slice(payload));
        encrypted
    }
}

impl BackupWriter {
    /// Begins a backup, which is encrypted if there is a key that encrypts. `opening` names the [format
    /// version](super::format_version).
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing secure can be done then.
    #[must_use]
    pub fn new(opening: &Opening, keys: Option<&KeyRing>) -> Self {
        let key = keys.and_then(KeyRing::writes_under);
        let mut writer = Self {
            messages: BytesMut::new(),
            finished: BytesMut::new(),
            hash: Sha256::new(),
            counts: Counts::default(),
            written: 0,
            encryption: keys.filter(|_| key.is_some()).cloned().map(Encryption::new),
        };
        writer.put(&[&MAGIC[..], &opening.format_version.to_be_bytes()].concat());
        if let (Some(key), Some(encryption)) = (key, &writer.encryption) {
            let head = [&key.to_bytes()[..], &encryption.id].concat();
            writer.put(&head);
        }
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
        let mut payload = lz4_flex::block::compress(&self.messages);
        if let Some(encryption) = &mut self.encryption {
            payload = encryption.encrypt(&payload);
        }
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
