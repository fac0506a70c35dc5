//! Any JSON as a [`Value`]: what serde makes of a program's own types.

use serde_json::{Map, Value as Json};

use crate::json::{from_json, to_json};
use crate::proto::value::Kind;
use crate::proto::{MapEntry, Value};

/// The encoding of opaque values that hold JSON which is no value of the contract.
const JSON: &str = "json";

/// The forms of [`to_json`](crate::json::to_json) for values that JSON lacks.
const FORMS: [&str; 4] = ["$bytes", "$timestamp", "$double", "$opaque"];

/// A value from data in JSON, such as serde makes of a type. Every JSON is taken:
///
/// | JSON | value |
/// |---|---|
/// | null, bool, string, array, object | the same |
/// | number without fraction and exponent | int; beyond 64 bits with a sign, opaque of the encoding "json" |
/// | other number | double |
/// | what [`to_data`] makes of bytes, a timestamp, a double that is not finite, or an opaque value | that value |
#[must_use]
pub fn from_data(data: Json) -> Value {
    match data {
        Json::Number(number) if number.is_u64() && !number.is_i64() => Value::opaque(JSON, number.to_string()),
        Json::Array(items) => items.into_iter().map(from_data).collect::<Vec<_>>().into(),
        Json::Object(entries) => match special(&entries) {
            Some(value) => value,
            None => Value::map(entries.into_iter().map(|(key, item)| (key, from_data(item)))),
        },
        // Nothing else is refused.
        plain => from_json(plain).unwrap_or_else(|_| Value::null()),
    }
}

/// Data in JSON from a value: [`from_data`] makes the same value of it. Maps become objects whatever their keys are.
#[must_use]
pub fn to_data(value: Value) -> Json {
    match value.kind {
        // Moved, as most of a session is text.
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::ListValue(list)) => list.items.into_iter().map(to_data).collect(),
        Some(Kind::MapValue(map)) => {
            let entry = |MapEntry { key, value }| (key, value.map_or(Json::Null, to_data));
            map.entries.into_iter().map(entry).collect()
        }
        Some(Kind::OpaqueValue(ref opaque)) if opaque.encoding == JSON => {
            serde_json::from_slice(&opaque.data).unwrap_or_else(|_| to_json(&value))
        }
        _ => to_json(&value),
    }
}

/// The value that JSON lacks and that this object stands for.
fn special(entries: &Map<String, Json>) -> Option<Value> {
    let is_form = entries.len() == 1 && FORMS.iter().any(|form| entries.contains_key(*form));
    is_form.then(|| from_json(Json::Object(entries.clone())).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_json_comes_back() {
        for data in [
            json!(null),
            json!(true),
            json!(-7),
            json!(1.0),
            json!(1e300),
            json!(u64::MAX),
            json!("text"),
            json!([1, [2.5, null], {"a": {"b": []}}]),
            json!({"$bytes": 1}),
            json!({"$other": {"$map": {}}}),
            json!({"$bytes": "AAEC", "more": 1}),
        ] {
            assert_eq!(to_data(from_data(data.clone())), data);
        }
    }

    #[test]
    fn values_of_other_languages_come_back() {
        let cases = include_str!("../../conformance/values.json");
        let cases: Vec<Json> = serde_json::from_str(cases).expect("a list");
        for case in cases {
            let wire = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, case["wire"].as_str().expect("text"));
            let value = Value::decode(wire.expect("base64").as_slice()).expect("a value");
            let back = from_data(to_data(value.clone()));
            assert_eq!(back.encode_to_vec(), value.encode_to_vec(), "{}", case["name"]);
        }
    }
}
