//! Creates, reads, changes, expires and sweeps a hundred thousand sessions within a bound of memory. It has a process of its
//! own, since it must have the machine to itself.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what can't be set up fails the test; it reports figures")]

mod common;

use crate::common::{LONG, Server, files_below, memory_of};
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange, Timeouts};
use sessiond_client::{Client, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SESSIONS: usize = 100_000;
const SESSION_BYTES: usize = 1 << 10;
const CONNECTIONS: usize = 8;
const IN_FLIGHT: usize = 256;

const CACHE_SIZE: u64 = 64 << 20;
/// What the process may take besides the cache: code, connections, the writer's groups, touches that are not written
/// yet, and what sled keeps outside its cache.
const MEMORY_BESIDES_THE_CACHE: u64 = 192 << 20;

/// Watches a process for the most memory that it ever had.
fn watch_memory(pid: u32) -> (Arc<AtomicU64>, Arc<AtomicBool>) {
    let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (highest, stopped) = (Arc::clone(&most), Arc::clone(&stop));
    thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            highest.fetch_max(memory_of(pid), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
    });
    (most, stop)
}

/// Does something to each session, many at a time. The results come in the order of the sessions.
async fn for_each<T: Send + 'static, F: Future<Output = T> + Send>(
    what: &str,
    clients: &[Client],
    action: impl Fn(Client, usize) -> F + Clone + Send + 'static,
) -> Vec<T> {
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..IN_FLIGHT {
        let (client, next, action) = (clients[worker % clients.len()].clone(), Arc::clone(&next), action.clone());
        workers.spawn(async move {
            let mut results = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= SESSIONS {
                    return results;
                }
                results.push((number, action(client.clone(), number).await));
            }
        });
    }
    let mut results: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(number, _)| *number);
    eprintln!("{what}: {SESSIONS} in {:.1?}", start.elapsed());
    results.into_iter().map(|(_, result)| result).collect()
}

/// The total number of sessions that the sweeper has logged.
fn swept(log: &str) -> usize {
    let lines = log.lines().filter(|line| line.contains("swept expired sessions"));
    let numbers = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["removed"].as_u64());
    usize::try_from(numbers.sum::<u64>()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_sessions_live_and_end_within_bounds() {
    let begin = Instant::now();
    let cache = CACHE_SIZE.to_string();
    let log = "info,sessiond::session::maintenance=debug";
    let flags = ["--cache-size", &cache, "--durability", "interval", "--log", log, "--sweep-interval", "500ms"];
    let mut server = Server::start_with(&flags);
    let (memory, stop) = watch_memory(server.pid());
    let megabytes = || memory.load(Ordering::Relaxed) >> 20;
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.client()).collect();

    let data = |number: usize| vec![u8::try_from(number % 256).unwrap(); SESSION_BYTES];
    let ids = for_each("created", &clients, move |client, number| async move {
        client.create(CreateSessionRequest::new().attribute("data", data(number))).await.unwrap().session_id
    });
    let ids = Arc::new(ids.await);
    eprintln!("memory at most {} MiB", megabytes());

    let of = Arc::clone(&ids);
    let reading = for_each("read", &clients, move |client, number| {
        let of = Arc::clone(&of);
        async move {
            let session = client.get(&of[number]).await.unwrap().session;
            assert_eq!(session.attributes["data"].as_bytes().unwrap()[..], data(number));
        }
    });
    reading.await;
    eprintln!("memory at most {} MiB", megabytes());

    // The change leaves each session little time, so the sweeper works while other sessions are still changed.
    let of = Arc::clone(&ids);
    let updating = for_each("updated", &clients, move |client, number| {
        let of = Arc::clone(&of);
        async move {
            let change = SessionChange::new().set("data", data(number + 1));
            let change = change.set_timeouts(Timeouts::new().idle(Duration::from_secs(3)));
            assert_eq!(client.update(&of[number], change).await.unwrap().session.version, 2);
        }
    });
    updating.await;
    let disk: u64 = files_below(&server.data()).iter().map(|file| file.metadata().unwrap().len()).sum();
    eprintln!("memory at most {} MiB, {} MiB on disk", megabytes(), disk >> 20);

    let sweeping = Instant::now();
    while swept(&server.log()) < SESSIONS {
        assert!(sweeping.elapsed() < 5 * LONG, "not every session is swept");
        // Each look reads the whole log.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    eprintln!("swept {:.1?} after the last change", sweeping.elapsed());
    assert_eq!(swept(&server.log()), SESSIONS, "each is swept once");
    for id in ids.iter().step_by(97) {
        let gone = clients[0].get(GetSessionRequest::new(id).peek()).await;
        assert_eq!(gone.err(), Some(Error::SessionNotFound));
    }
    stop.store(true, Ordering::Relaxed);
    let most = memory.load(Ordering::Relaxed);
    assert!(most > 0 && most < CACHE_SIZE + MEMORY_BESIDES_THE_CACHE, "{most} bytes of memory");

    // Swept sessions are gone for good, and the folder opens quickly.
    server.stop();
    server.restart();
    assert_eq!(server.client().get(&ids[0]).await.err(), Some(Error::SessionNotFound));
    eprintln!("memory at most {} MiB; {:.1?} in all", most >> 20, begin.elapsed());
}
