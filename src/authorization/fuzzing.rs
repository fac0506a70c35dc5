//! Tries the access file, the token file, and the header with a token.

use super::rules::Rules;
use super::{AccessFiles, Authorizer, PeerIdentity, Permission, TokenFile, UnixUser, token_file};
use crate::fuzzing::{Input, check_line, scratch};
use futures_util::FutureExt as _;
use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tonic::codegen::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// Any rules, for the tokens.
const RULES: &str = "[caller.shop]\nanyone = true\nallow = [{ namespaces = [\"shop\"], may = [\"sessions\"] }]\n";

/// The first byte says what the others are.
pub(crate) fn access(input: &[u8]) {
    let mut rest = Input(input);
    match rest.byte() % 4 {
        0 => rules(rest.0),
        1 => tokens(rest.0),
        _ => header(rest.0),
    }
}

fn rules(text: &[u8]) {
    let path = scratch().join("access.toml");
    fs::write(&path, text).expect("a file");
    let files = AccessFiles { access: path, tokens: None, has_certificates: true };
    let rules = match Rules::load(&files, &mut HashMap::new()) {
        Ok(rules) => rules,
        Err(problem) => return check_line(&problem.to_string()),
    };
    assert!(rules.callers().next().is_some(), "rules for nobody");
    let user = PeerIdentity { user: Some(UnixUser { uid: 4_711, gid: 4_711 }), ..PeerIdentity::default() };
    for peer in [user, PeerIdentity::default()] {
        let Some(caller) = rules.of_peer(&peer) else { continue };
        for permission in Permission::ALL {
            // What is allowed everywhere is allowed in each namespace.
            if caller.grants.allow(permission, None) {
                assert!(caller.grants.allow(permission, Some("anywhere")));
            }
        }
    }
}

/// A token file that can be read is the same once it was written again.
fn tokens(text: &[u8]) {
    let path = scratch().join("tokens");
    fs::write(&path, text).expect("a file");
    let read = || token_file::read(&path);
    let entries = match read() {
        Ok(entries) => entries,
        Err(problem) => {
            check_line(&problem);
            return;
        }
    };
    let file = TokenFile::at(&path);
    let (token, made) = file.create("shop", None).expect("one token more");
    let mut again = read().expect("a file that was just written");
    let last = again.pop().expect("the token");
    assert_eq!((last.id, last.hash), (made.id, token.hash()));
    // The file has whole seconds.
    let seconds = |moment: std::time::SystemTime| moment.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).ok();
    assert_eq!(again.len(), entries.len());
    for (one, other) in again.iter().zip(&entries) {
        assert_eq!((&one.id, &one.caller, one.hash), (&other.id, &other.caller, other.hash));
        assert_eq!(seconds(one.made), seconds(other.made));
        assert_eq!(one.expires.map(seconds), other.expires.map(seconds));
    }
    file.revoke(token.id()).expect("the token is there");
}

/// Nobody is let in by a header but with a token of the file.
fn header(value: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let folder = scratch();
    let (access, tokens) = (folder.join("access-of-header.toml"), folder.join("tokens-of-header"));
    fs::write(&access, RULES).expect("a file");
    fs::write(&tokens, "").expect("a file");
    let files = AccessFiles { access, tokens: Some(tokens), has_certificates: true };
    let authorizer = Authorizer::load(files).unwrap_or_else(|problem| panic!("{problem}"));
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let peer = Arc::new(PeerIdentity::default());
    let denied = authorizer.authenticate(&peer, &headers, || None::<()>).now_or_never().expect("nothing to wait for");
    let denied = denied.expect_err("nobody's token");
    check_line(&denied.to_string());
}
