//! Peers that keep the port busy: they neither keep scrapes out, nor fill memory, nor disturb calls.

use super::start;
use crate::common::metrics::{Socket, connect, scrape};
use crate::common::{Server, eventually};
use sessiond_client::proto::CreateSessionRequest;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long the server may take to close a connection that sends no request, on a busy machine.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// By how much a server may grow under attack, including the allocator.
const MEMORY_UNDER_ATTACK: u64 = 32 << 20;

/// Reads until the server closes the connection.
fn closed_after(socket: &mut dyn Socket) -> Duration {
    let began = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end, too.
    socket.read_to_end(&mut answer).ok();
    began.elapsed()
}

async fn others_are_served(server: &Server) {
    let client = server.client();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    client.get(&id).await.unwrap();
    scrape(server.metrics_address());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_arrive_is_not_waited_for() {
    let server = start(&[]);
    for beginning in ["", "G", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut socket = connect(server.metrics_address()).unwrap();
        socket.write_all(beginning.as_bytes()).unwrap();
        let closed = closed_after(&mut *socket);
        assert!(closed < CLOSED_WITHIN, "{beginning:?}: {closed:?}");
    }
    others_are_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_in_is_not_waited_for() {
    let server = start(&[]);
    let mut socket = connect(server.metrics_address()).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    let began = Instant::now();
    while socket.write_all(b"x").is_ok() {
        assert!(began.elapsed() < CLOSED_WITHIN, "it is still waited for");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    others_are_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_an_end_is_cut_off() {
    let server = start(&[]);
    let mut socket = connect(server.metrics_address()).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let mut sent = 0;
    let line = format!("x-header: {}\r\n", "x".repeat(1_000));
    while socket.write_all(line.as_bytes()).is_ok() {
        sent += line.len();
        assert!(sent < 16 << 20, "it takes any amount");
    }
    others_are_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_nothing_keep_no_scrape_out() {
    let server = start(&[]);
    others_are_served(&server).await;
    let before = server.memory();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(connect(server.metrics_address()).unwrap());
    }
    let began = Instant::now();
    for _ in 0..5 {
        others_are_served(&server).await;
    }
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
    let grown = server.memory().saturating_sub(before);
    assert!(grown < MEMORY_UNDER_ATTACK, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_read_no_answer_take_little_and_are_cut_off() {
    let server = start(&[]);
    others_are_served(&server).await;
    let before = server.memory();
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let mut greedy = Vec::new();
    for _ in 0..16 {
        let mut socket = connect(server.metrics_address()).unwrap();
        socket.write_all(&request).unwrap();
        greedy.push(socket);
    }
    for _ in 0..5 {
        others_are_served(&server).await;
        let grown = server.memory().saturating_sub(before);
        assert!(grown < MEMORY_UNDER_ATTACK, "{grown} bytes more");
    }
    // The server does not wait for them for ever.
    let mut last = greedy.pop().unwrap();
    eventually("it is cut off", async || last.write_all(b"\r\n").is_err()).await;
}
