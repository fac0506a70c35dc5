//! What the server keeps of sealed sessions, and shows without an ID: nothing that tells their attributes.

use super::{config, server};
use crate::common::backups::{back_up, restore};
use crate::common::keys::shows;
use crate::common::{Server, after, binary, millis, run};
use crate::events::watching::{collect, lively};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, DeleteSessionRequest, EventKind, GetSessionRequest,
    IssueHandoffRequest, ListSessionsRequest, RedeemHandoffRequest, RevokeSessionsRequest, RotateSessionRequest,
    SessionChange, Timeouts,
};
use sessiond_client::{Client, Error};
use std::time::Duration;

/// What must not be seen. Compression can't shorten it.
const MARKER: &str = "marker-Q7zK0vXw4JpL9sTb";
/// The same, where it is seen because nothing is sealed.
const CONTROL: &str = "control-h3Nf8RcYd5Ue2MgA";

const SHOP: &str = "https://shop.example";

fn new(text: &str) -> CreateSessionRequest {
    CreateSessionRequest::new().principal("ada").attribute("text", text)
}

async fn text(client: &Client, id: &str) -> Option<String> {
    let session = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
    session.attributes.get("text").and_then(|text| text.as_str()).map(Into::into)
}

/// Does with a session all that is written somewhere. Returns the IDs that open it.
async fn live(client: &Client, text: &str) -> Vec<String> {
    let created = client.create(new(text)).await.unwrap().session_id;
    client.update(&created, SessionChange::new().set("more", text.repeat(3))).await.unwrap();
    let rotation = RotateSessionRequest::new(&created).grace(Duration::from_secs(60));
    let rotated = client.rotate(rotation).await.unwrap().session_id;
    let ticket = client.issue_handoff(IssueHandoffRequest::new(&rotated, SHOP)).await.unwrap().ticket;
    let redeemed = client.redeem_handoff(RedeemHandoffRequest::new(ticket, SHOP)).await.unwrap();
    assert_eq!(redeemed.session.attributes["text"].as_str(), Some(text));
    client.issue_handoff(IssueHandoffRequest::new(&rotated, SHOP)).await.unwrap();
    client.touch(&rotated).await.unwrap();
    for end in 0..3 {
        let ended = client.create(new(text)).await.unwrap();
        match end {
            0 => drop(client.delete(&ended.session_id).await.unwrap()),
            1 => drop(client.delete(DeleteSessionRequest::by_handle(ended.session.handle)).await.unwrap()),
            _ => drop(client.revoke(RevokeSessionsRequest::by_handles([ended.session.handle])).await.unwrap()),
        }
    }
    let short = Timeouts::new().idle(Duration::from_millis(1));
    let expired = client.create(new(text).timeouts(short)).await.unwrap();
    after(millis(expired.session.expire_time)).await;
    client.sweep_now().await.unwrap();
    vec![created, rotated, redeemed.session_id]
}

