//! Several addresses, with real processes.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use sessiond_client::proto::{CreateSessionRequest, EventKind, SessionChange, WatchSessionsRequest};
use sessiond_client::{Client, Error, Lane, WatchMessage};
use sessiond_testing::{Server, free_address};
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(20);
const TASKS: usize = 16;

fn client(addresses: &[&str], deadline: Duration) -> Client {
    Client::builder().address(addresses.join(",")).deadline(deadline).connect_lazy().unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "what was waited for did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_first_that_can_be_reached_is_used_and_the_next_when_it_is_gone() {
    let (mut first, second) = (Server::start(), Server::start());
    let nobody = free_address();
    let client = client(&[&nobody, &format!("http://{}", first.address()), second.address()], LONG);
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    assert!(self::client(&[first.address()], LONG).get(&id).await.is_ok());
    first.kill();
    // Each has data of its own here, which tells them apart. The read may be repeated.
    assert_eq!(client.get(&id).await.unwrap_err(), Error::SessionNotFound);
    let other = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    assert!(self::client(&[second.address()], LONG).get(&other).await.is_ok());
}

#[tokio::test]
async fn where_nobody_listens_the_error_names_all_addresses() {
    let (one, other) = (free_address(), free_address());
    let error = client(&[&one, &other], Duration::from_secs(1)).get("no-such-session-id").await.unwrap_err();
    assert_eq!(error.to_string(), format!("no sessiond answers at {one},{other}: connection refused"));
}

#[tokio::test]
async fn a_process_that_takes_connections_but_never_answers_costs_one_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start();
    let hangs = listener.local_addr().unwrap().to_string();
    let client = client(&[&hangs, server.address()], Duration::from_millis(300));
    let start = Instant::now();
    assert!(matches!(client.get("no-such-session-id").await.unwrap_err(), Error::DeadlineExceeded { .. }));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // A busy machine may need more than one deadline for the first connection.
    while client.get("no-such-session-id").await != Err(Error::SessionNotFound) {
        assert!(start.elapsed() < LONG, "it does not go on with the next");
    }
}

/// The store moves to another process, twice, under load: each call ends within its deadline, with an answer or a typed error;
/// the client goes on by itself, and nothing that was acknowledged is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_moves_under_load_loses_nothing_over_the_lane() {
    moves_under_load(Lane::Auto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_moves_under_load_loses_nothing_by_unary_calls() {
    moves_under_load(Lane::Unary).await;
}

async fn moves_under_load(lane: Lane) {
    const DEADLINE: Duration = Duration::from_secs(1);
    let mut server = Server::start();
    let addresses = [server.address().to_owned(), free_address()];
    let list = addresses.each_ref().map(String::as_str);
    let client = Client::builder().address(list.join(",")).deadline(DEADLINE).lane(lane).connect_lazy().unwrap();
    let patient = client.with_deadline(LONG);
    let stops = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let id = patient.create(CreateSessionRequest::new()).await.unwrap().session_id;
        let (client, stops, acknowledged) = (client.clone(), Arc::clone(&stops), Arc::clone(&acknowledged));
        tasks.push(tokio::spawn(async move {
            let mut stored = 0;
            for n in 1_i64.. {
                if stops.load(SeqCst) {
                    break;
                }
                let start = Instant::now();
                match client.update(&id, SessionChange::new().set("n", n)).await {
                    Ok(_) => {
                        stored = n;
                        acknowledged.fetch_add(1, SeqCst);
                    }
                    Err(Error::Unavailable { .. } | Error::NotReady { .. } | Error::DeadlineExceeded { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                assert!(start.elapsed() < DEADLINE + Duration::from_secs(2), "{:?}", start.elapsed());
            }
            (id, stored)
        }));
    }
    let goes_on = async || {
        let wanted = acknowledged.load(SeqCst) + 200;
        until(|| acknowledged.load(SeqCst) >= wanted).await;
    };
    for address in [&addresses[1], &addresses[0]] {
        goes_on().await;
        server.kill();
        server.restart_at(address);
    }
    goes_on().await;
    stops.store(true, SeqCst);
    for task in tasks {
        let (id, stored) = task.await.unwrap();
        let found = patient.get(&id).await.unwrap().session.attributes["n"].as_i64().unwrap();
        assert!(found >= stored, "{stored} was acknowledged, {found} is stored");
    }
}

#[tokio::test]
async fn a_stream_that_is_followed_goes_on_where_the_store_has_moved_and_tells_each_event_once() {
    let mut server = Server::start();
    let addresses = [server.address().to_owned(), free_address()];
    let client = client(&addresses.each_ref().map(String::as_str), LONG);
    let mut events = client.follow(WatchSessionsRequest::new().kind(EventKind::Created)).await.unwrap();
    for address in [&addresses[1], &addresses[0]] {
        for _ in 0..3 {
            let before = client.create(CreateSessionRequest::new()).await.unwrap().session.handle;
            assert_eq!(next(&mut events).await, before);
        }
        // Nobody reads while this one is made and the store moves.
        let unread = client.create(CreateSessionRequest::new()).await.unwrap();
        server.kill();
        server.restart_at(address);
        assert_eq!(next(&mut events).await, unread.session.handle);
        // A read is repeated where the lost connection shows only now; a creation would not be.
        client.get(&unread.session_id).await.unwrap();
    }
    let token = events.resume_token().to_owned();
    let after = client.create(CreateSessionRequest::new()).await.unwrap().session.handle;
    assert_eq!(next(&mut events).await, after);
    drop(events);
    let request = WatchSessionsRequest::new().kind(EventKind::Created).resume(token);
    assert_eq!(next(&mut client.follow(request).await.unwrap()).await, after);
    let gone = client.follow(WatchSessionsRequest::new().resume("nonsense")).await.unwrap_err();
    assert!(matches!(gone, Error::InvalidArgument { .. }), "{gone}");
}

/// The handle of the next event.
async fn next(events: &mut sessiond_client::Follow) -> String {
    let event = async {
        loop {
            if let WatchMessage::Event(event) = events.next().await.unwrap() {
                return event.session.handle;
            }
        }
    };
    tokio::time::timeout(LONG, event).await.unwrap()
}
