//! [`Value`] as JSON and back, without loss.
//!
//! | value | JSON |
//! |---|---|
//! | null, bool, string, list, map | the same |
//! | whole number | a number without fraction and exponent: `1` |
//! | double | a number with a fraction or exponent: `1.0`; `{"$double": "NaN"}`, `"Infinity"`, `"-Infinity"` |
//! | bytes | `{"$bytes": "AAEC"}`, base64 |
//! | timestamp | `{"$timestamp": "2026-01-31T12:00:00.123456789Z"}`, RFC 3339 |
//! | opaque value | `{"$opaque": {"encoding": "go-gob", "data": "AAEC"}}`, the data in base64 |
//! | map that has a key beginning with `$` | `{"$map": {"$bytes": 1}}` |
//!
//! A whole number that an int64 can't hold is refused. Maps keep the order of their entries.
//!
//! [`from_data`] and [`to_data`] are for JSON that a program makes of its own types: they refuse nothing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value as Json, json};

use crate::proto::value::Kind;
use crate::proto::{OpaqueValue, Value};

pub use crate::json_data::{from_data, to_data};

/// What `$timestamp` wants.
const MOMENT: &str = "a moment with its zone, such as 2026-01-31T12:00:00Z";

/// JSON that stands for no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// An object has a key that begins with `$` and is none of the forms above.
    #[error(
        "{{\"{key}\": …}} is none of $bytes, $timestamp, $double, $opaque and $map; put a map with such a key into $map"
    )]
    UnknownForm {
        /// The key.
        key: String,
    },
    /// The content of one of the forms is wrong.
    #[error("{key} wants {wanted}")]
    WrongContent {
        /// The form.
        key: &'static str,
        /// What it wants.
        wanted: &'static str,
    },
    /// A whole number is larger than an int64 can be; a double would change it.
    #[error("{number} is beyond the range of whole numbers, which have 64 bits; write it as text")]
    TooLarge {
        /// The number.
        number: String,
    },
}

/// A value as JSON. A value without a kind, which no server hands out, becomes `null`.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(*value),
        Some(Kind::IntValue(value)) => Json::from(*value),
        Some(Kind::DoubleValue(value)) => {
            Number::from_f64(*value).map_or_else(|| json!({ "$double": not_finite(*value) }), Json::Number)
        }
        Some(Kind::StringValue(value)) => Json::from(value.as_str()),
        Some(Kind::BytesValue(value)) => json!({ "$bytes": BASE64.encode(value) }),
        Some(Kind::TimestampValue(value)) => json!({ "$timestamp": value.to_string() }),
        Some(Kind::ListValue(list)) => list.items.iter().map(to_json).collect(),
        Some(Kind::OpaqueValue(OpaqueValue { encoding, data })) => {
            json!({ "$opaque": { "encoding": encoding, "data": BASE64.encode(data) } })
        }
        Some(Kind::MapValue(map)) => {
            let entries: Map<String, Json> = map.iter().map(|(key, value)| (key.to_owned(), to_json(value))).collect();
            if entries.keys().any(|key| key.starts_with('$')) {
                json!({ "$map": entries })
            } else {
                Json::Object(entries)
            }
        }
    }
}

