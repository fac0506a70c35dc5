//! Everything short that callers bring: session IDs, handles, tickets, and tokens.

use super::Input;
use crate::clock::Clock;
use crate::engine::MemoryEngine;
use crate::model::{Handle, IdHash, ResumeToken, Secret, SessionId};
use crate::session::{Error, NewSession, Past, Policies, Policy, Redemption, SessionChange, Sessions};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::sync::Arc;
use tokio::runtime;

const NAMESPACE: &str = "shop";
const AUDIENCE: &str = "https://shop.example";

/// A handle and 24 bytes of randomness.
const MINTED_BYTES: usize = 40;

/// Reads the input as each kind; or, if it begins with an odd byte, damages secrets that were issued.
pub(super) fn secrets(input: &[u8]) {
    let mut rest = Input(input);
    if rest.byte() % 2 == 1 {
        runtime::Builder::new_current_thread().build().expect("a runtime").block_on(forged(rest));
    } else if let Ok(text) = std::str::from_utf8(rest.0) {
        session_id(text);
        handle(text);
        resume_token(text);
        crate::service::fuzzing::page_token(text);
    }
}

fn session_id(text: &str) {
    let minted = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == MINTED_BYTES);
    let embedded = minted.as_ref().and_then(|bytes| Handle::from_slice(bytes.get(..16)?));
    let secret = Secret::parse(text.to_owned());
    assert!(embedded.is_none() || secret.as_ref().map(|(_, handle)| *handle) == embedded, "another handle");
    assert!(text.starts_with(SessionId::lasting_part(text)));
    let Some(id) = SessionId::parse(text.to_owned()) else {
        assert!(embedded.is_none(), "a minted ID was refused");
        return;
    };
    assert_eq!(id.embedded_handle(), secret.map(|(_, handle)| handle));
    assert_eq!(
        IdHash::of(NAMESPACE, &id),
        IdHash::from_slice(IdHash::of(NAMESPACE, &id).as_bytes()).expect("32 bytes")
    );
    assert_eq!(id.reveal(), text);
}

fn handle(text: &str) {
    if let Ok(handle) = text.parse::<Handle>() {
        assert_eq!(handle.to_string().parse().ok(), Some(handle));
        assert_eq!(handle.text(&mut [0; 36]), handle.to_string());
        assert_eq!(Handle::from_slice(&handle.to_bytes()), Some(handle));
    }
}

/// A token has one form.
fn resume_token(text: &str) {
    if let Ok(token) = text.parse::<ResumeToken>() {
        assert_eq!(token.to_string(), text);
    }
}

/// Of a secret that was issued, no other text is as good. The session may be sealed.
async fn forged(mut rest: Input<'_>) {
    let (clock, _hand) = Clock::manual(1_700_000_000_000);
    let kind = rest.byte();
    let (is_ticket, sealed) = (kind & 1 != 0, kind & 2 != 0);
    let policies = Policies { default: Policy { sealed, ..Policy::default() }, ..Policies::default() };
    let sessions = Sessions::new(Arc::new(MemoryEngine::default()), clock, policies);
    let new =
        NewSession { namespace: NAMESPACE.into(), id: None, data: SessionChange::default(), past: Past::default() };
    let (id, _) = sessions.create(new).await.expect("a session");
    let (_, token) = sessions.issue_csrf_token(NAMESPACE, &id).await.expect("a token");
    let (_, ticket, _) = sessions.issue_handoff(NAMESPACE, &id, AUDIENCE.into(), 60_000).await.expect("a ticket");
    let ticket = ticket.reveal();
    let shown = changed(if is_ticket { &ticket } else { &token }, rest);
    if is_ticket {
        let redemption =
            Redemption { namespace: NAMESPACE.into(), ticket: shown.clone(), audience: AUDIENCE.into(), new_id: None };
        let redeemed = sessions.redeem_handoff(redemption).await;
        assert_eq!(redeemed.is_ok(), shown == ticket);
        assert!(redeemed.is_ok() || matches!(redeemed, Err(Error::HandoffInvalid)));
    } else {
        let (_, is_valid) = sessions.verify_csrf_token(NAMESPACE, &id, &shown).await.expect("the session is there");
        assert_eq!(is_valid, shown == token);
    }
}

/// The text with some characters replaced, inserted or left out.
fn changed(text: &str, mut rest: Input<'_>) -> String {
    let mut text: Vec<char> = text.chars().collect();
    while !rest.is_empty() {
        let (how, at) = (rest.byte(), usize::from(rest.byte()));
        let character = char::from(rest.byte());
        let at = at.min(text.len());
        match how % 4 {
            0 => text.truncate(at),
            1 if at < text.len() => text[at] = character,
            2 if at < text.len() => drop(text.remove(at)),
            _ => text.insert(at, character),
        }
    }
    text.into_iter().collect()
}
