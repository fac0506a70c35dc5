//! Reads a backup, and notices all damage to it.

use super::entry::{Counts, End, Entry, Kind, to_handle};
use super::write::checksum;
use super::{
    CHUNK_HEADER_BYTES, COMPRESSION, Cut, ENCRYPTED_VERSION, FORMAT_VERSION, ID_BYTES, MAGIC, MAX_CHUNK_BYTES, Opening,
    SEALED_ENCRYPTED_VERSION, Saved,
};
use crate::encryption::{KeyNumber, KeyRing, Place};
use crate::engine::MAX_LZ4_RATIO;
use bytes::{Buf, Bytes};
use prost::Message;
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read};

/// Why a backup can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not begin like a backup.
    #[error("this is not a backup of sessiond")]
    NotABackup,
    /// A newer server has written it.
    #[error(
        "the backup has format version {0} and this server reads up to {FORMAT_VERSION}; restore it with a newer sessiond"
    )]
    TooNew(u32),
    /// This server does not know its compression.
    #[error("the backup is compressed with {0:?}, which this server does not know; restore it with a newer sessiond")]
    Compression(String),
    /// It is encrypted, and there are no keys.
    #[error("the backup is encrypted under the key {0}; name a file with that key with encryption-keys")]
    NoKeys(KeyNumber),
    /// It is encrypted under another key.
    #[error(
        "the backup is encrypted under the key {0}, which the file of encryption-keys lacks; add it there behind the first key"
    )]
    KeyMissing(KeyNumber),
    /// It ends too early.
    #[error("the backup is cut off: its end is missing")]
    CutOff,
    /// It is damaged.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// The source can't be read.
    #[error("the backup can't be read: {0}")]
    Read(io::Error),
}

/// What is known about a backup that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The start of the backup.
    pub opening: Opening,
    /// The moment whose state it is.
    pub cut: Cut,
    /// Its size in bytes.
    pub bytes: u64,
}

/// One item of a backup, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// One more item.
    Saved(Saved),
    /// The end: the backup is complete and undamaged.
    Finished(Finished),
}

/// Reads the items of a backup, one after the other, with one chunk in memory. Nothing may be trusted before
/// [`Next::Finished`].
#[derive(Debug)]
pub struct BackupReader<R> {
    source: R,
    opening: Opening,
    /// The rest of the chunk.
    messages: Bytes,
    hash: Sha256,
    /// The hash of all bytes before the chunk.
    hash_before: Sha256,
    /// Whether the last message was not the first of its chunk.
    mid_chunk: bool,
    counts: Counts,
    bytes: u64,
    /// `None` if it is not encrypted.
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

impl<R: Read> BackupReader<R> {
    /// Reads the start of a backup. One that is encrypted needs its key.
    pub fn open(source: R, keys: Option<&KeyRing>) -> Result<Self, ReadError> {
        let mut reader = Self {
            source,
            opening: Opening::default(),
            messages: Bytes::new(),
            hash: Sha256::new(),
            hash_before: Sha256::new(),
            mid_chunk: false,
            counts: Counts::default(),
            bytes: 0,
            encryption: None,
        };
        let magic = reader.take(MAGIC.len()).map_err(|error| match error {
            ReadError::CutOff => ReadError::NotABackup,
            error => error,
        })?;
        if magic != MAGIC {
            return Err(ReadError::NotABackup);
        }
        let version = reader.take(size_of::<u32>())?.as_slice().get_u32();
        if version > FORMAT_VERSION {
            return Err(ReadError::TooNew(version));
        }
        if matches!(version, ENCRYPTED_VERSION | SEALED_ENCRYPTED_VERSION) {
            reader.encryption = Some(reader.read_encryption(keys)?);
        }
        let Some(Kind::Header(header)) = reader.next_kind()? else {
            return Err(ReadError::Damaged("there is no header"));
        };
        if header.format_version != version {
            return Err(ReadError::Damaged("the format version does not match that of the header"));
        }
        if header.compression != COMPRESSION {
            return Err(ReadError::Compression(header.compression));
        }
        reader.opening = header.into();
        Ok(reader)
    }

