//! The stream of events: each once, in order, across crashes; and watchers that harm nobody.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

mod common;

use common::{LONG, Server, eventually, millis, now, reason};
use rustix::process::Signal;
use sessiond_client::proto::watch_sessions_response::Message;
use sessiond_client::proto::{
    CreateSessionRequest, DeleteSessionRequest, EventKind, ListSessionsRequest, RevokeSessionsRequest,
    RotateSessionRequest, SessionChange, Timeouts, Value, WatchSessionsRequest,
};
use sessiond_client::{Client, Error, Event, Watch, WatchMessage};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

/// With checkpoints as often as they can come.
fn lively() -> WatchSessionsRequest {
    WatchSessionsRequest::new().checkpoint_interval(Duration::from_millis(100))
}

async fn next(watch: &mut Watch) -> Option<Result<WatchMessage, Error>> {
    timeout(LONG, watch.next()).await.expect("a message or a checkpoint comes")
}

/// Every event up to a sequence number.
async fn collect_to(watch: &mut Watch, sequence: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while watch.sequence() < sequence {
        match next(watch).await.unwrap().unwrap() {
            WatchMessage::Event(event) => events.push(event),
            WatchMessage::Checkpoint(_) => {}
        }
    }
    events
}

/// Every event so far.
async fn collect(client: &Client, watch: &mut Watch) -> Vec<Event> {
    let newest = client.statistics().await.unwrap().last_event_sequence;
    collect_to(watch, newest).await
}

/// Calls that lead to one event of each kind, and two of the first; those of `ada` are named so at their event.
async fn do_one_of_each(client: &Client) -> Vec<(EventKind, String)> {
    let new = || CreateSessionRequest::new().attribute("theme", "dark").label("device", "x").principal("ada");
    let short = Timeouts::new().idle(Duration::from_millis(50));
    let mut expected = Vec::new();
    let created = client.create(new()).await.unwrap();
    let handle = created.session.handle;
    expected.push((EventKind::Created, handle.clone()));
    client.get(&created.session_id).await.unwrap();
    client.touch(&created.session_id).await.unwrap();
    client.update(&created.session_id, SessionChange::new()).await.unwrap();
    client.update(&created.session_id, SessionChange::new().set_principal("bob")).await.unwrap();
    expected.push((EventKind::Updated, handle.clone()));
    let rotation = RotateSessionRequest::new(&created.session_id).change(SessionChange::new().set("n", 1));
    let id = client.rotate(rotation).await.unwrap().session_id;
    expected.push((EventKind::Rotated, handle.clone()));
    client.update(&created.session_id, SessionChange::new()).await.unwrap_err();
    client.delete(&id).await.unwrap();
    expected.push((EventKind::Deleted, handle));
    client.delete(DeleteSessionRequest::by_id(&id).allow_missing()).await.unwrap();
    let revoked = client.create(new()).await.unwrap().session.handle;
    client.revoke(RevokeSessionsRequest::by_handles([&revoked])).await.unwrap();
    expected.extend([(EventKind::Created, revoked.clone()), (EventKind::Revoked, revoked)]);
    let expired = client.create(new().timeouts(short)).await.unwrap().session;
    common::after(millis(expired.expire_time)).await;
    eventually("the session is swept", async || client.sweep_now().await.unwrap() == 1).await;
    expected.extend([(EventKind::Created, expired.handle.clone()), (EventKind::Expired, expired.handle)]);
    expected
}

