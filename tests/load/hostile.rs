//! Tests with peers that speak no gRPC, or abuse HTTP/2. They are cut off or ignored, and everyone else is served.

use crate::common::metrics::scrape;
use crate::common::tls::Certificates;
use crate::common::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, Peer, RST_STREAM, SETTINGS, call_headers,
    frame, literal, message,
};
use crate::common::{LONG, Server, eventually};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sessiond_client::Client;
use sessiond_client::proto::CreateSessionRequest;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// By how much a server may grow under attack, including the allocator.
const MEMORY_UNDER_ATTACK: u64 = 48 << 20;

/// A server without TLS, and one with it.
fn both() -> [Door; 2] {
    let files = Certificates::new();
    let flags = files.server_flags();
    let tls = Server::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    [Door { server: Server::start(), files: None }, Door { server: tls, files: Some(files) }]
}

/// A server, and the certificates with which it speaks TLS.
struct Door {
    server: Server,
    files: Option<Certificates>,
}

impl Door {
    async fn still_serves(&self) {
        let builder = self.server.client_builder();
        let client = match &self.files {
            None => builder,
            Some(files) => builder.address(self.server.address().replace("tls://", "https://")).tls(files.client()),
        };
        serves(&client.connect_lazy().unwrap()).await;
    }
}

async fn still_serves(server: &Server) {
    serves(&server.client()).await;
}

async fn serves(client: &Client) {
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    client.get(&id).await.unwrap();
}

