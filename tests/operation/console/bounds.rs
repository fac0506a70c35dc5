//! What a peer can make the console do is bounded: sizes, times, connections, streams.

use super::{Lines, OWN, call, json, refused, request, request_of, session_of, start};
use crate::common::metrics::{Socket, ask, connect, get};
use crate::common::{LONG, Server, eventually};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// How long the server may take to close a connection that sends no request, on a busy machine.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

/// By how much a server may grow under attack, including the allocator.
const MEMORY_UNDER_ATTACK: u64 = 32 << 20;

const MAX_STREAMS: usize = 16;

async fn others_are_served(server: &Server) {
    session_of(server, "ada", "laptop").await;
    json(&call(server, "ListSessions", "{}"));
}

#[test]
fn heads_and_bodies_are_bounded() {
    let server = start(&[]);
    let filled = |bytes: usize| format!("{{\"namespace\":\"{}\"}}", "a".repeat(bytes));
    assert_eq!(refused(&call(&server, "ListSessions", &filled(64 << 10))), (413, "MESSAGE_TOO_LARGE".to_owned()));
    assert_eq!(call(&server, "ListSessions", &filled(63 << 10)).status, 400);
    // A length that is told is believed before a byte has come.
    let head = format!("POST /api/ListSessions HTTP/1.1\r\nContent-Length: {}\r\n", 1_u64 << 40);
    let told = OWN.iter().fold(head, |head, (name, value)| format!("{head}{name}: {value}\r\n"));
    let mut socket = connect(server.console_address()).unwrap();
    socket.write_all(format!("{told}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");

    let long = "x".repeat(15 << 10);
    let with =
        |header: &str| ask(server.console_address(), &request("GET /", &[("Host", "localhost"), ("x", header)], ""));
    assert_eq!(with(&long).unwrap().status, 200);
    // The server does not read the rest, so that the connection may be reset before its answer is read.
    assert_eq!(with(&"x".repeat(17 << 10)).map_or(431, |answer| answer.status), 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_arrive_is_not_waited_for() {
    let server = start(&[]);
    let whole = request_of(None, "ListSessions", "{}");
    let cut = &whole[..whole.len() - 1];
    let mut sockets: Vec<_> = ["", "G", "GET / HTTP/1.1\r\nHost: localhost\r\n", cut]
        .map(|beginning| {
            let mut socket = connect(server.console_address()).unwrap();
            socket.write_all(beginning.as_bytes()).unwrap();
            socket
        })
        .into();
    let began = Instant::now();
    let mut answers = Vec::new();
    for socket in &mut sockets {
        let mut answer = Vec::new();
        // A reset is an end, too.
        socket.read_to_end(&mut answer).ok();
        answers.push(String::from_utf8_lossy(&answer).into_owned());
    }
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
    assert!(answers[3].starts_with("HTTP/1.1 408") && answers[3].contains("REQUEST_TOO_SLOW"), "{answers:?}");
    others_are_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_in_is_not_waited_for() {
    let server = start(&[]);
    let mut socket = connect(server.console_address()).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    let began = Instant::now();
    eventually("it is cut off", async || socket.write_all(b"x").is_err()).await;
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
    others_are_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_nothing_keep_no_operator_out() {
    let server = start(&[]);
    others_are_served(&server).await;
    let before = server.memory();
    let idle: Vec<_> = (0..200).map(|_| connect(server.console_address()).unwrap()).collect();
    let began = Instant::now();
    for _ in 0..5 {
        others_are_served(&server).await;
    }
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
    let grown = server.memory().saturating_sub(before);
    assert!(grown < MEMORY_UNDER_ATTACK, "{grown} bytes more");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_and_a_page_that_goes_frees_its_own() {
    let server = start(&[]);
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| Lines::open(&server, None, "{}")).collect();
    let answer = call(&server, "WatchSessions", "{}");
    assert_eq!(refused(&answer), (429, "TOO_MANY_STREAMS".to_owned()));
    streams.pop();
    let watchers = || json(&call(&server, "GetStatistics", "{}"))["watchers"].as_u64().unwrap();
    eventually("the stream is gone", async || watchers() == MAX_STREAMS as u64 - 1).await;
    assert!(Lines::open(&server, None, "{}").next().get("checkpoint").is_some());
    drop(streams);
    eventually("all streams are gone", async || watchers() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_read_no_answer_take_little_and_are_cut_off() {
    let server = start(&["--send-timeout", "1s"]);
    others_are_served(&server).await;
    let before = server.memory();
    let requests = b"GET /console.css HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000);
    let mut greedy: Vec<Box<dyn Socket>> = (0..16).map(|_| connect(server.console_address()).unwrap()).collect();
    for socket in &mut greedy {
        // The server stops reading once its answers are not taken.
        socket.write_all(&requests).ok();
    }
    for _ in 0..5 {
        others_are_served(&server).await;
        let grown = server.memory().saturating_sub(before);
        assert!(grown < MEMORY_UNDER_ATTACK, "{grown} bytes more");
    }
    let mut last = greedy.pop().unwrap();
    eventually("it is cut off", async || last.write_all(b"\r\n").is_err()).await;
    others_are_served(&server).await;
}

#[test]
fn the_server_ends_although_pages_are_open() {
    let mut server = start(&[]);
    let mut stream = Lines::open(&server, None, "{}");
    assert!(stream.next().get("checkpoint").is_some());
    // A connection that is kept for the next request.
    let mut kept = connect(server.console_address()).unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut byte = [0];
    kept.read_exact(&mut byte).unwrap();
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < LONG);
    assert_eq!(stream.next_but_checkpoints()["error"]["reason"], "NOT_READY");
    assert!(get(server.console_address(), "/").is_err());
}
