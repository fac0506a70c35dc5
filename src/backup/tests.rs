//! Tests of backups: what is written is read again, every damage is noticed, and backups of earlier versions stay
//! readable.

use super::*;
use crate::encryption::{WRAPPED_BYTES, new_key};
use crate::engine::{DataFolder, DurableOptions};
use crate::model::{Attribute, Attributes, Credential, EventKind, SecretHash, Ticket};
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::fs;

/// A fixed backup with one of everything.
fn opening() -> Opening {
    Opening { format_version: 1, server_version: "0.1.0".into(), begun: 1_000_000, expected_sessions: 2 }
}

fn cut() -> Cut {
    Cut {
        moment: 1_000_500,
        sessions: 1,
        events: 2,
        dropped_through: 6,
        last_event: 8,
        gaps: Vec::new(),
        damaged_count: 1,
        damaged: vec![handle(9)],
        history_damaged: false,
    }
}

fn handle(number: u8) -> Handle {
    Handle::from_slice(&[1, 0x9b, 0x76, 0xda, 0xa8, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number]).unwrap()
}

fn hash(byte: u8) -> SecretHash {
    SecretHash::from_slice(&[byte; 32]).unwrap()
}

fn record(number: u8) -> Record {
    // A map entry: the name "a", and the integer that is the number.
    let entry = [0x0a, 1, b'a', 0x12, 2, 0x18, number];
    Record {
        handle: handle(number),
        namespace: "shop".into(),
        version: 3,
        revision: 5,
        created: 900_000,
        updated: 910_000,
        accessed: 920_000,
        idle_timeout: 4_000_000_000_000,
        ends_at: Some(8_000_000_000_000),
        credentials: smallvec![
            Credential::new(hash(number), true),
            Credential { hash: hash(100 + number), chosen: true, retires_at: Some(930_000), wrapped: None },
        ],
        tickets: vec![Ticket {
            hash: hash(200),
            audience: "https://shop.example".into(),
            expires_at: 940_000,
            wrapped: None,
        }],
        principal: "ada".into(),
        labels: BTreeMap::from([("device".into(), "laptop".into())]),
        attributes: Attributes::from_iter(Attribute::from_wire(&entry)),
        sealed: None,
        sweep_at: 930_000,
    }
}

fn entries() -> Vec<Saved> {
    let session = |number| Saved::Session { record: Box::new(record(number)), lookups: vec![hash(number)] };
    let event = |sequence, kind| {
        Saved::Event(Box::new(Event { sequence, transaction: sequence, ..Event::new(kind, 905_000, &record(1), true) }))
    };
    vec![
        session(1),
        session(2),
        Saved::Removed(handle(2)),
        event(6, EventKind::Created),
        event(7, EventKind::Updated),
        event(8, EventKind::Revoked),
    ]
}

fn written() -> Vec<u8> {
    written_with(None)
}

fn ring(lines: &str) -> KeyRing {
    KeyRing::parse(lines).unwrap()
}

fn written_with(keys: Option<&KeyRing>) -> Vec<u8> {
    written_of(entries(), false, keys)
}

fn written_of(entries: Vec<Saved>, sealed: bool, keys: Option<&KeyRing>) -> Vec<u8> {
    let mut writer = BackupWriter::new(&Opening { format_version: format_version(keys, sealed), ..opening() }, keys);
    for saved in entries {
        writer.add(saved);
    }
    let size = writer.finish(&cut());
    let bytes = writer.take();
    assert_eq!(bytes.len() as u64, size);
    bytes.to_vec()
}

/// Reads all that the backup holds.
fn read(bytes: &[u8]) -> Result<(Vec<Saved>, Finished), ReadError> {
    read_with(bytes, None)
}