/// Bytes that look random but are the same in every run.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http2_is_cut_off() {
    let server = Server::start();
    let closed_after = |bytes: &[u8]| {
        let mut peer = Peer::connect(server.address());
        peer.send(bytes);
        let end = peer.receive(|_| false);
        assert!(end.is_none());
    };
    let mut browser = TcpStream::connect(server.address()).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut told = String::new();
    browser.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("this port takes gRPC over HTTP/2 only"), "{told}");
    closed_after(b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n");
    // The start of a TLS handshake.
    closed_after(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for seed in 1..50 {
        closed_after(&noise(seed * 7_919, 4 << 10));
    }
    still_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_after_the_greeting_is_cut_off() {
    let server = Server::start();
    let cut_off_after = |frames: &[Vec<u8>]| {
        let mut peer = Peer::greet(server.address());
        for frame in frames {
            peer.send(frame);
        }
        // The server ends the connection with or without a GOAWAY.
        assert!(peer.receive(|_| false).is_none());
    };
    // A frame larger than allowed, settings of a wrong length, headers on stream 0, headers that are no HPACK.
    cut_off_after(&[frame(0, 0, 1, &vec![0; 1 << 20])]);
    cut_off_after(&[frame(SETTINGS, 0, 0, &[0; 5])]);
    cut_off_after(&[frame(HEADERS, END_HEADERS, 0, &call_headers("GetSession"))]);
    cut_off_after(&[frame(HEADERS, END_HEADERS, 1, &[0xff; 200])]);
    // A setting with a value that is not allowed: a window above 2^31 - 1.
    cut_off_after(&[frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])]);
    for seed in 1..20 {
        let mut payload = noise(seed * 104_729, 300);
        // The server does not wait for this length.
        payload[0] = 0xff;
        cut_off_after(&[payload]);
    }
    still_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_greetings_and_silence_keep_nobody_out() {
    let server = Server::start();
    let mut peers: Vec<Peer> = (0..200).map(|_| Peer::connect(server.address())).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(&PREFACE[..number % PREFACE.len()]);
    }
    still_serves(&server).await;
    drop(peers);
    still_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_headers_are_cut_off() {
    for door in both() {
        let server = &door.server;
        let before = server.memory();
        let mut header = Vec::new();
        literal(&mut header, b"x-endless", &[b'x'; 100]);
        let piece = header.repeat(100);
        let mut peer = Peer::greet(server.address());
        peer.send(&frame(HEADERS, 0, 1, &call_headers("GetSession")));
        let mut sent = 0;
        while peer.send(&frame(CONTINUATION, 0, 1, &piece)) && !peer.is_closed() {
            sent += piece.len();
            assert!(sent < 256 << 20, "the server takes headers without end");
        }
        assert!(server.memory() < before + MEMORY_UNDER_ATTACK, "{} bytes", server.memory());
        door.still_serves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cancelled_at_once_are_cut_off() {
    for door in both() {
        let server = &door.server;
        let before = server.memory();
        let mut peer = Peer::greet(server.address());
        let headers = call_headers("GetSession");
        for call in 0..100_000_u32 {
            let stream = 2 * call + 1;
            let mut both = frame(HEADERS, END_HEADERS, stream, &headers);
            both.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            if !peer.send(&both) {
                break;
            }
        }
        // The GOAWAY may be lost if the connection is closed with unread bytes.
        if let Some(farewell) = peer.receive(|frame| frame.kind == GOAWAY) {
            assert_eq!(farewell.payload[4..8], 11_u32.to_be_bytes(), "ENHANCE_YOUR_CALM");
        }
        assert!(server.memory() < before + MEMORY_UNDER_ATTACK, "{} bytes", server.memory());
        door.still_serves().await;
    }
}

/// It comes back at once, so that otherwise it would make others wait for what each of its connections costs.
#[tokio::test(flavor = "multi_thread")]
async fn who_broke_the_rules_waits_before_it_is_served_again() {
    let server = Server::start_with(&["--metrics-listen", "127.0.0.1:0"]);
    let greeted = || {
        let begin = Instant::now();
        let mut peer = Peer::greet(server.address());
        peer.receive(|frame| frame.kind == SETTINGS).unwrap();
        (peer, begin.elapsed())
    };
    let cut_off = || scrape(server.metrics_address()).value("sessiond_connections_cut_off_total");
    let (mut well_behaved, _) = greeted();
    for offence in [frame(SETTINGS, 0, 0, &[0; 5]), frame(HEADERS, END_HEADERS, 1, &[0xff; 200])] {
        // The server remembers it for a second, which may be over before it is seen that it does.
        eventually("a pause in time", async || {
            let (before, begin) = (cut_off(), Instant::now());
            let (mut peer, _) = greeted();
            peer.send(&offence);
            assert!(peer.receive(|_| false).is_none());
            eventually("the server notes it", async || cut_off() > before).await;
            let (_, waited) = greeted();
            let is_in_time = begin.elapsed() < Duration::from_secs(1);
            assert!(waited >= Duration::from_millis(25) || !is_in_time, "{waited:?}");
            is_in_time
        })
        .await;
    }
    assert!(!well_behaved.is_closed(), "whoever is connected is not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_flood_the_log() {
    let server = Server::start();
    let headers = call_headers("GetSession");
    let mut attack = Vec::new();
    for call in 0..60_u32 {
        let stream = 2 * call + 1;
        attack.extend(frame(HEADERS, END_HEADERS, stream, &headers));
        attack.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    for _ in 0..200 {
        let mut peer = Peer::greet(server.address());
        peer.send(&attack);
        while !peer.is_closed() {}
    }
    let lines = || server.log().lines().filter(|line| line.contains("WARN")).count();
    assert!(lines() > 0, "something is told");
    eventually("what was left out is told", async || server.log().contains("left_out")).await;
    assert!(lines() < 100, "{} lines", lines());
    still_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_settings_does_no_harm() {
    for door in both() {
        let server = &door.server;
        let before = server.memory();
        let mut peer = Peer::greet(server.address());
        let flood = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]).repeat(1_000);
        for _ in 0..200 {
            // The answers are read, so that only their number could hurt.
            if !peer.send(&flood) || peer.is_closed() {
                break;
            }
        }
        assert!(server.memory() < before + MEMORY_UNDER_ATTACK, "{} bytes", server.memory());
        door.still_serves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiny_pieces_of_a_request_do_no_harm() {
    for door in both() {
        let before = door.server.memory();
        let mut peer = Peer::agree(door.server.address());
        // A request in pieces of one byte, of which each costs the server as much as a large one: carried out or cut off.
        let body = message(&CreateSessionRequest::new().attribute("data", "x".repeat(20_000)));
        let pieces: Vec<u8> = body.iter().flat_map(|byte| frame(DATA, 0, 1, &[*byte])).collect();
        if peer.send(&frame(HEADERS, END_HEADERS, 1, &call_headers("CreateSession"))) && peer.send(&pieces) {
            peer.send(&frame(DATA, END_STREAM, 1, &[]));
        }
        // Pieces of nothing, without an end.
        let mut peer = Peer::agree(door.server.address());
        assert!(peer.send(&frame(HEADERS, END_HEADERS, 3, &call_headers("CreateSession"))));
        let nothing = frame(DATA, 0, 3, &[]).repeat(10_000);
        for _ in 0..50 {
            if !peer.send(&nothing) || peer.is_closed() {
                break;
            }
        }
        assert!(door.server.memory() < before + MEMORY_UNDER_ATTACK, "{} bytes", door.server.memory());
        door.still_serves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_do_not_keep_their_places() {
    let server = Server::start_with(&["--max-connections", "2"]);
    let silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for mut peer in silent {
        peer.set_read_timeout(Some(LONG)).unwrap();
        // The server greets, waits, and closes the connection.
        peer.read_to_end(&mut Vec::new()).unwrap();
    }
    still_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_free_descriptors_goes_on() {
    let server = Server::start();
    let limit = Rlimit { current: Some(64), maximum: Some(64) };
    prlimit(Pid::from_raw(i32::try_from(server.pid()).unwrap()), Resource::Nofile, limit).unwrap();
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    // Long enough for the watchdog to have looked for several times.
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(crowd);
    let client = server.client();
    eventually("the server answers again", async || client.create(CreateSessionRequest::new()).await.is_ok()).await;
}
