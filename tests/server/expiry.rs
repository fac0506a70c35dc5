//! Tests of time: sessions end at their millisecond, idle and absolute timeouts both hold, and the last access only
//! moves forward.

use crate::common::{LONG, Server, eventually, millis, now};
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, Session, SessionChange,
    Timeouts, UpdateSessionRequest,
};
use sessiond_client::{Client, Error};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

fn peek(id: &str) -> GetSessionRequest {
    GetSessionRequest::new(id).peek()
}

async fn create(client: &Client, timeouts: Timeouts) -> (String, Session) {
    let created = client.create(CreateSessionRequest::new().timeouts(timeouts)).await.unwrap();
    (created.session_id, created.session)
}

/// Reads until the session is gone, and checks every answer against the moment at which it must end. A call happens
/// between its beginning and its end by the clock of this machine, so the check needs no tolerance.
async fn watch_the_end(client: Client, id: String, end: u64) -> usize {
    let start = Instant::now();
    let mut found = 0;
    loop {
        let before = now();
        let answer = client.get(peek(&id)).await;
        let after = now();
        match answer {
            Ok(_) => {
                assert!(before < end, "still there {} ms after its end", before - end);
                found += 1;
            }
            Err(Error::SessionNotFound) => {
                assert!(after >= end, "gone {} ms before its end", end - after);
                return found;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(start.elapsed() < LONG, "it never ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_at_their_millisecond() {
    // The test runs with a sweeper that comes at once, and with one that never comes in time.
    for sweep in ["100ms", "10m"] {
        let server = Server::start_with(&["--sweep-interval", sweep]);
        let client = server.client();
        let mut watchers = JoinSet::new();
        for number in 0..8 {
            let lifetime = Duration::from_millis(300 + number * 37);
            let timeouts =
                if number % 2 == 0 { Timeouts::new().idle(lifetime) } else { Timeouts::new().absolute(lifetime) };
            let (id, session) = create(&client, timeouts).await;
            let end = millis(session.expire_time);
            assert_eq!(end, millis(session.create_time) + u64::try_from(lifetime.as_millis()).unwrap());
            watchers.spawn(watch_the_end(client.clone(), id, end));
        }
        let found: usize = watchers.join_all().await.into_iter().sum();
        assert!(found > 0, "no session was ever found before its end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_absent_for_every_call() {
    let server = Server::start_with(&["--sweep-interval", "10m"]);
    let client = server.client();
    let id = "an-id-that-is-chosen";
    let short = Timeouts::new().idle(Duration::from_millis(50));
    let created = client.create(CreateSessionRequest::new().session_id(id).timeouts(short)).await.unwrap();
    eventually("the session ends", async || client.get(peek(id)).await.is_err()).await;

    assert_eq!(client.get(id).await, Err(Error::SessionNotFound));
    assert_eq!(client.touch(id).await, Err(Error::SessionNotFound));
    assert_eq!(client.update(id, SessionChange::new().set("a", 1)).await, Err(Error::SessionNotFound));
    assert_eq!(client.rotate(id).await, Err(Error::SessionNotFound));
    assert_eq!(client.delete(id).await, Err(Error::SessionNotFound));
    let by_handle = DeleteSessionRequest::by_handle(&created.session.handle);
    assert_eq!(client.delete(by_handle).await, Err(Error::SessionNotFound));
    assert_eq!(client.delete(DeleteSessionRequest::by_id(id).allow_missing()).await, Ok(false));
    // The ID is free again, and a create under it makes another session.
    let again = client.create(CreateSessionRequest::new().session_id(id)).await.unwrap();
    assert_ne!(again.session.handle, created.session.handle);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_earlier_of_both_timeouts_wins() {
    let server = Server::start();
    let client = server.client();
    let both =
        |idle, absolute| Timeouts::new().idle(Duration::from_millis(idle)).absolute(Duration::from_millis(absolute));

    let (_, session) = create(&client, both(60_000, 3_600_000)).await;
    assert_eq!(millis(session.expire_time), millis(session.create_time) + 60_000);

    // The absolute end never moves, however busy the session is, and whatever its ID is.
    let (mut id, session) = create(&client, both(60_000, 700)).await;
    let end = millis(session.create_time) + 700;
    assert_eq!((millis(session.absolute_expire_time), millis(session.expire_time)), (end, end));
    loop {
        let before = now();
        let rotated = match client.rotate(&id).await {
            Ok(rotated) => rotated,
            Err(Error::SessionNotFound) => break,
            Err(error) => panic!("{error}"),
        };
        assert!(before < end);
        assert_eq!(millis(rotated.session.expire_time), end);
        id = rotated.session_id;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(now() >= end, "gone before its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_keeps_a_session_alive_and_silence_ends_it() {
    let server = Server::start();
    let client = server.client();
    let (id, session) = create(&client, Timeouts::new().idle(Duration::from_secs(3))).await;
    let first_end = millis(session.expire_time);
    // Each kind of access keeps the session live past its first end.
    let mut round = 0;
    let mut end = first_end;
    while now() <= first_end + 500 {
        end = match round % 3 {
            0 => millis(Some(client.touch(&id).await.unwrap().expire_time)),
            1 => millis(client.get(&id).await.unwrap().session.expire_time),
            _ => millis(client.update(&id, SessionChange::new().set("n", round)).await.unwrap().session.expire_time),
        };
        round += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(end > first_end);
    assert_eq!(watch_the_end(client.clone(), id, end).await.min(1), 1, "peeking does not keep it alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_can_be_replaced() {
    let server = Server::start_with(&["--idle-timeout", "2h"]);
    let client = server.client();
    let (id, session) = create(&client, Timeouts::new().absolute(Duration::from_secs(3_600))).await;
    assert_eq!(session.idle_timeout.unwrap().seconds, 7_200);
    let change = SessionChange::new().set_timeouts(Timeouts::new().idle(Duration::from_secs(60)));
    let session = client.update(&id, change).await.unwrap().session;
    assert_eq!((session.idle_timeout.unwrap().seconds, session.absolute_expire_time, session.version), (60, None, 2));
    // An end that has passed since the creation ends the session.
    eventually("the session is older than its new timeout", async || now() > millis(session.create_time) + 20).await;
    let change = SessionChange::new().set_timeouts(Timeouts::new().absolute(Duration::from_millis(10)));
    client.update(&id, change).await.ok();
    assert_eq!(client.get(&id).await, Err(Error::SessionNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_access_never_moves_back() {
    let server = Server::start_with(&["--touch-interval", "100ms"]);
    let (id, _) = create(&server.client(), Timeouts::new()).await;
    let mut clients = JoinSet::new();
    for number in 0..16_i64 {
        let (client, id) = (server.client(), id.clone());
        clients.spawn(async move {
            let mut last = 0;
            for round in 0..100 {
                let accessed = match round % 4 {
                    0 => {
                        let expire = client.touch(&id).await.unwrap().expire_time;
                        millis(Some(expire)) - 24 * 60 * 60 * 1_000
                    }
                    1 => millis(client.get(&id).await.unwrap().session.last_access_time),
                    2 => millis(client.get(peek(&id)).await.unwrap().session.last_access_time),
                    _ => {
                        let change = SessionChange::new().set(format!("a{number}"), round);
                        millis(client.update(&id, change).await.unwrap().session.last_access_time)
                    }
                };
                assert!(accessed >= last, "moved back from {last} to {accessed}");
                last = accessed;
            }
        });
    }
    clients.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peeking_leaves_the_session_alone() {
    let server = Server::start();
    let client = server.client();
    let (id, session) = create(&client, Timeouts::new()).await;
    eventually("time passes", async || now() > millis(session.create_time) + 5).await;
    let peeked = client.get(peek(&id)).await.unwrap().session;
    assert_eq!(peeked.last_access_time, session.last_access_time);
    let read = client.get(&id).await.unwrap().session;
    assert!(millis(read.last_access_time) > millis(session.last_access_time));
    assert_eq!(millis(read.expire_time), millis(read.last_access_time) + 24 * 60 * 60 * 1_000);
    assert_eq!((read.version, read.update_time), (1, session.update_time), "reading is no change");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_within_its_grace_reads_and_logs_out_but_does_not_change() {
    let server = Server::start();
    let client = server.client();
    let grace = |id: &str, length| RotateSessionRequest::new(id).grace(length);
    let (old, _) = create(&client, Timeouts::new()).await;
    let rotated = client.rotate(grace(&old, LONG)).await.unwrap();
    assert_eq!(client.get(&old).await.unwrap().session.handle, rotated.session.handle);
    client.touch(&old).await.unwrap();
    assert_eq!(client.update(&old, SessionChange::new().set("a", 1)).await, Err(Error::SessionIdRetired));
    let upsert = UpdateSessionRequest::new(&old, SessionChange::new().set("a", 1)).upsert();
    assert_eq!(client.update_with(upsert).await, Err(Error::SessionIdRetired));
    assert_eq!(client.rotate(&old).await, Err(Error::SessionIdRetired));
    assert_eq!(client.delete(&old).await, Ok(true));
    assert_eq!(client.get(&rotated.session_id).await, Err(Error::SessionNotFound), "the new ID is logged out too");

    // The old ID is dead when its grace ends.
    let (old, _) = create(&client, Timeouts::new()).await;
    let before = now();
    let rotated = client.rotate(grace(&old, Duration::from_millis(400))).await.unwrap();
    let after = now();
    loop {
        let asked = now();
        if client.get(&old).await.is_err() {
            break;
        }
        assert!(asked < after + 400, "alive after its grace");
    }
    assert!(now() >= before + 400, "dead before its grace ended");
    assert_eq!(client.delete(&old).await, Err(Error::SessionNotFound));
    client.get(&rotated.session_id).await.unwrap();
}
