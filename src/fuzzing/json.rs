//! JSON of the command line. It belongs to the binary, so its file is taken in here once more.

#[path = "../cli/input/exact_json.rs"]
mod exact_json;

use serde_json::Value as Json;
use sessiond_client::json::{from_json, to_json};

/// What is taken is JSON, and comes out of a value as it went in.
pub(super) fn json(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parsed = serde_json::from_str::<Json>(text);
    match exact_json::read(text) {
        None => assert!(parsed.is_err(), "JSON was taken for text"),
        Some(Err(problem)) => super::check_line(&problem),
        Some(Ok(json)) => {
            assert_eq!(Some(&json), parsed.as_ref().ok(), "it was read otherwise");
            if let Ok(value) = from_json(json.clone()) {
                let shown = to_json(&value);
                assert_eq!(from_json(shown.clone()).ok(), Some(value), "it is not the same once it was shown");
                if !json.to_string().contains('$') {
                    assert_eq!(shown, json, "it was changed");
                }
            }
        }
    }
}
