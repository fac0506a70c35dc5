//! Tries the decoders of stored rows. Those that only the durable engine knows are tried in its own folder.

pub(crate) use super::durable::fuzzing::{ciphertexts, encryption_state, pages, redo, watermark};

use super::codec::{
    FORMAT_SEALED, LeafReader, RecordRow, decode_block, decode_handle, decode_millis, decode_part, decode_row,
    encode_block, encode_handle, encode_leaf, encode_millis, encode_part, encode_part_list, encode_payload, payload,
    payload_bytes,
};
use super::stored::{StoredEvent, StoredRecord};
use super::{decode_event, decode_record, durable, encode_event, encode_record};
use crate::model::Record;
use bytes::Bytes;
use prost::Message;

/// The format of most rows.
const FORMAT_PLAIN: u8 = 1;

/// A format byte and a checksum.
const HEADER_BYTES: usize = 5;

/// No leaf that is written unpacks to more, in bytes.
const LEAF_BYTES: usize = 4 << 20;

/// The first byte says what kind of row the others are, and whether they are all of it or get a header.
pub(crate) fn rows(input: &[u8]) {
    let Some((first, content)) = input.split_first() else { return };
    let row = |format| {
        if first & 128 != 0 { Bytes::copy_from_slice(content) } else { with_header(format, content) }
    };
    match first & 127 {
        0 => record(row(FORMAT_PLAIN)),
        1 => event(row(FORMAT_PLAIN)),
        2 => part_list(row(2)),
        3 => leaf(row(4)),
        4 => block(row(3)),
        5 => small(&row(FORMAT_PLAIN)),
        6 => durable::fuzzing::parts(content, FORMAT_PLAIN),
        8 => record(row(FORMAT_SEALED)),
        9 => durable::fuzzing::parts(content, FORMAT_SEALED),
        _ => durable::fuzzing::keys(content),
    }
}

/// The row of a record with this content, in the format of those that are sealed or of the others.
pub(crate) fn record_row(content: &[u8], is_sealed: bool) -> Bytes {
    with_header(if is_sealed { FORMAT_SEALED } else { FORMAT_PLAIN }, content)
}

pub(super) fn with_header(format: u8, content: &[u8]) -> Bytes {
    [&[format], &crc32fast::hash(content).to_be_bytes()[..], content].concat().into()
}

fn record(row: Bytes) {
    let Ok(record) = decode_record(row) else { return };
    check_record(&record);
    crate::service::fuzzing::check_answer(&record);
}

/// A record that was read is the same when it is stored again, and both encoders write the same.
fn check_record(record: &Record) {
    let row = encode_record(record);
    assert_eq!(&decode_record(row.clone()).expect("a record that was just written"), record);
    let stored = StoredRecord::decode(&row[HEADER_BYTES..]).expect("a record that was just written");
    assert_eq!(stored.encode_to_vec(), row[HEADER_BYTES..]);
}

fn event(row: Bytes) {
    let Ok(event) = decode_event(7, row) else { return };
    let row = encode_event(&event);
    assert_eq!(decode_event(7, row.clone()).expect("an event that was just written"), event);
    let stored = StoredEvent::decode(&row[HEADER_BYTES..]).expect("an event that was just written");
    assert_eq!(stored.encode_to_vec(), row[HEADER_BYTES..]);
}

fn part_list(row: Bytes) {
    if let Ok(RecordRow::Split { revision, parts }) = decode_row(row) {
        let again = decode_row(encode_part_list(revision, parts));
        assert!(matches!(again, Ok(RecordRow::Split { revision: r, parts: p }) if (r, p) == (revision, parts)));
    }
}

fn leaf(row: Bytes) {
    let Some(rows) = read_leaf(row) else { return };
    let again = encode_leaf(rows.iter().map(|(key, payload)| (&key[..], &payload[..])));
    assert_eq!(read_leaf(again), Some(rows));
}

/// The rows of a leaf, as far as it unpacks to no more than any leaf that is written.
fn read_leaf(row: Bytes) -> Option<Vec<(Vec<u8>, Bytes)>> {
    let mut reader = LeafReader::new(row).ok()?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some((key, payload)) = reader.next().ok()? {
        bytes += key.len() + payload.len();
        if bytes > LEAF_BYTES {
            return None;
        }
        rows.push((key.to_vec(), payload));
    }
    Some(rows)
}

fn block(row: Bytes) {
    let Ok(events) = decode_block(512, row) else { return };
    assert_eq!(decode_block(512, encode_block(&events)).expect("a block that was just written"), events);
}

fn small(row: &Bytes) {
    if let Ok(handle) = decode_handle(row.clone()) {
        assert_eq!(decode_handle(encode_handle(handle)).ok(), Some(handle));
    }
    if let Ok(moment) = decode_millis(row.clone()) {
        assert_eq!(decode_millis(encode_millis(moment)).ok(), Some(moment));
    }
    if let Ok(part) = decode_part(row.clone()) {
        assert_eq!(decode_part(encode_part(&part)).ok(), Some(part));
    }
    if let Ok(content) = payload(row.clone()) {
        assert_eq!(payload_bytes(row), content.len() as u64);
        assert_eq!(payload(encode_payload(&content)).ok(), Some(content));
    }
}