fn told(events: &[Event]) -> Vec<(EventKind, String)> {
    events.iter().map(|event| (event.kind, event.session.handle.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_once_with_its_session() {
    let config = "sweep-interval = \"10m\"\n[namespaces.keeping]\nevent-attributes = true";
    let server = Server::start_configured(config, &[]);
    for (namespace, keeps) in [("default", false), ("keeping", true)] {
        let client = server.client_in(namespace);
        let before = now();
        let mut plain = client.watch(lively()).await.unwrap();
        let mut asking = client.watch(lively().include_attributes()).await.unwrap();
        let expected = do_one_of_each(&client).await;
        let (events, asked) = (collect(&client, &mut plain).await, collect(&client, &mut asking).await);
        let after = now();
        assert_eq!(told(&events), expected);
        assert!(events.windows(2).all(|two| two[0].sequence < two[1].sequence));
        for (event, asked) in events.iter().zip(&asked) {
            let session = &event.session;
            assert_eq!(session.namespace, namespace);
            assert_eq!(session.labels["device"], "x");
            let moment = millis(Some(event.event_time));
            assert!((before..=after).contains(&moment));
            assert!(session.attributes.is_empty(), "{event:?}");
            let ends = matches!(event.kind, EventKind::Deleted | EventKind::Revoked | EventKind::Expired);
            assert_eq!(asked.session.attributes.is_empty(), !(ends && keeps), "{asked:?}");
            assert_eq!(
                (asked.sequence, asked.kind, &asked.session.handle),
                (event.sequence, event.kind, &session.handle)
            );
        }
        assert_eq!(asked.len(), events.len());
        let states: Vec<_> = events[..4].iter().map(|e| (e.session.version, e.session.principal.as_str())).collect();
        assert_eq!(states, [(1, "ada"), (2, "bob"), (3, "bob"), (3, "bob")]);
        if keeps {
            let last = &asked[3].session.attributes;
            assert_eq!((last.len(), &last["theme"], &last["n"]), (2, &Value::from("dark"), &Value::from(1)));
        }
        assert!(millis(Some(events[7].event_time)) >= millis(events[7].session.expire_time));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_through_what_they_name() {
    let server = Server::start_with(&["--sweep-interval", "10m"]);
    let (client, other) = (server.client(), server.client_in("other"));
    let mut watches = Vec::new();
    let requests = [
        lively(),
        lively().all_namespaces(),
        lively().principal("bob"),
        lively().kind(EventKind::Deleted).kind(EventKind::Expired),
        lively().all_namespaces().principal("ada").kind(EventKind::Created),
        lively().principal("nobody"),
    ];
    for request in &requests {
        watches.push(client.watch(request.clone()).await.unwrap());
    }
    let start = watches[0].sequence();
    let (here, there) = (do_one_of_each(&client).await, do_one_of_each(&other).await);
    let both = [here.clone(), there.clone()].concat();
    let only = |events: &[(EventKind, String)], kinds: &[EventKind]| -> Vec<(EventKind, String)> {
        events.iter().filter(|(kind, _)| kinds.contains(kind)).cloned().collect()
    };
    let expected = [
        here.clone(),
        both.clone(),
        here[1..4].to_vec(),
        only(&here, &[EventKind::Deleted, EventKind::Expired]),
        only(&both, &[EventKind::Created]),
        vec![],
    ];
    for ((watch, request), expected) in watches.iter_mut().zip(&requests).zip(&expected) {
        assert_eq!(told(&collect(&client, watch).await), *expected, "{request:?}");
        // The same from the history.
        let mut late = client.watch(request.clone().after(start)).await.unwrap();
        assert_eq!(late.sequence(), start);
        assert_eq!(told(&collect(&client, &mut late).await), *expected, "{request:?}");
    }
    let mut watch = client.watch(lively()).await.unwrap();
    assert_eq!(collect(&client, &mut watch).await, [], "without a place to resume it begins now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_a_checkpoint_and_shows_that_it_lives() {
    let server = Server::start();
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    let newest = server.client().statistics().await.unwrap().last_event_sequence;
    let mut stub = server.stub();
    for (request, begins) in [(lively(), newest), (lively().after(0), 0)] {
        let start = Instant::now();
        let mut stream = stub.watch_sessions(request).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap().message.unwrap();
        assert!(matches!(&first, Message::Checkpoint(first) if first.sequence == begins), "{first:?}");
        let (mut checkpoints, mut events) = (0, 0);
        while checkpoints < 5 {
            match timeout(LONG, stream.message()).await.unwrap().unwrap().unwrap().message.unwrap() {
                Message::Checkpoint(checkpoint) => {
                    assert_eq!(checkpoint.sequence, newest);
                    checkpoints += 1;
                }
                Message::Event(event) => {
                    assert_eq!((event.sequence, checkpoints), (newest, 0));
                    events += 1;
                }
            }
        }
        assert_eq!(events, usize::from(begins == 0));
        let took = start.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(30)).contains(&took), "{took:?}");
    }
}

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
    let mut watch = client.watch(lively().after(after)).await.unwrap();
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
        position = events.last().map_or(position, |event| event.sequence);
        server.restart();
    }
    let client = server.client();
    // After the last crash there may be more than the watcher saw.
    let mut watch = client.watch(lively().after(position)).await.unwrap();
    events.extend(collect(&client, &mut watch).await);
    assert!(events.windows(2).all(|two| two[0].sequence < two[1].sequence), "out of order, or twice");

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
            // A revocation is not acknowledged as one event, but its sessions are.
            assert_eq!(seen, *acknowledged, "{handle}");
        }
    }
    let unsure: usize = ledgers.iter().map(|ledger| ledger.unsure_creations).sum();
    assert!(seen.len() <= unsure, "{seen:?}");
    assert!(seen.values().all(|kinds| *kinds == [EventKind::Created]), "{seen:?}");
}

