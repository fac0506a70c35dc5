//! What lists of devices show of a session.

use std::collections::BTreeMap;

use axum::http::header;
use axum::http::request::Parts;

use crate::NAME;

// The first that is found counts: many browsers call themselves by the names of others, too.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg", "Edge"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// The labels "device", such as "Firefox on Linux", and "site", where the session's user logged in.
pub(crate) fn labels(parts: &Parts) -> BTreeMap<String, String> {
    let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let device = format!("{} on {}", find(agent, BROWSERS), find(agent, SYSTEMS));
    BTreeMap::from([("device".to_owned(), device), ("site".to_owned(), NAME.to_owned())])
}

fn find(agent: &str, names: [(&str, &'static str); 6]) -> &'static str {
    names.iter().find(|(mark, _)| agent.contains(mark)).map_or("something else", |(_, name)| name)
}
