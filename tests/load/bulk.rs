//! Tests with crowds of sessions: they are listed by pages, revoked at once, and expire in the same second. Every event
//! is delivered once, and readers are served meanwhile.
//!
//! `SESSIOND_CROWD=1000000 cargo test --release --test load bulk:: -- --nocapture --test-threads 1` is the long mode;
//! without the variable there are 20,000 sessions. Latencies are printed and not checked, because they depend on the
//! machine.

use crate::common::{LONG, Server, millis};
use sessiond_client::proto::{
    CountSessionsRequest, CreateSessionRequest, EventKind, GetSessionRequest, ListSessionsRequest,
    RevokeSessionsRequest, Timeouts, WatchSessionsRequest,
};
use sessiond_client::{Client, WatchMessage};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SHORT: usize = 20_000;
const CONNECTIONS: usize = 4;
const TASKS: usize = 64;
/// The number of readers that ask every few milliseconds, as a site's requests do beside an operator's.
const READERS: usize = 4;
const READ_EVERY: Duration = Duration::from_millis(2);
const CACHE: &str = "128MiB";
/// What listing, revoking, sweeping and sending events may add to the server's memory, whatever the number of sessions.
/// Most of it is sled's cache as it fills, which takes more than twice its setting in memory.
const MAX_GROWTH: u64 = 3 * (128 << 20);

