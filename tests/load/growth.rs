//! The scale drill. It measures how the time to open, memory and disk grow with the number of sessions: after a kill,
//! after a clean stop, and under churn.
//!
//! `SESSIOND_DRILL=1000000 cargo test --release --test load growth:: -- --nocapture` is the long mode; without the
//! variable there are 20,000 sessions. `SESSIOND_CHURN` is how many seconds of churn there are, 600 in the long mode.
//! Times are printed and not checked, because they depend on the machine. Bounds of memory and disk are checked in the
//! long mode, in which the needs of an empty server don't count.

use crate::common::{Server, files_below};
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, SessionChange};
use sessiond_client::{Client, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SHORT: usize = 20_000;
const SESSION_BYTES: usize = 500;
const CONNECTIONS: usize = 8;
const IN_FLIGHT: usize = 256;
const CACHE_BYTES: u64 = 128 << 20;

/// How long an idle server may take until it grows and shrinks no more.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Memory that a session may take besides the cache, once the server is idle.
const MEMORY_PER_SESSION: u64 = 300;
/// How much more than the attributes' bytes the files may take. With 500 B of attributes, the record of a session takes
/// 666 B and its events 141 B each. After churn, another 190 B are older versions in the changes that sled keeps beside
/// a page. sled cleans a segment when less than half of it is live, cleaning up gives way to changes, and the log never
/// becomes shorter.
const DISK_PER_LIVE_BYTE: u64 = 8;

fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn data(number: usize, round: usize) -> Vec<u8> {
    // The data hardly compresses, like most serialised sessions in a log without a dictionary.
    let mut state = (number as u64) << 20 | round as u64 | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    (0..SESSION_BYTES).map(|_| next()).collect()
}

fn principal(number: usize) -> String {
    format!("user-{}", number / 2)
}

fn disk_bytes(server: &Server) -> u64 {
    files_below(&server.data()).iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// The memory and disk space that the server takes.
struct Drill {
    server: Server,
    sessions: usize,
}

impl Drill {
    fn report(&self, what: &str, took: Option<Duration>) -> (u64, u64) {
        let disk = disk_bytes(&self.server);
        let live = (self.sessions * SESSION_BYTES) as u64;
        let memory = self.server.memory();
        let tenths = |ratio: u64| format!("{}.{}", ratio / 10, ratio % 10);
        eprintln!(
            "{what:<34} {:>8}  memory {:>5} MiB, {:>4} B a session besides the cache; disk {:>6} MiB, {} times the live data",
            took.map(|took| format!("{took:.1?}")).unwrap_or_default(),
            memory >> 20,
            memory.saturating_sub(CACHE_BYTES) / self.sessions as u64,
            disk >> 20,
            tenths(disk * 10 / live),
        );
        (memory, disk)
    }

    /// Waits until the server has cleaned up after itself and grows no more. Memory and disk then.
    async fn rest(&self) -> (u64, u64) {
        const STEP: Duration = Duration::from_secs(5);
        let began = Instant::now();
        let mut last = u64::MAX;
        while self.server.memory() < last && began.elapsed() < LONGEST_REST {
            last = self.server.memory();
            tokio::time::sleep(STEP).await;
        }
        self.report("left alone", Some(began.elapsed()))
    }

    fn clients(&self) -> Vec<Client> {
        (0..CONNECTIONS).map(|_| self.server.client()).collect()
    }

    fn reopen(&mut self, what: &str) {
        let began = Instant::now();
        self.server.restart();
        self.report(what, Some(began.elapsed()));
    }

    /// A part of the sessions reads as it was last written.
    async fn check(&self, ids: &[(String, usize)]) {
        let client = self.server.client();
        for (number, (id, round)) in ids.iter().enumerate().step_by(ids.len() / 1_000 + 1) {
            let session = client.get(GetSessionRequest::new(id).peek()).await.unwrap().session;
            assert_eq!(session.attributes["data"].as_bytes().unwrap()[..], data(number, *round));
        }
    }
}

async fn fill(clients: &[Client], sessions: usize) -> Vec<(String, usize)> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..IN_FLIGHT {
        let (client, next) = (clients[task % clients.len()].clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut made = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= sessions {
                    return made;
                }
                let new = CreateSessionRequest::new().principal(principal(number)).attribute("data", data(number, 0));
                made.push((number, client.create(new).await.unwrap().session_id));
            }
        });
    }
    let mut made: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    made.sort_unstable();
    made.into_iter().map(|(_, id)| (id, 0)).collect()
}

