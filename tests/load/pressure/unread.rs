//! Tests with answers that nobody reads.

use crate::common::tokens::token_of;
use crate::common::wire::{
    DATA, END_HEADERS, ENHANCE_YOUR_CALM, HEADERS, INITIAL_WINDOW_SIZE, Peer, RST_STREAM, call, call_headers, frame,
    message,
};
use crate::common::{Server, eventually};
use crate::pressure::long_mode;
use crate::pressure::others::Others;
use bytes::Bytes;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::{
    BackupRequest, BatchGetSessionsRequest, Call, CreateSessionRequest, ExchangeRequest, GetSessionRequest,
    ListSessionsRequest, LockSessionRequest, SessionView, UnlockSessionRequest, WatchSessionsRequest,
};
use std::time::Duration;

/// Bytes of a session.
const SIZE: usize = 200 << 10;

/// Sessions that fit into one answer.
const SESSIONS: usize = 15;

/// What one connection may hold, in bytes.
const OF_ONE: u64 = 16 << 20;

/// What all connections may hold together, in bytes.
const OF_ALL: u64 = 64 << 20;

/// What the server may grow by besides: buffers of streams and of the operating system, unfinished answers, and the
/// allocator.
const BESIDE: u64 = 48 << 20;

const FLAGS: [&str; 9] = [
    "--engine",
    "memory",
    "--message-memory",
    "64MiB",
    "--message-memory-per-connection",
    "16MiB",
    "--max-message-size",
    "4MiB",
    "--drain-timeout=1s",
];

/// Fills the server with large sessions of one principal. Returns their IDs.
pub(crate) async fn fill(server: &Server) -> Vec<String> {
    let client = server.client();
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        let new = CreateSessionRequest::new().principal("ada").attribute("data", Bytes::from(vec![b'x'; SIZE]));
        ids.push(client.create(new).await.unwrap().session_id);
    }
    ids
}

/// One call of each kind with a large answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Get,
    Batch,
    List,
    Watch,
    Exchange,
    Backup,
}

impl Kind {
    fn frames(self, stream: u32, ids: &[String]) -> Vec<u8> {
        match self {
            Self::Get => call("GetSession", stream, &GetSessionRequest::new(&ids[0])),
            Self::Batch => call("BatchGetSessions", stream, &BatchGetSessionsRequest::new(ids.to_vec())),
            Self::List => {
                let mut list = ListSessionsRequest::new().principal("ada");
                list.view = SessionView::Full.into();
                call("ListSessions", stream, &list)
            }
            Self::Watch => {
                let mut watch = WatchSessionsRequest::new();
                watch = watch.resume(token_of(0)).include_attributes();
                call("WatchSessions", stream, &watch)
            }
            Self::Exchange => {
                let method = || Some(Method::Get(GetSessionRequest::new(&ids[0])));
                let calls = (0..16).map(|tag| Call { tag, timeout: None, method: method(), trace_context: None });
                call("Exchange", stream, &ExchangeRequest { calls: calls.collect() })
            }
            Self::Backup => call("sessiond.v1.Admin/Backup", stream, &BackupRequest::default()),
        }
    }
}

/// Makes calls on one connection that takes this many bytes of their answers and no more.
pub(crate) fn ask(server: &Server, kind: Kind, calls: u32, window: u32, ids: &[String]) -> Peer {
    let mut peer = Peer::greet_with(server.address(), &[(INITIAL_WINDOW_SIZE, window)]);
    for number in 0..calls {
        // A peer that is cut off does not get the rest.
        if !peer.send(&kind.frames(2 * number + 1, ids)) {
            break;
        }
    }
    peer
}

async fn stays_within(server: &Server, bound: u64, kind: Kind, calls: u32, window: u32) {
    let ids = fill(server).await;
    let mut others = Others::arrive(server).await;
    others.read(100).await;
    let before = server.memory();
    let peer = ask(server, kind, calls, window, &ids);
    others.read(300).await;
    // This is long enough for the answers to be made, if the server makes them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < bound + BESIDE, "{kind:?}, a window of {window}: {} MiB more", grown >> 20);
    drop(peer);
}

/// A unary call, a call with many sessions, a page, a watch, a stream and a backup. Their answers are not taken, taken
/// in part, or taken as fast as the operating system takes them.
#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_answer_exceeds_what_a_connection_may_hold() {
    for kind in [Kind::Get, Kind::Batch, Kind::List, Kind::Watch, Kind::Exchange, Kind::Backup] {
        for window in [0, 1_000, 0x7fff_ffff] {
            let server = Server::start_with(&FLAGS);
            stays_within(&server, OF_ONE, kind, 600, window).await;
        }
    }
}

