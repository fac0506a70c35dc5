//! Tests that a backup is the state of one moment, whatever changes meanwhile, and delays nobody.

use crate::common::backups::{back_up, restore, restored};
use crate::common::{Server, eventually};
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange, UpdateSessionRequest};
use sessiond_client::{Client, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Sessions that one writer changes in turn.
const SLOTS: i64 = 40;

/// After so many changes, a writer also ends a session and creates one.
const STRIDE: i64 = 10;

fn id(kind: &str, writer: usize, number: i64) -> String {
    format!("a-{kind}-of-writer-{writer}-number-{number}")
}

/// Bytes that can't be compressed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The pause between two steps of a writer. Without it, on few cores, the changes that a backup must catch up with grow
/// as fast as it reads.
const PAUSE: Duration = Duration::from_millis(1);

/// Carries out numbered steps, one after the other. Step `n` writes `n` into slot `n % SLOTS`. Every `STRIDE`th step
/// then ends the victim `n / STRIDE`, and creates the newcomer with that number.
async fn work(client: Client, writer: usize, ended: Arc<AtomicBool>) -> i64 {
    let mut step = 0;
    while !ended.load(Ordering::Relaxed) {
        step += 1;
        let slot = id("slot", writer, step % SLOTS);
        client.update(&slot, SessionChange::new().set("step", step)).await.unwrap();
        if step % STRIDE == 0 {
            // There may be more steps than victims.
            client.delete(id("victim", writer, step / STRIDE)).await.ok();
            let newcomer = id("newcomer", writer, step / STRIDE);
            client.create(CreateSessionRequest::new().session_id(newcomer)).await.unwrap();
        }
        tokio::time::sleep(PAUSE).await;
    }
    step
}

async fn number_in(client: &Client, id: String) -> i64 {
    let session = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
    match session.attributes["step"].kind {
        Some(sessiond_client::proto::value::Kind::IntValue(step)) => step,
        ref other => panic!("{other:?}"),
    }
}

/// Checks that the sessions of a writer are as they were after one of its steps, or in the middle of it. Returns the
/// step.
async fn check_cut(client: &Client, writer: usize, victims: i64) -> i64 {
    let mut steps = Vec::new();
    for slot in 0..SLOTS {
        steps.push(number_in(client, id("slot", writer, slot)).await);
    }
    let last = steps.iter().copied().max().unwrap();
    for (slot, step) in (0..SLOTS).zip(steps) {
        let expected = last - (last - slot).rem_euclid(SLOTS);
        assert_eq!(step, expected.max(0), "slot {slot} when the last step was {last}");
    }
    let there = async |kind, number| match client.get(GetSessionRequest::new(id(kind, writer, number)).peek()).await {
        Ok(_) => true,
        Err(Error::SessionNotFound) => false,
        Err(error) => panic!("{error}"),
    };
    // The step itself may have been carried out in part.
    let sure = (last - 1).max(0) / STRIDE;
    let under_way = (last % STRIDE == 0).then_some(last / STRIDE);
    for number in 1..=victims {
        if Some(number) == under_way {
            let both = there("victim", number).await && there("newcomer", number).await;
            assert!(!both, "the newcomer {number} comes after the end of the victim");
        } else {
            assert_eq!(there("victim", number).await, number > sure, "victim {number}, step {last}");
            assert_eq!(there("newcomer", number).await, number <= sure, "newcomer {number}, step {last}");
        }
    }
    last
}

async fn cut_under_load(flags: &[&str]) {
    const WRITERS: usize = 4;
    const VICTIMS: i64 = 60;
    let server = Server::start_with(flags);
    let mut making = JoinSet::new();
    for writer in 0..WRITERS {
        let client = server.client();
        making.spawn(async move {
            for slot in 0..SLOTS {
                let new = CreateSessionRequest::new().session_id(id("slot", writer, slot)).attribute("step", 0);
                client.create(new).await.unwrap();
            }
            for number in 1..=VICTIMS {
                client.create(CreateSessionRequest::new().session_id(id("victim", writer, number))).await.unwrap();
            }
            // The walk takes a while.
            for _ in 0..1_500 {
                client.create(CreateSessionRequest::new()).await.unwrap();
            }
        });
    }
    making.join_all().await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut working = JoinSet::new();
    for writer in 0..WRITERS {
        working.spawn(work(server.client(), writer, Arc::clone(&ended)));
    }
    eventually("the writers are at work", async || number_in(&server.client(), id("slot", 0, 1)).await > 0).await;
    let mut backups = Vec::new();
    for _ in 0..3 {
        backups.push(back_up(&server.client()).await.unwrap());
    }
    ended.store(true, Ordering::Relaxed);
    let ends = working.join_all().await;
    let mut before = 0;
    for (backup, summary) in backups {
        let (copy, restored) = restored(&backup, &["--touch-interval", "5m"]).await;
        assert_eq!((restored.sessions, restored.events), (summary.sessions, summary.events));
        let mut steps = 0;
        for writer in 0..WRITERS {
            steps += check_cut(&copy.client(), writer, VICTIMS).await;
        }
        assert!(steps > before && steps <= ends.iter().sum(), "{before}, {steps}, {ends:?}");
        before = steps;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_backup_is_the_state_of_one_moment() {
    cut_under_load(&["--durability", "interval"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_the_engine_in_memory() {
    cut_under_load(&["--engine", "memory"]).await;
}

/// A server with this many sessions of 20 KiB that can't be compressed.
async fn bulky(count: u64) -> Server {
    let server = Server::start_with(&["--durability", "interval", "--cache-size", "16MiB"]);
    let mut making = JoinSet::new();
    for maker in 0..4 {
        let client = server.client();
        making.spawn(async move {
            for number in (maker..count).step_by(4) {
                let new = CreateSessionRequest::new().session_id(format!("a-bulky-session-{number}"));
                client.create(new.attribute("noise", noise(number, 20 << 10))).await.unwrap();
            }
        });
    }
    making.join_all().await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_pauses_holds_up_no_writer_and_costs_no_memory() {
    const SESSIONS: u64 = 4_000;
    let server = bulky(SESSIONS).await;
    let (client, before) = (server.client(), server.memory());
    let mut backup = server.client().backup().await.unwrap();
    let mut bytes = backup.next().await.unwrap().unwrap().to_vec();
    // The backup is not read meanwhile, and every session changes.
    for number in 0..SESSIONS {
        let id = format!("a-bulky-session-{number}");
        client.update_with(UpdateSessionRequest::new(id, SessionChange::new().set("changed", true))).await.unwrap();
    }
    let held = server.memory().saturating_sub(before);
    assert!(held < 60 << 20, "{held} bytes for a backup of 80 MiB that nobody reads");
    while let Some(data) = backup.next().await {
        bytes.extend(data.unwrap());
    }
    let (copy, summary) = restored(&bytes, &[]).await;
    assert_eq!(summary.sessions, SESSIONS);
    for number in (0..SESSIONS).step_by(97) {
        let session = copy.client().get(format!("a-bulky-session-{number}")).await.unwrap().session;
        assert!(session.attributes.contains_key("changed") && session.attributes.contains_key("noise"), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_at_a_time_and_a_cancelled_one_makes_room() {
    let server = bulky(500).await;
    let client = server.client();
    let mut first = client.backup().await.unwrap();
    first.next().await.unwrap().unwrap();
    let running = Err(Error::BackupRunning { address: server.address().to_owned() });
    assert_eq!(client.backup().await.map(drop), running);
    assert_eq!(restore(&client, b"anything").await.map(drop), running);
    // The first backup goes on.
    first.next().await.unwrap().unwrap();
    drop(first);
    eventually("the place is free again", async || client.backup().await.is_ok()).await;
    eventually("the next is whole", async || back_up(&client).await.is_ok()).await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_ends_a_backup() {
    let mut server = bulky(500).await;
    let mut backup = server.client().backup().await.unwrap();
    backup.next().await.unwrap().unwrap();
    server.signal(rustix::process::Signal::TERM);
    let error = loop {
        match backup.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::NotReady { .. } | Error::Unavailable { .. }), "{error}");
    assert!(backup.summary().is_none());
    drop(backup);
    assert_eq!(server.wait(Duration::from_secs(60)).code(), Some(0));
}
