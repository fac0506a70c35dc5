//! How rows look at rest: a format byte, a CRC-32 of the rest, and the rest.
//!
//! Every stored value begins with its format byte, so that a later version can tell old rows from new ones. Records are
//! protobuf messages behind the header. Fields may be added, but a field number is never reused.

use super::EngineError;
use super::stored::{StoredEvent, StoredRecord, put_event_head, put_record};
use crate::clock::Millis;
use crate::model::{Event, EventKind, Handle, Record};
use crate::wire::put_varint;
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost::encoding::decode_varint;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The format of every row that has none of the formats below.
const FORMAT: u8 = 1;
/// The format of a `sessions` row that stands for a record in parts.
const FORMAT_PART_LIST: u8 = 2;
/// The format of a row with the events of a block.
const FORMAT_BLOCK: u8 = 3;
/// The format of a row that holds many small rows.
const FORMAT_LEAF: u8 = 4;
/// The format of a record that is sealed. Servers that know no sealed sessions refuse it, instead of serving the session
/// without its attributes. It differs from the others in more than one bit, too.
pub(super) const FORMAT_SEALED: u8 = 0x56;
/// The format of a row that is encrypted, of which nothing more is known here. It differs from the formats above in more
/// than one bit, and from every number of a table, with which the rows in an entry of the redo log begin.
pub(super) const FORMAT_ENCRYPTED: u8 = 0x65;
/// How many bytes LZ4 makes of one at most.
pub(crate) const MAX_LZ4_RATIO: usize = 255;
const HEADER_BYTES: usize = 1 + size_of::<u32>();

/// Encodes a record.
pub(crate) fn encode_record(record: &Record) -> Bytes {
    with_scratch(|scratch| {
        put_record(record, scratch);
        seal(if record.sealed.is_some() { FORMAT_SEALED } else { FORMAT }, &[scratch])
    })
}

/// Decodes a record. Its attributes share the row's memory instead of being copied.
pub(crate) fn decode_record(row: Bytes) -> Result<Record, EngineError> {
    let format = if row.first() == Some(&FORMAT_SEALED) { FORMAT_SEALED } else { FORMAT };
    let payload = unseal(format, row)?;
    let stored = StoredRecord::decode(payload).map_err(|_| corrupt("a record is not a protobuf message"))?;
    stored.try_into()
}

/// What a row that stands for a record holds.
pub(super) enum RecordRow {
    /// The record.
    Whole(Box<Record>),
    /// Where its parts are.
    Split { revision: u64, parts: usize },
}

/// Decodes a row that stands for a record.
pub(super) fn decode_row(row: Bytes) -> Result<RecordRow, EngineError> {
    if row.first() != Some(&FORMAT_PART_LIST) {
        return decode_record(row).map(|record| RecordRow::Whole(Box::new(record)));
    }
    let mut list = unseal(FORMAT_PART_LIST, row)?;
    let read = |list: &mut Bytes| list.try_get_u64().map_err(|_| corrupt("a list of parts is truncated"));
    let revision = read(&mut list)?;
    let parts = usize::try_from(read(&mut list)?).map_err(|_| corrupt("a list of too many parts"))?;
    Ok(RecordRow::Split { revision, parts })
}

/// Encodes the row that stands for a record in parts.
pub(super) fn encode_part_list(revision: u64, parts: usize) -> Bytes {
    seal(FORMAT_PART_LIST, &[&revision.to_be_bytes(), &(parts as u64).to_be_bytes()])
}

/// Encodes a part of a record.
pub(super) fn encode_part(part: &[u8]) -> Bytes {
    seal(FORMAT, &[part])
}

/// Decodes a part of a record.
pub(super) fn decode_part(row: Bytes) -> Result<Bytes, EngineError> {
    unseal(FORMAT, row)
}

/// Encodes the target of a lookup row.
pub(super) fn encode_handle(handle: Handle) -> Bytes {
    seal(FORMAT, &[&handle.to_bytes()])
}

/// Decodes the target of a lookup row.
pub(super) fn decode_handle(row: Bytes) -> Result<Handle, EngineError> {
    Handle::from_slice(&unseal(FORMAT, row)?).ok_or_else(|| corrupt("a lookup row holds no handle"))
}

