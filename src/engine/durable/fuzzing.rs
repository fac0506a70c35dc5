//! Tries what reads the files and the keys of a data folder.

pub(crate) use super::sled::fuzz_pages as pages;

use super::cipher::Cipher;
use super::encryption_state::EncryptionState;
use super::keys::{due_key, gap_key, part_key, read_due_key, read_gap, read_member_key};
use super::memtable::Row;
use super::record::read_record;
use super::redo::{Position, Redo, RedoFile, RedoWriter};
use super::sync_watermark::{self, StoredWatermark, WatermarkFile};
use super::table::Table;
use crate::encryption::KeyRing;
use crate::engine::fuzzing::with_header;
use crate::engine::{codec, decode_record};
use crate::fuzzing::{Input, scratch};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The oldest generation that is written here.
const GENERATION: u64 = 7;

/// A record in parts is the record. `format` is that of its row.
pub(crate) fn parts(content: &[u8], format: u8) {
    let mut rest = Input(content);
    let (size, claimed) = (usize::from(rest.byte()) + 1, rest.number());
    let row = with_header(format, rest.0);
    let Ok(record) = decode_record(row.clone()) else { return };
    let chunks: Vec<&[u8]> = row.chunks(size).collect();
    let part =
        |(at, part): (usize, &&[u8])| (part_key(record.handle, 3, at).to_vec(), codec::encode_part(part).to_vec());
    let parts: BTreeMap<_, _> = chunks.iter().enumerate().map(part).collect();
    let list = |parts| codec::encode_part_list(3, parts).to_vec();
    let joined = read_record(record.handle, list(chunks.len()), &parts);
    assert_eq!(joined.as_ref(), Some(&record));
    if let Ok(claimed) = usize::try_from(claimed)
        && claimed != chunks.len()
    {
        assert_eq!(read_record(record.handle, list(claimed), &parts), None);
    }
}

/// Keys that can be read are those that are written.
pub(crate) fn keys(content: &[u8]) {
    if let Ok(due) = read_due_key(content) {
        assert_eq!(due_key(due)[..], *content);
    }
    if let Ok(handle) = read_member_key(content) {
        assert!(content.ends_with(&handle.to_bytes()));
    }
    let (key, row) = content.split_at(content.len().min(18));
    let gap = read_gap(&(key.into(), codec::encode_part(row)));
    if let Ok(gap) = gap {
        assert_eq!(gap_key(gap), key);
    }
}

/// A redo log in two generations: entries of any content at their places, and anything between them.
pub(crate) fn redo(input: &[u8]) {
    let mut rest = Input(input);
    let (synced_generation, synced_bytes) = (rest.byte(), rest.short());
    let first = usize::from(rest.short());
    let folder = empty_folder("redo");
    let contents = [rest.take(first), rest.0];
    for (generation, content) in (GENERATION..).zip(contents) {
        fs::write(folder.join(format!("redo.{generation}")), generation_of(generation, content)).expect("a file");
    }
    let synced = match synced_generation {
        0 => None,
        other => Some(Position { generation: GENERATION - 1 + u64::from(other % 4), bytes: synced_bytes.into() }),
    };
    let redo = Redo::read(&folder, synced, &Cipher::default()).expect("the files can be read");
    if let Some(damage) = &redo.damage {
        crate::fuzzing::check_line(damage);
    }
    assert!(redo.next_generation > GENERATION + 1);
    let rows: Vec<Row> = Table::ALL
        .into_iter()
        .flat_map(|table| redo.rows.rows(table).iter().map(move |(key, value)| (table, key, value)))
        .map(|(table, key, value)| Row { table, key: key.clone(), value: value.clone() })
        .collect();
    if !rows.is_empty() {
        check_written(&rows);
    }
}

/// The file of a generation. Entries get the right checksum, as if they had been written at their place.
fn generation_of(generation: u64, content: &[u8]) -> Vec<u8> {
    let (mut rest, mut file) = (Input(content), Vec::new());
    while !rest.is_empty() {
        let is_entry = rest.byte() % 4 != 0;
        let piece = rest.piece();
        if is_entry {
            let place = [generation.to_be_bytes(), (file.len() as u64).to_be_bytes()].concat();
            let length = u32::try_from(piece.len()).expect("a short piece").to_be_bytes();
            let sum = crc32fast::hash(&[&place, piece].concat()).to_be_bytes();
            file.extend([length, sum].concat());
        }
        file.extend(piece);
    }
    file
}

