//! Tests of cross-domain sign-on: a ticket works once, for its audience, in its time, and opens the same session.

use crate::common::{Server, after, files_below, millis, now};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, DeleteSessionRequest, IssueHandoffRequest, RedeemHandoffRequest,
    RevokeSessionsRequest, RotateSessionRequest, SessionChange, Timeouts, UpdateSessionRequest, Value,
};
use sessiond_client::{Client, Error, Redeemed};
use std::fs;
use std::time::Duration;

const SHOP: &str = "https://shop.example";
const SECOND: Duration = Duration::from_secs(1);

async fn create(client: &Client) -> String {
    let new = CreateSessionRequest::new().principal("ada").attribute("theme", "dark");
    client.create(new).await.unwrap().session_id
}

async fn issue(client: &Client, id: &str) -> String {
    client.issue_handoff(IssueHandoffRequest::new(id, SHOP)).await.unwrap().ticket
}

async fn redeem(client: &Client, ticket: &str) -> Result<Redeemed, Error> {
    client.redeem_handoff(RedeemHandoffRequest::new(ticket, SHOP)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_domains_share_one_session() {
    let mut server = Server::start();
    let client = server.client();
    let first = create(&client).await;
    let redeemed = redeem(&client, &issue(&client, &first).await).await.unwrap();
    let second = redeemed.session_id;
    assert_ne!(first, second);
    assert_eq!(redeemed.session.attributes["theme"], Value::from("dark"));
    let session = client.get(&first).await.unwrap().session;
    assert_eq!((&redeemed.session.handle, redeemed.session.version), (&session.handle, 1));
    // Each domain changes what the other one sees, even after a crash.
    client.update(&first, SessionChange::new().set("n", 1)).await.unwrap();
    client.update(&second, SessionChange::new().set("m", 2)).await.unwrap();
    server.kill();
    server.restart();
    let client = server.client();
    for id in [&first, &second] {
        let session = client.get(id).await.unwrap().session;
        assert_eq!(
            (session.version, session.attributes.len(), session.handle.as_str()),
            (3, 3, &*redeemed.session.handle)
        );
    }
    assert_eq!(client.count(CountSessionsRequest::new().principal("ada")).await, Ok(1));
    // A third ID, issued by the second domain.
    let third = redeem(&client, &issue(&client, &second).await).await.unwrap().session_id;
    // A rotation on one leaves the others' IDs valid.
    let rotated = client.rotate(&second).await.unwrap().session_id;
    assert_eq!(client.get(&second).await, Err(Error::SessionNotFound));
    for id in [&first, &rotated, &third] {
        client.update(id, SessionChange::new().set("o", 3)).await.unwrap();
    }
    // A logout on one domain ends them all.
    assert!(client.delete(&third).await.unwrap());
    for id in [&first, &second, &rotated, &third] {
        assert_eq!(client.get(id).await, Err(Error::SessionNotFound));
        let update = client.update(id, SessionChange::new()).await;
        assert_eq!(update, Err(Error::SessionNotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_works_once() {
    let server = Server::start();
    let clients = [server.client(), server.client()];
    let id = create(&clients[0]).await;
    for round in 0..30 {
        let ticket = issue(&clients[0], &id).await;
        let both = tokio::join!(redeem(&clients[0], &ticket), redeem(&clients[1], &ticket));
        let won = match both {
            (Ok(won), Err(error)) | (Err(error), Ok(won)) => {
                assert_eq!(error, Error::HandoffInvalid, "round {round}");
                won
            }
            other => panic!("round {round}: {other:?}"),
        };
        assert!(clients[0].get(&won.session_id).await.is_ok());
        assert_eq!(redeem(&clients[0], &ticket).await, Err(Error::HandoffInvalid));
    }
    // Several tickets may be valid at the same time.
    let tickets = [issue(&clients[0], &id).await, issue(&clients[0], &id).await, issue(&clients[0], &id).await];
    for ticket in tickets.iter().rev() {
        redeem(&clients[0], ticket).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_its_audience_and_its_namespace() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    for wrong in ["https://shop.example/", "https://SHOP.example", "https://evil.example"] {
        let ticket = issue(&client, &id).await;
        let redeemed = client.redeem_handoff(RedeemHandoffRequest::new(&ticket, wrong)).await;
        assert_eq!(redeemed, Err(Error::HandoffInvalid), "{wrong}");
        assert_eq!(redeem(&client, &ticket).await, Err(Error::HandoffInvalid), "{wrong} did not burn it");
    }
    let ticket = issue(&client, &id).await;
    assert_eq!(redeem(&server.client_in("other"), &ticket).await, Err(Error::HandoffInvalid));
    for garbage in ["", "x", &id, &ticket[1..], &"A".repeat(54), "ключ", &"t".repeat(10_000)] {
        assert_eq!(redeem(&client, garbage).await, Err(Error::HandoffInvalid));
    }
    // A ticket is no ID.
    assert_eq!(client.get(&ticket).await, Err(Error::SessionNotFound));
    assert_eq!(client.delete(&ticket).await, Err(Error::SessionNotFound));
    redeem(&client, &ticket).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_has_its_time() {
    let mut server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let before = now();
    let handoff = client.issue_handoff(IssueHandoffRequest::new(&id, SHOP)).await.unwrap();
    let end = millis(Some(handoff.expire_time));
    assert!((before + 30_000..=now() + 30_000).contains(&end), "30 s if nothing is said");
    let brief = client.issue_handoff(IssueHandoffRequest::new(&id, SHOP).lifetime(SECOND)).await.unwrap();
    let end = millis(Some(brief.expire_time));
    assert!(end <= now() + 1_000);
    let long = IssueHandoffRequest::new(&id, SHOP).lifetime(300 * SECOND);
    let long = client.issue_handoff(long).await.unwrap();
    after(end).await;
    assert_eq!(redeem(&client, &brief.ticket).await, Err(Error::HandoffInvalid));
    assert_eq!(redeem(&client, &brief.ticket).await, Err(Error::HandoffInvalid));
    // The other tickets survive a crash and a rotation.
    client.rotate(&id).await.unwrap();
    server.kill();
    server.restart();
    redeem(&server.client(), &long.ticket).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_dies_with_its_session() {
    let server = Server::start();
    let client = server.client();
    for round in 0..4 {
        let mut new = CreateSessionRequest::new().principal("ada");
        if round == 3 {
            new = new.timeouts(Timeouts::new().absolute(SECOND));
        }
        let created = client.create(new).await.unwrap();
        let (id, handle) = (created.session_id, created.session.handle);
        let ticket = issue(&client, &id).await;
        match round {
            0 => drop(client.delete(&id).await.unwrap()),
            1 => drop(client.delete(DeleteSessionRequest::by_handle(&handle)).await.unwrap()),
            2 => drop(client.revoke(RevokeSessionsRequest::of_principal("ada")).await.unwrap()),
            _ => after(millis(created.session.expire_time)).await,
        }
        assert_eq!(redeem(&client, &ticket).await, Err(Error::HandoffInvalid), "round {round}");
        let issued = client.issue_handoff(IssueHandoffRequest::new(&id, SHOP)).await;
        assert_eq!(issued, Err(Error::SessionNotFound), "round {round}");
        // It does not open another session under the same ID either.
        let upsert = UpdateSessionRequest::new(&id, SessionChange::new()).upsert();
        assert!(client.update_with(upsert).await.unwrap().created);
        assert_eq!(redeem(&client, &ticket).await, Err(Error::HandoffInvalid), "round {round}");
    }
    let id = create(&client).await;
    client.rotate(RotateSessionRequest::new(&id).grace(60 * SECOND)).await.unwrap();
    let issued = client.issue_handoff(IssueHandoffRequest::new(&id, SHOP)).await;
    assert_eq!(issued, Err(Error::SessionIdRetired), "an ID that can only read hands nothing over");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redeeming_domain_may_choose_its_id() {
    let server = Server::start();
    let client = server.client();
    let (id, other) = (create(&client).await, create(&client).await);
    let ticket = issue(&client, &id).await;
    let choosing = |new: &str| RedeemHandoffRequest::new(&ticket, SHOP).new_session_id(new);
    for taken in [&id, &other] {
        assert_eq!(client.redeem_handoff(choosing(taken)).await, Err(Error::SessionIdTaken));
    }
    // A refused call does not use up the ticket.
    let redeemed = client.redeem_handoff(choosing("chosen-session-id-1")).await.unwrap();
    assert_eq!(redeemed.session_id, "chosen-session-id-1");
    let handle = client.get("chosen-session-id-1").await.unwrap().session.handle;
    assert_eq!(handle, client.get(&id).await.unwrap().session.handle);
    let again = CreateSessionRequest::new().session_id("chosen-session-id-1");
    assert_eq!(client.create(again.clone()).await, Err(Error::SessionIdTaken));
    client.delete(&id).await.unwrap();
    client.create(again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_not_written_down() {
    let mut server = Server::start_with(&["--log", "trace,sled=trace"]);
    let client = server.client();
    let id = create(&client).await;
    let mut tickets = Vec::new();
    for number in 0..6 {
        let ticket = issue(&client, &id).await;
        match number % 3 {
            0 => drop(redeem(&client, &ticket).await.unwrap()),
            1 => drop(client.redeem_handoff(RedeemHandoffRequest::new(&ticket, "x")).await.unwrap_err()),
            _ => {}
        }
        tickets.push(ticket);
    }
    server.kill();
    let log = server.log();
    assert!(log.contains("handed off"), "the log is at work");
    let files: Vec<Vec<u8>> = files_below(&server.data()).iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(files.iter().any(|bytes| bytes.windows(SHOP.len()).any(|window| window == SHOP.as_bytes())));
    for ticket in &tickets {
        // It begins with the session's handle, which is no secret.
        let secret = &ticket[24..];
        assert!(!log.contains(secret), "the log tells a ticket");
        for bytes in &files {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a file holds a ticket");
        }
    }
    server.restart();
}