/// Callers that wait for a lock get the session in the end, and all may get it at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_read_under_a_lock_are_bounded() {
    let server = Server::start_with(&FLAGS);
    let client = server.client();
    let mut locks = Vec::new();
    let mut peer = Peer::greet_with(server.address(), &[(INITIAL_WINDOW_SIZE, 0)]);
    for number in 0..400 {
        let new = CreateSessionRequest::new().attribute("data", Bytes::from(vec![b'x'; SIZE]));
        let id = client.create(new).await.unwrap().session_id;
        let token = client.lock(LockSessionRequest::new(&id)).await.unwrap().lock_token;
        let waits = LockSessionRequest::new(&id).wait(Duration::from_secs(30)).include_session();
        assert!(peer.send(&call("LockSession", 2 * number + 1, &waits)));
        locks.push((id, token));
    }
    // An answer that comes after them shows that the server has read them.
    assert!(peer.send(&call("GetSession", 801, &GetSessionRequest::new("x"))));
    assert!(peer.receive(|frame| frame.stream == 801).is_some());
    let before = server.memory();
    for (id, token) in locks {
        client.unlock(UnlockSessionRequest::new(id, token)).await.unwrap();
    }
    Others::arrive(&server).await.read(300).await;
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < OF_ONE + BESIDE / 4, "{} MiB more", grown >> 20);
    drop(peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_hold_no_more_than_the_server_may() {
    let server = Server::start_with(&FLAGS);
    let ids = fill(&server).await;
    let mut others = Others::arrive(&server).await;
    let before = server.memory();
    let peers: Vec<Peer> =
        (0..20).map(|number| ask(&server, [Kind::Get, Kind::Batch][number % 2], 100, 0, &ids)).collect();
    others.read(500).await;
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < OF_ALL + BESIDE, "{} MiB more", grown >> 20);
    drop(peers);
    others.read(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_taken_is_given_up_with_a_reason() {
    let server = Server::start_with(&["--send-timeout", "1s"]);
    let ids = fill(&server).await;
    for kind in [Kind::Get, Kind::Exchange] {
        let mut peer = ask(&server, kind, 1, 1_000, &ids);
        let reset = peer.receive(|frame| frame.kind == RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.code(0)), (1, ENHANCE_YOUR_CALM), "{kind:?}");
        // The connection is as good as before.
        assert!(peer.send(&Kind::Backup.frames(3, &ids)));
        assert!(peer.receive(|frame| frame.stream == 3).is_some());
    }
}

/// Makes calls in streams whose replies it does not take, and sends as much in each as its window allows.
pub(crate) fn send_without_reading(server: &Server) -> Peer {
    let mut peer = Peer::greet_with(server.address(), &[(INITIAL_WINDOW_SIZE, 0)]);
    let calls = ExchangeRequest { calls: vec![Call::default()] };
    // The second message would have 1 MB.
    let sent = [&message(&calls)[..], &[0, 0, 15, 66, 64], &vec![0; 60_000]].concat();
    for stream in (0..16).map(|number| 2 * number + 1) {
        peer.send(&frame(HEADERS, END_HEADERS, stream, &call_headers("Exchange")));
        for piece in sent.chunks(16_000) {
            peer.send(&frame(DATA, 0, stream, piece));
        }
    }
    peer
}

/// While replies of a stream are not taken, nothing more is read from it. What its peer sends all the same stays with the connection.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_in_streams_that_are_not_read_is_bounded() {
    const PEERS: u64 = 100;
    let server = Server::start_with(&FLAGS);
    let mut others = Others::arrive(&server).await;
    let before = server.memory();
    let peers: Vec<Peer> = (0..PEERS).map(|_| send_without_reading(&server)).collect();
    others.read(300).await;
    let of_one = server.peak_memory().saturating_sub(before) / PEERS;
    assert!(of_one < 700 << 10, "{} KiB more for each connection", of_one >> 10);
    drop(peers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_leaves_answers_over_and_over_is_closed() {
    let server = Server::start_with(&["--send-timeout", "1s"]);
    let ids = fill(&server).await;
    let mut peer = ask(&server, Kind::Get, 150, 0, &ids);
    assert_eq!(peer.read_to_end(), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_nothing_at_all_is_closed() {
    let server = Server::start_with(&["--send-timeout", "1s", "--max-connections", "2"]);
    let ids = fill(&server).await;
    // More than the operating system takes.
    let stuck: Vec<Peer> = (0..2).map(|_| ask(&server, Kind::Batch, 40, 0x7fff_ffff, &ids)).collect();
    Others::arrive(&server).await.read(1).await;
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_place_until_its_answer_is_taken() {
    let server = Server::start_with(&["--max-requests-in-flight", "4", "--send-timeout", "2s"]);
    let ids = fill(&server).await;
    let client = server.client();
    let mut peers = Vec::new();
    // They come one at a time, because the client's own call may be in flight when one of them arrives.
    eventually("all places are taken", async || {
        peers.push(ask(&server, Kind::Get, 1, 0, &ids));
        client.get(&ids[0]).await.is_err()
    })
    .await;
    eventually("the places are free again", async || client.get(&ids[0]).await.is_ok()).await;
    drop(peers);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_long_mode_of_answers_that_nobody_reads() {
    let Some(calls) = long_mode("SESSIOND_UNREAD") else { return };
    for (kind, connections) in [(Kind::Batch, 1), (Kind::Get, 1), (Kind::Batch, 20), (Kind::Get, 20)] {
        let server = Server::start_with(&["--engine", "memory"]);
        let ids = fill(&server).await;
        let mut others = Others::arrive(&server).await;
        let before = server.memory();
        let of_one = (calls / connections).min(if connections == 1 { 1_000 } else { u32::MAX });
        let peers: Vec<Peer> = (0..connections).map(|_| ask(&server, kind, of_one, 0, &ids)).collect();
        others.read(20_000).await;
        eprintln!(
            "{kind:?}: {of_one} calls on each of {connections} connections: {} MiB before, {} MiB at most; {} reads of \
             others, p99 {:?}",
            before >> 20,
            server.peak_memory() >> 20,
            others.count(),
            others.p99()
        );
        drop(peers);
    }
}
