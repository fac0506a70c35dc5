//! Tests that a running server checks its own data: it finds damage of every kind, and raises no false alarm.

use crate::common::damage::{check, edit, flip_row};
use crate::common::{Run, Server, binary, eventually, run};
use sessiond_client::proto::{CreateSessionRequest, RotateSessionRequest, SessionChange, Timeouts};
use sessiond_client::{Client, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// A size that takes several rows.
const LARGE: usize = 100 << 10;

fn run_check(server: &Server, flags: &[&str]) -> Run {
    run(binary().args(["verify", "--server", server.address()]).args(flags))
}

fn chosen(name: &str) -> CreateSessionRequest {
    CreateSessionRequest::new().session_id(format!("the-chosen-session-id-{name}")).principal("ada")
}

/// Creates a session of each kind. Returns how many there are.
async fn make_one_of_each(client: &Client) -> u64 {
    client.create(CreateSessionRequest::new()).await.unwrap();
    client.create(chosen("plain").attribute("large", vec![7; LARGE])).await.unwrap();
    let rotated = client.create(chosen("rotated")).await.unwrap().session_id;
    client.rotate(RotateSessionRequest::new(&rotated).grace(Duration::from_secs(60))).await.unwrap();
    let taken = client.create(chosen("taken")).await.unwrap().session_id;
    client.rotate(RotateSessionRequest::new(&taken)).await.unwrap();
    client.create(chosen("taken")).await.unwrap();
    let short = Timeouts::new().idle(Duration::from_millis(1));
    client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap();
    let touched = client.create(CreateSessionRequest::new().principal("bob")).await.unwrap().session_id;
    client.touch(&touched).await.unwrap();
    let ended = client.create(chosen("ended")).await.unwrap().session_id;
    client.delete(&ended).await.unwrap();
    7
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_is_found_whole() {
    for engine in ["sled", "memory"] {
        let server = Server::start_with(&["--engine", engine, "--sweep-interval", "10m", "--touch-interval", "100ms"]);
        let client = server.client();
        let empty = check(&client).await;
        assert!(empty.is_whole() && (empty.sessions, empty.events) == (0, 0), "{empty:?}");
        let sessions = make_one_of_each(&client).await;
        let summary = check(&client).await;
        assert!(summary.is_whole(), "{summary:?}");
        assert_eq!((summary.sessions, summary.events), (sessions, 11));
        assert!(summary.begin_time.unwrap().seconds <= summary.end_time.unwrap().seconds);
        let cli = run_check(&server, &[]);
        assert_eq!((cli.code, cli.stderr.as_str()), (Some(0), ""));
        assert!(cli.stdout.contains("sessions           7\n"), "{cli:?}");
        let json = run_check(&server, &["--json"]).stdout;
        assert!(json.contains("\"sessions\":7") && json.contains("\"damaged_handles\":[]"), "{json}");
        assert!(server.log().contains("a check of the data is done: everything is whole"));
    }
}

/// Removes the first row of a session from a leaf table. The other rows are then stored by themselves, as in folders of
/// older versions.
fn remove_packed(tree: &sled::Tree, handle: [u8; 16]) {
    const EMPTY_ROW: [u8; 5] = [1, 0, 0, 0, 0];
    let mut is_found = false;
    for leaf in tree.iter().map(Result::unwrap).collect::<Vec<_>>() {
        tree.remove(&leaf.0).unwrap();
        let (mut rest, mut key) = (&leaf.1[EMPTY_ROW.len()..], Vec::new());
        // A row of a leaf: the length shared with the key before, the length of the rest of the key, the rest, and the
        // length of the value, 0.
        while let [shared, length, behind @ ..] = rest {
            key.truncate((*shared).into());
            let (end, behind) = behind.split_at((*length).into());
            key.extend_from_slice(end);
            assert_eq!(behind[0], 0);
            rest = &behind[1..];
            if !is_found && key.windows(16).any(|part| part == handle) {
                is_found = true;
            } else {
                tree.insert(&key, &EMPTY_ROW).unwrap();
            }
        }
    }
    assert!(is_found);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_every_kind_is_found_and_named() {
    let mut server = Server::start();
    let client = server.client();
    let mut handles = Vec::new();
    for number in 0..10 {
        let size = if number < 3 { LARGE } else { 10 };
        let new = chosen(&number.to_string()).attribute("data", vec![7; size]);
        handles.push(client.create(new).await.unwrap().session.handle);
    }
    // Some 60 events share a row.
    for number in 0..80 {
        client.update("the-chosen-session-id-9", SessionChange::new().set("number", number)).await.unwrap();
    }
    server.stop();
    let key = |number: usize| uuid::Uuid::parse_str(&handles[number]).unwrap().into_bytes();
    edit(&server.data(), |db| {
        let tree = |name| db.open_tree(name).unwrap();
        let rows_of = |tree: &sled::Tree, handle: [u8; 16]| -> Vec<sled::IVec> {
            tree.iter().keys().map(Result::unwrap).filter(|key| key.windows(16).any(|part| part == handle)).collect()
        };
        // A part is damaged, a part is missing, a record is damaged.
        flip_row(&tree("parts"), &rows_of(&tree("parts"), key(0))[1]);
        tree("parts").remove(&rows_of(&tree("parts"), key(1))[0]).unwrap();
        flip_row(&tree("sessions"), &key(4));
        // One session can't be swept, one is not in its principal's list, and one is not found by its ID.
        remove_packed(&tree("due"), key(5));
        remove_packed(&tree("members"), key(6));
        let lookups = tree("lookups");
        let of_seven = lookups.iter().map(Result::unwrap).find(|(_, row)| row.ends_with(&key(7))).unwrap().0;
        lookups.remove(of_seven).unwrap();
        let events = tree("events");
        let first = events.iter().keys().next().unwrap().unwrap();
        flip_row(&events, &first);
    });
    let named = |numbers: [usize; 3]| {
        let mut named = numbers.map(|number| handles[number].clone()).to_vec();
        named.sort();
        named
    };
    let offline = run(binary().args(["verify", "--json", "--data-dir"]).arg(server.data()));
    assert_eq!(offline.code, Some(1), "{offline:?}");
    let expected = serde_json::to_string(&named([0, 1, 4])).unwrap();
    assert!(offline.stdout.contains(&format!("\"damaged_sessions\":{expected}")), "{offline:?}");
    assert!(offline.stdout.contains("\"events\":27,\"damaged_events\":1,"), "{offline:?}");

    server.restart();
    let client = server.client();
    let summary = check(&client).await;
    assert_eq!((summary.sessions, summary.damaged_sessions, summary.unindexed_sessions), (4, 3, 3));
    assert_eq!(summary.damaged_handles, named([0, 1, 4]));
    assert_eq!(summary.unindexed_handles, named([5, 6, 7]));
    assert_eq!((summary.events, summary.damaged_events, summary.damaged_pages), (27, 1, 0));
    assert!(server.log().contains("a check of the data has found damage"));
    let cli = run_check(&server, &[]);
    assert_eq!(cli.code, Some(1), "{cli:?}");
    assert!(cli.stderr.contains("is damaged; stop the server and save what can be read"), "{cli:?}");
    for (word, handle) in [("damaged", &handles[1]), ("unindexed", &handles[5])] {
        assert!(cli.stdout.contains(&format!("\n  {word} {handle}")), "{cli:?}");
    }
    assert!(!cli.stdout.contains("the-chosen-session-id"));
    // A check does not count as an access.
    assert_eq!(client.statistics().await.unwrap().met_damage, 0);
}

/// Creates, changes, rotates and ends sessions until it is told to stop.
async fn keep_busy(client: Client, number: usize, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let name = format!("{number}-{}", round % 4);
        let new = chosen(&name).attribute("large", vec![7; if round % 3 == 0 { LARGE } else { 10 }]);
        let id = client.create(new).await.unwrap().session_id;
        for step in 0..3 {
            let change = SessionChange::new().set("large", vec![step; LARGE]).set_principal(format!("user-{step}"));
            client
                .update(&id, change.set_timeouts(Timeouts::new().idle(Duration::from_secs(60 + round))))
                .await
                .unwrap();
        }
        let id = client.rotate(RotateSessionRequest::new(&id)).await.unwrap().session_id;
        client.delete(&id).await.unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_beside_a_check_raise_no_alarm() {
    for engine in ["sled", "memory"] {
        let server = Server::start_with(&["--engine", engine, "--durability", "none"]);
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut busy = JoinSet::new();
        for number in 0..8 {
            busy.spawn(keep_busy(server.client(), number, Arc::clone(&stop), Arc::clone(&done)));
        }
        let client = server.client();
        let (mut checks, mut found) = (0, 0);
        while checks < 10 || done.load(Ordering::Relaxed) < 40 {
            let summary = check(&client).await;
            assert!(summary.is_whole(), "{engine}, after {checks} checks: {summary:?}");
            checks += 1;
            found += summary.sessions;
        }
        stop.store(true, Ordering::Relaxed);
        busy.join_all().await;
        assert!(found > 0, "nothing was there to be checked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_check_at_a_time_and_it_ends_with_its_caller() {
    let server = Server::start_with(&["--engine", "memory"]);
    let client = server.client();
    let mut made = JoinSet::new();
    for _ in 0..5_000 {
        let client = client.clone();
        made.spawn(async move { client.create(CreateSessionRequest::new()).await.unwrap() });
    }
    made.join_all().await;
    let mut first = client.verify().await.unwrap();
    let told = first.next().await.unwrap().unwrap();
    assert_eq!((told.sessions_expected, told.events_expected, told.summary), (5_000, 5_000, None));
    let address = server.address().to_owned();
    assert_eq!(client.verify().await.map(drop), Err(Error::VerifyRunning { address }));
    drop(first);
    eventually("the place is free", async || client.verify().await.is_ok()).await;
}
