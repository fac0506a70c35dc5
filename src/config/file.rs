//! Reads the TOML file into values as they are written after a flag.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use super::args::{BOOL, COUNT, SIZE, Settings, command_of};
use super::error::{ConfigError, nearest};
use super::policy::PolicySettings;
use crate::model::{NAMESPACE_RULE, is_namespace};

/// The key of the tables that hold the policies of namespaces.
const NAMESPACES: &str = "namespaces";

/// The name and the values of each setting.
pub(super) type Written = Vec<(String, Vec<String>)>;

/// The contents of a settings file.
pub(super) struct Contents {
    pub(super) settings: Written,
    /// The policies of the namespaces that have their own.
    pub(super) namespaces: BTreeMap<String, Written>,
}

/// Reads the settings in the file at `path`. `place` says in an error which setting named the file.
pub(super) fn read(place: &str, path: &Path) -> Result<Contents, ConfigError> {
    let file = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(place, format!("cannot read {file:?}: {error}; name a TOML file that this user may read"))
    })?;
    let mut table = source.parse::<Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = source.get(..start).unwrap_or_default().matches('\n').count() + 1;
        ConfigError::new(&file, format!("line {line} is not valid TOML: {}", error.message()))
    })?;
    let namespaces = table.remove(NAMESPACES);
    Ok(Contents {
        settings: settings(&file, table)?,
        namespaces: namespaces.map_or_else(|| Ok(BTreeMap::new()), |value| policies(&file, value))?,
    })
}

/// The name of a namespace's table in the file.
pub(super) fn namespace_table(namespace: &str) -> String {
    if namespace.contains('.') { format!("{NAMESPACES}.{namespace:?}") } else { format!("{NAMESPACES}.{namespace}") }
}

fn settings(file: &str, table: Table) -> Result<Written, ConfigError> {
    let command = Settings::command();
    let mut found = Vec::new();
    for (key, value) in table {
        let Some(arg) = named(&command, &key) else {
            let names = names(&command).chain([NAMESPACES.to_owned()]);
            return Err(ConfigError::new(file, unknown(&key, &value, names)));
        };
        let values = written(arg, value).map_err(|problem| ConfigError::new(in_file(&key, file), problem))?;
        found.push((key, values));
    }
    Ok(found)
}

fn policies(file: &str, value: Value) -> Result<BTreeMap<String, Written>, ConfigError> {
    let refuse = |place: &str, problem: String| Err(ConfigError::new(in_file(place, file), problem));
    let tables = match value {
        Value::Table(tables) => tables,
        value => {
            let problem = "is the wrong type; write a table for each namespace, such as [namespaces.shop]";
            return refuse(NAMESPACES, format!("{} {problem}", kind_of(&value)));
        }
    };
    let mut found = BTreeMap::new();
    for (namespace, value) in tables {
        if !is_namespace(&namespace) {
            let problem = format!("{namespace:?} is not a name for a namespace; write {NAMESPACE_RULE}");
            return refuse(NAMESPACES, problem);
        }
        let place = namespace_table(&namespace);
        match value {
            Value::Table(table) => {
                let policy = policy(file, &place, &namespace, table)?;
                found.insert(namespace, policy);
            }
            value => {
                let problem = "is the wrong type; the policy of a namespace is a table";
                return refuse(&place, format!("{} {problem}, such as [namespaces.shop]", kind_of(&value)));
            }
        }
    }
    Ok(found)
}

/// The policy of the namespace whose table is called `place`.
fn policy(file: &str, place: &str, namespace: &str, table: Table) -> Result<Written, ConfigError> {
    let command = command_of::<PolicySettings>();
    let mut found = Vec::new();
    for (key, value) in table {
        let path = format!("{place}.{key}");
        let Some(arg) = named(&command, &key) else {
            if named(&Settings::command(), &key).is_some() {
                let problem = "can't be set per namespace; move it to the top level, above the first table";
                return Err(ConfigError::new(in_file(&path, file), problem));
            }
            let remedy = match (nearest(&key, names(&command)), value) {
                (_, Value::Table(_)) => {
                    format!("quote a namespace with a dot: [{}]", namespace_table(&format!("{namespace}.{key}")))
                }
                (Some(name), _) => format!("did you mean {name:?}?"),
                (None, _) => format!("a namespace can have {}", names(&command).collect::<Vec<_>>().join(", ")),
            };
            return Err(ConfigError::new(file, format!("unknown key {path}; {remedy}")));
        };
        let values = written(arg, value).map_err(|problem| ConfigError::new(in_file(&path, file), problem))?;
        found.push((key, values));
    }
    Ok(found)
}

fn named<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(key))
}

fn names(command: &Command) -> impl Iterator<Item = String> {
    command.get_arguments().filter_map(Arg::get_long).map(ToOwned::to_owned)
}

/// The start of an error about the value of a key.
fn in_file(key: &str, file: &str) -> String {
    format!("{key} (file {file})")
}

fn unknown(key: &str, value: &Value, names: impl Iterator<Item = String>) -> String {
    match (nearest(key, names), value) {
        (Some(name), _) => format!("unknown key {key:?}; did you mean {name:?}?"),
        (None, Value::Table(_)) => {
            format!("unknown table [{key}]; write settings at the top level; the only tables are [namespaces.NAME]")
        }
        (None, _) => format!("unknown key {key:?}; sessiond config --toml writes a file with every key"),
    }
}

/// The value, or the values of a list, as text. The error says what is wrong with its type.
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
    let kind = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let expected = match (kind, value) {
        (BOOL, Value::Boolean(value)) => return Ok(value.to_string()),
        (COUNT | SIZE, Value::Integer(value)) => return Ok(value.to_string()),
        // The parser checks other text, such as auto.
        (COUNT, Value::String(value)) if value.trim().parse::<i64>().is_err() => return Ok(value),
        (COUNT, Value::String(value)) => {
            return Err(format!("a string is not a number; write {} without quotes", value.trim()));
        }
        (BOOL, value) => ("true or false, without quotes", value),
        (COUNT, value) => ("a whole number", value),
        (_, Value::String(value)) => return Ok(value),
        (SIZE, value) => ("a size in quotes, for example \"16MiB\", or a whole number of bytes", value),
        (_, value) => ("text in quotes", value),
    };
    let (expected, found) = expected;
    let default = arg.get_default_values().first().map(|default| default.to_string_lossy().into_owned());
    Err(format!(
        "{} is the wrong type; write {expected} (the default is {})",
        kind_of(&found),
        super::report::toml_value(arg, &default.unwrap_or_default())
    ))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