/// Encodes a moment.
pub(super) fn encode_millis(moment: Millis) -> Bytes {
    seal(FORMAT, &[&moment.to_be_bytes()])
}

/// Decodes a moment.
pub(super) fn decode_millis(row: Bytes) -> Result<Millis, EngineError> {
    unseal(FORMAT, row)?.try_get_u64().map_err(|_| corrupt("a touch holds no time"))
}

/// Encodes an event; its sequence number is the row's key.
pub(crate) fn encode_event(event: &Event) -> Bytes {
    with_scratch(|scratch| {
        put_record(&event.record, scratch);
        // The head comes before the record and holds the record's length, so it is written last.
        let record_bytes = scratch.len();
        put_event_head(event, record_bytes, scratch);
        let (record, head) = scratch.split_at(record_bytes);
        seal(FORMAT, &[head, record])
    })
}

/// Decodes the event with this sequence number.
pub(crate) fn decode_event(sequence: u64, row: Bytes) -> Result<Event, EngineError> {
    decode_event_payload(sequence, unseal(FORMAT, row)?)
}

/// Decodes what the row of an event holds behind its header.
pub(super) fn decode_event_payload(sequence: u64, payload: Bytes) -> Result<Event, EngineError> {
    let stored = StoredEvent::decode(payload).map_err(|_| corrupt("an event is not a protobuf message"))?;
    let kind = EventKind::from_number(stored.kind).ok_or_else(|| corrupt("an event of an unknown kind"))?;
    Ok(Event {
        sequence,
        transaction: stored.transaction,
        kind,
        time: stored.time,
        record: stored.record.unwrap_or_default().try_into()?,
    })
}

/// The content of a row, without its header.
pub(super) fn payload(row: Bytes) -> Result<Bytes, EngineError> {
    unseal(FORMAT, row)
}

/// The length of a row without its header, in bytes.
pub(super) fn payload_bytes(row: &[u8]) -> u64 {
    row.len().saturating_sub(HEADER_BYTES) as u64
}

/// Puts a header before the content of a row.
pub(super) fn encode_payload(payload: &[u8]) -> Bytes {
    if payload.is_empty() { empty_row() } else { seal(FORMAT, &[payload]) }
}

/// Whether a row could not be decrypted.
pub(super) fn is_unreadable(row: &[u8]) -> bool {
    row.first() == Some(&FORMAT_ENCRYPTED)
}

/// Whether a row holds many small rows.
pub(super) fn is_leaf(row: &[u8]) -> bool {
    row.first() == Some(&FORMAT_LEAF)
}

/// Encodes many rows as one leaf, from their sorted keys and their contents without headers. Of each key, only the part
/// that differs from the key before it is kept.
pub(super) fn encode_leaf<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Bytes {
    let mut leaf = Vec::new();
    let mut previous: &[u8] = &[];
    for (key, payload) in rows {
        let shared = shared_prefix(previous, key);
        put_varint(shared as u64, &mut leaf);
        for bytes in [&key[shared..], payload] {
            put_varint(bytes.len() as u64, &mut leaf);
            leaf.put_slice(bytes);
        }
        previous = key;
    }
    seal(FORMAT_LEAF, &[&leaf])
}

/// About how many bytes a row takes in a leaf, behind the row with the key `previous`.
pub(super) fn leaf_bytes(previous: &[u8], key: &[u8], payload: &[u8]) -> usize {
    key.len() - shared_prefix(previous, key) + payload.len() + 3
}

/// Reads the rows of a leaf one after the other, without copying their contents.
pub(super) struct LeafReader {
    rest: Bytes,
    key: Vec<u8>,
}

impl LeafReader {
    pub(super) fn new(row: Bytes) -> Result<Self, EngineError> {
        Ok(Self { rest: unseal(FORMAT_LEAF, row)?, key: Vec::new() })
    }

    /// The next row: its key, and its content without a header.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], Bytes)>, EngineError> {
        if !self.rest.has_remaining() {
            return Ok(None);
        }
        let row = self.read().ok_or_else(|| corrupt("a row of small rows is not decodable"))?;
        Ok(Some((&self.key, row)))
    }

    fn read(&mut self) -> Option<Bytes> {
        let shared = self.length().filter(|shared| *shared <= self.key.len())?;
        self.key.truncate(shared);
        let length = self.length().filter(|length| *length <= self.rest.len())?;
        self.key.extend_from_slice(&self.rest[..length]);
        self.rest.advance(length);
        let length = self.length().filter(|length| *length <= self.rest.len())?;
        Some(self.rest.split_to(length))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(decode_varint(&mut self.rest).ok()?).ok()
    }
}

