//! Tests of locks on sessions: one holder at a time, waiters in order, and no update under a lost lock.

use crate::common::{LONG, Server, after, eventually, millis, now};
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, LockSessionRequest, RevokeSessionsRequest,
    RotateSessionRequest, SessionChange, Timeouts, UnlockSessionRequest, UpdateSessionRequest, Value,
};
use sessiond_client::{Client, Error, Lock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, JoinSet};

const SECOND: Duration = Duration::from_secs(1);

async fn create(client: &Client) -> String {
    client.create(CreateSessionRequest::new()).await.unwrap().session_id
}

/// A lock that holds for as long as a test runs.
fn long(id: &str) -> LockSessionRequest {
    LockSessionRequest::new(id).lease(60 * SECOND)
}

async fn unlock(client: &Client, id: &str, lock: &Lock) -> bool {
    client.unlock(UnlockSessionRequest::new(id, &lock.lock_token)).await.unwrap()
}

fn is_held(result: &Result<Lock, Error>) -> bool {
    matches!(result, Err(Error::LockHeld { held_for: Some(_), ends_in: Some(_) }))
}

/// Sends a request that must wait, and returns once it waits. Asking for a lock counts as an access, which can be seen
/// from outside.
async fn queue(client: &Client, id: &str, request: LockSessionRequest) -> JoinHandle<Result<Lock, Error>> {
    let before = now();
    after(before).await;
    let waiting = client.clone();
    let waiter = tokio::spawn(async move { waiting.lock(request).await });
    let peek = || GetSessionRequest::new(id).peek();
    let accessed = async || millis(client.get(peek()).await.unwrap().session.last_access_time);
    eventually("the waiter arrives", async || accessed().await > before).await;
    // The call joins the queue right after that. Nothing shows when.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiter.is_finished(), "it does not wait");
    waiter
}

