//! Tests with requests that never arrive completely.

use crate::common::metrics::scrape;
use crate::common::wire::{
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Peer, call, call_headers, frame, literal,
};
use crate::common::{LONG, Server, eventually};
use crate::pressure::long_mode;
use crate::pressure::others::Others;
use crate::pressure::uploads::Uploads;
use bytes::Bytes;
use sessiond_client::Health;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, LockSessionRequest};
use std::time::{Duration, Instant};

/// The start of a call: its headers, and half of a small message.
fn half(method: &str, stream: u32) -> Vec<u8> {
    let mut frames = frame(HEADERS, END_HEADERS, stream, &call_headers(method));
    frames.extend(frame(DATA, 0, stream, &[0, 0, 0, 0, 40, 10, 30]));
    frames
}

fn leave_half(server: &Server, method: &str, calls: u32) -> Peer {
    let mut peer = Peer::greet(server.address());
    for number in 0..calls {
        if !peer.send(&half(method, 2 * number + 1)) {
            break;
        }
    }
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_take_no_places() {
    let server = Server::start_with(&["--max-requests-in-flight", "100"]);
    let mut others = Others::arrive(&server).await;
    let peers: Vec<Peer> = ["GetSession", "Exchange", "sessiond.v1.Admin/GetStatistics"]
        .into_iter()
        .map(|method| leave_half(&server, method, 500))
        .collect();
    others.read(300).await;
    drop(peers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_to_arrive_in_its_time() {
    let server = Server::start_with(&["--receive-timeout", "1s"]);
    for method in ["GetSession", "sessiond.v1.Admin/GetStatistics", "grpc.health.v1.Health/Check", "Exchange"] {
        let mut peer = leave_half(&server, method, 1);
        let end = peer.receive(|frame| frame.kind == HEADERS && frame.flags & END_STREAM != 0).unwrap();
        assert_eq!(end.stream, 1, "{method}");
        // The connection is as good as before.
        assert!(peer.send(&call("GetSession", 3, &GetSessionRequest::new("x"))));
        assert!(peer.receive(|frame| frame.stream == 3 && frame.kind == HEADERS).is_some(), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_leaves_requests_half_sent_over_and_over_is_closed() {
    let server = Server::start_with(&["--receive-timeout", "1s"]);
    let mut peer = leave_half(&server, "GetSession", 200);
    assert_eq!(peer.read_to_end(), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_messages_are_bounded_in_memory() {
    let flags = [
        "--message-memory",
        "64MiB",
        "--message-memory-per-connection",
        "16MiB",
        "--engine",
        "memory",
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    // A message whose length comes in a second piece is a message like any other.
    for (method, first_piece) in [("UpdateSession", 0), ("Exchange", 0), ("Exchange", 1)] {
        let server = Server::start_with(&flags);
        let mut others = Others::arrive(&server).await;
        let before = server.memory();
        let mut uploads = Uploads::connect(&server).await;
        // All but the last byte of a message.
        let size = 4_u32 << 20;
        let bytes: Bytes = [&[0], &size.to_be_bytes()[..], &vec![10; size as usize - 1]].concat().into();
        let mut calls = Vec::new();
        for _ in 0..400 {
            let (answer, mut stream) = uploads.begin(method).await;
            // Who sends many frames without content is cut off.
            let pieces = [bytes.slice(..first_piece), bytes.slice(first_piece..)];
            for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
                stream.send_data(piece, false).unwrap();
            }
            calls.push((answer, stream));
        }
        let held =
            async || scrape(server.metrics_address()).value("sessiond_message_memory_bytes") >= f64::from(16 << 20);
        eventually("as much is held as one connection may have", held).await;
        others.read(500).await;
        let grown = server.peak_memory().saturating_sub(before);
        assert!(grown < 80 << 20, "{method}, {first_piece}: {} MiB more", grown >> 20);
    }
}

/// As many headers as a server allows.
pub(crate) fn head_of_large_headers() -> Vec<u8> {
    let mut head = call_headers("CreateSession");
    (0..95).for_each(|_| literal(&mut head, b"x", &[b'y'; 126]));
    head
}

/// The same of small ones, which take more memory than HTTP/2 counts.
pub(crate) fn head_of_small_headers() -> Vec<u8> {
    let mut head = call_headers("CreateSession");
    (0..480).for_each(|_| literal(&mut head, b"x", b""));
    head
}

/// Makes as many calls on one connection as a server allows, of which nothing comes but this head.
pub(crate) fn make_calls(server: &Server, head: &[u8]) -> Peer {
    let mut peer = Peer::greet(server.address());
    for number in 0..1_000 {
        if !peer.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, head)) {
            break;
        }
    }
    peer
}

async fn growth_by_calls(head: &[u8]) -> u64 {
    let server = Server::start_with(&["--message-memory", "64MiB", "--engine", "memory"]);
    let mut others = Others::arrive(&server).await;
    let before = server.memory();
    let peers: Vec<Peer> = (0..10).map(|_| make_calls(&server, head)).collect();
    others.read(300).await;
    drop(peers);
    server.peak_memory().saturating_sub(before)
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_calls_are_bounded_in_memory() {
    for head in [head_of_large_headers(), head_of_small_headers()] {
        let grown = growth_by_calls(&head).await;
        assert!(grown < 112 << 20, "{} bytes of headers: {} MiB more", head.len(), grown >> 20);
    }
}

/// Streams may last for as long as their callers like.
#[tokio::test(flavor = "multi_thread")]
async fn streams_of_calls_are_bounded_in_memory() {
    let grown = growth_by_calls(&call_headers("Exchange")).await;
    assert!(grown < 80 << 20, "{} MiB more", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_greedy_connections_leave_places_for_others() {
    let server = Server::start_with(&["--max-requests-in-flight", "1000"]);
    let mut others = Others::arrive(&server).await;
    let client = server.client();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
        client.lock(LockSessionRequest::new(&id).lease(Duration::from_secs(60))).await.unwrap();
        waits.push(LockSessionRequest::new(&id).lease(Duration::from_secs(1)).wait(Duration::from_secs(20)));
    }
    // More calls wait than the server holds.
    let peers: Vec<Peer> = (0..4)
        .map(|_| {
            let mut peer = Peer::greet(server.address());
            for number in 0..300 {
                assert!(peer.send(&call("LockSession", 2 * number + 1, &waits[number as usize % waits.len()])));
            }
            peer
        })
        .collect();
    others.read(200).await;
    assert_eq!(client.health("").await, Ok(Health::Serving));
    drop(peers);
    others.read(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_long_mode_of_half_sent_requests() {
    let Some(seconds) = long_mode("SESSIOND_HALF_SENT") else { return };
    let server = Server::start();
    let mut others = Others::arrive(&server).await;
    let before = server.memory();
    let begin = Instant::now();
    let mut peers: Vec<Peer> = (0..10).map(|_| leave_half(&server, "GetSession", 1_000)).collect();
    let mut closed = 0;
    while begin.elapsed() < Duration::from_secs(seconds.into()).min(LONG * 60) {
        others.read(100).await;
        for peer in &mut peers {
            // A peer that is cut off comes again.
            if peer.is_closed() {
                *peer = leave_half(&server, "GetSession", 1_000);
                closed += 1;
            }
        }
    }
    eprintln!(
        "10 connections with 1,000 half-sent requests each for {seconds} s: {closed} connections closed, {} MiB before, \
         {} MiB at most; {} reads of others, none refused, p99 {:?}",
        before >> 20,
        server.peak_memory() >> 20,
        others.count(),
        others.p99()
    );
}