fn shared_prefix(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Encodes the payloads of events whose sequence numbers differ in the last byte only.
pub(super) fn encode_block(events: &BTreeMap<u64, Bytes>) -> Bytes {
    let mut block = Vec::new();
    for (sequence, payload) in events {
        block.put_u8(sequence.to_be_bytes()[7]);
        put_varint(payload.len() as u64, &mut block);
        block.put_slice(payload);
    }
    let compressed = lz4_flex::block::compress_prepend_size(&block);
    seal(FORMAT_BLOCK, &[&compressed])
}

/// Decodes a block into payloads by their sequence numbers. `first` is the first number that the block can hold.
pub(super) fn decode_block(first: u64, row: Bytes) -> Result<BTreeMap<u64, Bytes>, EngineError> {
    let damaged = || corrupt("a block of events is not decodable");
    let compressed = unseal(FORMAT_BLOCK, row)?;
    let (size, content) = lz4_flex::block::uncompressed_size(&compressed).map_err(|_| damaged())?;
    // LZ4 never makes more bytes of one byte, so a row that claims more is wrong. Memory is taken for what it claims.
    if size / MAX_LZ4_RATIO > content.len() {
        return Err(damaged());
    }
    let mut block = Bytes::from(lz4_flex::block::decompress(content, size).map_err(|_| damaged())?);
    let mut events = BTreeMap::new();
    while block.has_remaining() {
        let number = u64::from(block.get_u8());
        let length = decode_varint(&mut block).ok().and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= block.len()).ok_or_else(damaged)?;
        events.insert(first - first % 256 + number, block.split_to(length));
    }
    Ok(events)
}

/// The value of a row whose key says everything.
pub(super) fn empty_row() -> Bytes {
    // The checksum of nothing is 0.
    Bytes::from_static(&[FORMAT, 0, 0, 0, 0])
}

pub(super) fn corrupt(what: &str) -> EngineError {
    EngineError::Corrupt(what.into())
}

/// A scratch buffer larger than this is freed after use, in bytes.
const KEPT_SCRATCH: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends an empty buffer for a message whose length is not known yet.
fn with_scratch(encode: impl FnOnce(&mut Vec<u8>) -> Bytes) -> Bytes {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let row = encode(scratch);
        if scratch.capacity() > KEPT_SCRATCH {
            *scratch = Vec::new();
        }
        row
    })
}

/// Makes a row from a header and these pieces.
fn seal(format: u8, pieces: &[&[u8]]) -> Bytes {
    // The capacity is exact, because `Bytes` then needs no extra allocation, and a reader follows one pointer less.
    let mut row = Vec::with_capacity(HEADER_BYTES + pieces.iter().map(|piece| piece.len()).sum::<usize>());
    row.put_bytes(0, HEADER_BYTES);
    for piece in pieces {
        row.extend_from_slice(piece);
    }
    let (header, payload) = row.split_at_mut(HEADER_BYTES);
    header[0] = format;
    header[1..].copy_from_slice(&crc32fast::hash(payload).to_be_bytes());
    row.into()
}

