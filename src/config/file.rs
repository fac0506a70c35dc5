//! Reads the TOML file into values as they would be written after a flag.

use std::path::Path;

use clap::{Arg, ArgAction};
use toml::{Table, Value};

use super::args::{BOOL, COUNT, SIZE, Settings};
use super::error::{ConfigError, nearest};

/// The settings in the file at `path`, each with its values. `place` is what named the file, for an error.
pub(super) fn read(place: &str, path: &Path) -> Result<Vec<(String, Vec<String>)>, ConfigError> {
    let file = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(
            place,
            format!("cannot read {file:?}: {error}; name a TOML file that this user may read"),
        )
    })?;
    let table = source.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = source.get(..start).unwrap_or_default().matches('\n').count() + 1;
        ConfigError::new(&file, format!("line {line} is not valid TOML: {}", error.message()))
    })?;
    // Tables with a meaning of their own, such as a policy for each namespace ([namespaces.shop]), are to be taken out
    // of `table` here; what remains are settings.
    settings(&file, table)
}

fn settings(file: &str, table: Table) -> Result<Vec<(String, Vec<String>)>, ConfigError> {
    let command = Settings::command();
    let mut found = Vec::new();
    for (key, value) in table {
        let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(&key)) else {
            let names = command.get_arguments().filter_map(Arg::get_long).map(ToOwned::to_owned);
            return Err(ConfigError::new(file, unknown(&key, &value, names)));
        };
        let values =
            written(arg, value).map_err(|problem| ConfigError::new(format!("{key} (file {file})"), problem))?;
        found.push((key, values));
    }
    Ok(found)
}

fn unknown(key: &str, value: &Value, names: impl Iterator<Item = String>) -> String {
    match (nearest(key, names), value) {
        (Some(name), _) => format!("unknown key {key:?}; did you mean {name:?}?"),
        (None, Value::Table(_)) => format!("unknown table [{key}]; settings stand at the top level, outside any table"),
        (None, _) => format!("unknown key {key:?}; sessiond config --toml writes a file with every key"),
    }
}

/// The value, or the values of a list, as text; or what is wrong with its type.
fn written(arg: &Arg, value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(items) if matches!(arg.get_action(), ArgAction::Append) => {
            if items.is_empty() {
                return Err("the list is empty; write at least one value, or leave the key out".to_owned());
            }
            items.into_iter().map(|item| single(arg, item)).collect()
        }
        value => Ok(vec![single(arg, value)?]),
    }
}

fn single(arg: &Arg, value: Value) -> Result<String, String> {
    let kind = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map_or("", |name| name.as_str());
    let expected = match (kind, value) {
        (BOOL, Value::Boolean(value)) => return Ok(value.to_string()),
        (COUNT | SIZE, Value::Integer(value)) => return Ok(value.to_string()),
        // The parser judges other text, such as auto.
        (COUNT, Value::String(value)) if value.trim().parse::<i64>().is_err() => return Ok(value),
        (COUNT, Value::String(value)) => {
            return Err(format!(
                "a string is not a number; write {} without quotes",
                value.trim()
            ));
        }
        (BOOL, value) => ("true or false, without quotes", value),
        (COUNT, value) => ("a whole number", value),
        (_, Value::String(value)) => return Ok(value),
        (SIZE, value) => (
            "a size in quotes, for example \"16MiB\", or a whole number of bytes",
            value,
        ),
        (_, value) => ("text in quotes", value),
    };
    let (expected, found) = expected;
    let default = arg
        .get_default_values()
        .first()
        .map(|default| default.to_string_lossy().into_owned());
    let found = match found {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    Err(format!(
        "{found} is the wrong type; write {expected} (the default is {})",
        super::report::toml_value(arg, &default.unwrap_or_default())
    ))
}