fn crowd() -> usize {
    std::env::var("SESSIOND_CROWD").map_or(SHORT, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_listed_by_pages_and_revoked() {
    let crowd = crowd();
    let of_one = crowd / 100 * if crowd >= 1_000_000 { 1 } else { 50 };
    let server = start(&[]);
    fill(&server, crowd, move |number| {
        let principal = if number < of_one { "crowd".to_owned() } else { format!("user-{number}") };
        CreateSessionRequest::new().principal(principal).attribute("n", i64::try_from(number).unwrap())
    })
    .await;
    let client = patient(&server);
    let readers = Readers::start(&server).await;
    let quiet = readers.measure(async || tokio::time::sleep(Duration::from_secs(2)).await).await;

    let filled = server.memory();
    let mut listed = HashSet::new();
    let listing = readers
        .measure(async || {
            let mut token = String::new();
            loop {
                let page = client.list(ListSessionsRequest::new().page_size(1_000).page_token(token)).await.unwrap();
                for session in page.sessions {
                    assert!(listed.insert(session.handle), "a session was listed twice");
                }
                let Some(next) = page.next_page_token else { break };
                token = next;
            }
        })
        .await;
    // The readers' own sessions are there too.
    assert_eq!(listed.len(), crowd + READERS);

    let mut revoked = 0;
    let revoking = readers
        .measure(async || {
            revoked = client.revoke(RevokeSessionsRequest::of_principal("crowd")).await.unwrap();
        })
        .await;
    assert_eq!(usize::try_from(revoked).unwrap(), of_one);
    assert_eq!(client.count(CountSessionsRequest::new().principal("crowd")).await.unwrap(), 0);
    let left = client.count(CountSessionsRequest::new()).await.unwrap();
    assert_eq!(usize::try_from(left).unwrap(), crowd - of_one + READERS);
    readers.stop().await;

    report("quiet", &quiet, &quiet);
    report(&format!("listing {crowd}"), &listing, &quiet);
    report(&format!("revoking {of_one}"), &revoking, &quiet);
    check_memory(&server, filled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_expires_at_once_is_told_of_once_each() {
    let crowd = crowd();
    let server = start(&["--event-history-count", "10000000"]);
    let client = patient(&server);
    let readers = Readers::start(&server).await;
    let quiet = readers.measure(async || tokio::time::sleep(Duration::from_secs(2)).await).await;
    let mut watch = client.watch(WatchSessionsRequest::new().kind(EventKind::Expired)).await.unwrap();

    // The time is measured beforehand, so that all sessions are created before the first one ends.
    let began = Instant::now();
    let trial = fill(&server, crowd / 20, |_| CreateSessionRequest::new().principal("trial")).await;
    let estimate = began.elapsed() * 20;
    client.revoke(RevokeSessionsRequest::of_principal("trial")).await.unwrap();
    drop(trial);
    let end = crate::common::now() + u64::try_from(estimate.as_millis()).unwrap() * 3 + 10_000;
    let moment = sessiond_client::Timestamp {
        seconds: i64::try_from(end / 1_000).unwrap(),
        nanos: i32::try_from(end % 1_000).unwrap() * 1_000_000,
    };
    let made =
        fill(&server, crowd, move |_| CreateSessionRequest::new().timeouts(Timeouts::new().expire_at(moment))).await;
    assert!(crate::common::now() < end, "the sessions took too long to make; the estimate was {estimate:?}");
    tokio::time::sleep(Duration::from_millis(end - crate::common::now())).await;
    let filled = server.memory();

    let began = Instant::now();
    let mut told = HashSet::new();
    let sweeping = readers
        .measure(async || {
            while told.len() < crowd {
                let message = tokio::time::timeout(LONG, watch.next()).await.unwrap();
                match message.unwrap().unwrap() {
                    WatchMessage::Event(event) => {
                        assert_eq!(event.kind, EventKind::Expired);
                        assert!(
                            millis(event.session.expire_time) <= millis(Some(event.event_time)),
                            "told of too early"
                        );
                        assert!(told.insert(event.session.handle), "a session was told of twice");
                    }
                    WatchMessage::Checkpoint(_) => {}
                }
            }
        })
        .await;
    let took = began.elapsed();
    assert_eq!(told, made, "each session, and no other");
    readers.stop().await;
    assert_eq!(client.count(CountSessionsRequest::new()).await.unwrap(), READERS as u64);
    report("quiet", &quiet, &quiet);
    report(&format!("sweeping {crowd}"), &sweeping, &quiet);
    eprintln!("swept and told of in {took:.1?}");
    check_memory(&server, filled);
}

fn check_memory(server: &Server, before: u64) {
    let after = server.memory();
    eprintln!("memory {} MiB with the crowd in store, {} MiB in the end (cache {CACHE})", before >> 20, after >> 20);
    assert!(after < before + MAX_GROWTH, "memory grew from {before} to {after} bytes");
}

fn start(flags: &[&str]) -> Server {
    // This test is about the crowd, not the disk.
    let common = ["--durability", "interval", "--cache-size", CACHE];
    Server::start_with(&[&common, flags].concat())
}

fn patient(server: &Server) -> Client {
    server.client_builder().deadline(Duration::from_secs(600)).connect_lazy().unwrap()
}

/// Creates sessions from many clients at once and returns their handles.
async fn fill(
    server: &Server,
    count: usize,
    request: impl Fn(usize) -> CreateSessionRequest + Send + Sync + 'static,
) -> HashSet<String> {
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| patient(server)).collect();
    let (request, next) = (Arc::new(request), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (client, request, next) = (clients[task % CONNECTIONS].clone(), Arc::clone(&request), Arc::clone(&next));
        tasks.spawn(async move {
            let mut handles = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return handles;
                }
                handles.push(client.create(request(number)).await.unwrap().session.handle);
            }
        });
    }
    let handles: HashSet<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(handles.len(), count);
    handles
}

/// Readers beside the work. Each reads its own session.
struct Readers {
    running: Arc<AtomicBool>,
    latencies: Arc<Mutex<Vec<Duration>>>,
    thread: JoinHandle<()>,
}

async fn read_on(client: Client, id: String, running: Arc<AtomicBool>, latencies: Arc<Mutex<Vec<Duration>>>) {
    let mut timer = tokio::time::interval(READ_EVERY);
    while running.load(Ordering::Relaxed) {
        timer.tick().await;
        let began = Instant::now();
        client.get(GetSessionRequest::new(&id)).await.unwrap();
        latencies.lock().unwrap().push(began.elapsed());
    }
}

impl Readers {
    async fn start(server: &Server) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let latencies: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let mut ids = Vec::new();
        for reader in 0..READERS {
            let new = CreateSessionRequest::new().principal(format!("reader-{reader}"));
            let new = new.attribute("text", "x".repeat(1_024));
            ids.push(patient(server).create(new).await.unwrap().session_id);
        }
        let (address, going, taken) = (server.address().to_owned(), Arc::clone(&running), Arc::clone(&latencies));
        // The readers have their own thread, so that they measure the server and not the rest of this test.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut readers = JoinSet::new();
                for id in ids {
                    let client = Client::builder().address(&address).deadline(LONG).connect_lazy().unwrap();
                    readers.spawn(read_on(client, id, Arc::clone(&going), Arc::clone(&taken)));
                }
                readers.join_all().await;
            });
        });
        Self { running, latencies, thread }
    }

    /// The latencies of reads while the work goes on, in order.
    async fn measure(&self, work: impl AsyncFnOnce()) -> Vec<Duration> {
        self.latencies.lock().unwrap().clear();
        work().await;
        let mut latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        latencies.sort_unstable();
        latencies
    }

    async fn stop(self) {
        self.running.store(false, Ordering::Relaxed);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap();
    }
}

fn report(what: &str, latencies: &[Duration], quiet: &[Duration]) {
    let at =
        |sorted: &[Duration], percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default();
    let ratio = at(latencies, 99).as_secs_f64() / at(quiet, 99).as_secs_f64();
    eprintln!(
        "{what:<22} {:>7} reads, p50 {:>9.1?}, p99 {:>9.1?}, {ratio:.2} times the quiet p99",
        latencies.len(),
        at(latencies, 50),
        at(latencies, 99),
    );
}