#[tokio::test(flavor = "multi_thread")]
async fn files_backups_and_logs_show_nothing_and_kills_lose_nothing() {
    let mut server = server(&["--log", "trace"]);
    let mut ids = Vec::new();
    for (namespace, text) in [("sealed", MARKER), ("plain", CONTROL)] {
        ids.push(live(&server.client_in(namespace), text).await);
    }
    let sees = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let (backup, summary) = back_up(&server.client()).await.unwrap();
    assert_eq!(summary.format_version, 3, "older servers refuse it");
    assert!(sees(&backup, CONTROL) && !sees(&backup, MARKER));
    let check = |server: &Server, state: &str| {
        let data = server.data();
        assert!(shows(&data, CONTROL.as_bytes()) && !shows(&data, MARKER.as_bytes()), "{state}");
        assert!(!server.log().contains(MARKER), "{state}");
    };
    server.kill();
    // All of it is in the redo log.
    check(&server, "after a kill");
    server.restart();
    for (namespace, (ids, expected)) in [("sealed", (&ids[0], MARKER)), ("plain", (&ids[1], CONTROL))] {
        let client = server.client_in(namespace);
        for id in ids {
            assert_eq!(text(&client, id).await.as_deref(), Some(expected));
        }
        // The old ID can only read, the others write.
        assert_eq!(client.update(&ids[0], SessionChange::new()).await, Err(Error::SessionIdRetired));
        client.update(&ids[1], SessionChange::new().set("n", 1)).await.unwrap();
        client.update(&ids[2], SessionChange::new().set("m", 1)).await.unwrap();
        let session = client.get(&ids[1]).await.unwrap().session;
        assert_eq!((session.attributes.len(), session.sealed), (4, namespace == "sealed"));
    }
    server.stop();
    check(&server, "after a stop");
    // Whoever has the backup and a cookie reads, as before.
    let restored = Server::start_configured(&config("true"), &[]);
    restore(&restored.client(), &backup).await.unwrap();
    for id in &ids[0] {
        assert_eq!(text(&restored.client_in("sealed"), id).await.as_deref(), Some(MARKER));
    }
    assert!(!shows(&restored.data(), MARKER.as_bytes()) && shows(&restored.data(), CONTROL.as_bytes()));
    // The policy is of the server; what was sealed opens without it, too.
    let without = Server::start_with(&[]);
    restore(&without.client(), &backup).await.unwrap();
    assert_eq!(text(&without.client_in("sealed"), &ids[0][1]).await.as_deref(), Some(MARKER));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_sessions_in_parts_are_sealed_too() {
    let config = "[namespaces.sealed]\nsealed = true\nmax-session-size = \"3MiB\"";
    let mut server = Server::start_configured(config, &["--cache-size", "1MiB"]);
    let client = server.client_in("sealed");
    let large = MARKER.repeat((2 << 20) / MARKER.len());
    let id = client.create(new(&large)).await.unwrap().session_id;
    client.update(&id, SessionChange::new().set("n", 1)).await.unwrap();
    server.stop();
    assert!(!shows(&server.data(), MARKER.as_bytes()));
    server.restart();
    assert_eq!(text(&server.client_in("sealed"), &id).await, Some(large));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_id_sessions_are_found_and_ended_but_not_read() {
    let server = server(&[]);
    let client = server.client_in("sealed");
    let mut watch = client.watch(lively().include_attributes()).await.unwrap();
    let ids = live(&client, MARKER).await;
    let other = client.create(new(MARKER)).await.unwrap();
    let handle = client.get(&ids[1]).await.unwrap().session.handle;
    for request in [
        ListSessionsRequest::new().full(),
        ListSessionsRequest::new().full().principal("ada"),
        ListSessionsRequest::new().full().handles([&handle, &other.session.handle]),
        ListSessionsRequest::new(),
    ] {
        let sessions = client.list(request).await.unwrap().sessions;
        assert_eq!(sessions.len(), 2);
        assert!(sessions.iter().all(|session| session.sealed && session.attributes.is_empty()), "{sessions:?}");
    }
    let addr = ["--addr", server.address(), "--namespace", "sealed"];
    let shown = run(binary().args(["list", "--full"]).args(addr)).stdout;
    assert_eq!(shown.matches("attributes    sealed; sessiond get shows them").count(), 2, "{shown}");
    let shown = run(binary().args(["list", "--full", "--json"]).args(addr)).stdout;
    assert_eq!((shown.matches("\"sealed\":true").count(), shown.matches("\"attributes\"").count()), (2, 0), "{shown}");
    let except = RevokeSessionsRequest::of_principal_except("ada", &other.session_id);
    assert_eq!(client.revoke(except).await, Ok(1));
    assert_eq!(client.count(CountSessionsRequest::new().principal("ada")).await, Ok(1));
    assert_eq!(text(&client, &other.session_id).await.as_deref(), Some(MARKER));
    let events = collect(&client, &mut watch).await;
    let kinds = [
        EventKind::Created,
        EventKind::Updated,
        EventKind::Rotated,
        EventKind::Deleted,
        EventKind::Expired,
        EventKind::Revoked,
    ];
    assert!(kinds.iter().all(|kind| events.iter().any(|event| event.kind == *kind)));
    assert!(events.iter().all(|event| event.session.sealed && event.session.attributes.is_empty()), "{events:?}");
    assert!(!format!("{events:?}").contains(MARKER));
}
