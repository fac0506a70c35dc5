//! Writes protobuf by hand, where building a message first would copy its content.
//!
//! Like any encoder, it leaves out a scalar field that has its default. All fields written here have numbers below 16,
//! so that their keys take one byte.

use prost::encoding::{WireType, btree_map, string};
use std::collections::BTreeMap;

/// The longest varint, in bytes.
const VARINT_BYTES: usize = 10;

/// The key of a field.
pub(crate) const fn key(field: u8, wire_type: WireType) -> u8 {
    (field << 3) | wire_type as u8
}

/// Writes a varint at the offset `at`. Returns the offset behind it.
pub(crate) fn write_varint<const N: usize>(mut value: u64, encoded: &mut [u8; N], mut at: usize) -> usize {
    while value >= 0x80 {
        encoded[at] = value.to_le_bytes()[0] | 0x80;
        value >>= 7;
        at += 1;
    }
    encoded[at] = value.to_le_bytes()[0];
    at + 1
}

/// Appends a varint.
pub(crate) fn put_varint(value: u64, message: &mut Vec<u8>) {
    let mut encoded = [0; VARINT_BYTES];
    let end = write_varint(value, &mut encoded, 0);
    message.extend_from_slice(&encoded[..end]);
}

/// Appends a number, even 0. It is for optional fields, and for those that must always be there.
pub(crate) fn put_optional_number(field: u8, number: u64, message: &mut Vec<u8>) {
    let mut encoded = [0; 1 + VARINT_BYTES];
    encoded[0] = key(field, WireType::Varint);
    let end = write_varint(number, &mut encoded, 1);
    message.extend_from_slice(&encoded[..end]);
}

/// Appends a number.
pub(crate) fn put_number(field: u8, number: u64, message: &mut Vec<u8>) {
    if number != 0 {
        put_optional_number(field, number, message);
    }
}

/// Appends the key and the length of a field. The caller then appends its content.
pub(crate) fn put_head(field: u8, length: usize, message: &mut Vec<u8>) {
    let mut encoded = [0; 1 + VARINT_BYTES];
    encoded[0] = key(field, WireType::LengthDelimited);
    let end = write_varint(length as u64, &mut encoded, 1);
    message.extend_from_slice(&encoded[..end]);
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
}
