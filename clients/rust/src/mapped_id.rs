//! IDs that a framework hands over and that the server would not take.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The characters of an ID that the server takes.
const CHARS: std::ops::RangeInclusive<usize> = 16..=256;

/// The session ID under which a framework's own ID is kept: the ID itself if the server takes it, 16 to 256 printable ASCII
/// characters without spaces; otherwise "~" and the unpadded base64url form of the SHA-256 of its UTF-8 bytes. `None` for an
/// empty ID, which names no session.
///
/// Every client maps in the same way, so that all find the same session; `clients/conformance/ids.json` has the cases.
#[must_use]
pub fn mapped_id(id: &str) -> Option<Cow<'_, str>> {
    if id.is_empty() {
        None
    } else if CHARS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some(id.into())
    } else {
        Some(format!("~{}", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(id))).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    #[test]
    fn ids_are_mapped_as_in_every_language() {
        let cases = include_str!("../../conformance/ids.json");
        let cases: Vec<Json> = serde_json::from_str(cases).expect("a list");
        assert!(cases.len() > 10);
        for case in cases {
            let id = case["id"].as_str().expect("text");
            assert_eq!(mapped_id(id).as_deref(), case["session_id"].as_str(), "{}", case["name"]);
        }
    }
}