fn read_with(bytes: &[u8], keys: Option<&KeyRing>) -> Result<(Vec<Saved>, Finished), ReadError> {
    let mut reader = BackupReader::open(bytes, keys)?;
    let mut found = Vec::new();
    loop {
        match reader.read_next()? {
            Next::Saved(saved) => found.push(saved),
            Next::Finished(finished) => return Ok((found, finished)),
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let bytes = written();
    let finished = Finished { opening: opening(), cut: cut(), bytes: bytes.len() as u64 };
    assert_eq!(read(&bytes).unwrap(), (entries(), finished));
}

#[test]
fn a_backup_with_sealed_sessions_has_a_version_that_older_servers_refuse() {
    let mut sealed = Record { attributes: Attributes::default(), sealed: Some([7; 99][..].into()), ..record(1) };
    for credential in &mut sealed.credentials {
        credential.wrapped = Some([8; WRAPPED_BYTES].into());
    }
    let entries = vec![Saved::Session { record: Box::new(sealed), lookups: vec![hash(1)] }];
    let keys = ring(&new_key().1);
    for (keys, version) in [(None, 3), (Some(&keys), 4)] {
        let bytes = written_of(entries.clone(), true, keys);
        let (found, finished) = read_with(&bytes, keys).unwrap();
        assert_eq!((&found, finished.opening.format_version), (&entries, version));
        assert_eq!(u32::from_be_bytes(bytes[16..20].try_into().unwrap()), version);
    }
}

#[test]
fn an_encrypted_backup_needs_its_key_and_shows_nothing() {
    let (old_number, old_line) = new_key();
    let (number, line) = new_key();
    let keys = ring(&line);
    let bytes = written_with(Some(&keys));
    let both = ring(&format!("{old_line}\n{line}"));
    for keys in [&keys, &both] {
        let (found, finished) = read_with(&bytes, Some(keys)).unwrap();
        assert_eq!((found, finished.cut, finished.opening.format_version), (entries(), cut(), 2));
    }
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains(&format!("encrypted under the key {number}; name a file")), "{error}");
    let error = read_with(&bytes, Some(&ring(&old_line))).unwrap_err().to_string();
    assert!(error.contains(&format!("under the key {number}, which the file of encryption-keys lacks")), "{error}");
    for at in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        read_with(&damaged, Some(&both)).expect_err("a flipped bit");
    }
    for length in 0..bytes.len() {
        read_with(&bytes[..length], Some(&both)).expect_err("a cut");
    }
    // A plain backup is read with keys, too, and is written again once nothing is to be encrypted.
    assert_eq!(read_with(&written(), Some(&keys)).unwrap().0, entries());
    assert_eq!(written_with(Some(&ring(&format!("plain\n{line}")))), written());
    assert_ne!(number, old_number);
}

#[test]
fn chunks_of_two_encrypted_backups_are_not_taken_for_each_other() {
    let keys = ring(&new_key().1);
    let (one, other) = (written_with(Some(&keys)), written_with(Some(&keys)));
    let head = MAGIC.len() + size_of::<u32>() + 4 + ID_BYTES;
    let mixed = [&one[..head], &other[head..]].concat();
    let error = read_with(&mixed, Some(&keys)).unwrap_err().to_string();
    assert!(error.contains("a chunk can't be decrypted"), "{error}");
}

#[test]
fn large_and_many_entries_take_many_chunks() {
    let mut large = record(1);
    let text = "x".repeat(1 << 20);
    let mut value = vec![0x2a];
    prost::encoding::encode_varint(text.len() as u64, &mut value);
    value.extend(text.as_bytes());
    let mut entry = vec![0x0a, 1, b'a', 0x12];
    prost::encoding::encode_varint(value.len() as u64, &mut entry);
    entry.extend(value);
    large.attributes.change(&[], &[Attribute::from_wire(&entry).unwrap()]);
    let mut writer = BackupWriter::new(&opening(), None);
    let mut expected = vec![Saved::Session { record: Box::new(large), lookups: Vec::new() }];
    expected.extend((0..10_000_u64).map(|number| Saved::Session {
        record: Box::new(Record { version: number, ..record(3) }),
        lookups: Vec::new(),
    }));
    let mut bytes = Vec::new();
    for saved in expected.clone() {
        writer.add(saved);
        bytes.extend(writer.take());
    }
    let cut =
        Cut { gaps: vec![SequenceGap { after: 3, through: 5 }, SequenceGap { after: 8, through: 1 << 40 }], ..cut() };
    writer.finish(&cut);
    bytes.extend(writer.take());
    let (found, finished) = read(&bytes).unwrap();
    assert!(found == expected && finished.cut == cut);
}

