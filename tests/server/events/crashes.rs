//! Tests of events across crashes: a watcher that resumes misses nothing and gets nothing twice.

use crate::common::tokens::{sequence_in, token_of};
use crate::common::{LONG, Server, eventually};
use crate::events::watching::{collect, lively, next};
use sessiond_client::proto::{
    CreateSessionRequest, EventKind, ListSessionsRequest, RevokeSessionsRequest, SessionChange, Timeouts,
};
use sessiond_client::{Client, Event, WatchMessage};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a writer did to one session, by its handle.
#[derive(Default)]
struct Ledger {
    acknowledged: HashMap<String, Vec<EventKind>>,
    /// What may have been carried out last, though no answer came.
    unsure: HashMap<String, EventKind>,
    unsure_creations: usize,
}

async fn write_until_killed(client: Client, done: Arc<AtomicUsize>) -> Ledger {
    let mut ledger = Ledger::default();
    loop {
        let Ok(created) = client.create(CreateSessionRequest::new().principal("ada")).await else {
            ledger.unsure_creations += 1;
            return ledger;
        };
        let (handle, mut id) = (created.session.handle, created.session_id);
        let mut acknowledged = vec![EventKind::Created];
        let plan = [EventKind::Updated, EventKind::Rotated, EventKind::Updated, EventKind::Deleted, EventKind::Revoked];
        for kind in plan {
            let answer = match kind {
                EventKind::Updated => client.update(&id, SessionChange::new().set("n", 1)).await.map(drop),
                EventKind::Rotated => client.rotate(&id).await.map(|rotated| id = rotated.session_id),
                EventKind::Deleted if done.load(Ordering::Relaxed).is_multiple_of(2) => {
                    client.delete(&id).await.map(drop)
                }
                EventKind::Deleted => continue,
                _ => client.revoke(RevokeSessionsRequest::by_handles([&handle])).await.map(drop),
            };
            if answer.is_err() {
                ledger.unsure.insert(handle.clone(), kind);
                ledger.acknowledged.insert(handle, acknowledged);
                return ledger;
            }
            acknowledged.push(kind);
            done.fetch_add(1, Ordering::Relaxed);
            if kind == EventKind::Deleted {
                break;
            }
        }
        ledger.acknowledged.insert(handle, acknowledged);
    }
}

