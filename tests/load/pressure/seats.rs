//! Tests with connections that nobody uses.

use crate::common::wire::{END_HEADERS, HEADERS, PREFACE, Peer, call_headers, frame};
use crate::common::{LONG, Server};
use crate::pressure::others::Others;
use sessiond_client::Health;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A peer that does not finish its handshake.
pub(crate) fn stall_at(server: &Server, length: usize) -> Peer {
    let mut peer = Peer::connect(server.address());
    peer.send(&PREFACE[..length]);
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_has_to_be_finished_in_its_time() {
    let server = Server::start_with(&["--receive-timeout", "1s"]);
    for length in [0, 1, 10, PREFACE.len() - 1] {
        let mut peer = stall_at(&server, length);
        assert!(peer.receive(|_| false).is_none(), "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_greetings_keep_nobody_out() {
    let server = Server::start_with(&["--max-connections", "4", "--receive-timeout", "10m"]);
    let stalled: Vec<Peer> = (1..=4).map(|length| stall_at(&server, length)).collect();
    let mut others = timeout(LONG / 2, Others::arrive(&server)).await.unwrap();
    others.read(10).await;
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room_and_those_at_work_stay() {
    let server = Server::start_with(&["--max-connections", "2"]);
    let mut at_work = Others::arrive(&server).await;
    let idle = server.client();
    assert_eq!(idle.health("").await, Ok(Health::Serving));
    let (came, comes) = tokio::sync::oneshot::channel();
    let newcomer = server.client();
    tokio::spawn(async move { came.send(newcomer.health("").await) });
    let begin = Instant::now();
    let mut comes = comes;
    let answer = loop {
        at_work.read(10).await;
        if let Ok(answer) = comes.try_recv() {
            break answer;
        }
        assert!(begin.elapsed() < LONG, "the newcomer never gets a seat");
    };
    assert_eq!(answer, Ok(Health::Serving));
    at_work.read(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_uses_make_room_too() {
    let server = Server::start_with(&["--max-connections", "3"]);
    let silent: Vec<Peer> = (0..3)
        .map(|_| {
            let mut peer = Peer::greet(server.address());
            assert!(peer.send(&frame(HEADERS, END_HEADERS, 1, &call_headers("Exchange"))));
            assert!(peer.receive(|frame| frame.kind == HEADERS).is_some());
            peer
        })
        .collect();
    let mut others = timeout(LONG / 2, Others::arrive(&server)).await.unwrap();
    others.read(10).await;
    assert!(others.p99() < Duration::from_secs(30));
    drop(silent);
}