/// A value from JSON.
pub fn from_json(json: Json) -> Result<Value, JsonError> {
    Ok(match json {
        Json::Null => Value::null(),
        Json::Bool(value) => value.into(),
        Json::Number(number) => match number.as_i64() {
            Some(value) => value.into(),
            None if number.is_u64() => return Err(JsonError::TooLarge { number: number.to_string() }),
            // Every other number is a double: serde_json keeps none beyond its range.
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Json::String(value) => value.into(),
        Json::Array(items) => items.into_iter().map(from_json).collect::<Result<Vec<_>, _>>()?.into(),
        Json::Object(mut entries) => match entries.keys().find(|key| key.starts_with('$')).cloned() {
            None => map_from_json(entries)?,
            Some(key) => match entries.remove(&key) {
                Some(content) if entries.is_empty() => from_form(key, content)?,
                _ => return Err(JsonError::UnknownForm { key }),
            },
        },
    })
}

/// Attributes as a JSON object. Their names are taken as they are, also those that begin with `$`.
#[must_use]
pub fn attributes_to_json(attributes: &BTreeMap<String, Value>) -> Map<String, Json> {
    attributes.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// Attributes from a JSON object. Their names are taken as they are, also those that begin with `$`.
pub fn attributes_from_json(object: Map<String, Json>) -> Result<BTreeMap<String, Value>, JsonError> {
    object.into_iter().map(|(name, json)| Ok((name, from_json(json)?))).collect()
}

fn map_from_json(object: Map<String, Json>) -> Result<Value, JsonError> {
    let entries = object.into_iter().map(|(key, json)| Ok((key, from_json(json)?)));
    Ok(Value::map(entries.collect::<Result<Vec<_>, _>>()?))
}

fn from_form(key: String, content: Json) -> Result<Value, JsonError> {
    match (key.as_str(), content) {
        ("$bytes", Json::String(text)) => {
            let bytes = BASE64.decode(text).map_err(|_| wrong("$bytes", "base64 with padding"))?;
            Ok(bytes.into())
        }
        ("$bytes", _) => Err(wrong("$bytes", "base64 with padding")),
        ("$timestamp", Json::String(text)) => {
            let time = timestamp_from_text(&text).ok_or_else(|| wrong("$timestamp", MOMENT))?;
            Ok(time.into())
        }
        ("$timestamp", _) => Err(wrong("$timestamp", MOMENT)),
        ("$double", Json::String(text)) => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            .into_iter()
            .find(|value| not_finite(*value) == text)
            .map(Value::from)
            .ok_or_else(|| wrong("$double", "NaN, Infinity or -Infinity")),
        ("$double", _) => Err(wrong("$double", "NaN, Infinity or -Infinity")),
        ("$opaque", Json::Object(parts)) => opaque_from_json(parts),
        ("$opaque", _) => Err(wrong("$opaque", OPAQUE)),
        ("$map", Json::Object(entries)) => map_from_json(entries),
        ("$map", _) => Err(wrong("$map", "an object")),
        _ => Err(JsonError::UnknownForm { key }),
    }
}

/// What `$opaque` wants.
const OPAQUE: &str = "an object with encoding, a name, and data, base64 with padding, and nothing else";

fn opaque_from_json(mut parts: Map<String, Json>) -> Result<Value, JsonError> {
    match (parts.remove("encoding"), parts.remove("data")) {
        (Some(Json::String(encoding)), Some(Json::String(data))) if parts.is_empty() => {
            let data = BASE64.decode(data).map_err(|_| wrong("$opaque", OPAQUE))?;
            Ok(Value::opaque(encoding, data))
        }
        _ => Err(wrong("$opaque", OPAQUE)),
    }
}

/// A moment in RFC 3339, such as `2026-01-31T12:00:00Z`. One without its zone, with more than nine digits of a second, or in
/// a leap second, which no timestamp can hold, is none.
#[must_use]
pub fn timestamp_from_text(text: &str) -> Option<prost_types::Timestamp> {
    let (_, time) = text.split_once(['T', 't', ' '])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(at);
    let (minutes, seconds) = time.rsplit_once(':')?;
    let fraction = seconds.split_once('.').map_or("", |(_, fraction)| fraction);
    let is_exact = minutes.contains(':') && !seconds.starts_with("60") && fraction.len() <= 9;
    let has_zone = zone.eq_ignore_ascii_case("z") || (zone.len() == 6 && zone.as_bytes()[3] == b':');
    text.parse().ok().filter(|_| is_exact && has_zone)
}

fn wrong(key: &'static str, wanted: &'static str) -> JsonError {
    JsonError::WrongContent { key, wanted }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn parse(text: &str) -> Value {
        from_json(serde_json::from_str(text).expect(text)).expect(text)
    }

    /// From 0001-01-01 to the last nanosecond of 9999, the range of the contract.
    fn any_timestamp() -> impl Strategy<Value = Timestamp> {
        (-62_135_596_800..=253_402_300_799_i64, 0..1_000_000_000)
            .prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::null()),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("compared with ==", |value| !value.is_nan()).prop_map(Value::from),
            ".*".prop_map(Value::from),
            any::<Vec<u8>>().prop_map(Value::from),
            any_timestamp().prop_map(Value::from),
            ("[a-z0-9][a-z0-9._/+-]{0,63}", any::<Vec<u8>>())
                .prop_map(|(encoding, data)| Value::opaque(encoding, data)),
        ];
        let key = prop_oneof![".*", "\\$.*", Just("$map".to_owned()), Just("$bytes".to_owned())];
        leaf.prop_recursive(4, 64, 8, move |value| {
            prop_oneof![
                prop::collection::vec(value.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(key.clone(), value, 0..8).prop_map(Value::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_survives_json_text(value in any_value()) {
            let text = to_json(&value).to_string();
            prop_assert_eq!(parse(&text), value, "{}", text);
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(parse("1").as_i64(), Some(1));
        assert_eq!(parse("1.0").as_f64(), Some(1.0));
        assert_eq!(parse("1e2").as_f64(), Some(100.0));
        assert_eq!(parse("9223372036854775807").as_i64(), Some(i64::MAX));
        let large = serde_json::from_str("9223372036854775808").expect("JSON");
        assert_eq!(from_json(large), Err(JsonError::TooLarge { number: "9223372036854775808".to_owned() }));
        assert_eq!(to_json(&Value::from(1.0)).to_string(), "1.0");
        assert_eq!(to_json(&Value::from(-0.0)).to_string(), "-0.0");
        assert_eq!(to_json(&Value::from(1e300)).to_string(), "1e+300");
    }

    #[test]
    fn what_json_lacks_has_a_form_of_its_own() {
        for (text, value) in [
            (r#"{"$bytes":"AP8="}"#, Value::from(vec![0, 255])),
            (
                r#"{"$timestamp":"1969-12-31T23:59:59.999999999Z"}"#,
                Timestamp { seconds: -1, nanos: 999_999_999 }.into(),
            ),
            (r#"{"$double":"-Infinity"}"#, f64::NEG_INFINITY.into()),
            (r#"{"$opaque":{"encoding":"go-gob","data":"AP8="}}"#, Value::opaque("go-gob", vec![0, 255])),
            (r#"{"$map":{"$bytes":1}}"#, Value::map([("$bytes", 1)])),
        ] {
            assert_eq!(to_json(&value).to_string(), text);
            assert_eq!(parse(text), value);
        }
        assert!(parse(r#"{"$double":"NaN"}"#).as_f64().is_some_and(f64::is_nan));
    }

    #[test]
    fn maps_keep_their_order() {
        for text in [r#"{"b":1,"a":{"d":2,"c":3},"":4}"#, r#"[{"$map":{"z":1,"$bytes":2,"a":3}}]"#] {
            assert_eq!(to_json(&parse(text)).to_string(), text);
        }
    }

    #[test]
    fn a_wrong_form_is_refused() {
        for text in [
            r#"{"$bytes":"not base64"}"#,
            r#"{"$bytes":1}"#,
            r#"{"$bytes":1}"#,
            r#"{"$timestamp":"2026-01-31T12:00:00"}"#,
            r#"{"$timestamp":"2026-01-31"}"#,
            r#"{"$timestamp":"2026-12-31T23:59:60Z"}"#,
            r#"{"$timestamp":"2026-01-31T12:00:00.1234567891Z"}"#,
            r#"{"$double":"1.5"}"#,
            r#"{"$double":1.5}"#,
            r#"{"$opaque":"AP8="}"#,
            r#"{"$opaque":{"encoding":"go-gob"}}"#,
            r#"{"$opaque":{"encoding":"go-gob","data":"AP8"}}"#,
            r#"{"$opaque":{"encoding":"go-gob","data":"AP8=","more":1}}"#,
            r#"{"$map":[]}"#,
            r#"{"$other":1}"#,
            r#"{"$bytes":"AAEC","more":1}"#,
            r#"[{"deep":{"$other":1}}]"#,
        ] {
            let json = serde_json::from_str(text).expect(text);
            assert!(from_json(json).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_attributes_are_taken_as_they_are() {
        let attributes = BTreeMap::from([("$bytes".to_owned(), Value::from(1))]);
        let json = attributes_to_json(&attributes);
        assert_eq!(Json::Object(json.clone()).to_string(), r#"{"$bytes":1}"#);
        assert_eq!(attributes_from_json(json), Ok(attributes));
    }
}