/// Events until the stream ends.
async fn watch_until_killed(client: Client, after: u64) -> Vec<Event> {
    let mut watch = client.watch(lively().resume(token_of(after))).await.unwrap();
    let mut events = Vec::new();
    while let Some(Ok(message)) = next(&mut watch).await {
        if let WatchMessage::Event(event) = message {
            events.push(event);
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_resumes_misses_nothing_and_sees_nothing_twice() {
    let mut server = Server::start();
    let (mut ledgers, mut events): (Vec<Ledger>, Vec<Event>) = (Vec::new(), Vec::new());
    let mut position = 0;
    for round in 0..4 {
        let watcher = tokio::spawn(watch_until_killed(server.client(), position));
        let done = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..6 {
            writers.spawn(write_until_killed(server.client(), Arc::clone(&done)));
        }
        let enough = 250 + round * 90;
        eventually("the writers are at work", async || done.load(Ordering::Relaxed) > enough).await;
        server.kill();
        ledgers.extend(timeout(LONG, writers.join_all()).await.unwrap());
        events.extend(timeout(LONG, watcher).await.unwrap().unwrap());
        position = events.last().map_or(position, |event| sequence_in(&event.resume_token));
        server.restart();
    }
    let client = server.client();
    // After the last crash there may be more events than the watcher saw.
    let mut watch = client.watch(lively().resume(token_of(position))).await.unwrap();
    events.extend(collect(&client, &mut watch).await);
    assert!(
        events.windows(2).all(|two| sequence_in(&two[0].resume_token) < sequence_in(&two[1].resume_token)),
        "out of order, or twice"
    );

    let mut seen: HashMap<String, Vec<EventKind>> = HashMap::new();
    for event in events {
        seen.entry(event.session.handle).or_default().push(event.kind);
    }
    for ledger in &ledgers {
        for (handle, acknowledged) in &ledger.acknowledged {
            let mut seen = seen.remove(handle).unwrap_or_default();
            if seen.len() > acknowledged.len() {
                assert_eq!(seen.pop().as_ref(), ledger.unsure.get(handle), "{handle}: {acknowledged:?}");
            }
            // The answer of a revocation acknowledges its sessions, not a single event.
            assert_eq!(seen, *acknowledged, "{handle}");
        }
    }
    let unsure: usize = ledgers.iter().map(|ledger| ledger.unsure_creations).sum();
    assert!(seen.len() <= unsure, "{seen:?}");
    assert!(seen.values().all(|kinds| *kinds == [EventKind::Created]), "{seen:?}");
}

/// Creates sessions and kills the server, several times. After each restart, every session that is there has had its
/// event, once. And every session that an event told of is there, if it must be.
async fn kill_while_watching(durability: &str, survives: bool) {
    let mut server = Server::start_with(&["--durability", durability, "--flush-interval", "50ms"]);
    let (mut told, mut sequences, mut position) = (HashSet::new(), Vec::new(), 0);
    for round in 0..4_usize {
        let client = server.client();
        let mut watch = client.watch(lively().resume(token_of(position))).await.expect("the place is still known");
        let mut hear = |event: Event| {
            sequences.push(sequence_in(&event.resume_token));
            assert!(told.insert(event.session.handle), "an event is told twice");
        };
        let mut writers = JoinSet::new();
        for _ in 0..4 {
            let client = server.client();
            writers.spawn(async move { while client.create(CreateSessionRequest::new()).await.is_ok() {} });
        }
        let (start, mut heard) = (Instant::now(), 0);
        while heard < 40 + 30 * round || start.elapsed() < Duration::from_millis(120) {
            if let WatchMessage::Event(event) = next(&mut watch).await.unwrap().unwrap() {
                hear(event);
                heard += 1;
            }
        }
        server.kill();
        // Events that the connection still holds count as sent, too.
        while let Some(Ok(message)) = next(&mut watch).await {
            if let WatchMessage::Event(event) = message {
                hear(event);
            }
        }
        position = sequence_in(watch.resume_token());
        timeout(LONG, writers.join_all()).await.unwrap();
        server.restart();
        let client = server.client();
        let mut watch = client.watch(lively().resume(token_of(position))).await.expect("the place is still known");
        collect(&client, &mut watch).await.into_iter().for_each(&mut hear);
        position = sequence_in(watch.resume_token());
        let mut listing = client.list_all(ListSessionsRequest::new().page_size(1_000));
        let mut found = HashSet::new();
        while let Some(session) = listing.next().await {
            found.insert(session.unwrap().handle);
        }
        assert!(!found.is_empty());
        let lost = told.difference(&found).count();
        assert!(!survives || lost == 0, "round {round}: {lost} of {} are lost", told.len());
        let untold: Vec<&String> = found.difference(&told).collect();
        assert!(untold.is_empty(), "round {round}: {} of {} were not told of", untold.len(), found.len());
    }
    assert!(sequences.is_sorted_by(|one, next| one < next), "a number came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_survives_a_crash() {
    kill_while_watching("always", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_not_used_again_when_a_crash_loses_events() {
    kill_while_watching("interval", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_expiry_is_one_event_even_across_crashes() {
    const SESSIONS: usize = 2_000;
    let mut server = Server::start_with(&["--sweep-interval", "10m"]);
    let mut creators = JoinSet::new();
    for _ in 0..16 {
        let client = server.client();
        creators.spawn(async move {
            let mut handles = Vec::new();
            for _ in 0..SESSIONS / 16 {
                let short = Timeouts::new().idle(Duration::from_millis(1));
                handles.push(client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap().session.handle);
            }
            handles
        });
    }
    let expected: HashSet<String> = creators.join_all().await.into_iter().flatten().collect();
    assert_eq!(expected.len(), SESSIONS);
    // The first sweep comes at the start, and may have removed some already.
    let mut position = 0;
    server.kill();

    let request = || lively().kind(EventKind::Expired);
    let mut events: Vec<Event> = Vec::new();
    let mut killed_within = 0;
    for target in [1, 300, 800, 1_400] {
        server.restart_with(&["--sweep-interval", "100ms", "--sweep-batch", "10"]);
        let client = server.client();
        let mut watch = client.watch(request().resume(token_of(position))).await.unwrap();
        while events.len() < target {
            if let WatchMessage::Event(event) = next(&mut watch).await.unwrap().unwrap() {
                events.push(event);
            }
        }
        position = sequence_in(watch.resume_token());
        killed_within += usize::from(client.statistics().await.is_ok_and(|now| now.sessions > 0));
        server.kill();
    }
    assert!(killed_within >= 2, "the sweeper was always done before the crash");
    server.restart_with(&["--sweep-interval", "100ms"]);
    let client = server.client();
    eventually("all are swept", async || client.statistics().await.unwrap().sessions == 0).await;
    // The statistics may be ahead of what watchers may see. An event that is acknowledged later comes later.
    client.create(CreateSessionRequest::new()).await.unwrap();
    let mut watch = client.watch(request().resume(token_of(position))).await.unwrap();
    events.extend(collect(&client, &mut watch).await);
    assert_eq!(events.len(), SESSIONS);
    let found: HashSet<String> = events.into_iter().map(|event| event.session.handle).collect();
    assert_eq!(found, expected);
}
