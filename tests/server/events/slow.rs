//! Tests with watchers that don't read, and servers that stop: they harm nobody.

use crate::common::tokens::{sequence_in, token_of};
use crate::common::{LONG, Server, eventually, reason};
use crate::events::watching::{collect, lively, next};
use rustix::process::Signal;
use sessiond_client::proto::watch_sessions_response::Message;
use sessiond_client::proto::{CreateSessionRequest, SessionChange, WatchSessionsRequest};
use sessiond_client::{Client, Error};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

/// A session whose events take some kilobytes each.
fn wide() -> CreateSessionRequest {
    (0..16).fold(CreateSessionRequest::new(), |new, label| new.label(format!("label-{label}"), "x".repeat(256)))
}

/// Makes more events than the connection of a watcher takes while nobody reads.
async fn fill(client: &Client) {
    let id = client.create(wide()).await.unwrap().session_id;
    for n in 0..2_500 {
        client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
    }
}

/// Makes 20,000 events of some kilobytes each. Returns how long that took.
async fn flood(server: &Server) -> Duration {
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..20 {
        let client = server.client();
        writers.spawn(async move {
            let id = client.create(wide()).await.unwrap().session_id;
            for n in 0..1_000 {
                client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stops_reading_harms_nobody() {
    let flags = ["--event-history-count", "1000", "--durability", "interval", "--cache-size", "16MiB"];
    let server = Server::start_with(&flags);
    let undisturbed = flood(&server).await;
    let before = server.memory();
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut stream = server.stub().watch_sessions(lively()).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        stalled.push(stream);
    }
    let disturbed = flood(&server).await;
    let grown = server.memory().saturating_sub(before);
    // Each of the four watchers leaves more than 80 MB unread.
    assert!(grown < 96 << 20, "{} MiB more", grown >> 20);
    let bearable = undisturbed * 3 + Duration::from_secs(5);
    assert!(disturbed < bearable, "{disturbed:?} instead of {undisturbed:?}");
    drop(stalled);
    let client = server.client();
    eventually("the watchers are forgotten", async || client.statistics().await.unwrap().watchers == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stops_reading_for_too_long_is_cut_off() {
    let server = Server::start_with(&["--durability", "interval"]);
    let client = server.client();
    let mut stream = server.stub().watch_sessions(lively()).await.unwrap().into_inner();
    fill(&client).await;
    eventually("the watcher is given up", async || client.statistics().await.unwrap().watchers == 0).await;
    let mut seen = 0;
    let status = loop {
        match timeout(LONG, stream.message()).await.unwrap() {
            Ok(message) => {
                if let Some(Message::Event(event)) = message.unwrap().message {
                    seen = sequence_in(&event.resume_token);
                }
            }
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "WATCHER_TOO_SLOW"));
    let newest = sequence_in(&client.statistics().await.unwrap().resume_token);
    assert!(seen > 0 && seen < newest);
    let mut watch = client.watch(lively().resume(token_of(seen))).await.unwrap();
    let rest = collect(&client, &mut watch).await;
    assert_eq!(rest.last().map(|event| event.session.version), Some(2_501));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_lets_its_watchers_go() {
    let mut server = Server::start_with(&["--drain-timeout", "10m"]);
    let mut watches = JoinSet::new();
    let client = server.client();
    for number in 0..8 {
        let request = if number % 2 == 0 { WatchSessionsRequest::new() } else { lively().all_namespaces() };
        let mut watch = server.client().watch(request).await.unwrap();
        watches.spawn(async move {
            loop {
                match next(&mut watch).await.unwrap() {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        });
    }
    let mut raw = server.stub().watch_sessions(WatchSessionsRequest::new()).await.unwrap().into_inner();
    client.create(CreateSessionRequest::new()).await.unwrap();
    assert_eq!(client.statistics().await.unwrap().watchers, 9);
    let start = Instant::now();
    server.signal(Signal::TERM);
    let status = loop {
        if let Err(status) = timeout(LONG, raw.message()).await.unwrap() {
            break status;
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_READY"));
    for error in timeout(LONG, watches.join_all()).await.unwrap() {
        assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
    }
    assert_eq!(server.wait(LONG).code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_is_cut_off_when_the_server_stops() {
    let mut server = Server::start_with(&["--drain-timeout", "2s", "--durability", "interval"]);
    let mut stream = server.stub().watch_sessions(lively()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let client = server.client();
    fill(&client).await;
    server.stop();
    drop(stream);
}
