//! Page tokens: opaque to callers, and bound to what is listed.
//!
//! A token names the last session of its page by handle, so it stays valid while sessions come and go.

use crate::model::{Handle, SecretHash};
use crate::session::Error;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const FORMAT: u8 = 1;
const SCOPE_BYTES: usize = 8;

pub(in crate::service) fn encode(namespace: &str, listing: &str, last: Handle) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([&[FORMAT], &scope(namespace, listing)[..], &last.to_bytes()].concat())
}

/// `listing` is the principal whose sessions are listed, or whatever else tells the list from others.
pub(in crate::service) fn decode(namespace: &str, listing: &str, token: &str) -> Result<Option<Handle>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let refused = || Error::invalid("page_token", "must be the next_page_token of a list of the same sessions");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    let handle = bytes
        .strip_prefix(&[FORMAT])
        .and_then(|rest| rest.strip_prefix(&scope(namespace, listing)))
        .and_then(Handle::from_slice);
    handle.map(Some).ok_or_else(refused)
}

fn scope(namespace: &str, listing: &str) -> [u8; SCOPE_BYTES] {
    let hash = SecretHash::of_principal(namespace, listing);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_list() {
        let last = Handle::mint(1_000);
        let token = encode("shop", "ada", last);
        assert_eq!(decode("shop", "ada", &token).unwrap(), Some(last));
        assert_eq!(decode("shop", "ada", "").unwrap(), None);
        for (namespace, principal) in [("shop", "bob"), ("blog", "ada"), ("shop", "")] {
            assert!(decode(namespace, principal, &token).is_err());
        }
        for damaged in ["x", &token[1..], &format!("{token}A")] {
            assert!(decode("shop", "ada", damaged).is_err(), "{damaged}");
        }
    }
}
