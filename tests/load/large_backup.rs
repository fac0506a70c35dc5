//! Measures what a backup of many sessions costs: time, disk, memory, and the latency of reads beside it.
//!
//! `SESSIOND_BACKUP_SESSIONS=1000000 cargo test --release --test load large_backup:: -- --nocapture` prints the figures.

use crate::common::{Server, binary};
use sessiond_client::Client;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const MAKERS: usize = 32;
const READERS: usize = 2;

/// The pause between two looks at the memory.
const SAMPLE_PAUSE: Duration = Duration::from_millis(20);

/// What a backup may add to the server's memory: the notes of changes and a few chunks.
const MAX_GROWTH: u64 = 150 << 20;

fn wanted() -> usize {
    std::env::var("SESSIOND_BACKUP_SESSIONS").map_or(10_000, |count| count.parse().expect("a number of sessions"))
}

fn id(number: usize) -> String {
    format!("one-of-many-sessions-{number}")
}

/// 500 bytes that compress about as well as sessions do: half is text of few words, half is random.
fn data(number: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let text = b"{\"cart\": [\"sku\", \"count\"], \"theme\": \"dark\"} ".iter().copied().cycle().take(250);
    text.chain((0..250).map(|_| random())).collect()
}

/// Reads until told to stop. Returns the p99 of the reads.
async fn read(client: Client, sessions: usize, seed: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let (mut times, mut number) = (Vec::new(), seed);
    while !stop.load(Ordering::Relaxed) {
        number = (number * 7_919 + 13) % sessions;
        let began = Instant::now();
        client.get(GetSessionRequest::new(id(number)).peek()).await.unwrap();
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times
}

/// Reads beside some work. Returns what the work returned, how long it took, and the p99 of the reads.
async fn beside<T: Send + 'static>(
    server: &Server,
    sessions: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> (T, Duration, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        readers.spawn(read(server.client(), sessions, reader, Arc::clone(&stop)));
    }
    let began = Instant::now();
    let result = tokio::task::spawn_blocking(work).await.unwrap();
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut times = readers.join_all().await.concat();
    times.sort();
    (result, took, times[times.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_are_saved_and_restored_in_bounded_memory() {
    let sessions = wanted();
    let server = Arc::new(Server::start_with(&["--durability", "interval", "--cache-size", "128MiB"]));
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        let client = server.client();
        makers.spawn(async move {
            for number in (maker..sessions).step_by(MAKERS) {
                let new = CreateSessionRequest::new().session_id(id(number));
                client.create(new.attribute("data", data(number))).await.unwrap();
            }
        });
    }
    makers.join_all().await;

    let ((), _, quiet) = beside(&server, sessions, || thread::sleep(Duration::from_secs(2))).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("file"), folder.path().join("data"));
    let before = server.memory();
    let (peak, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (watched, highest, over) = (Arc::clone(&server), Arc::clone(&peak), Arc::clone(&done));
    let watching = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            highest.fetch_max(watched.memory(), Ordering::Relaxed);
            thread::sleep(SAMPLE_PAUSE);
        }
    });
    let mut command = binary();
    command.arg("backup").arg(&file).args(["--addr", server.address()]);
    // It may take longer than anything else in the tests.
    let (saved, took, busy) = beside(&server, sessions, move || command.output().unwrap()).await;
    done.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    assert!(saved.status.success(), "{saved:?}");
    let size = fs::metadata(&file).unwrap().len();
    let began = Instant::now();
    let restored = binary().arg("restore").arg(&file).arg("--data-dir").arg(&data).arg("--json").output().unwrap();
    let restoring = began.elapsed();
    let told = String::from_utf8(restored.stdout).unwrap();
    assert!(told.contains(&format!("\"sessions\":{sessions},")), "{told}");
    let growth = peak.load(Ordering::Relaxed).saturating_sub(before);
    #[expect(clippy::print_stdout, reason = "these figures are what the test is for")]
    {
        println!(
            "{sessions} sessions of 500 B: saved in {took:.1?} to {} MiB, restored in {restoring:.1?}; the server's memory \
             {} MiB and {} MiB more at most; p99 of reads {quiet:.1?}, beside the backup {busy:.1?}",
            size >> 20,
            before >> 20,
            growth >> 20,
        );
    }
    assert!(growth < MAX_GROWTH, "memory grew by {growth} bytes");
}