/// Restores into a new folder. Also returns what is in the folder afterwards, besides the lock.
fn restored(bytes: &[u8]) -> (Result<Restored, RestoreError>, Vec<String>) {
    let temp = tempfile::tempdir().unwrap();
    let folder = DataFolder::claim_empty(temp.path()).unwrap();
    let result = restore(bytes, &folder, &DurableOptions::unsynced(1 << 20)).map(|built| built.install().unwrap());
    let names = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    (result, names.filter(|name| name != "lock").collect())
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = written();
    for at in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        read(&damaged).expect_err("a flipped bit");
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let bytes = written();
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).expect_err("a cut");
        assert!(matches!(error, ReadError::CutOff | ReadError::NotABackup), "{length}: {error}");
    }
    let error = read(&[&bytes[..], &[0]].concat()).expect_err("more than all");
    assert!(matches!(error, ReadError::Damaged("something follows its end")), "{error}");
}

#[test]
fn of_a_damaged_backup_nothing_is_restored() {
    let bytes = written();
    let (result, left) = restored(&bytes);
    let restored_all = result.unwrap();
    assert_eq!((restored_all.sessions, restored_all.events, left), (1, 2, vec!["sled".to_owned()]));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        for broken in [&damaged[..], &bytes[..at]] {
            let (result, left) = restored(broken);
            result.expect_err("a damaged backup");
            assert_eq!(left, Vec::<String>::new(), "at {at}");
        }
    }
}

/// The chunks of a backup.
fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut chunks, mut rest) = (Vec::new(), &bytes[20..]);
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
        let (chunk, after) = rest.split_at(CHUNK_HEADER_BYTES + usize::try_from(length).unwrap());
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

#[test]
fn chunks_that_were_moved_or_left_out_are_noticed() {
    let mut writer = BackupWriter::new(&opening(), None);
    for number in 0..10_000_u64 {
        writer.add(Saved::Session { record: Box::new(Record { version: number, ..record(3) }), lookups: Vec::new() });
    }
    writer.finish(&cut());
    let bytes = writer.take();
    let whole = chunks(&bytes);
    assert!(whole.len() > 3);
    let put_together = |chunks: &[Vec<u8>]| [&bytes[..20], &chunks.concat()].concat();
    read(&put_together(&whole)).unwrap();
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    read(&put_together(&swapped)).expect_err("two chunks have changed places");
    let mut shortened = whole.clone();
    shortened.remove(1);
    read(&put_together(&shortened)).expect_err("a chunk is missing");
    let mut doubled = whole.clone();
    doubled.insert(1, whole[1].clone());
    read(&put_together(&doubled)).expect_err("a chunk comes twice");
}

#[test]
fn what_is_no_backup_is_said_to_be_none() {
    for bytes in [&b""[..], b"sessiond", b"some other file of some length", &[0; 4096]] {
        let error = read(bytes).expect_err("no backup");
        assert!(matches!(error, ReadError::NotABackup), "{error}");
    }
    let mut newer = written();
    newer[16..20].copy_from_slice(&5_u32.to_be_bytes());
    let error = read(&newer).expect_err("a newer format").to_string();
    assert!(error.contains("format version 5") && error.contains("newer sessiond"), "{error}");
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    let mut bytes = written();
    bytes[20..24].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read(&bytes), Err(ReadError::Damaged("a chunk is too long"))));
}

/// Made by [`make_golden`] with version 0.1.0.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/backup-v1");

#[test]
fn a_backup_of_version_1_stays_readable() {
    let finished = Finished { opening: opening(), cut: cut(), bytes: GOLDEN.len() as u64 };
    assert_eq!(read(GOLDEN).unwrap(), (entries(), finished));
    let (result, _) = restored(GOLDEN);
    assert_eq!(result.unwrap().sessions, 1);
}

/// Writes the golden file. Only a new version of the format may do this, under a new name: `cargo test --lib
/// make_golden -- --ignored`.
#[test]
#[ignore = "writes tests/golden/backup-v1, which must not change"]
fn make_golden() {
    fs::write("tests/golden/backup-v1", written()).unwrap();
}
