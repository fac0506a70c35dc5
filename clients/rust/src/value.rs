//! [`Value`] from and to Rust's own types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use prost_types::Timestamp;

use crate::proto::value::Kind;
use crate::proto::{ListValue, MapEntry, MapValue, OpaqueValue, Value};

/// What an entry without a value, which no server hands out, is read as.
static NONE: Value = Value { kind: None };

impl Value {
    /// The absence of a value.
    #[must_use]
    pub fn null() -> Self {
        Kind::NullValue(0).into()
    }

    /// A list of items that are all of one type; of mixed items, make values first.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        items.into_iter().map(Into::into).collect::<Vec<Self>>().into()
    }

    /// A map, which keeps its entries in this order. The server refuses one in which a key stands twice.
    pub fn map<K: Into<String>, V: Into<Self>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entry = |(key, value): (K, V)| MapEntry { key: key.into(), value: Some(value.into()) };
        let entries = entries.into_iter().map(entry).collect();
        Kind::MapValue(MapValue { entries }).into()
    }

    /// Data that only those can read who know its encoding, such as "go-gob". The name is 1 to 64 of the characters a-z, 0-9,
    /// '-', '_', '.', '/' and '+', beginning with a letter or digit; the server refuses another.
    pub fn opaque(encoding: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Kind::OpaqueValue(OpaqueValue { encoding: encoding.into(), data: data.into() }).into()
    }

    /// True for the absence of a value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, None | Some(Kind::NullValue(_)))
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Some(Kind::BoolValue(value)) = self.kind { Some(value) } else { None }
    }

    /// The whole number, if it is one. 1.0 is none.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Some(Kind::IntValue(value)) = self.kind { Some(value) } else { None }
    }

    /// The floating point number, if it is one. 1 is none.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        if let Some(Kind::DoubleValue(value)) = self.kind { Some(value) } else { None }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Some(Kind::StringValue(value)) = &self.kind { Some(value) } else { None }
    }

    /// The bytes, if it is bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        if let Some(Kind::BytesValue(value)) = &self.kind { Some(value) } else { None }
    }

    /// The moment, if it is one.
    #[must_use]
    pub fn as_timestamp(&self) -> Option<Timestamp> {
        if let Some(Kind::TimestampValue(value)) = self.kind { Some(value) } else { None }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Some(Kind::ListValue(list)) = &self.kind { Some(&list.items) } else { None }
    }

    /// The keys and values in their order, if it is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<impl DoubleEndedIterator<Item = (&str, &Value)> + ExactSizeIterator> {
        if let Some(Kind::MapValue(map)) = &self.kind { Some(map.iter()) } else { None }
    }

    /// The name of the encoding and the data, if it is opaque.
    #[must_use]
    pub fn as_opaque(&self) -> Option<(&str, &Bytes)> {
        if let Some(Kind::OpaqueValue(opaque)) = &self.kind { Some((&opaque.encoding, &opaque.data)) } else { None }
    }

    /// The value of this key, if it is a map that has it. Searches the entries one by one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.find_map(|(k, value)| (k == key).then_some(value))
    }
}

impl MapValue {
    /// The keys and values, in their order.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> + ExactSizeIterator {
        self.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_ref().unwrap_or(&NONE)))
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self { kind: Some(kind) }
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(entries: BTreeMap<String, Value>) -> Self {
        Self::map(entries)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::null, Into::into)
    }
}

macro_rules! from {
    ($($type:ty: $value:ident => $kind:expr),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $kind.into()
            }
        }
    )*};
}

from! {
    bool: value => Kind::BoolValue(value),
    i32: value => Kind::IntValue(value.into()),
    u32: value => Kind::IntValue(value.into()),
    i64: value => Kind::IntValue(value),
    f64: value => Kind::DoubleValue(value),
    &str: value => Kind::StringValue(value.to_owned()),
    String: value => Kind::StringValue(value),
    Bytes: value => Kind::BytesValue(value),
    Vec<u8>: value => Kind::BytesValue(value.into()),
    &[u8]: value => Kind::BytesValue(Bytes::copy_from_slice(value)),
    Timestamp: value => Kind::TimestampValue(value),
    SystemTime: value => Kind::TimestampValue(value.into()),
    Vec<Value>: items => Kind::ListValue(ListValue { items }),
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn each_type_becomes_its_kind_and_no_other() {
        assert!(Value::null().is_null());
        assert!(Value::from(None::<bool>).is_null());
        assert_eq!(Value::from(true).as_bool(), Some(true));
        assert_eq!(Value::from(Some(3)).as_i64(), Some(3));
        assert_eq!(Value::from(u32::MAX).as_i64(), Some(4_294_967_295));
        assert_eq!(Value::from("text").as_str(), Some("text"));
        assert_eq!(Value::from(vec![0, 255]).as_bytes().map(Bytes::as_ref), Some([0, 255].as_slice()));
        assert_eq!(Value::from(SystemTime::UNIX_EPOCH).as_timestamp(), Some(Timestamp::default()));
        assert_eq!(Value::from(1).as_f64(), None);
        assert_eq!(Value::from(1.0).as_i64(), None);
        assert_eq!(Value::from("true").as_bool(), None);
    }

    #[test]
    fn lists_and_maps_give_their_parts() {
        let list = Value::list([Value::from(1), "two".into()]);
        assert_eq!(list.as_list().and_then(|items| items[1].as_str()), Some("two"));
        let map = Value::map([("list", list)]);
        assert!(map.get("list").is_some());
        assert!(map.get("other").is_none());
        assert!(Value::from(1).get("list").is_none());
    }

    #[test]
    fn maps_keep_their_order() {
        let map = Value::map([("b", 1), ("a", 2), ("", 3)]);
        let decoded = Value::decode(map.encode_to_vec().as_slice()).expect("a value");
        assert_eq!(decoded, map);
        let entries: Vec<_> = decoded.as_map().expect("a map").collect();
        assert_eq!(entries, [("b", &1.into()), ("a", &2.into()), ("", &3.into())]);
        assert_ne!(map, Value::map([("a", 2), ("b", 1), ("", 3)]));
    }

    #[test]
    fn an_entry_without_a_value_is_null() {
        let entries = vec![MapEntry { key: "a".to_owned(), value: None }];
        let map = Value::from(Kind::MapValue(MapValue { entries }));
        assert!(map.get("a").is_some_and(Value::is_null));
    }
}
