//! Tests of what operators ask for: statistics that add up, and sweeping at once.

use crate::common::tokens::sequence_in;
use crate::common::{Server, after, eventually, files_below, millis, now};
use sessiond_client::proto::{
    CreateSessionRequest, EventKind, RevokeSessionsRequest, SessionChange, Timeouts, WatchSessionsRequest,
};
use sessiond_client::{Client, Statistics, WatchMessage};
use std::fs;
use std::time::Duration;
use tokio::task::JoinSet;

async fn statistics(client: &Client) -> Statistics {
    client.statistics().await.unwrap()
}

fn namespaces(statistics: &Statistics) -> Vec<(&str, u64)> {
    statistics.namespaces.iter().map(|of| (of.namespace.as_str(), of.sessions)).collect()
}

/// Creates this many sessions. All have expired when it returns.
async fn expire(client: &Client, count: usize) {
    let (mut end, short) = (0, Timeouts::new().idle(Duration::from_millis(1)));
    for _ in 0..count {
        let created = client.create(CreateSessionRequest::new().timeouts(short)).await.unwrap();
        end = end.max(millis(created.session.expire_time));
    }
    after(end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_add_up() {
    let before = now();
    let mut server = Server::start_with(&["--sweep-interval", "10m"]);
    let ready = now();
    let (client, shop, blog) = (server.client(), server.client_in("shop"), server.client_in("blog"));
    let at_first = statistics(&client).await;
    assert_eq!(
        (at_first.sessions, at_first.created, at_first.expired, sequence_in(&at_first.resume_token)),
        (0, 0, 0, 0)
    );
    assert_eq!((namespaces(&at_first), at_first.watchers), (vec![], 0));
    assert!((before..=ready).contains(&millis(at_first.start_time)));
    assert_eq!(at_first.sweeper_lag.unwrap_or_default(), sessiond_client::Duration::default());

    let mut ids = Vec::new();
    for number in 0..30 {
        let client = [&client, &shop, &shop][number % 3];
        ids.push(client.create(CreateSessionRequest::new()).await.unwrap().session_id);
    }
    expire(&blog, 5).await;
    client.delete(&ids[0]).await.unwrap();
    let later = statistics(&client).await;
    assert_eq!((later.sessions, later.created, later.expired), (34, 35, 0));
    assert_eq!(namespaces(&later), [("blog", 5), ("default", 9), ("shop", 20)]);
    assert!(later.created_per_second >= 0.0 && later.expired_per_second.abs() < f64::EPSILON);
    let lag = later.sweeper_lag.unwrap();
    assert!(lag.seconds > 0 || lag.nanos > 0, "five sessions wait for the sweeper");
    assert!(sequence_in(&later.resume_token) >= 36);

    assert_eq!(client.sweep_now().await, Ok(5));
    assert_eq!(shop.revoke(RevokeSessionsRequest::whole_namespace()).await, Ok(20));
    let swept = statistics(&client).await;
    assert_eq!((swept.sessions, swept.created, swept.expired), (9, 35, 5));
    assert_eq!(namespaces(&swept), [("default", 9)]);
    assert!(sequence_in(&swept.resume_token) >= sequence_in(&later.resume_token) + 25);
    assert!(swept.groups > 0 && swept.grouped_transactions >= 38 && swept.grouped_transactions >= swept.groups);
    assert!(swept.largest_group >= 1 && swept.largest_group <= swept.grouped_transactions);
    eventually("the rates are sampled", async || {
        let now = statistics(&client).await;
        now.created_per_second > 0.0 && now.expired_per_second > 0.0
    })
    .await;

    // Counts since the start begin again. Counts of what is stored do not.
    let moment = now();
    server.kill();
    server.restart();
    let again = statistics(&server.client()).await;
    assert_eq!((again.sessions, again.created, again.expired), (9, 0, 0));
    assert_eq!(namespaces(&again), [("default", 9)]);
    assert!(millis(again.start_time) >= moment);
    assert!(sequence_in(&again.resume_token) >= sequence_in(&swept.resume_token));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_hold_the_writes_of_a_crowd() {
    let server = Server::start();
    let before = statistics(&server.client()).await;
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        let client = server.client();
        clients.spawn(async move {
            for _ in 0..20 {
                client.create(CreateSessionRequest::new()).await.unwrap();
            }
        });
    }
    clients.join_all().await;
    let after = statistics(&server.client()).await;
    let (groups, transactions) =
        (after.groups - before.groups, after.grouped_transactions - before.grouped_transactions);
    assert!(transactions >= 640, "{transactions}");
    assert!(groups < transactions && after.largest_group > 1, "{groups} groups of {transactions}: nothing was grouped");
    assert_eq!((after.sessions, after.created), (640, 640));
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_memory_and_watchers_are_told() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..20 {
        let new = CreateSessionRequest::new().attribute("v", vec![7; 100 << 10]);
        client.create(new).await.unwrap();
    }
    let told = statistics(&client).await;
    let resident = server.memory();
    assert!(
        told.memory_bytes > resident / 2 && told.memory_bytes < resident * 2,
        "{} of {resident}",
        told.memory_bytes
    );
    let on_disk = || files_below(&server.data()).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    eventually("the disk is measured", async || {
        let (told, found) = (statistics(&client).await.disk_bytes, on_disk());
        told > 2 << 20 && told >= found / 2 && told <= found * 2
    })
    .await;

    let mut watches = Vec::new();
    for expected in 1..=3 {
        watches.push(server.client().watch(WatchSessionsRequest::new()).await.unwrap());
        assert_eq!(statistics(&client).await.watchers, expected);
    }
    for left in [2, 1, 0] {
        watches.pop();
        eventually("a watcher goes", async || statistics(&client).await.watchers == left).await;
    }

    let server = Server::start_with(&["--engine", "memory"]);
    let client = server.client();
    client.create(CreateSessionRequest::new()).await.unwrap();
    let told = statistics(&client).await;
    assert_eq!((told.disk_bytes, told.sessions), (0, 1));
    assert!(told.memory_bytes > 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeping_now_removes_what_has_expired_and_nothing_else() {
    let server = Server::start_with(&["--sweep-interval", "10m"]);
    let (client, shop) = (server.client(), server.client_in("shop"));
    assert_eq!(client.sweep_now().await, Ok(0));
    let mut live = Vec::new();
    for _ in 0..10 {
        live.push(client.create(CreateSessionRequest::new()).await.unwrap().session_id);
    }
    // One session gets a longer timeout, so the sweeper's row for it is earlier than its end.
    let timeouts = Timeouts::new().idle(Duration::from_millis(700));
    let busy = client.create(CreateSessionRequest::new().timeouts(timeouts)).await.unwrap();
    client.update(&busy.session_id, SessionChange::new().set_timeouts(Timeouts::new())).await.unwrap();
    let request = WatchSessionsRequest::new().all_namespaces().kind(EventKind::Expired);
    let mut watch = client.watch(request).await.unwrap();
    expire(&client, 300).await;
    expire(&shop, 300).await;
    after(millis(busy.session.expire_time)).await;
    // Two sweeps run at once: nothing is removed or counted twice.
    let (first, second) = tokio::join!(client.sweep_now(), shop.sweep_now());
    assert_eq!(first.unwrap() + second.unwrap(), 600);
    assert_eq!(client.sweep_now().await, Ok(0));
    let told = statistics(&client).await;
    assert_eq!((told.sessions, told.expired, namespaces(&told)), (11, 600, vec![("default", 11)]));
    assert_eq!(told.sweeper_lag.unwrap_or_default(), sessiond_client::Duration::default());
    for _ in 0..600 {
        let message = tokio::time::timeout(crate::common::LONG, watch.next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(message, WatchMessage::Event(_)) || sequence_in(watch.resume_token()) > 0);
    }
    for id in live.iter().chain([&busy.session_id]) {
        assert!(client.get(id).await.is_ok());
    }
}