/// Checks the header of a row and returns the rest.
fn unseal(format: u8, mut row: Bytes) -> Result<Bytes, EngineError> {
    match row.try_get_u8() {
        Ok(found) if found == format => {}
        Ok(FORMAT_ENCRYPTED) => return Err(corrupt("an encrypted row can't be decrypted, or stands in a wrong place")),
        Ok(found) => return Err(EngineError::Corrupt(format!("unknown row format {found}"))),
        Err(_) => return Err(corrupt("an empty row")),
    }
    let sum = row.try_get_u32().map_err(|_| corrupt("a truncated row"))?;
    if sum == crc32fast::hash(&row) { Ok(row) } else { Err(corrupt("a checksum does not match")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::WRAPPED_BYTES;
    use crate::model::{Attribute, Attributes, Credential, IdHash, Secret, SecretHash, SessionId, Ticket};
    use smallvec::smallvec;
    use smol_str::SmolStr;
    use std::collections::BTreeMap;

    fn record() -> Record {
        let handle = Handle::mint(1_000);
        let credential = Credential {
            hash: IdHash::of("default", &SessionId::mint(handle)),
            chosen: true,
            retires_at: Some(9),
            wrapped: None,
        };
        Record {
            handle,
            namespace: "default".into(),
            version: 3,
            revision: 4,
            created: 1_000,
            updated: 1_001,
            accessed: 1_002,
            idle_timeout: 60_000,
            ends_at: Some(90_000),
            credentials: smallvec![credential],
            principal: "ada".into(),
            labels: BTreeMap::from([("device".into(), "laptop".into())]),
            tickets: vec![Ticket {
                hash: SecretHash::of_secret("default", &Secret::mint(handle)),
                audience: "https://shop.example".into(),
                expires_at: 10,
                wrapped: None,
            }],
            attributes: Attributes::from_iter(Attribute::from_wire(&[0x0a, 1, b'a', 0x12, 2, 0x10, 1])),
            sealed: None,
            sweep_at: 61_002,
        }
    }

    #[test]
    fn a_record_survives_storage() {
        let mut record = record();
        for _ in 0..2 {
            let row = encode_record(&record);
            assert_eq!(decode_record(row.clone()).unwrap(), record);
            // The hand-written encoder writes the same bytes as prost's encoder.
            let stored = StoredRecord::decode(&row[HEADER_BYTES..]).unwrap();
            assert_eq!(stored.encode_to_vec(), row[HEADER_BYTES..]);
            record = Record { principal: SmolStr::default(), ends_at: None, created: 0, ..record };
            record.credentials[0] = Credential { chosen: false, retires_at: None, ..record.credentials[0].clone() };
        }
    }

    fn sealed_record() -> Record {
        let mut record = Record { attributes: Attributes::default(), sealed: Some([7; 300][..].into()), ..record() };
        record.credentials[0].wrapped = Some([8; WRAPPED_BYTES].into());
        record.tickets[0].wrapped = Some([9; WRAPPED_BYTES].into());
        record
    }

    #[test]
    fn a_sealed_record_survives_storage_in_a_format_of_its_own() {
        let record = sealed_record();
        let row = encode_record(&record);
        assert_eq!(row[0], FORMAT_SEALED, "servers that know no sealed sessions know no such format");
        assert_eq!(decode_record(row.clone()).unwrap(), record);
        let stored = StoredRecord::decode(&row[HEADER_BYTES..]).unwrap();
        assert_eq!(stored.encode_to_vec(), row[HEADER_BYTES..]);
        // An event only tells that the session is sealed.
        let event = Event { sequence: 7, transaction: 6, ..Event::new(EventKind::Expired, 5, &record, true) };
        let row = encode_event(&event);
        let read = decode_event(7, row.clone()).unwrap();
        assert_eq!((&read, read.record.sealed.as_deref()), (&event, Some(&[][..])));
        assert!(!row.windows(8).any(|window| [[7; 8], [8; 8], [9; 8]].iter().any(|bytes| bytes == window)));
    }

    #[test]
    fn small_rows_survive_storage() {
        let handle = Handle::mint(1);
        assert_eq!(decode_handle(encode_handle(handle)).unwrap(), handle);
        assert_eq!(decode_millis(encode_millis(7)).unwrap(), 7);
    }

    #[test]
    fn an_event_survives_storage() {
        let event = Event { sequence: 7, transaction: 6, ..Event::new(EventKind::Revoked, 5, &record(), true) };
        let row = encode_event(&event);
        assert_eq!(decode_event(7, row.clone()).unwrap(), event);
        let stored = StoredEvent::decode(&row[HEADER_BYTES..]).unwrap();
        assert_eq!(stored.encode_to_vec(), row[HEADER_BYTES..]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for record in [record(), sealed_record()] {
            every_damage_is_noticed(&encode_record(&record));
        }
    }

    fn every_damage_is_noticed(row: &Bytes) {
        for at in 0..row.len() * 8 {
            let mut damaged = row.to_vec();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(decode_record(damaged.into()).is_err(), "bit {at}");
        }
        for length in 0..row.len() {
            assert!(decode_record(row.slice(..length)).is_err(), "cut to {length} bytes");
        }
    }
}
