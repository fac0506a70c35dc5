//! Checks that an encoded `sessiond.v1.Value` is well formed, without building it.

use bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// How deep values may nest. Protobuf runtimes refuse messages within messages beyond 100 levels; a map takes three of
/// them, so this leaves room for the request or answer around it.
pub const MAX_DEPTH: usize = 30;

/// Up to so many keys of a map are compared one by one; only for more is a set faster.
const FEW_KEYS: usize = 8;

/// The longest name of an encoding.
const MAX_ENCODING_BYTES: usize = 64;

/// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, the range of `google.protobuf.Timestamp`.
const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedValue {
    /// No kind is set, or one that this version does not know.
    #[error("has no known kind; set exactly one, such as null_value for an empty value")]
    NoKind,
    /// Lists and maps nest too deep.
    #[error("nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A map has the same key twice.
    #[error("contains a map with the same key twice")]
    DuplicateKey,
    /// A text or a key is not UTF-8.
    #[error("contains text that is not UTF-8")]
    NotUtf8,
    /// The encoding of an opaque value has no proper name.
    #[error(
        "contains an opaque value whose encoding is not named by 1 to {MAX_ENCODING_BYTES} characters from a-z, 0-9, '-', '_', '.', '/' and '+', the first a letter or digit"
    )]
    BadEncodingName,
    /// A timestamp lies outside the range of the type.
    #[error("contains a timestamp outside the years 1 to 9999")]
    BadTimestamp,
    /// The bytes are not a valid encoding.
    #[error("is not validly encoded")]
    Encoding,
}

impl From<prost::DecodeError> for MalformedValue {
    fn from(_: prost::DecodeError) -> Self {
        Self::Encoding
    }
}

/// Checks the encoded value, at nesting level `depth`.
pub(super) fn check(mut value: &[u8], depth: usize) -> Result<(), MalformedValue> {
    if depth > MAX_DEPTH {
        return Err(MalformedValue::TooDeep);
    }
    let mut has_kind = false;
    while value.has_remaining() {
        // A second kind would replace the first, or be merged into it. No encoder writes one.
        if has_kind {
            return Err(MalformedValue::Encoding);
        }
        match decode_key(&mut value)? {
            // null, bool, int
            (1..=3, WireType::Varint) => {
                decode_varint(&mut value)?;
            }
            // double
            (4, WireType::SixtyFourBit) => {
                take(&mut value, 8)?;
            }
            // string
            (5, WireType::LengthDelimited) => check_text(length_delimited(&mut value)?)?,
            // bytes
            (6, WireType::LengthDelimited) => {
                length_delimited(&mut value)?;
            }
            (7, WireType::LengthDelimited) => check_timestamp(length_delimited(&mut value)?)?,
            (8, WireType::LengthDelimited) => check_list(length_delimited(&mut value)?, depth)?,
            (9, WireType::LengthDelimited) => check_map(length_delimited(&mut value)?, depth)?,
            (10, WireType::LengthDelimited) => check_opaque(length_delimited(&mut value)?)?,
            _ => return Err(MalformedValue::NoKind),
        }
        has_kind = true;
    }
    if has_kind { Ok(()) } else { Err(MalformedValue::NoKind) }
}

fn check_list(mut list: &[u8], depth: usize) -> Result<(), MalformedValue> {
    while list.has_remaining() {
        match decode_key(&mut list)? {
            (1, WireType::LengthDelimited) => check(length_delimited(&mut list)?, depth + 1)?,
            _ => return Err(MalformedValue::Encoding),
        }
    }
    Ok(())
}

fn check_map(mut map: &[u8], depth: usize) -> Result<(), MalformedValue> {
    let mut keys = Keys::default();
    while map.has_remaining() {
        let (1, WireType::LengthDelimited) = decode_key(&mut map)? else {
            return Err(MalformedValue::Encoding);
        };
        let (key, value) = entry(length_delimited(&mut map)?)?;
        check_text(key)?;
        if !keys.insert(key) {
            return Err(MalformedValue::DuplicateKey);
        }
        check(value, depth + 1)?;
    }
    Ok(())
}

/// The keys of a map so far.
#[derive(Default)]
struct Keys<'a> {
    /// Without allocation, since most maps are small.
    few: [&'a [u8]; FEW_KEYS],
    count: usize,
    /// All keys, once there are more than a few.
    many: HashSet<&'a [u8]>,
}

