//! Turning the policy on and off over sessions that exist.

use super::config;
use crate::common::Server;
use crate::common::keys::shows;
use sessiond_client::Client;
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, IssueHandoffRequest, ListSessionsRequest, RedeemHandoffRequest,
    RotateSessionRequest, SessionChange, Timeouts, UpdateSessionRequest,
};
use std::time::Duration;

const SHOP: &str = "https://shop.example";

async fn create(client: &Client) -> String {
    client.create(CreateSessionRequest::new().attribute("theme", "dark")).await.unwrap().session_id
}

/// Whether it is sealed; its attributes are as they should be.
async fn is_sealed(client: &Client, id: &str) -> bool {
    let session = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
    assert_eq!(session.attributes["theme"].as_str(), Some("dark"));
    session.sealed
}

async fn redeemed(client: &Client, id: &str) -> String {
    let ticket = client.issue_handoff(IssueHandoffRequest::new(id, SHOP)).await.unwrap().ticket;
    client.redeem_handoff(RedeemHandoffRequest::new(ticket, SHOP)).await.unwrap().session_id
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_sealed_and_opened_by_their_next_write() {
    let mut server = Server::start_configured(&config("false"), &[]);
    let client = server.client_in("sealed");
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(create(&client).await);
    }
    for sealed in [true, false, true] {
        let policy = if sealed { "true" } else { "false" };
        server.stop();
        server.configure(&config(policy));
        server.restart();
        let client = server.client_in("sealed");
        // Reads, touches, locks and changes of nothing write nothing.
        client.get(&ids[0]).await.unwrap();
        client.touch(&ids[0]).await.unwrap();
        client.lock(&ids[0]).await.unwrap();
        client.update(&ids[0], SessionChange::new()).await.unwrap();
        client.update(&ids[1], SessionChange::new().set("n", 1)).await.unwrap();
        client.update(&ids[2], SessionChange::new().set_timeouts(Timeouts::new())).await.unwrap();
        client
            .update_with(UpdateSessionRequest::new(&ids[3], SessionChange::new().set("n", 1)).upsert())
            .await
            .unwrap();
        ids[4] = client.rotate(&ids[4]).await.unwrap().session_id;
        let rotation = RotateSessionRequest::new(&ids[5]).change(SessionChange::new().set_principal("ada"));
        ids[5] = client.rotate(rotation).await.unwrap().session_id;
        client.issue_handoff(IssueHandoffRequest::new(&ids[6], SHOP)).await.unwrap();
        assert_eq!(is_sealed(&client, &ids[0]).await, !sealed, "{policy}");
        for id in &ids[1..] {
            assert_eq!(is_sealed(&client, id).await, sealed, "{policy}");
        }
        // Clears its tickets: one that was issued without the policy would keep it plain.
        client.update(&ids[6], SessionChange::new().set_principal(policy)).await.unwrap();
        // A list tells how many there still are of the other kind.
        let listed = client.list(ListSessionsRequest::new()).await.unwrap().sessions;
        assert_eq!(listed.iter().filter(|session| session.sealed != sealed).count(), 1);
        // The first one follows.
        client.update(&ids[0], SessionChange::new().set("n", 2)).await.unwrap();
        assert_eq!(is_sealed(&client, &ids[0]).await, sealed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_sealed_once_all_its_ids_are_known() {
    let mut server = Server::start_configured(&config("false"), &[]);
    let client = server.client_in("sealed");
    let first = create(&client).await;
    let second = redeemed(&client, &first).await;
    let waiting = create(&client).await;
    let ticket = client.issue_handoff(IssueHandoffRequest::new(&waiting, SHOP)).await.unwrap().ticket;
    let rotated = create(&client).await;
    let grace = Duration::from_secs(60);
    let next = client.rotate(RotateSessionRequest::new(&rotated).grace(grace)).await.unwrap().session_id;
    server.kill();
    server.configure(&config("true"));
    server.restart();
    let client = server.client_in("sealed");
    let change = || SessionChange::new().set("n", 1);
    // Nobody shows the other ID, the ticket or the retired ID in these calls.
    for id in [&first, &second, &waiting, &next] {
        client.update(id, change()).await.unwrap();
        assert!(!is_sealed(&client, id).await);
    }
    assert!(!is_sealed(&client, &rotated).await);
    let third = client.redeem_handoff(RedeemHandoffRequest::new(ticket, SHOP)).await.unwrap().session_id;
    assert!(!is_sealed(&client, &third).await);
    // With a principal, tickets are void; and once one ID is left, it is sealed.
    let fourth = create(&client).await;
    assert!(is_sealed(&client, &fourth).await);
    let further = redeemed(&client, &fourth).await;
    client.update(&further, change()).await.unwrap();
    for id in [&fourth, &further] {
        assert!(is_sealed(&client, id).await);
    }
    // Opened again, with both its IDs.
    server.stop();
    server.configure(&config("false"));
    server.restart();
    let client = server.client_in("sealed");
    client.update(&further, change()).await.unwrap();
    for id in [&fourth, &further] {
        assert!(!is_sealed(&client, id).await);
    }
    server.stop();
    assert!(shows(&server.data(), b"theme"));
    assert_eq!(
        std::fs::read(server.data().join("sled/acknowledged")).unwrap()[0],
        4,
        "older servers refuse the folder"
    );
}