async fn finish<T>(task: JoinHandle<T>) -> T {
    tokio::time::timeout(LONG, task).await.expect("it ends").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_holder_at_a_time() {
    const CLIENTS: i64 = 12;
    const EACH: i64 = 8;
    let server = Server::start();
    let id = create(&server.client()).await;
    let held = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, id, held) = (server.client(), id.clone(), Arc::clone(&held));
        clients.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let lock = match client.lock(long(&id).wait(30 * SECOND)).await {
                    Ok(lock) => lock,
                    Err(Error::LockHeld { .. }) => continue,
                    Err(error) => panic!("{error}"),
                };
                assert!(!held.swap(true, Ordering::SeqCst), "two hold the lock");
                let n = client.get(&id).await.unwrap().session.attributes.get("n").map_or(0, |n| n.as_i64().unwrap());
                let change = SessionChange::new().set("n", n + 1);
                let update = UpdateSessionRequest::new(&id, change).lock_token(&lock.lock_token);
                client.update_with(update).await.unwrap();
                held.store(false, Ordering::SeqCst);
                assert!(unlock(&client, &id, &lock).await);
                done += 1;
            }
        });
    }
    tokio::time::timeout(2 * LONG, clients.join_all()).await.unwrap();
    let session = server.client().get(&id).await.unwrap().session;
    assert_eq!(session.attributes["n"], Value::from(CLIENTS * EACH), "an update was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiters_get_the_lock_in_order() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let first = client.lock(long(&id)).await.unwrap();
    let (sender, mut order) = unbounded_channel();
    let mut waiters = Vec::new();
    for number in 0..6 {
        let waiting = queue(&client, &id, long(&id).wait(30 * SECOND)).await;
        let (client, id, sender) = (server.client(), id.clone(), sender.clone());
        waiters.push(tokio::spawn(async move {
            let lock = waiting.await.unwrap().unwrap();
            sender.send(number).unwrap();
            assert!(unlock(&client, &id, &lock).await);
        }));
    }
    // A caller that does not wait does not get ahead of them.
    assert!(is_held(&client.lock(long(&id)).await));
    assert!(unlock(&client, &id, &first).await);
    for waiter in waiters {
        finish(waiter).await;
    }
    drop(sender);
    let mut came = Vec::new();
    while let Some(number) = order.recv().await {
        came.push(number);
    }
    assert_eq!(came, [0, 1, 2, 3, 4, 5]);
    assert!(client.lock(long(&id)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_is_bounded_and_so_is_a_lease() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let before = now();
    let lock = client.lock(&*id).await.unwrap();
    let lease = millis(Some(lock.expire_time));
    assert!((before + 10_000..=now() + 10_000).contains(&lease), "10 s if nothing is said");
    let start = Instant::now();
    assert!(is_held(&client.lock(long(&id)).await));
    let wait = Duration::from_millis(400);
    assert!(is_held(&client.lock(long(&id).wait(wait)).await));
    assert!((wait..10 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert!(unlock(&client, &id, &lock).await);

    // The lease ends by itself, for the waiter and for the holder.
    let brief = client.lock(LockSessionRequest::new(&id).lease(Duration::from_millis(300))).await.unwrap();
    let next = client.lock(long(&id).wait(30 * SECOND)).await.unwrap();
    assert!(now() >= millis(Some(brief.expire_time)), "the lease was cut short");
    assert_ne!(brief.lock_token, next.lock_token);
    assert!(!unlock(&client, &id, &brief).await);
    let update = UpdateSessionRequest::new(&id, SessionChange::new().set("n", 1));
    let lost = client.update_with(update.clone().lock_token(&brief.lock_token)).await;
    assert_eq!(lost, Err(Error::LockLost));
    client.update_with(update.lock_token(&next.lock_token)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_gives_its_place_up() {
    let server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let lock = client.lock(long(&id)).await.unwrap();
    let gone = server.client();
    let cancelled = queue(&client, &id, long(&id).wait(30 * SECOND)).await;
    let disconnected = queue(&gone, &id, long(&id).wait(30 * SECOND)).await;
    let patient = queue(&client, &id, long(&id).wait(30 * SECOND)).await;
    cancelled.abort();
    disconnected.abort();
    drop(gone);
    // This is long enough for the server to notice, on the same connection and on another.
    for _ in 0..50 {
        client.get(GetSessionRequest::new(&id).peek()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(unlock(&client, &id, &lock).await);
    // If one of the others had got the lock, its lease would outlast this wait.
    let lock = finish(patient).await.unwrap();
    assert!(unlock(&client, &id, &lock).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_bound_by_the_lock_that_they_name() {
    let server = Server::start();
    let client = server.client();
    let (id, other) = (create(&client).await, create(&client).await);
    let (lock, foreign) = (client.lock(long(&id)).await.unwrap(), client.lock(long(&other)).await.unwrap());
    let update = |token: &str| UpdateSessionRequest::new(&id, SessionChange::new().set("n", token)).lock_token(token);
    client.update_with(update(&lock.lock_token)).await.unwrap();
    let forged = format!("{}A", &lock.lock_token[..lock.lock_token.len() - 1]);
    for wrong in [foreign.lock_token.as_str(), "x", "ключ", &lock.lock_token[1..], &forged] {
        if wrong != lock.lock_token {
            assert_eq!(client.update_with(update(wrong)).await, Err(Error::LockLost));
            assert_eq!(client.unlock(UnlockSessionRequest::new(&id, wrong)).await, Ok(false));
        }
    }
    // An empty change also needs the lock, and upsert makes no difference to an existing session.
    let nothing = UpdateSessionRequest::new(&id, SessionChange::new()).lock_token(&foreign.lock_token);
    assert_eq!(client.update_with(nothing.clone()).await, Err(Error::LockLost));
    assert_eq!(client.update_with(nothing.upsert()).await, Err(Error::LockLost));
    assert_eq!(client.get(&id).await.unwrap().session.version, 2);
    // A call that names no lock is not delayed, and the lock is still held.
    client.update(&id, SessionChange::new().set("free", true)).await.unwrap();
    client.touch(&id).await.unwrap();
    assert_eq!(client.unlock(UnlockSessionRequest::new(&id, "")).await, Ok(false));
    assert!(is_held(&client.lock(long(&id)).await));

    // A rotation keeps the lock, under the new ID.
    let rotated = client.rotate(RotateSessionRequest::new(&id).grace(60 * SECOND)).await.unwrap().session_id;
    assert_eq!(client.lock(long(&id)).await, Err(Error::SessionIdRetired));
    assert!(is_held(&client.lock(long(&rotated)).await));
    let update = UpdateSessionRequest::new(&rotated, SessionChange::new().set("n", 1)).lock_token(&lock.lock_token);
    client.update_with(update.clone()).await.unwrap();
    assert!(unlock(&client, &rotated, &lock).await);
    assert!(!unlock(&client, &rotated, &lock).await);
    assert_eq!(client.update_with(update).await, Err(Error::LockLost));
    assert!(unlock(&client, &other, &foreign).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_wakes_those_who_wait_for_it() {
    let server = Server::start();
    let client = server.client();
    for round in 0..5 {
        let mut new = CreateSessionRequest::new().principal(format!("user-{round}"));
        if round == 4 {
            new = new.timeouts(Timeouts::new().absolute(2 * SECOND));
        }
        let created = client.create(new).await.unwrap();
        let (id, handle) = (created.session_id, created.session.handle);
        let lock = client.lock(long(&id)).await.unwrap();
        let mut waiters = Vec::new();
        if round != 4 {
            for _ in 0..3 {
                waiters.push(queue(&client, &id, long(&id).wait(30 * SECOND)).await);
            }
        }
        let start = Instant::now();
        match round {
            0 => assert!(client.delete(&id).await.unwrap()),
            1 => assert!(client.delete(DeleteSessionRequest::by_handle(&handle)).await.unwrap()),
            2 => assert_eq!(client.revoke(RevokeSessionsRequest::whole_namespace()).await, Ok(1)),
            3 => {
                let batch = sessiond_client::proto::BatchDeleteSessionsRequest::new([&id]);
                assert_eq!(client.batch_delete(batch).await, Ok(vec![Ok(true)]));
            }
            _ => after(millis(created.session.expire_time)).await,
        }
        for waiter in waiters {
            assert_eq!(finish(waiter).await, Err(Error::SessionNotFound), "round {round}");
        }
        assert!(start.elapsed() < 20 * SECOND, "round {round}: {:?}", start.elapsed());
        assert_eq!(client.lock(long(&id)).await, Err(Error::SessionNotFound));
        assert!(!unlock(&client, &id, &lock).await);
        let update = UpdateSessionRequest::new(&id, SessionChange::new()).lock_token(&lock.lock_token);
        assert_eq!(client.update_with(update).await, Err(Error::SessionNotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_made_room_for_another_wakes_those_who_wait_for_it() {
    let config = "max-sessions-per-principal = 1\nat-session-limit = \"end-oldest\"";
    let server = Server::start_configured(config, &[]);
    let client = server.client();
    let new = || CreateSessionRequest::new().principal("ada");
    let id = client.create(new()).await.unwrap().session_id;
    client.lock(long(&id)).await.unwrap();
    let waiter = queue(&client, &id, long(&id).wait(30 * SECOND)).await;
    client.create(new()).await.unwrap();
    assert_eq!(finish(waiter).await, Err(Error::SessionNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_end_with_the_server() {
    let mut server = Server::start();
    let client = server.client();
    let id = create(&client).await;
    let old = client.lock(long(&id)).await.unwrap();
    server.kill();
    server.restart();
    let client = server.client();
    let update = UpdateSessionRequest::new(&id, SessionChange::new().set("n", 1)).lock_token(&old.lock_token);
    assert_eq!(client.update_with(update.clone()).await, Err(Error::LockLost));
    assert!(!unlock(&client, &id, &old).await);
    let new = client.lock(long(&id)).await.unwrap();
    assert_eq!(client.update_with(update).await, Err(Error::LockLost));
    assert!(!unlock(&client, &id, &old).await);
    assert!(unlock(&client, &id, &new).await);
}
