//! Tests with a disk that is nearly full, full, or broken: the server says so, stops acknowledging, and keeps what it
//! acknowledged.

use crate::common::{LONG, Server, binary, eventually, run};
use crate::disk::Faults;
use crate::entry::Promise;
use crate::kill::{BUSY_UPKEEP, WHOLE_HISTORY};
use crate::ledger::{Ledger, MIXED};
use crate::power::mount;
use crate::{say, seed, setting};
use fastrand::Rng;
use sessiond_client::proto::{CreateSessionRequest, DeleteSessionRequest, SessionChange};
use sessiond_client::{Error, Health};
use std::time::Instant;

const MANY: u64 = 64 << 30;
const FEW: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_takes_deletions_only_until_there_is_space_again() {
    let Some(disk) = mount("low space") else { return };
    let data = disk.path().join("data");
    let server = Server::start_with(&["--data-dir", data.to_str().unwrap(), "--min-free-space", "16MiB"]);
    let client = server.client();
    let kept = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let doomed = client.create(CreateSessionRequest::new()).await.unwrap().session_id;

    disk.disk().free_bytes = FEW;
    let is_full = async || client.health("sessiond.writes").await.unwrap() == Health::NotServing;
    eventually("health tells that writes are refused", is_full).await;
    assert_eq!(client.health("").await, Ok(Health::Serving));
    let created = client.create(CreateSessionRequest::new()).await.map(drop);
    assert!(matches!(created, Err(Error::StorageFull { .. })), "{created:?}");
    let updated = client.update(&kept, SessionChange::new().set("n", 1)).await.map(drop);
    assert!(matches!(updated, Err(Error::StorageFull { .. })), "{updated:?}");
    assert_eq!(client.get(&kept).await.unwrap().session.version, 1);
    assert_eq!(client.statistics().await.unwrap().refused_for_space, 2);
    assert!(client.delete(DeleteSessionRequest::by_id(&doomed)).await.unwrap());

    disk.disk().free_bytes = MANY;
    let has_space = async || client.health("sessiond.writes").await.unwrap() == Health::Serving;
    eventually("the server takes writes again by itself", has_space).await;
    client.update(&kept, SessionChange::new().set("n", 2)).await.unwrap();
    assert_eq!(client.get(&doomed).await.map(drop), Err(Error::SessionNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_a_broken_disk_says_so_and_starts_once_it_is_sound() {
    let Some(disk) = mount("starting on a broken disk") else { return };
    let data = disk.path().join("data");
    let mut server = Server::start_with(&["--data-dir", data.to_str().unwrap()]);
    let id = server.client().create(CreateSessionRequest::new()).await.unwrap().session_id;
    server.kill();
    let broken_syncs = Faults { breaks_syncs: true, ..Faults::default() };
    let broken_writes = Faults { breaks_writes: true, ..Faults::default() };
    for faults in [broken_syncs, broken_writes, Faults { full: true, ..Faults::default() }] {
        disk.disk().faults = faults;
        let ended = run(binary().args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data));
        assert_eq!(ended.code, Some(1), "{faults:?}: {ended:?}");
        assert!(ended.stderr.contains("the data can't be opened: "), "{faults:?}: {ended:?}");
    }
    disk.disk().faults = Faults::default();
    server.restart();
    assert_eq!(server.client().get(&id).await.unwrap().session.version, 1);
}

/// The disk fails under load. The process must end by itself, and nothing is missing after a restart on a sound disk.
async fn fail_under_load(name: &str, faults: Faults) {
    let Some(disk) = mount(name) else { return };
    let (failures, seed) = (setting("SESSIOND_FAILURES", 4), seed(name));
    let mut rng = Rng::with_seed(seed);
    let data = disk.path().join("data");
    let flags = ["--durability", "always", "--stall-timeout", "5s", "--data-dir", data.to_str().unwrap()];
    let mut server = Server::start_with(&[&BUSY_UPKEEP[..], &WHOLE_HISTORY, &flags].concat());
    let mut ledger = Ledger::new(&server.client(), seed, Promise::Everything, MIXED).await;
    for _ in 0..failures {
        let load = ledger.begin(|| server.client()).await;
        let enough = ledger.acknowledged() + rng.u64(1..800);
        eventually("enough is acknowledged", async || ledger.acknowledged() > enough).await;
        let logged = server.log().len();
        disk.disk().faults = faults;
        let status = server.wait(LONG);
        let crash = Instant::now();
        let log = server.log().split_off(logged);
        assert_eq!(status.code(), Some(1), "{log}");
        // Either a change or the watchdog notices first, by chance.
        let reasons = ["the storage failed; no change is accepted any more", "sled could not write in the background"];
        assert!(reasons.iter().any(|reason| log.contains(reason)), "{log}");
        assert!(log.contains("the storage has failed; a restart recovers every acknowledged change"), "{log}");
        // Callers are not told why.
        let causes = ["(os error", "Os { code: ", "the disk of the data folder is full"];
        assert!(causes.iter().any(|cause| log.contains(cause)), "{log}");
        ledger.end(load).await;
        if rng.bool() {
            // People who find a broken disk often switch the machine off.
            disk.disk().cut_now();
            disk.disk().restore(&mut rng);
        }
        disk.disk().faults = Faults::default();
        server.restart();
        ledger.check(&server.client(), crash).await;
        ledger.judge(name, seed);
    }
    ledger.finish(&server.client()).await;
    say(&format!("{name}: {ledger}"));
    ledger.judge(name, seed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_server_and_loses_nothing() {
    fail_under_load("a full disk", Faults { full: true, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_not_write_ends_the_server_and_loses_nothing() {
    fail_under_load("failing writes", Faults { breaks_writes: true, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_not_sync_ends_the_server_and_loses_nothing() {
    fail_under_load("failing syncs", Faults { breaks_syncs: true, ..Faults::default() }).await;
}
