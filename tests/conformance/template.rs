//! Fills in the variables of a template: `${name}`, `${time+60s}`, and values too long to write out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use sessiond_client::Timestamp;
use sessiond_client::json::timestamp_from_text;

use crate::common::now;

pub(crate) type Variables = BTreeMap<String, String>;

/// Nanoseconds since 1970 of a moment in RFC 3339.
pub(crate) fn nanos(text: &str) -> Option<i128> {
    timestamp_from_text(text).map(|time| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}

/// Nanoseconds of a duration such as "0.350s" or "-5s".
pub(crate) fn duration(text: &str) -> Option<i128> {
    let millis = text.strip_suffix('s')?.parse::<f64>().ok()? * 1_000.0;
    #[expect(clippy::cast_possible_truncation, reason = "cases name seconds and milliseconds")]
    Some(millis.round() as i128 * 1_000_000)
}

fn moment(nanos: i128) -> String {
    let part = |value: i128| i64::try_from(value).unwrap();
    let seconds = part(nanos.div_euclid(1_000_000_000));
    Timestamp { seconds, nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap() }.to_string()
}

pub(crate) fn expand_text(text: &str, variables: &Variables) -> Result<String, String> {
    let Some((before, rest)) = text.split_once("${") else { return Ok(text.to_owned()) };
    let (name, after) = rest.split_once('}').ok_or_else(|| format!("{text} is not closed"))?;
    let (name, offset) = name.split_at(name.find(['+', '-']).unwrap_or(name.len()));
    let mut value = if name == "now" {
        moment(i128::from(now()) * 1_000_000)
    } else {
        variables.get(name).cloned().ok_or_else(|| format!("{name} is not set"))?
    };
    if !offset.is_empty() {
        let (base, offset) = (nanos(&value), duration(offset.trim_start_matches('+')));
        value = moment(base.ok_or("no time")? + offset.ok_or("no duration")?);
    }
    Ok(format!("{before}{value}{}", expand_text(after, variables)?))
}

pub(crate) fn expand(template: &Value, variables: &Variables) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => expand_text(text, variables)?.into(),
        Value::Array(items) => items.iter().map(|item| expand(item, variables)).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Object(fields) => {
            if let Some(form) = fields.keys().find(|key| key.starts_with('$') && !key.starts_with("${")) {
                return long(form, fields, variables);
            }
            let field = |(name, item): (&String, _)| Ok((expand_text(name, variables)?, expand(item, variables)?));
            fields.iter().map(field).collect::<Result<Map<_, _>, String>>()?.into()
        }
        plain => plain.clone(),
    })
}

fn long(form: &str, fields: &Map<String, Value>, variables: &Variables) -> Result<Value, String> {
    let number = |name: &str| usize::try_from(fields[name].as_u64().unwrap()).unwrap();
    Ok(match form {
        "$repeat" => fields["$repeat"].as_str().unwrap().repeat(number("times")).into(),
        "$bytes" => BASE64_STANDARD.encode(vec![0; number("$bytes")]).into(),
        "$list" => vec![expand(&fields["of"], variables)?; number("$list")].into(),
        "$map" => {
            let (prefix, item) = (expand(&fields["prefix"], variables)?, expand(&fields["value"], variables)?);
            let name = |n| format!("{}{n}", prefix.as_str().unwrap());
            (0..number("$map")).map(|n| (name(n), item.clone())).collect::<Map<_, _>>().into()
        }
        "$nested" => {
            let list = |item, _| json!({"listValue": {"items": [item]}});
            (1..number("$nested")).fold(json!({"boolValue": true}), list)
        }
        other => return Err(format!("{other} is not known")),
    })
}
