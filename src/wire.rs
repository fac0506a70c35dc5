//! Writes protobuf by hand, where building a message first would copy its content.
//!
//! Like any encoder, it leaves out a scalar field that has its default. All fields written here have numbers below 16,
//! so that their keys take one byte.

use prost::encoding::{WireType, btree_map, string};
use std::collections::BTreeMap;

/// The longest varint, in bytes.
const VARINT_BYTES: usize = 10;

/// The key of a field.
const fn key(field: u8, wire_type: WireType) -> u8 {
    (field << 3) | wire_type as u8
}

/// Writes a varint. Returns how many bytes it takes.
#[inline]
fn write_varint(mut value: u64, encoded: &mut [u8; VARINT_BYTES]) -> usize {
    for (at, byte) in encoded.iter_mut().enumerate() {
        *byte = value.to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            return at + 1;
        }
        *byte |= 0x80;
    }
    VARINT_BYTES
}

/// Appends a varint. Most are lengths below 128, which take one byte.
pub(crate) fn put_varint(value: u64, message: &mut Vec<u8>) {
    if value < 0x80 {
        message.push(value.to_le_bytes()[0]);
        return;
    }
    let mut encoded = [0; VARINT_BYTES];
    let bytes = write_varint(value, &mut encoded);
    message.extend_from_slice(&encoded[..bytes]);
}

/// Appends a number, even 0. It is for optional fields, and for those that must always be there.
pub(crate) fn put_optional_number(field: u8, number: u64, message: &mut Vec<u8>) {
    message.push(key(field, WireType::Varint));
    put_varint(number, message);
}

/// Appends a number.
pub(crate) fn put_number(field: u8, number: u64, message: &mut Vec<u8>) {
    if number != 0 {
        put_optional_number(field, number, message);
    }
}

/// Appends the key and the length of a field. The caller then appends its content.
pub(crate) fn put_head(field: u8, length: usize, message: &mut Vec<u8>) {
    message.push(key(field, WireType::LengthDelimited));
    put_varint(length as u64, message);
}

/// Fields of numbers that follow each other. They are put together on the stack, since appending each to a message costs
/// as much as encoding it.
pub(crate) struct Numbers {
    encoded: [u8; Self::ROOM],
    end: usize,
}

impl Numbers {
    /// Room for six messages of two numbers each, or for a dozen numbers.
    const ROOM: usize = 160;

    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self { encoded: [0; Self::ROOM], end: 0 }
    }

    /// Adds a number.
    pub(crate) fn put(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.put_optional(field, number);
        }
    }

    /// Adds a number, even 0.
    pub(crate) fn put_optional(&mut self, field: u8, number: u64) {
        self.encoded[self.end] = key(field, WireType::Varint);
        let room = self.encoded[self.end + 1..].first_chunk_mut().expect("there is room for a dozen numbers");
        self.end += 1 + write_varint(number, room);
    }

    /// Adds a message whose fields 1 and 2 are numbers.
    pub(crate) fn put_pair(&mut self, field: u8, first: u64, second: u64) {
        let head = self.end;
        self.end += 2;
        self.put(1, first);
        self.put(2, second);
        self.encoded[head] = key(field, WireType::LengthDelimited);
        self.encoded[head + 1] = u8::try_from(self.end - head - 2).expect("two numbers take at most 22 bytes");
    }

    /// The fields as they go into a message.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded[..self.end]
    }
}

/// Appends bytes, even if they are empty: an entry of a repeated field, or a message.
pub(crate) fn put_bytes(field: u8, bytes: &[u8], message: &mut Vec<u8>) {
    put_head(field, bytes.len(), message);
    message.extend_from_slice(bytes);
}

/// Appends a text.
pub(crate) fn put_text(field: u8, text: &str, message: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(field, text.as_bytes(), message);
    }
}

/// Appends a map of texts.
pub(crate) fn put_texts(field: u8, texts: &BTreeMap<String, String>, message: &mut Vec<u8>) {
    if !texts.is_empty() {
        btree_map::encode(
            string::encode,
            string::encoded_len,
            string::encode,
            string::encoded_len,
            field.into(),
            texts,
            message,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::encoding::encode_varint;

    #[test]
    fn a_varint_is_as_any_encoder_writes_it() {
        for bit in 0..u64::BITS {
            for value in [1 << bit, (1 << bit) - 1, u64::MAX >> bit] {
                let (mut own, mut other) = (b"before".to_vec(), b"before".to_vec());
                put_varint(value, &mut own);
                encode_varint(value, &mut other);
                assert_eq!(own, other, "{value}");
            }
        }
    }

    #[test]
    fn numbers_are_as_any_encoder_writes_them() {
        let mut numbers = Numbers::new();
        for field in 1..=6 {
            numbers.put_pair(field, u64::MAX, u64::MAX >> field);
        }
        let mut rest = numbers.encoded();
        for field in 1..=6 {
            let mut pair = Vec::new();
            prost::encoding::uint64::encode(1, &u64::MAX, &mut pair);
            prost::encoding::uint64::encode(2, &(u64::MAX >> field), &mut pair);
            let mut other = Vec::new();
            put_bytes(field, &pair, &mut other);
            rest = rest.strip_prefix(&*other).unwrap();
        }
        assert!(rest.is_empty());
        let (mut own, mut other) = (Numbers::new(), Vec::new());
        own.put(1, 0);
        for field in 2..=14 {
            own.put(field, 1 << 40 << field);
            prost::encoding::uint64::encode(field.into(), &(1 << 40 << field), &mut other);
        }
        own.put_optional(15, 0);
        other.extend([15 << 3, 0]);
        assert_eq!(own.encoded(), other);
    }
}