/// Creates sessions and kills the server, several times; after each restart what is there was told of, once, and what
/// was told of is there, if it has to be.
async fn kill_while_watching(durability: &str, survives: bool) {
    let mut server = Server::start_with(&["--durability", durability, "--flush-interval", "50ms"]);
    let (mut told, mut sequences, mut position) = (HashSet::new(), Vec::new(), 0);
    for round in 0..4_usize {
        let client = server.client();
        let mut watch = client.watch(lively().after(position)).await.expect("the place is still known");
        let mut hear = |event: Event| {
            sequences.push(event.sequence);
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
        // What the connection still holds was told, too.
        while let Some(Ok(message)) = next(&mut watch).await {
            if let WatchMessage::Event(event) = message {
                hear(event);
            }
        }
        position = watch.sequence();
        timeout(LONG, writers.join_all()).await.unwrap();
        server.restart();
        let client = server.client();
        let mut watch = client.watch(lively().after(position)).await.expect("the place is still known");
        collect(&client, &mut watch).await.into_iter().for_each(&mut hear);
        position = watch.sequence();
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
    let mut position = server.client().statistics().await.unwrap().last_event_sequence;
    server.kill();

    let request = || lively().kind(EventKind::Expired);
    let mut events: Vec<Event> = Vec::new();
    let mut killed_within = 0;
    for target in [1, 300, 800, 1_400] {
        server.restart_with(&["--sweep-interval", "100ms", "--sweep-batch", "10"]);
        let client = server.client();
        let mut watch = client.watch(request().after(position)).await.unwrap();
        while events.len() < target {
            if let WatchMessage::Event(event) = next(&mut watch).await.unwrap().unwrap() {
                events.push(event);
            }
        }
        position = watch.sequence();
        killed_within += usize::from(client.statistics().await.is_ok_and(|now| now.sessions > 0));
        server.kill();
    }
    assert!(killed_within >= 2, "the sweeper was always done before the crash");
    server.restart_with(&["--sweep-interval", "100ms"]);
    let client = server.client();
    eventually("all are swept", async || client.statistics().await.unwrap().sessions == 0).await;
    // The statistics may be ahead of what may be told; what is acknowledged after it comes after it.
    client.create(CreateSessionRequest::new()).await.unwrap();
    let mut watch = client.watch(request().after(position)).await.unwrap();
    events.extend(collect(&client, &mut watch).await);
    assert_eq!(events.len(), SESSIONS);
    let found: HashSet<String> = events.into_iter().map(|event| event.session.handle).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_refused() {
    let mut server = Server::start_with(&["--event-history-count", "1000", "--durability", "interval"]);
    let client = server.client();
    let mut live = client.watch(lively()).await.unwrap();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    for n in 0..2_000 {
        client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
    }
    let sequences: Vec<u64> = collect(&client, &mut live).await.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences.len(), 2_001);
    let gone = async |after: u64| client.watch(lively().after(after)).await.err() == Some(Error::EventsGone);
    eventually("the history is trimmed", async || gone(sequences[999]).await).await;
    for after in [0, sequences[0], sequences[500]] {
        assert!(gone(after).await, "after {after}");
    }
    // The count that the setting promises is there, to the event.
    let mut watch = client.watch(lively().after(sequences[1_000])).await.unwrap();
    let kept: Vec<u64> = collect(&client, &mut watch).await.iter().map(|event| event.sequence).collect();
    assert_eq!(kept, sequences[1_001..]);
    // A future that this server has not promised.
    for future in [sequences[2_000] + 1_000_000, u64::MAX] {
        let status = server.stub().watch_sessions(lively().after(future)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "EVENTS_GONE"));
    }
    server.stop();
    server.restart();
    let client = server.client();
    assert_eq!(client.watch(lively().after(sequences[500])).await.err(), Some(Error::EventsGone));
    let mut watch = client.watch(lively().after(sequences[1_500])).await.unwrap();
    assert_eq!(collect(&client, &mut watch).await.len(), 500);
}

/// A session whose events take some kilobytes each.
fn wide() -> CreateSessionRequest {
    (0..16).fold(CreateSessionRequest::new(), |new, label| new.label(format!("label-{label}"), "x".repeat(256)))
}

/// Makes more events than the connection of one watcher takes while nobody reads.
async fn fill(client: &Client) {
    let id = client.create(wide()).await.unwrap().session_id;
    for n in 0..2_500 {
        client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
    }
}

/// Makes 20,000 events of some kilobytes each; how long that took.
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
    // What was not read comes to more than 80 MB for each of the four.
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
                    seen = event.sequence;
                }
            }
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "WATCHER_TOO_SLOW"));
    let newest = client.statistics().await.unwrap().last_event_sequence;
    assert!(seen > 0 && seen < newest);
    let mut watch = client.watch(lively().after(seen)).await.unwrap();
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
