//! Tests of what operators are told of single calls.

mod access_lines;
mod audit;
#[cfg(feature = "otlp")]
mod spans;
mod traces;

use serde_json::Value;
use std::fs;
use std::path::Path;

/// The lines of a file that holds one JSON object in each.
fn lines_in(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Those lines of a server's log that have this target.
fn logged(log: &str, target: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == target).collect()
}

/// What the lines say under these names, in the order of the names; an empty text for what is not there.
fn told(lines: &[Value], names: &[&str]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lines.iter().map(|line| names.iter().map(|name| text(&line[*name])).collect::<Vec<_>>().join(" ")).collect()
}
