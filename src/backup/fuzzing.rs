//! Tries backups: what the reader makes of them, and what a restore does.

use super::{BackupReader, BackupWriter, Finished, ID_BYTES, MAGIC, Next, ReadError, Saved, format_version, restore};
use crate::encryption::{KeyRing, Place};
use crate::engine::fuzzing::record_row;
use crate::engine::{DataFolder, DurableEngine, DurableOptions, Engine, verify};
use crate::fuzzing::{Input, check_line, scratch};
use prost::encoding::encode_varint;
use sha2::{Digest, Sha256};
use std::fs;
use tokio::runtime;

/// The ID of backups that are encrypted here.
const ID: [u8; ID_BYTES] = [7; ID_BYTES];

/// Memory for the engines that are built.
const CACHE_BYTES: u64 = 1 << 20;

/// A backup that can be read is the same once it was written again.
pub(crate) fn backup(input: &[u8]) {
    let bytes = bytes_of(input);
    let (items, finished) = match read(&bytes) {
        Ok(read) => read,
        Err(error) => return check_line(&error.to_string()),
    };
    assert_eq!(finished.bytes, bytes.len() as u64);
    let (version, sealed) = (finished.opening.format_version, finished.opening.may_hold_sealed());
    let keys = Some(keys()).filter(|keys| version == format_version(Some(keys), sealed));
    let mut writer = BackupWriter::new(&finished.opening, keys.as_ref());
    for item in &items {
        writer.add(item.clone());
    }
    let length = writer.finish(&finished.cut);
    let (again, finished_again) = read(&writer.take()).expect("a backup that was just written");
    assert_eq!(again, items);
    assert_eq!(finished_again, Finished { bytes: length, ..finished });
}

/// A backup that is restored makes a folder that is whole and can be opened; any other leaves nothing behind.
pub(crate) fn restored(input: &[u8]) {
    let bytes = bytes_of(input);
    let path = scratch().join("restored");
    fs::remove_dir_all(&path).ok();
    let folder = DataFolder::claim_empty(&path).expect("an empty folder");
    let options = DurableOptions { keys: Some(keys()), ..DurableOptions::unsynced(CACHE_BYTES) };
    let built = match restore(&bytes[..], &folder, &options) {
        Ok(built) => built,
        Err(error) => {
            check_line(&error.to_string());
            let left = fs::read_dir(&path).expect("the folder").map(|file| file.expect("a file").file_name());
            return assert_eq!(left.filter(|name| name != "lock").count(), 0, "something was left behind");
        }
    };
    let restored = built.install().expect("what was built can be put in place");
    drop(folder);
    let verified = verify(&path, options.keys.as_ref()).expect("a restored folder can be read");
    assert!(verified.is_clean(), "{verified:?}");
    assert_eq!((verified.sessions, verified.events), (restored.sessions, restored.events));
    let folder = DataFolder::claim(&path).expect("the folder");
    let engine = DurableEngine::open(folder, &options).expect("a restored folder can be opened");
    let statistics = engine.statistics();
    assert_eq!(statistics.sessions.values().sum::<u64>(), restored.sessions);
    assert_eq!(statistics.events, restored.events);
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(engine.close()).expect("the engine closes");
}

/// Keys that anybody may know.
fn keys() -> KeyRing {
    KeyRing::parse(&"0123456789abcdef".repeat(4)).expect("a key")
}

fn read(bytes: &[u8]) -> Result<(Vec<Saved>, Finished), ReadError> {
    let mut reader = BackupReader::open(bytes, Some(&keys()))?;
    let mut items = Vec::new();
    loop {
        match reader.read_next()? {
            Next::Saved(saved) => items.push(saved),
            Next::Finished(finished) => return Ok((items, finished)),
        }
    }
}

