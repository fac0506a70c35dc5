//! The format of entries.

use super::Position;
use crate::engine::codec::FORMAT_ENCRYPTED;
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::keys::Key;
use crate::engine::durable::memtable::Row;
use crate::engine::durable::table::Table;
use crate::wire::put_varint;
use bytes::{Buf, BufMut, Bytes};
use prost::encoding::decode_varint;

/// Length and checksum.
const HEADER_BYTES: usize = 8;

/// Entries larger than this are not found behind damage, in bytes.
const LARGE_ENTRY: u32 = 1 << 20;

/// Added to the table's number if the row is removed.
const REMOVED: u8 = 128;

/// Appends the entry of a transaction, which begins at this position. An entry without rows ends the generation.
pub(super) fn append(buffer: &mut Vec<u8>, at: Position, rows: &[Row], cipher: &Cipher) {
    let begin = buffer.len();
    buffer.put_bytes(0, HEADER_BYTES);
    if !rows.is_empty() {
        cipher.encrypt_entry(at, buffer, |buffer| put_rows(buffer, rows));
    }
    let (header, content) = buffer[begin..].split_at_mut(HEADER_BYTES);
    // An entry is smaller than the file, which is bounded far below 4 GiB.
    let length = u32::try_from(content.len()).expect("a transaction is smaller than 4 GiB");
    header[..4].copy_from_slice(&length.to_be_bytes());
    header[4..].copy_from_slice(&checksum(at, content).to_be_bytes());
}

fn put_rows(buffer: &mut Vec<u8>, rows: &[Row]) {
    for row in rows {
        buffer.put_u8(row.table as u8 | if row.value.is_none() { REMOVED } else { 0 });
        put_bytes(buffer, &row.key);
        if let Some(value) = &row.value {
            put_bytes(buffer, value);
        }
    }
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(bytes.len() as u64, buffer);
    buffer.put_slice(bytes);
}

fn checksum(at: Position, content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&at.generation.to_be_bytes());
    sum.update(&at.bytes.to_be_bytes());
    sum.update(content);
    sum.finalize()
}

/// Reads the entry that begins at the start of these bytes: its rows, undecoded, and its length. `None` if no entry
/// begins here.
pub(super) fn read(bytes: &Bytes, at: Position) -> Option<(Bytes, usize)> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (length, sum) = header.split_first_chunk::<4>()?;
    let content = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (sum == checksum(at, content).to_be_bytes()).then(|| (bytes.slice_ref(content), HEADER_BYTES + content.len()))
}

/// Whether an entry of up to [`LARGE_ENTRY`] bytes may begin here. A search tries this first, which saves most
/// checksums.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
    let length = header.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
    let is_table = |number: &u8| Table::from_number(number & !REMOVED).is_some();
    let is_content = |first: &u8| *first == FORMAT_ENCRYPTED || is_table(first);
    (1..=LARGE_ENTRY).contains(&length) && rest.first().is_some_and(is_content)
}

/// Decodes the rows of the entry at this position; `None` if they are not rows, or can't be decrypted.
pub(super) fn rows(content: Bytes, at: Position, cipher: &Cipher) -> Option<Vec<Row>> {
    let mut content = cipher.decrypt_entry(at, content)?;
    let mut rows = Vec::new();
    while content.has_remaining() {
        let number = content.get_u8();
        let table = Table::from_number(number & !REMOVED)?;
        let key = Key::from(&take_bytes(&mut content)?[..]);
        let value = if number & REMOVED == 0 { Some(take_bytes(&mut content)?) } else { None };
        rows.push(Row { table, key, value });
    }
    Some(rows)
}

fn take_bytes(content: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(decode_varint(content).ok()?).ok()?;
    (length <= content.len()).then(|| content.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { generation: 7, bytes: 100 };

    fn transaction() -> Vec<Row> {
        vec![
            Row::put(Table::Sessions, &b"key"[..], Bytes::from_static(b"value")),
            Row::put(Table::Due, &b""[..], Bytes::new()),
            Row::remove(Table::Meta, vec![9; 300]),
        ]
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let mut buffer = b"before".to_vec();
        append(&mut buffer, AT, &transaction(), &Cipher::default());
        let entry = Bytes::from(buffer.split_off(6));
        let (content, length) = read(&entry, AT).unwrap();
        assert_eq!((rows(content, AT, &Cipher::default()), length), (Some(transaction()), entry.len()));
        let mut end = Vec::new();
        append(&mut end, AT, &[], &Cipher::default());
        assert_eq!(read(&end.into(), AT), Some((Bytes::new(), HEADER_BYTES)));
    }

    #[test]
    fn an_entry_is_valid_in_its_place_only_and_as_a_whole() {
        let mut buffer = Vec::new();
        append(&mut buffer, AT, &transaction(), &Cipher::default());
        let entry = Bytes::from(buffer.clone());
        assert_eq!(read(&entry, Position { generation: 5, ..AT }), None);
        assert_eq!(read(&entry, Position { bytes: 101, ..AT }), None);
        for length in 0..entry.len() {
            assert_eq!(read(&entry.slice(..length), AT), None, "cut to {length} bytes");
        }
        for at in 0..entry.len() {
            buffer[at] ^= 1;
            assert_eq!(read(&Bytes::copy_from_slice(&buffer), AT), None, "byte {at}");
            buffer[at] ^= 1;
        }
        assert_eq!(read(&vec![0; 64].into(), AT), None, "zeros are no entry");
    }
}
