//! No call fails when the server is restarted under load with the socket that it had.

#![allow(clippy::unwrap_used, reason = "what can't be set up fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use sessiond_client::proto::{CreateSessionRequest, SessionChange};
use sessiond_client::{Client, ClientBuilder, Error, Lane};
use sessiond_testing::Restartable;
use tokio::task::JoinSet;

/// A busy machine takes longer to restart a server than the default allows.
const LONG: Duration = Duration::from_secs(60);
const TASKS: usize = 16;
/// It serves so soon that calls meet the server that goes and the one that comes.
const IN_MEMORY: [&str; 2] = ["--engine", "memory"];

type Callers = JoinSet<Result<(String, i64), Error>>;

async fn every_caller_goes_on(callers: &mut Callers, counts: &[Arc<AtomicI64>]) {
    let start = Instant::now();
    for count in counts {
        let wanted = count.load(SeqCst) + 10;
        while count.load(SeqCst) < wanted {
            if let Some(ended) = callers.try_join_next() {
                panic!("no call fails, but one did: {ended:?}");
            }
            assert!(start.elapsed() < LONG, "a caller does not go on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Each caller makes calls one after the other, while the server is restarted. If it keeps its data, they are changes of one session.
async fn restarts(flags: &[&str], keeps: bool, settings: impl Fn(ClientBuilder) -> ClientBuilder) {
    let mut server = Restartable::start(flags);
    let client = settings(Client::builder().address(server.address()).deadline(LONG)).connect_lazy().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<Arc<AtomicI64>> = (0..TASKS).map(|_| Arc::default()).collect();
    let mut callers = Callers::new();
    for count in &counts {
        let (client, stop, count) = (client.clone(), Arc::clone(&stop), Arc::clone(count));
        callers.spawn(async move {
            let mut id = client.create(CreateSessionRequest::new()).await?.session_id;
            for n in 1.. {
                if keeps {
                    client.update(&id, SessionChange::new().set("n", n)).await?;
                } else {
                    id = client.create(CreateSessionRequest::new()).await?.session_id;
                }
                count.store(n, SeqCst);
                if stop.load(SeqCst) {
                    break;
                }
            }
            Ok((id, count.load(SeqCst)))
        });
    }
    for _ in 0..3 {
        every_caller_goes_on(&mut callers, &counts).await;
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .unwrap();
    }
    every_caller_goes_on(&mut callers, &counts).await;
    stop.store(true, SeqCst);
    for ended in callers.join_all().await {
        let (id, n) = ended.expect("no call fails");
        if keeps {
            let read = client.get(&id).await.unwrap();
            assert_eq!(read.session.attributes["n"].as_i64(), Some(n));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_the_server_is_restarted() {
    restarts(&[], true, |settings| settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_unary_call_fails_while_the_server_is_restarted() {
    restarts(&[], true, |settings| settings.lane(Lane::Unary)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_if_nothing_has_to_be_opened() {
    restarts(&IN_MEMORY, false, |settings| settings).await;
}