/// If the first byte is even, the others are a backup. Otherwise they say what stands in one, and all lengths and checksums are
/// made here. With the second bit it is encrypted, too, and with the third
/// there may be sealed sessions.
fn bytes_of(input: &[u8]) -> Vec<u8> {
    let mut rest = Input(input);
    if rest.byte() % 2 == 0 {
        return rest.0.to_vec();
    }
    let keys = Some(keys()).filter(|_| input[0] & 2 != 0);
    let version = format_version(keys.as_ref(), input[0] & 4 != 0);
    let mut forge = Forge { bytes: [&MAGIC[..], &version.to_be_bytes()].concat(), ..Forge::default() };
    if let Some(number) = keys.as_ref().and_then(KeyRing::writes_under) {
        forge.bytes.extend([&number.to_bytes()[..], &ID].concat());
    }
    forge.keys = keys;
    let header = [number(1, version.into()), field(4, b"lz4")].concat();
    forge.add(&field(1, &header));
    while !rest.is_empty() {
        forge.step(&mut rest);
    }
    forge.end(&[]);
    forge.bytes
}

/// A backup that is being made up.
#[derive(Default)]
struct Forge {
    bytes: Vec<u8>,
    messages: Vec<u8>,
    counts: [u64; 3],
    keys: Option<KeyRing>,
    chunks: u64,
}

impl Forge {
    fn step(&mut self, rest: &mut Input<'_>) {
        let kind = rest.byte();
        match kind % 7 {
            0 => {
                // The upper half of the numbers stands for records that are sealed.
                let (row, lookups) = (record_row(rest.piece(), kind > 127), rest.piece());
                let lookups: Vec<u8> = lookups.chunks(32).flat_map(|hash| field(2, hash)).collect();
                self.add(&field(2, &[field(1, &row), lookups].concat()));
                self.counts[0] += 1;
            }
            1 => {
                self.add(&field(3, rest.take(16)));
                self.counts[1] += 1;
            }
            2 => {
                let (sequence, row) = (rest.number(), record_row(rest.piece(), false));
                self.add(&field(4, &[number(1, sequence), field(2, &row)].concat()));
                self.counts[2] += 1;
            }
            3 => self.add(rest.piece()),
            4 => self.close(),
            5 => {
                let (raw_length, payload) = (rest.number(), rest.piece());
                self.close();
                self.chunk(u32::try_from(raw_length).unwrap_or(u32::MAX), payload);
            }
            // The other fields of the end, which comes here.
            _ => self.end(rest.piece()),
        }
    }

    fn add(&mut self, entry: &[u8]) {
        encode_varint(entry.len() as u64, &mut self.messages);
        self.messages.extend(entry);
    }

    fn close(&mut self) {
        if !self.messages.is_empty() {
            let messages = std::mem::take(&mut self.messages);
            let length = u32::try_from(messages.len()).expect("a short chunk");
            self.chunk(length, &lz4_flex::block::compress(&messages));
        }
    }

    fn chunk(&mut self, raw_length: u32, payload: &[u8]) {
        let mut encrypted = Vec::new();
        let payload = match &self.keys {
            None => payload,
            Some(keys) => {
                let place = Place::chunk(&ID, self.chunks);
                keys.encrypt_into(&place, &mut encrypted, |encrypted| encrypted.extend_from_slice(payload));
                &encrypted
            }
        };
        self.chunks += 1;
        let length = u32::try_from(payload.len()).expect("a short chunk");
        let lengths = [length.to_be_bytes(), raw_length.to_be_bytes()].concat();
        let sum = crc32fast::hash(&[&lengths, payload].concat()).to_be_bytes();
        self.bytes.extend([&lengths[..], &sum, payload].concat());
    }

    fn end(&mut self, fields: &[u8]) {
        self.close();
        let counts: Vec<u8> = (1..).zip(self.counts).flat_map(|(field, count)| number(field, count)).collect();
        let hash = Sha256::digest(&self.bytes);
        self.add(&field(5, &[fields, &field(2, &counts), &field(10, &hash)].concat()));
        self.close();
    }
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    encode_varint(content.len() as u64, &mut field);
    field.extend(content);
    field
}

fn number(field: u8, number: u64) -> Vec<u8> {
    let mut encoded = vec![field << 3];
    encode_varint(number, &mut encoded);
    encoded
}