/// Rows that were read are read again once they are written.
fn check_written(rows: &[Row]) {
    let folder = empty_folder("rewritten");
    let file = RedoFile::make(&folder, GENERATION, None, false).expect("a file");
    let mut writer = RedoWriter::begin(GENERATION, file, Cipher::default());
    writer.append(rows);
    let write = writer.take(Vec::new());
    let end = write.end;
    write.carry_out(false).expect("a write");
    let again = Redo::read(&folder, Some(end), &Cipher::default()).expect("the file can be read");
    assert_eq!(again.damage, None);
    assert_eq!(again.rows.len(), rows.len());
    for row in rows {
        assert_eq!(again.rows.rows(row.table).get(&row.key), Some(&row.value));
    }
}

/// The file with the sync watermark, as it is or with right checksums.
pub(crate) fn watermark(input: &[u8]) {
    let mut rest = Input(input);
    let first = rest.byte();
    let folder = empty_folder("watermark");
    let copy = |content: &[u8]| [content, &crc32fast::hash(content).to_be_bytes()].concat();
    let mut file = if first & 1 == 0 { rest.0.to_vec() } else { copy(rest.take(41)) };
    if first & 2 != 0 {
        file.resize(512, 0);
        file.extend(copy(rest.take(41)));
    }
    fs::write(folder.join("acknowledged"), &file).expect("a file");
    if let StoredWatermark::Whole(known) = sync_watermark::read(&folder).expect("the file can be read") {
        WatermarkFile::create(&folder, known).expect("a file");
        assert_eq!(sync_watermark::read(&folder).ok(), Some(StoredWatermark::Whole(known)));
    }
}

/// The file that says under which keys a folder is encrypted, as it is or with its checksum.
pub(crate) fn encryption_state(text: &[u8], is_sealed: bool) {
    let folder = empty_folder("encryption");
    let sum = format!("sum {:08x}\n", crc32fast::hash(text));
    let file = if is_sealed { [text, sum.as_bytes()].concat() } else { text.to_vec() };
    fs::write(folder.join("encryption"), file).expect("a file");
    match EncryptionState::read(&folder, true) {
        Err(problem) => crate::fuzzing::check_line(&problem.to_string()),
        Ok(state) => {
            state.write(&folder).expect("a file");
            // Without a key there is no file.
            let again = EncryptionState::read(&folder, state.is_encrypted()).expect("a file that was just written");
            assert_eq!(again, if state.is_encrypted() { state } else { EncryptionState::PLAIN });
        }
    }
}

/// Of what was encrypted here, nothing but itself decrypts.
pub(crate) fn ciphertexts(keys: &KeyRing, content: &[u8]) {
    let mut rest = Input(content);
    let state = EncryptionState { keys: keys.numbers().collect(), has_plain: false, principals: None };
    let cipher = Cipher::new(Some(keys), &state);
    let (at, key, row) = (usize::from(rest.byte()), rest.piece(), codec::encode_part(rest.piece()));
    let stored = cipher.encrypt(Table::Meta, key, &row).into_owned();
    assert_eq!(cipher.decrypt(Table::Meta, key, stored.clone().into()), row);
    let mut other = stored.clone();
    other.truncate(stored.len() - at.min(stored.len()));
    for (byte, change) in other.iter_mut().rev().zip(rest.0) {
        *byte ^= change;
    }
    if other != stored {
        assert_ne!(cipher.decrypt(Table::Meta, key, other.into()), row, "another ciphertext of the same row");
    }
    let place = Position { generation: GENERATION, bytes: at as u64 };
    assert_eq!(cipher.decrypt_entry(place, row).filter(|entry| !entry.is_empty()), None);
}

/// A folder of this name without files.
fn empty_folder(name: &str) -> PathBuf {
    let folder = scratch().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    for file in fs::read_dir(&folder).expect("a folder") {
        fs::remove_file(file.expect("a file").path()).expect("a file");
    }
    folder
}