impl<'a> Keys<'a> {
    /// Adds a key; false if it was there.
    fn insert(&mut self, key: &'a [u8]) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(key);
        }
        if self.few[..self.count].contains(&key) {
            return false;
        }
        if let Some(slot) = self.few.get_mut(self.count) {
            *slot = key;
            self.count += 1;
        } else {
            self.many.extend(self.few);
            self.many.insert(key);
        }
        true
    }
}

fn check_text(text: &[u8]) -> Result<(), MalformedValue> {
    std::str::from_utf8(text).map(drop).map_err(|_| MalformedValue::NotUtf8)
}

fn check_timestamp(mut timestamp: &[u8]) -> Result<(), MalformedValue> {
    while timestamp.has_remaining() {
        match decode_key(&mut timestamp)? {
            (1, WireType::Varint) => {
                let seconds = decode_varint(&mut timestamp)?.cast_signed();
                if !TIMESTAMP_SECONDS.contains(&seconds) {
                    return Err(MalformedValue::BadTimestamp);
                }
            }
            (2, WireType::Varint) => {
                if decode_varint(&mut timestamp)? >= 1_000_000_000 {
                    return Err(MalformedValue::BadTimestamp);
                }
            }
            _ => return Err(MalformedValue::Encoding),
        }
    }
    Ok(())
}

fn check_opaque(opaque: &[u8]) -> Result<(), MalformedValue> {
    // An encoding, and data: of the same shape as an entry.
    let (encoding, _) = entry(opaque)?;
    let known = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_./+".contains(byte);
    let begins_well = encoding.first().is_some_and(u8::is_ascii_alphanumeric);
    if begins_well && encoding.len() <= MAX_ENCODING_BYTES && encoding.iter().all(known) {
        Ok(())
    } else {
        Err(MalformedValue::BadEncodingName)
    }
}

/// Splits an encoded entry, of a `map<string, Value>` or a `MapValue`, into its key and its encoded value; either may have
/// been left out, as encoders do with defaults.
pub(super) fn entry(mut entry: &[u8]) -> Result<(&[u8], &[u8]), MalformedValue> {
    let (mut key, mut value) = (None, &entry[..0]);
    while entry.has_remaining() {
        match decode_key(&mut entry)? {
            // A second key would replace the first, which decoders check all the same. No encoder writes one.
            (1, WireType::LengthDelimited) if key.is_none() => key = Some(length_delimited(&mut entry)?),
            // A second value would have to be merged into the first. No encoder writes one.
            (2, WireType::LengthDelimited) if value.is_empty() => value = length_delimited(&mut entry)?,
            _ => return Err(MalformedValue::Encoding),
        }
    }
    Ok((key.unwrap_or_default(), value))
}

fn length_delimited<'a>(buffer: &mut &'a [u8]) -> Result<&'a [u8], MalformedValue> {
    let length = usize::try_from(decode_varint(buffer)?).map_err(|_| MalformedValue::Encoding)?;
    take(buffer, length)
}

