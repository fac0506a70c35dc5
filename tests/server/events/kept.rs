//! Tests of how far back the history goes.

use crate::common::damage::check;
use crate::common::tokens::{sequence_in, token_of};
use crate::common::{Server, eventually, reason};
use crate::events::watching::{collect, lively};
use sessiond_client::Error;
use sessiond_client::proto::{CreateSessionRequest, SessionChange};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_refused() {
    let mut server = Server::start_with(&["--event-history-count", "1000", "--durability", "interval"]);
    let client = server.client();
    let mut live = client.watch(lively()).await.unwrap();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    for n in 0..2_000 {
        client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
    }
    let sequences: Vec<u64> =
        collect(&client, &mut live).await.iter().map(|event| sequence_in(&event.resume_token)).collect();
    assert_eq!(sequences.len(), 2_001);
    let gone = async |after: u64| client.watch(lively().resume(token_of(after))).await.err() == Some(Error::EventsGone);
    eventually("the history is trimmed", async || gone(sequences[999]).await).await;
    for after in [0, sequences[0], sequences[500]] {
        assert!(gone(after).await, "after {after}");
    }
    // The history holds exactly as many events as the setting promises.
    let mut watch = client.watch(lively().resume(token_of(sequences[1_000]))).await.unwrap();
    let kept: Vec<u64> =
        collect(&client, &mut watch).await.iter().map(|event| sequence_in(&event.resume_token)).collect();
    assert_eq!(kept, sequences[1_001..]);
    // A future that this server has not promised.
    for future in [sequences[2_000] + 1_000_000, u64::MAX] {
        let status = server.stub().watch_sessions(lively().resume(token_of(future))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "EVENTS_GONE"));
    }
    server.stop();
    server.restart();
    let client = server.client();
    assert_eq!(client.watch(lively().resume(token_of(sequences[500]))).await.err(), Some(Error::EventsGone));
    let mut watch = client.watch(lively().resume(token_of(sequences[1_500]))).await.unwrap();
    assert_eq!(collect(&client, &mut watch).await.len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_takes_no_more_than_its_size() {
    const SIZE: u64 = 1 << 20;
    for engine in ["sled", "memory"] {
        let flags = ["--engine", engine, "--event-history-size", "1MiB", "--durability", "interval"];
        let mut server = Server::start_with(&flags);
        let client = server.client();
        let labels =
            (0..8).fold(CreateSessionRequest::new(), |request, n| request.label(format!("label-{n}"), "x".repeat(120)));
        let id = client.create(labels).await.unwrap().session_id;
        for n in 0..2_000 {
            client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
        }
        // Each event has about a thousand bytes.
        let fits = async || (600..1_100).contains(&check(&client).await.events);
        eventually("the history is trimmed", fits).await;
        assert_eq!(client.watch(lively().resume(token_of(0))).await.err(), Some(Error::EventsGone), "{engine}");
        if engine == "sled" {
            server.stop();
            server.restart();
            let kept = check(&server.client()).await.events;
            assert!((600..1_100).contains(&kept), "{kept} events of {SIZE} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn space_is_given_back_once_nothing_changes() {
    const LITTLE: u64 = 14 << 20;
    let server =
        Server::start_with(&["--durability", "interval", "--cache-size", "128MiB", "--event-history-size", "1MiB"]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..13 {
        let client = server.client();
        tasks.spawn(async move {
            let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
            for n in 0..1_500_u64 {
                client.update(&id, SessionChange::new().set("filling", format!("{n:01000}"))).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let folder = server.data().join("sled");
    let bytes = || -> u64 {
        let files = std::fs::read_dir(&folder).unwrap().filter_map(|file| file.ok()?.metadata().ok());
        files.map(|file| file.len()).sum()
    };
    let much = bytes();
    assert!(much > LITTLE, "{much} bytes are little already");
    eventually("the data folder takes little", async || bytes() <= LITTLE).await;
}