/// Updates sessions everywhere, ends some and creates as many new ones, until the time is over.
async fn churn(clients: &[Client], ids: Vec<(String, usize)>, time: Duration) -> (Vec<(String, usize)>, usize) {
    let end = Instant::now() + time;
    let total = ids.len();
    let mut tasks = JoinSet::new();
    // Each task has its own sessions, so that it knows their content.
    let mut shares: Vec<Vec<(usize, String, usize)>> = vec![Vec::new(); IN_FLIGHT];
    for (number, (id, round)) in ids.into_iter().enumerate() {
        shares[number % IN_FLIGHT].push((number, id, round));
    }
    for (task, mut share) in shares.into_iter().enumerate() {
        let client = clients[task % clients.len()].clone();
        tasks.spawn(async move {
            let mut changes = 0;
            let mut at = task;
            while Instant::now() < end && !share.is_empty() {
                // A step that has no common divisor with most lengths visits the sessions in a scattered order.
                at = (at + 7_919) % share.len();
                let (number, id, round) = &mut share[at];
                *round += 1;
                if changes % 20 == 19 {
                    client.delete(&*id).await.unwrap();
                    assert_eq!(client.get(&*id).await.err(), Some(Error::SessionNotFound));
                    let new = CreateSessionRequest::new().principal(principal(*number));
                    *id = client.create(new.attribute("data", data(*number, *round))).await.unwrap().session_id;
                } else {
                    client.update(&*id, SessionChange::new().set("data", data(*number, *round))).await.unwrap();
                }
                changes += 1;
            }
            (share, changes)
        });
    }
    let mut ids = vec![(String::new(), 0); total];
    let mut changes = 0;
    for (share, done) in tasks.join_all().await {
        changes += done;
        for (number, id, round) in share {
            ids[number] = (id, round);
        }
    }
    (ids, changes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_folder_takes_grows_with_its_sessions() {
    let long = setting("SESSIOND_DRILL");
    let sessions = long.unwrap_or(SHORT);
    let time = Duration::from_secs(setting("SESSIOND_CHURN").unwrap_or(if long.is_some() { 600 } else { 2 }) as u64);
    let cache = CACHE_BYTES.to_string();
    let server = Server::start_with(&["--durability", "interval", "--cache-size", &cache]);
    let mut drill = Drill { server, sessions };

    let began = Instant::now();
    let ids = fill(&drill.clients(), sessions).await;
    drill.report(&format!("made {sessions}"), Some(began.elapsed()));
    // Everything that `interval` promises is on disk by then.
    tokio::time::sleep(Duration::from_secs(2)).await;

    drill.server.kill();
    drill.reopen("opened after SIGKILL, all to replay");
    drill.check(&ids).await;
    let began = Instant::now();
    drill.server.stop();
    eprintln!("{:<34} {:>8}", "stopped cleanly", format!("{:.1?}", began.elapsed()));
    drill.reopen("opened after a clean stop");
    drill.check(&ids).await;

    let (ids, changes) = churn(&drill.clients(), ids, time).await;
    drill.report(&format!("{changes} changes of churn"), Some(time));
    let (memory, disk) = drill.rest().await;
    drill.server.kill();
    drill.reopen("opened after churn and SIGKILL");
    drill.check(&ids).await;
    drill.server.stop();
    drill.reopen("opened after a clean stop");
    drill.check(&ids).await;

    if long.is_some() {
        assert!(memory < CACHE_BYTES + MEMORY_PER_SESSION * sessions as u64, "{memory} bytes of memory");
        assert!(disk < DISK_PER_LIVE_BYTE * (sessions * SESSION_BYTES) as u64, "{disk} bytes on disk");
    }
}
