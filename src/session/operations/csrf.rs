//! Tokens against cross-site request forgery.
//!
//! The secret behind a token is an HMAC under the session's ID. So every session has its own, without a write and with
//! nothing at rest from which it could be computed; rotation renews it, and it dies with the session. A token is the secret
//! under a fresh random mask, together with the mask, so that it looks different on each page (BREACH).

use crate::model::{Handle, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const SECRET_BYTES: usize = 32;

/// Keeps this use of the ID apart from any other.
const PURPOSE: &[u8] = b"sessiond csrf token, version 1";

impl Sessions {
    /// Issues a token for the session, whose handle comes with it.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing secure can be done then.
    pub async fn issue_csrf_token(&self, namespace: &str, id: &SessionId) -> Result<(Handle, String), Error> {
        let handle = self.get(namespace, id, Access::Peek).await?.record.handle;
        let mut mask = [0; SECRET_BYTES];
        getrandom::fill(&mut mask).expect("the operating system provides randomness");
        let masked = xor(secret(id, handle), mask);
        Ok((handle, BASE64_URL_SAFE_NO_PAD.encode([mask, masked].concat())))
    }

    /// Whether the token was issued for this session under this ID. The session's handle comes with it.
    pub async fn verify_csrf_token(
        &self,
        namespace: &str,
        id: &SessionId,
        token: &str,
    ) -> Result<(Handle, bool), Error> {
        let handle = self.get(namespace, id, Access::Peek).await?.record.handle;
        Ok((handle, unmask(token).is_some_and(|shown| shown.ct_eq(&secret(id, handle)).into())))
    }
}

fn secret(id: &SessionId, handle: Handle) -> [u8; SECRET_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(id.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(PURPOSE);
    // Another session may come under the same ID, if callers choose it.
    mac.update(&handle.to_bytes());
    mac.finalize().into_bytes().into()
}

fn unmask(token: &str) -> Option<[u8; SECRET_BYTES]> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let (mask, masked) = bytes.split_at_checked(SECRET_BYTES)?;
    Some(xor(mask.try_into().ok()?, masked.try_into().ok()?))
}

fn xor(mut left: [u8; SECRET_BYTES], right: [u8; SECRET_BYTES]) -> [u8; SECRET_BYTES] {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
    left
}
