//! Tests of CSRF tokens: each looks different, and is valid for one session under one ID.

use crate::common::{Server, after, now};
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange, VerifyCsrfTokenRequest,
};
use sessiond_client::{Client, Error};
use std::collections::HashSet;
use std::time::Duration;

async fn create(client: &Client) -> String {
    client.create(CreateSessionRequest::new()).await.unwrap().session_id
}

async fn verify(client: &Client, id: &str, token: &str) -> Result<bool, Error> {
    client.verify_csrf_token(VerifyCsrfTokenRequest::new(id, token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_look_different_and_are_all_right() {
    let mut server = Server::start();
    let client = server.client();
    let chosen = CreateSessionRequest::new().session_id("chosen-session-id-1");
    let chosen = client.create(chosen).await.unwrap().session_id;
    for id in [create(&client).await, chosen] {
        let mut tokens = HashSet::new();
        for _ in 0..50 {
            tokens.insert(client.issue_csrf_token(&*id).await.unwrap());
        }
        assert_eq!(tokens.len(), 50);
        // No part is the same in all tokens, so nobody can guess it from their compressed size.
        let texts: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
        for at in 0..texts[0].len() {
            let characters: HashSet<u8> = texts.iter().map(|text| text[at]).collect();
            assert!(characters.len() > 1, "place {at} is always the same");
        }
        for token in &tokens {
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
            assert!(!token.contains(&id));
            assert_eq!(verify(&client, &id, token).await, Ok(true));
            assert_eq!(verify(&client, &id, token).await, Ok(true), "a token can be used again");
        }
    }
    // Tokens survive a restart of the server, and changes of the session.
    let id = create(&client).await;
    let token = client.issue_csrf_token(&*id).await.unwrap();
    client.update(&id, SessionChange::new().set_principal("ada")).await.unwrap();
    server.kill();
    server.restart();
    assert_eq!(verify(&server.client(), &id, &token).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_is_shown_is_false() {
    let server = Server::start();
    let client = server.client();
    let (id, other) = (create(&client).await, create(&client).await);
    let (token, foreign) =
        (client.issue_csrf_token(&*id).await.unwrap(), client.issue_csrf_token(&*other).await.unwrap());
    assert_eq!(verify(&client, &other, &token).await, Ok(false));
    let (half, reversed) = (token.len() / 2, token.chars().rev().collect::<String>());
    let mut wrong = vec![
        foreign.clone(),
        reversed,
        String::new(),
        "x".into(),
        id.clone(),
        "ключ \0\n".into(),
        "=".repeat(86),
        "A".repeat(token.len()),
        format!("{token}="),
        format!("{token}A"),
        format!(" {token}"),
        token[1..].into(),
        token[..half].into(),
        format!("{}{}", &token[..half], &foreign[half..]),
        "t".repeat(1 << 20),
    ];
    // Each change of one character makes a token invalid, except for the unused bits of the last character.
    for at in 0..token.len() - 1 {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        wrong.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
    }
    for wrong in wrong {
        assert_eq!(verify(&client, &id, &wrong).await, Ok(false), "{wrong}");
    }
    assert_eq!(verify(&client, &id, &token).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_the_id_and_the_session() {
    let server = Server::start();
    let client = server.client();
    let old = create(&client).await;
    let token = client.issue_csrf_token(&*old).await.unwrap();
    let rotation = RotateSessionRequest::new(&old).grace(Duration::from_secs(60));
    let new = client.rotate(rotation).await.unwrap().session_id;
    assert_eq!(verify(&client, &new, &token).await, Ok(false));
    let fresh = client.issue_csrf_token(&*new).await.unwrap();
    assert_eq!(verify(&client, &new, &fresh).await, Ok(true));
    client.delete(&new).await.unwrap();
    for id in [&old, &new, "an-unknown-session-id"] {
        assert_eq!(verify(&client, id, &fresh).await, Err(Error::SessionNotFound));
        assert_eq!(client.issue_csrf_token(id).await, Err(Error::SessionNotFound));
    }
    assert_eq!(verify(&server.client_in("other"), &new, &fresh).await, Err(Error::SessionNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_right_for_another_session_under_the_same_id() {
    let server = Server::start();
    let (client, other) = (server.client(), server.client_in("other"));
    let new = || CreateSessionRequest::new().session_id("chosen-session-id-1");
    let id = client.create(new()).await.unwrap().session_id;
    let token = client.issue_csrf_token(&*id).await.unwrap();
    other.create(new()).await.unwrap();
    assert_eq!(verify(&other, &id, &token).await, Ok(false));
    client.delete(&id).await.unwrap();
    client.create(new()).await.unwrap();
    assert_eq!(verify(&client, &id, &token).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_call_counts_as_activity() {
    let server = Server::start();
    let client = server.client();
    let created = client.create(CreateSessionRequest::new()).await.unwrap();
    let id = &created.session_id;
    after(now() + 20).await;
    let token = client.issue_csrf_token(&**id).await.unwrap();
    assert_eq!(verify(&client, id, &token).await, Ok(true));
    assert_eq!(verify(&client, id, "x").await, Ok(false));
    let session = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
    assert_eq!(session, created.session);
    assert_ne!(client.get(id).await.unwrap().session, created.session, "a touch would be seen");
}