fn take<'a>(buffer: &mut &'a [u8], length: usize) -> Result<&'a [u8], MalformedValue> {
    let (taken, rest) = buffer.split_at_checked(length).ok_or(MalformedValue::Encoding)?;
    *buffer = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ListValue, MapEntry, MapValue, OpaqueValue, Value, value::Kind};
    use bytes::Bytes;
    use prost::Message;
    use prost_types::Timestamp;

    fn encoded(kind: Kind) -> Vec<u8> {
        Value { kind: Some(kind) }.encode_to_vec()
    }

    fn nested(levels: usize) -> Value {
        (1..levels).fold(Value { kind: Some(Kind::BoolValue(true)) }, |inner, _| Value {
            kind: Some(Kind::ListValue(ListValue { items: vec![inner] })),
        })
    }

    #[test]
    fn every_kind_is_well_formed_even_at_its_default() {
        for kind in [
            Kind::NullValue(0),
            Kind::BoolValue(false),
            Kind::IntValue(i64::MIN),
            Kind::DoubleValue(f64::NAN),
            Kind::StringValue(String::new()),
            Kind::BytesValue(vec![0xff].into()),
            Kind::TimestampValue(Timestamp::default()),
            Kind::ListValue(ListValue::default()),
            Kind::MapValue(MapValue::default()),
            Kind::OpaqueValue(OpaqueValue { encoding: "go-gob".into(), data: Bytes::new() }),
        ] {
            assert_eq!(check(&encoded(kind.clone()), 1), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check(&nested(MAX_DEPTH).encode_to_vec(), 1), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1).encode_to_vec(), 1), Err(MalformedValue::TooDeep));
    }

    fn map<'a>(keys: impl IntoIterator<Item = &'a str>) -> Kind {
        let entry = |key: &str| MapEntry { key: key.into(), value: Some(Value { kind: Some(Kind::IntValue(1)) }) };
        Kind::MapValue(MapValue { entries: keys.into_iter().map(entry).collect() })
    }

    #[test]
    fn a_key_stands_once_in_a_map_of_any_size() {
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        for size in 1..=many.len() {
            let keys = || many[..size].iter().map(String::as_str);
            assert_eq!(check(&encoded(map(keys())), 1), Ok(()), "{size}");
            for twice in [keys().next(), keys().next_back()] {
                assert_eq!(check(&encoded(map(keys().chain(twice))), 1), Err(MalformedValue::DuplicateKey), "{size}");
            }
        }
        assert_eq!(check(&encoded(map(["", "a", ""])), 1), Err(MalformedValue::DuplicateKey));
    }

    #[test]
    fn the_same_key_in_two_maps_is_fine() {
        let maps = [map(["a"]), map(["a"])].map(|kind| Value { kind: Some(kind) });
        let list = Kind::ListValue(ListValue { items: maps.into() });
        assert_eq!(check(&encoded(list), 1), Ok(()));
    }

    #[test]
    fn an_opaque_value_names_its_encoding() {
        let opaque = |encoding: &str| {
            encoded(Kind::OpaqueValue(OpaqueValue { encoding: encoding.into(), data: Bytes::from_static(b"\xff") }))
        };
        for good in ["go-gob", "0", "application/vnd.x+json", "a_b.c", &"a".repeat(MAX_ENCODING_BYTES)] {
            assert_eq!(check(&opaque(good), 1), Ok(()), "{good}");
        }
        for bad in ["", "-a", "Go", "a b", "\u{e4}", "a\n", &"a".repeat(MAX_ENCODING_BYTES + 1)] {
            assert_eq!(check(&opaque(bad), 1), Err(MalformedValue::BadEncodingName), "{bad}");
        }
    }

    /// A second one hides the first from the check, but not from the decoders of clients, which take no text that is not UTF-8.
    #[test]
    fn a_key_or_an_encoding_in_two_parts_is_refused() {
        let twice = [&[0x0a, 1, 0xff][..], &[0x0a, 1, b'a', 0x12, 2, 0x18, 1]].concat();
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let map = [&[0x0a, length(&twice)][..], &twice].concat();
        for value in [[&[0x4a, length(&map)][..], &map].concat(), [&[0x52, length(&twice)][..], &twice].concat()] {
            assert_eq!(check(&value, 1), Err(MalformedValue::Encoding));
            assert!(Value::decode(&value[..]).is_err(), "a client can't read it");
        }
    }

    #[test]
    fn a_map_in_two_parts_is_refused() {
        let parts = [encoded(map(["a"])), encoded(map(["a"]))].concat();
        assert_eq!(check(&parts, 1), Err(MalformedValue::Encoding));
    }

    #[test]
    fn what_no_client_could_read_is_refused() {
        assert_eq!(check(&[], 1), Err(MalformedValue::NoKind));
        assert_eq!(check(&[0x2a, 1, 0xff], 1), Err(MalformedValue::NotUtf8));
        assert_eq!(check(&[0x2a, 5, b'a'], 1), Err(MalformedValue::Encoding));
        assert_eq!(check(&[0x58, 1], 1), Err(MalformedValue::NoKind), "field 11");
        let late = Timestamp { seconds: 253_402_300_800, nanos: 0 };
        assert_eq!(check(&encoded(Kind::TimestampValue(late)), 1), Err(MalformedValue::BadTimestamp));
        let negative = Timestamp { seconds: 0, nanos: -1 };
        assert_eq!(check(&encoded(Kind::TimestampValue(negative)), 1), Err(MalformedValue::BadTimestamp));
    }
}
