//! Tests with many clients at one session: no change is lost, one of two rivals wins, and nothing revives what was
//! deleted.

use crate::common::Server;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, RotateSessionRequest, SessionChange, UpdateSessionRequest, Value,
};
use sessiond_client::{Client, Error, Rotated};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_attributes_all_survive() {
    let server = Server::start();
    let id = server.client().create(CreateSessionRequest::new()).await.unwrap().session_id;
    let together = Arc::new(Barrier::new(64));
    let mut clients = JoinSet::new();
    for number in 0..64_i64 {
        let (client, id, together) = (server.client(), id.clone(), Arc::clone(&together));
        clients.spawn(async move {
            client.get(&id).await.unwrap();
            together.wait().await;
            client.update(&id, SessionChange::new().set(format!("a{number}"), number)).await.unwrap();
        });
    }
    clients.join_all().await;
    let session = server.client().get(&id).await.unwrap().session;
    assert_eq!(session.version, 65);
    assert_eq!(session.attributes.len(), 64);
    for number in 0..64_i64 {
        assert_eq!(session.attributes[&format!("a{number}")], Value::from(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compare_and_set_counts_exactly() {
    const CLIENTS: i64 = 16;
    const EACH: i64 = 20;
    let server = Server::start();
    let id = server.client().create(CreateSessionRequest::new().attribute("n", 0)).await.unwrap().session_id;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, id) = (server.client(), id.clone());
        clients.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let session = client.get(&id).await.unwrap().session;
                let next = session.attributes["n"].as_i64().unwrap() + 1;
                let change = SessionChange::new().set("n", next);
                match client.update_with(UpdateSessionRequest::new(&id, change).if_version(session.version)).await {
                    Ok(updated) => {
                        assert_eq!(updated.session.version, session.version + 1);
                        done += 1;
                    }
                    Err(Error::VersionMismatch { current }) => assert!(current.unwrap() > session.version),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    clients.join_all().await;
    let session = server.client().get(&id).await.unwrap().session;
    assert_eq!(session.attributes["n"], Value::from(CLIENTS * EACH));
    assert_eq!(i64::try_from(session.version).unwrap(), 1 + CLIENTS * EACH);
}

/// Does everything at once that a slow request may do to a session. Returns the session's ID if the rotation won.
async fn do_everything(clients: &[Client], id: &str) -> Option<String> {
    let grace = RotateSessionRequest::new(id).grace(Duration::from_secs(60));
    let change = |name: &str| SessionChange::new().set(name, 1).set_principal("user-42");
    let calls = tokio::join!(
        clients[0].update(id, change("a")),
        clients[1].update(id, change("b")),
        clients[2].touch(id),
        clients[3].get(id),
        clients[4].rotate(grace),
    );
    let allowed = |error: &Error| matches!(error, Error::SessionNotFound | Error::SessionIdRetired);
    assert!(calls.0.as_ref().err().is_none_or(allowed) && calls.1.as_ref().err().is_none_or(allowed), "{calls:?}");
    assert!(calls.2.as_ref().err().is_none_or(allowed) && calls.3.as_ref().err().is_none_or(allowed), "{calls:?}");
    assert!(calls.4.as_ref().err().is_none_or(allowed), "{calls:?}");
    calls.4.ok().map(|Rotated { session_id, .. }| session_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_brings_a_deleted_session_back() {
    let server = Server::start_with(&["--touch-interval", "100ms"]);
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let mut rotated_first = 0;
    for round in 0..150 {
        let mut new = CreateSessionRequest::new();
        if round % 3 == 0 {
            new = new.session_id(format!("chosen-session-id-{round}"));
        }
        let created = clients[5].create(new).await.unwrap();
        let id = created.session_id;
        let delete = async {
            // Each round does this at another moment of the other calls.
            tokio::time::sleep(Duration::from_micros(round % 15 * 100)).await;
            let by_handle = DeleteSessionRequest::by_handle(&created.session.handle);
            assert_eq!(clients[5].delete(by_handle).await, Ok(true));
            // The other calls may still be in flight.
            assert_eq!(clients[5].get(&id).await, Err(Error::SessionNotFound));
        };
        let (rotated, ()) = tokio::join!(do_everything(&clients, &id), delete);
        rotated_first += usize::from(rotated.is_some());
        for id in rotated.iter().chain([&id]) {
            assert_eq!(clients[5].get(id).await, Err(Error::SessionNotFound), "round {round}");
            assert_eq!(clients[5].touch(id).await, Err(Error::SessionNotFound), "round {round}");
        }
    }
    assert!(rotated_first > 0, "the deletion always came first: there was no race");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rotations_of_one_id_one_wins() {
    let server = Server::start();
    let clients = [server.client(), server.client()];
    for round in 0..60 {
        let grace = Duration::from_secs(if round % 2 == 0 { 0 } else { 60 });
        let loser = if grace.is_zero() { Error::SessionNotFound } else { Error::SessionIdRetired };
        let created = clients[0].create(CreateSessionRequest::new()).await.unwrap();
        let rotation = RotateSessionRequest::new(&created.session_id).grace(grace);
        let rotations = tokio::join!(clients[0].rotate(rotation.clone()), clients[1].rotate(rotation));
        let winner = match rotations {
            (Ok(winner), Err(error)) | (Err(error), Ok(winner)) => {
                assert_eq!(error, loser, "round {round}");
                winner
            }
            other => panic!("round {round}: {other:?}"),
        };
        assert_eq!(clients[0].get(&winner.session_id).await.unwrap().session.handle, created.session.handle);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creations_under_one_id_one_wins() {
    let server = Server::start();
    let clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for round in 0..20 {
        let id = format!("a-popular-session-id-{round}");
        let mut creations = JoinSet::new();
        for (number, client) in clients.iter().cloned().enumerate() {
            let new = CreateSessionRequest::new().session_id(&id).attribute("n", i64::try_from(number).unwrap());
            creations.spawn(async move { (number, client.create(new).await) });
        }
        let (won, lost): (Vec<_>, Vec<_>) = creations.join_all().await.into_iter().partition(|(_, made)| made.is_ok());
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.into_iter().all(|(_, made)| made == Err(Error::SessionIdTaken)), "round {round}");
        let session = clients[0].get(&id).await.unwrap().session;
        assert_eq!(session.attributes["n"], Value::from(i64::try_from(won[0].0).unwrap()));
    }
}
