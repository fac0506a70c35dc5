//! Tests of limits: each one holds, and a caller that stays within it is served.

use crate::common::metrics::scrape;
use crate::common::wire::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, Peer, RST_STREAM,
    SETTINGS, call, call_headers, frame, literal, message, setting,
};
use crate::common::{LONG, Server, eventually, reason};
use sessiond_client::proto::{
    CreateSessionRequest, GetSessionRequest, LockSessionRequest, TouchSessionRequest, TouchSessionResponse,
    UpdateSessionRequest, WatchSessionsRequest,
};
use sessiond_client::{Error, Health, Lane};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Long enough to answer a call that nothing delays, on a machine that is not overloaded.
const A_WHILE: Duration = Duration::from_millis(300);

/// Makes a call whose request never arrives. Returns the error that answers it in the end.
fn stalled_call(channel: Channel) -> JoinHandle<Status> {
    tokio::spawn(async move {
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/sessiond.v1.SessionStore/TouchSession");
        let codec = ProstCodec::<TouchSessionRequest, TouchSessionResponse>::default();
        let request = Request::new(tokio_stream::pending());
        grpc.client_streaming(request, path, codec).await.unwrap_err()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_arrive_is_told_so() {
    let server = Server::start_with(&["--receive-timeout", "1s"]);
    let status = timeout(LONG, stalled_call(server.channel())).await.unwrap().unwrap();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "REQUEST_TOO_SLOW"));
    assert!(status.message().contains("receive-timeout"), "{status:?}");
}

/// A call that waits for a lock which someone else holds. It is in flight until it is aborted. It may be refused before that, for as
/// long as other calls hold the places.
fn waiting_call(server: &Server, id: &str) -> JoinHandle<()> {
    let (mut stub, id) = (server.stub(), id.to_owned());
    tokio::spawn(async move {
        loop {
            let wait = LockSessionRequest::new(&id).lease(Duration::from_secs(1)).wait(Duration::from_secs(30));
            let status = stub.lock_session(wait).await.expect_err("someone else holds the lock");
            assert_eq!(reason(&status), "TOO_MANY_REQUESTS", "{status:?}");
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_above_the_limit_are_refused_and_health_is_not() {
    let server = Server::start_with(&["--max-requests-in-flight", "2"]);
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let _lock = client.lock(LockSessionRequest::new(&id).lease(Duration::from_secs(60))).await.unwrap();
    let waiting = [waiting_call(&server, &id), waiting_call(&server, &id)];
    eventually("both places are taken", async || matches!(client.get(&id).await, Err(Error::TooManyRequests { .. })))
        .await;

    let status = server.stub().get_session(GetSessionRequest::new(&id)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    assert!(status.message().contains("max-requests-in-flight"), "{status:?}");
    assert_eq!(client.health("").await.unwrap(), Health::Serving);

    waiting[0].abort();
    eventually("the place is free again", async || client.get(&id).await.is_ok()).await;
    waiting[1].abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_above_the_limit_is_refused_in_part_and_changes_nothing_twice() {
    let server = Server::start_with(&["--max-requests-in-flight", "1"]);
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let (mut changed, mut refused) = (0, 0);
    while refused == 0 {
        let burst = (0..64).map(|n| {
            let mut stub = stub.clone();
            let change = sessiond_client::proto::SessionChange::new().set(format!("a{n}"), n);
            let request = UpdateSessionRequest::new(&id, change);
            tokio::spawn(async move { stub.update_session(request).await })
        });
        for update in burst.collect::<Vec<_>>() {
            match update.await.unwrap() {
                Ok(_) => changed += 1,
                Err(status) => {
                    assert_eq!(reason(&status), "TOO_MANY_REQUESTS", "{status:?}");
                    refused += 1;
                }
            }
        }
        assert!(changed < 100_000, "nothing is ever refused");
    }
    let session = stub.get_session(GetSessionRequest::new(&id)).await.unwrap().into_inner().session.unwrap();
    assert_eq!(session.version, 1 + changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_above_the_limit_waits_for_its_turn() {
    let server = Server::start_with(&["--max-connections", "2"]);
    let (leaves, stays) = (server.client(), server.client());
    // The stream of calls that this opens lets the connection count as at work for long.
    for client in [&leaves, &stays] {
        client.create(CreateSessionRequest::new()).await.unwrap();
    }
    let next = server.client();
    let mut waiting = tokio::spawn(async move { next.health("").await });
    assert!(timeout(A_WHILE, &mut waiting).await.is_err(), "a third connection has to wait");

    drop(leaves);
    let answer = timeout(LONG, waiting).await.unwrap().unwrap();
    assert_eq!(answer, Ok(Health::Serving));
    stays.health("").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_enough_connections_at_work_gets_no_more_and_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let flags = ["--max-connections-per-address", "2", "--metrics-listen", "127.0.0.1:0"];
    let server = Server::start_in(folder, &[&["--listen", "127.0.0.1:0", "--listen", &socket], &flags[..]].concat());
    let refused = || scrape(server.metrics_address()).value("sessiond_connections_refused_total");
    let at_work = || {
        let mut peer = Peer::greet(server.address());
        peer.send(&call("WatchSessions", 1, &WatchSessionsRequest::new()));
        peer.receive(|frame| frame.kind == HEADERS).map(|_| peer)
    };
    let (leaves, _stays) = (at_work().unwrap(), at_work().unwrap());
    assert!(refused() < 0.5);
    let end = Peer::greet(server.address()).receive(|frame| frame.kind == GOAWAY).expect("a third one is told why");
    assert_eq!(end.payload, [&[0; 8], &b"max-connections-per-address"[..]].concat());
    eventually("it is counted", async || refused() > 0.5).await;
    eventually("it is logged", async || server.log().contains("max-connections-per-address")).await;
    let other = server.client_builder().address(&socket).connect_lazy().unwrap();
    assert_eq!(other.health("").await, Ok(Health::Serving));

    drop(leaves);
    eventually("another has its place", async || at_work().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_makes_room_for_the_next_of_its_address() {
    let server = Server::start_with(&["--max-connections-per-address", "1"]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        // Without a stream, a connection is idle for long after a second.
        let client = server.client_builder().lane(Lane::Unary).connect_lazy().unwrap();
        eventually("it is let in", async || client.create(CreateSessionRequest::new()).await.is_ok()).await;
        clients.push(client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_gets_a_share_of_the_connections() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let server = Server::start_in(folder, &["--listen", "127.0.0.1:0", "--listen", &socket, "--max-connections", "1"]);
    // One after the other, the calls stay within the limit.
    for address in [server.address(), server.address(), &socket, &socket, server.address()] {
        let client = server.client_builder().address(address).deadline(Duration::from_secs(20)).connect_lazy().unwrap();
        assert_eq!(client.health("").await, Ok(Health::Serving), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_connection_are_limited() {
    let server = Server::start_with(&["--max-streams-per-connection", "2"]);
    let channel = server.channel();
    // The first call learns the limit.
    let mut stub = sessiond_client::proto::session_store_client::SessionStoreClient::new(channel.clone());
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let stalled = [stalled_call(channel.clone()), stalled_call(channel)];
    eventually("a third call has to wait", async || {
        timeout(A_WHILE, stub.get_session(GetSessionRequest::new(&id))).await.is_err()
    })
    .await;
    // Another connection has its own streams.
    server.client().get(&id).await.unwrap();
    stalled[0].abort();
    timeout(LONG, stub.get_session(GetSessionRequest::new(&id))).await.unwrap().unwrap();
    stalled[1].abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_ignores_the_limit_of_streams_is_refused_them() {
    let server = Server::start_with(&["--max-streams-per-connection", "3", "--max-header-size", "8KiB"]);
    let mut peer = Peer::greet(server.address());
    let settings = peer.receive(|frame| frame.kind == SETTINGS && frame.flags == 0).unwrap();
    assert_eq!(setting(&settings, MAX_CONCURRENT_STREAMS), Some(3));
    // The transport accepts more than the setting allows, so that a call with too large headers gets an error.
    assert_eq!(setting(&settings, MAX_HEADER_LIST_SIZE), Some(32 << 10));
    for stream in [1, 3, 5, 7] {
        assert!(peer.send(&frame(HEADERS, END_HEADERS, stream, &call_headers("GetSession"))));
    }
    let refused = peer.receive(|frame| frame.kind == RST_STREAM).unwrap();
    assert_eq!((refused.stream, &refused.payload[..]), (7, &7_u32.to_be_bytes()[..]), "REFUSED_STREAM");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_above_the_limit_are_refused() {
    let server = Server::start();
    // A connection may have as many streams as there may be watchers.
    let mut stubs = [server.stub(), server.stub()];
    let mut watchers = Vec::new();
    for number in 0..1_000 {
        watchers.push(stubs[number % 2].watch_sessions(WatchSessionsRequest::new()).await.unwrap());
    }
    let status = stubs[0].watch_sessions(WatchSessionsRequest::new()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    drop(watchers.pop());
    eventually("the place is free again", async || stubs[0].watch_sessions(WatchSessionsRequest::new()).await.is_ok())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_above_the_limit_are_refused() {
    let server = Server::start_with(&["--max-header-size", "4KiB"]);
    let mut stub = server.stub();
    let id = stub.create_session(CreateSessionRequest::new()).await.unwrap().into_inner().session_id;
    let request = |bytes: usize| {
        let mut request = Request::new(GetSessionRequest::new(&id));
        request.metadata_mut().insert("x-padding", "x".repeat(bytes).parse().unwrap());
        request
    };
    stub.get_session(request(2 << 10)).await.unwrap();
    for bytes in [4 << 10, 5 << 10, 14 << 10] {
        let status = stub.get_session(request(bytes)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "HEADERS_TOO_LARGE"));
        assert!(status.message().contains("max-header-size"), "{status:?}");
        assert!(!format!("{status:?}").contains(&id));
    }
    stub.get_session(request(2 << 10)).await.unwrap();
}

/// Asserts that the connection goes on, and so does a call in flight on it.
#[tokio::test(flavor = "multi_thread")]
async fn headers_above_the_limit_harm_no_other_call() {
    let server = Server::start_with(&["--max-header-size", "4KiB"]);
    let mut peer = Peer::greet(server.address());
    let begun = frame(HEADERS, END_HEADERS, 1, &call_headers("GetSession"));
    let mut large = call_headers("GetSession");
    for _ in 0..60 {
        literal(&mut large, b"x-padding", &[b'x'; 100]);
    }
    let large = frame(HEADERS, END_HEADERS | END_STREAM, 3, &large);
    let rest = frame(DATA, END_STREAM, 1, &message(&GetSessionRequest::new("x")));
    for frames in [begun, large] {
        assert!(peer.send(&frames));
    }
    let refused = peer.receive(|frame| frame.stream == 3).unwrap();
    assert_eq!((refused.kind, refused.flags & END_STREAM), (HEADERS, END_STREAM));
    assert!(peer.send(&rest));
    let answered = peer.receive(|frame| frame.stream == 1).unwrap();
    assert_eq!((answered.kind, answered.flags & END_STREAM), (HEADERS, END_STREAM));
}
