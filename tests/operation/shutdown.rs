//! Tests of the server's end: requests in flight are finished, acknowledged changes are there after a restart, and
//! nobody can delay the end for longer than the drain-timeout.

use crate::common::wire::{DATA, END_HEADERS, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, Peer, call, call_headers, frame};
use crate::common::{LONG, Server, eventually};
use rustix::process::Signal;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange};
use sessiond_client::{Client, Error, RetryPolicy};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

/// The longest drain that nobody delays. It is far below the drain-timeout that the tests set.
const PROMPT: Duration = Duration::from_secs(20);
const LONG_DRAIN: [&str; 2] = ["--drain-timeout", "5m"];

/// Creates and updates sessions until the server is gone. Returns what was acknowledged: the IDs with their last
/// number.
async fn write_until_the_end(client: Client, acknowledged: Arc<AtomicUsize>) -> (Vec<(String, i64)>, Error) {
    let mut written = Vec::new();
    loop {
        let created = match client.create(CreateSessionRequest::new().attribute("n", 0)).await {
            Ok(created) => created,
            Err(error) => return (written, error),
        };
        written.push((created.session_id.clone(), 0));
        for n in 1..=3 {
            if let Err(error) = client.update(&created.session_id, SessionChange::new().set("n", n)).await {
                return (written, error);
            }
            written.last_mut().unwrap().1 = n;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn ends_with_requests_in_flight(signal: Signal, clients: usize, retry: RetryPolicy) {
    let mut server = Server::start_with(&LONG_DRAIN);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..clients {
        let client = server.client_builder().retry(retry).connect_lazy().unwrap();
        writers.spawn(write_until_the_end(client, Arc::clone(&acknowledged)));
    }
    eventually("every client is at work", async || acknowledged.load(Ordering::Relaxed) > clients * 3).await;

    server.signal(signal);
    assert_eq!(server.wait(PROMPT).code(), Some(0), "{}", server.log());
    let ended = writers.join_all().await;
    for (_, error) in &ended {
        assert!(matches!(error, Error::Unavailable { .. } | Error::NotReady { .. }), "{error:?}");
    }

    server.restart();
    let client = server.client();
    let mut reads = JoinSet::new();
    for (id, n) in ended.into_iter().flat_map(|(written, _)| written) {
        let client = client.clone();
        reads.spawn(async move {
            let read = client.get(&id).await.expect("what was acknowledged is there");
            let found = read.session.attributes["n"].as_i64().unwrap();
            // The next update may have been carried out without an answer.
            assert!(found == n || found == n + 1, "{found} instead of {n}");
        });
    }
    assert!(!reads.is_empty());
    reads.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_loses_no_acknowledged_write() {
    ends_with_requests_in_flight(Signal::TERM, 32, RetryPolicy::never()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_loses_no_acknowledged_write() {
    ends_with_requests_in_flight(Signal::INT, 32, RetryPolicy::never()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_retrying_clients_meet_nothing_but_unavailable() {
    ends_with_requests_in_flight(Signal::TERM, 300, RetryPolicy::default()).await;
}

/// Repeats a call for as long as the server is unavailable.
async fn repeat<T, F: Future<Output = Result<T, Error>>>(mut call: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(Error::Unavailable { .. } | Error::NotReady { .. }) if start.elapsed() < LONG => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_repeat_what_was_unavailable_are_not_hurt_by_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("socket").display());
    let mut server = Server::start_in(folder, &["--listen", &address, "--drain-timeout", "5m"]);
    let (stop, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..50 {
        let (client, stop, calls) = (server.client(), Arc::clone(&stop), Arc::clone(&calls));
        workers.spawn(async move {
            let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
            while stop.load(Ordering::Relaxed) == 0 {
                repeat(|| client.update(&id, SessionChange::new().set("a", 1))).await;
                repeat(|| client.get(&id)).await;
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..3 {
        let before = calls.load(Ordering::Relaxed);
        eventually("every client is at work", async || calls.load(Ordering::Relaxed) > before + 500).await;
        server.signal(Signal::TERM);
        assert_eq!(server.wait(PROMPT).code(), Some(0), "{}", server.log());
        server.restart();
    }
    let before = calls.load(Ordering::Relaxed);
    eventually("every client is at work again", async || calls.load(Ordering::Relaxed) > before + 500).await;
    stop.store(1, Ordering::Relaxed);
    workers.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_clients_do_not_hold_the_end_up() {
    let mut server = Server::start_with(&LONG_DRAIN);
    let client = server.client();
    client.create(CreateSessionRequest::new()).await.unwrap();
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(PROMPT).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < PROMPT);
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_never_answer_do_not_outlast_the_drain_timeout() {
    let mut server = Server::start_with(&["--drain-timeout", "300ms"]);
    // One peer never sends a byte, as port scanners do, and one stops after the handshake.
    let silent = Peer::connect(server.address());
    let greeted = Peer::greet(server.address());
    // Connections are accepted in order. When a third one is served, these two were accepted.
    server.client().health("").await.unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(PROMPT).code(), Some(0), "{}", server.log());
    drop((silent, greeted));
}

/// Peers that do nothing more. Each is in another phase: before the handshake, without a call, with a half-sent call,
/// and with an answer that it does not take.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_peers_do_not_hold_the_end_up() {
    let freeze = |server: &Server, id: &str, phase: usize| {
        if phase == 0 {
            return Peer::connect(server.address());
        }
        let mut peer = Peer::greet_with(server.address(), &[(INITIAL_WINDOW_SIZE, u32::from(phase < 3))]);
        let frames = match phase {
            1 => call("DeleteSession", 1, &GetSessionRequest::new("x")),
            2 => [frame(HEADERS, END_HEADERS, 1, &call_headers("GetSession")), frame(DATA, 0, 1, &[0, 0, 0, 0, 9])]
                .concat(),
            _ => call("GetSession", 1, &GetSessionRequest::new(id)),
        };
        assert!(peer.send(&frames));
        if phase != 2 {
            assert!(peer.receive(|frame| frame.kind == HEADERS).is_some());
        }
        peer
    };
    for phase in 0..4 {
        let mut server = Server::start_with(&LONG_DRAIN);
        let client = server.client();
        let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
        let frozen: Vec<Peer> = (0..3).map(|_| freeze(&server, &id, phase)).collect();
        client.get(&id).await.unwrap();
        drop(client);
        server.signal(Signal::TERM);
        assert_eq!(server.wait(PROMPT).code(), Some(0), "phase {phase}: {}", server.log());
        drop(frozen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_refuses_new_connections_and_goes_on_with_what_it_has_begun() {
    let mut server = Server::start_with(&LONG_DRAIN);
    let mut reflection = ServerReflectionClient::new(server.channel());
    let (ask, questions) = channel(1);
    let answers = reflection.server_reflection_info(ReceiverStream::new(questions)).await.unwrap();
    let mut answers = answers.into_inner();

    server.signal(Signal::TERM);
    // The answer comes at once, so that the client can use another server.
    eventually("new connections are refused", async || TcpStream::connect(server.address()).is_err()).await;
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    ask.send(list).await.unwrap();
    assert!(answers.message().await.unwrap().is_some(), "what was begun goes on");
    drop(ask);
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(server.wait(PROMPT).code(), Some(0), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_timeout_bounds_a_stream_that_hangs() {
    let mut server = Server::start_with(&["--drain-timeout", "300ms"]);
    let mut reflection = ServerReflectionClient::new(server.channel());
    // The server would answer each request. This client sends none and never ends.
    let hanging = reflection.server_reflection_info(tokio_stream::pending()).await.unwrap();
    let created = server.client().create(CreateSessionRequest::new()).await.unwrap();

    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(LONG).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() >= Duration::from_millis(300), "the stream was given its time");
    assert!(server.log().contains("cutting them off"), "{}", server.log());
    drop(hanging);

    server.restart();
    server.client().get(&created.session_id).await.unwrap();
}

/// All threads drain at the same time, or peers could make the end last until a service manager kills the server.
#[tokio::test(flavor = "multi_thread")]
async fn the_drain_timeout_is_one_for_all_threads() {
    let drain = Duration::from_secs(5);
    let mut server = Server::start_with(&["--drain-timeout", "5s", "--workers", "6"]);
    let mut hanging = Vec::new();
    for _ in 0..12 {
        let mut reflection = ServerReflectionClient::new(server.channel());
        hanging.push(reflection.server_reflection_info(tokio_stream::pending()).await.unwrap());
    }
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(LONG).code(), Some(0), "{}", server.log());
    let took = start.elapsed();
    assert!(drain <= took && took < drain * 4, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_writes_the_last_touches_back() {
    let mut server = Server::start_with(&["--touch-interval", "5m"]);
    let client = server.client();
    let created = client.create(CreateSessionRequest::new()).await.unwrap();
    let id = created.session_id;
    eventually("the touch is later than the creation", async || {
        client.get(&id).await.unwrap().session.last_access_time != created.session.last_access_time
    })
    .await;
    let touched = client.touch(&id).await.unwrap();
    server.stop();

    server.restart();
    let read = server.client().get(sessiond_client::proto::GetSessionRequest::new(&id).peek()).await.unwrap();
    assert_eq!(read.session.expire_time, Some(touched.expire_time));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_to_go_away() {
    let mut server = Server::start();
    let mut peer = Peer::agree(server.address());
    server.signal(Signal::TERM);
    let farewell = peer.receive(|frame| frame.kind == GOAWAY).expect("a farewell before the end");
    assert_eq!(farewell.code(4), 0, "without blame");
    assert_eq!(server.wait(LONG).code(), Some(0));
}

/// A peer whose calls cross with the farewell must know whether they were carried out, also if it is too slow to say that it has
/// heard it.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_react_is_told_which_call_was_the_last() {
    let mut server = Server::start();
    let mut peer = Peer::agree(server.address());
    assert!(peer.send(&call("GetSession", 1, &GetSessionRequest::new("x"))));
    peer.receive(|frame| frame.kind == HEADERS && frame.stream == 1).unwrap();

    server.signal(Signal::TERM);
    let mut told = || {
        let farewell = peer.receive(|frame| frame.kind == GOAWAY).expect("the last call is told before the end");
        (farewell.code(0), farewell.code(4))
    };
    assert_eq!(told(), (u32::MAX >> 1, 0), "calls that are on their way are taken");
    assert_eq!(told(), (1, 0), "no further call is");
    assert!(peer.send(&call("GetSession", 3, &GetSessionRequest::new("x"))), "the server still reads");
    assert_eq!(peer.read_to_end(), None);
    assert_eq!(server.wait(LONG).code(), Some(0), "{}", server.log());
}