    /// Reads under which key the backup is encrypted.
    fn read_encryption(&mut self, keys: Option<&KeyRing>) -> Result<Encryption, ReadError> {
        let head = self.take(KeyNumber::BYTES + ID_BYTES)?;
        let (number, id) = head.split_at(KeyNumber::BYTES);
        let too_short = ReadError::Damaged("its start is too short");
        let (Some(number), Ok(id)) = (KeyNumber::of_ciphertext(number), id.try_into()) else { return Err(too_short) };
        match keys {
            None => Err(ReadError::NoKeys(number)),
            Some(keys) if keys.has(number) => Ok(Encryption { keys: keys.clone(), id, chunk: 0 }),
            Some(_) => Err(ReadError::KeyMissing(number)),
        }
    }

    /// What the backup says about itself at its start.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The next item of the backup. It must not be called after [`Next::Finished`].
    pub fn read_next(&mut self) -> Result<Next, ReadError> {
        let saved = match self.next_kind()? {
            Some(Kind::Session(session)) => Saved::try_from(session)?,
            Some(Kind::Removed(handle)) => Saved::Removed(to_handle(&handle)?),
            Some(Kind::Event(event)) => Saved::try_from(event)?,
            Some(Kind::End(end)) => return self.finish(&end).map(Next::Finished),
            Some(Kind::Header(_)) => return Err(ReadError::Damaged("there is a second header")),
            None => return Err(ReadError::Damaged("it holds something of an unknown kind")),
        };
        self.counts.count(&saved);
        Ok(Next::Saved(saved))
    }

    fn finish(&mut self, end: &End) -> Result<Finished, ReadError> {
        if self.mid_chunk || self.messages.has_remaining() {
            return Err(ReadError::Damaged("the end is not alone in its chunk"));
        }
        if end.counts.unwrap_or_default() != self.counts {
            return Err(ReadError::Damaged("something is missing"));
        }
        if self.hash_before.clone().finalize()[..] != end.sha256[..] {
            return Err(ReadError::Damaged("its SHA-256 does not match"));
        }
        let mut more = Vec::new();
        if (&mut self.source).take(1).read_to_end(&mut more).map_err(ReadError::Read)? > 0 {
            return Err(ReadError::Damaged("something follows its end"));
        }
        Ok(Finished { opening: self.opening.clone(), cut: end.cut()?, bytes: self.bytes })
    }

    /// The next message; `None` if its kind is unknown.
    fn next_kind(&mut self) -> Result<Option<Kind>, ReadError> {
        let first = !self.messages.has_remaining();
        if first {
            self.messages = self.next_chunk()?;
        }
        self.mid_chunk = !first;
        let entry = Entry::decode_length_delimited(&mut self.messages);
        Ok(entry.map_err(|_| ReadError::Damaged("a message can't be decoded"))?.kind)
    }

    fn next_chunk(&mut self) -> Result<Bytes, ReadError> {
        self.hash_before = self.hash.clone();
        let header = self.take(CHUNK_HEADER_BYTES)?;
        let (lengths, mut rest) = header.split_at(2 * size_of::<u32>());
        let number = |at: usize| lengths[at..].iter().take(4).fold(0, |number, byte| number << 8 | usize::from(*byte));
        let (length, raw_length) = (number(0), number(4));
        // A header that claims more than that is wrong.
        if length > MAX_CHUNK_BYTES || raw_length > MAX_CHUNK_BYTES || raw_length / MAX_LZ4_RATIO > length {
            return Err(ReadError::Damaged("a chunk is too long"));
        }
        let mut payload = self.take(length)?;
        if checksum(lengths, &payload) != rest.get_u32() {
            return Err(ReadError::Damaged("a checksum does not match"));
        }
        if let Some(Encryption { keys, id, chunk }) = &mut self.encryption {
            let decrypted = keys.decrypt(&Place::chunk(id, *chunk), &payload);
            payload = decrypted.ok_or(ReadError::Damaged("a chunk can't be decrypted"))?;
            *chunk += 1;
        }
        let messages = lz4_flex::block::decompress(&payload, raw_length);
        let messages = messages.map_err(|_| ReadError::Damaged("a chunk can't be decompressed"))?;
        if messages.is_empty() || messages.len() != raw_length {
            return Err(ReadError::Damaged("a chunk has the wrong length"));
        }
        Ok(messages.into())
    }

    /// The next `length` bytes.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        // The buffer grows with what is really there, whatever length the file claims.
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(length as u64).read_to_end(&mut bytes);
        match read {
            Ok(read) if read == length => {}
            Ok(_) => return Err(ReadError::CutOff),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(ReadError::CutOff),
            Err(error) => return Err(ReadError::Read(error)),
        }
        self.hash.update(&bytes);
        self.bytes += length as u64;
        Ok(bytes)
    }
}
