//! Tests with a disk that hangs, or fails while nobody waits for it. The server notices and reports it within seconds,
//! and ends only if it lasts.

use crate::common::metrics::{get, scrape};
use crate::common::notify_socket::NotifySocket;
use crate::common::{LONG, Server, eventually};
use crate::cut_fs::CutFs;
use crate::disk::{Faults, Hang};
use crate::power::mount;
use sessiond_client::proto::CreateSessionRequest;
use sessiond_client::{Client, Health};
use std::time::{Duration, Instant};

/// How soon the server must report that a disk hangs, with time for a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A disk that hangs until this is dropped. It must be created after the server, so that it is dropped first: a process
/// whose disk hangs can't even be killed.
struct Hanging<'a>(&'a CutFs);

impl<'a> Hanging<'a> {
    fn begin(disk: &'a CutFs, hang: Hang) -> Self {
        disk.disk().faults = Faults { hang, ..Faults::default() };
        Self(disk)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.disk().faults = Faults::default();
    }
}

fn start(disk: &CutFs, flags: &[&str]) -> Server {
    let data = disk.path().join("data");
    Server::start_with(&[&["--data-dir", data.to_str().unwrap()], flags].concat())
}

async fn is(client: &Client, health: Health) -> bool {
    client.health("").await.unwrap() == health
}

/// The disk hangs for good. Health reports it, then the process ends by itself, and a restart finds everything.
async fn hang_for_good(disk: &CutFs, hang: Hang, writes: bool) {
    let mut server = start(disk, &["--stall-timeout", "5s"]);
    let client = server.client();
    let kept = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let hanging = Hanging::begin(disk, hang);
    let began = Instant::now();
    let other = server.client();
    let write =
        tokio::spawn(async move { if writes { other.create(CreateSessionRequest::new()).await.ok() } else { None } });
    eventually("health tells that the storage hangs", async || is(&client, Health::NotServing).await).await;
    assert!(began.elapsed() < SOON, "told after {:?}", began.elapsed());
    assert!(server.log().contains("the storage makes no progress"), "{}", server.log());
    let ends = async || server.log().contains("the storage has failed; a restart recovers every acknowledged change");
    eventually("the server ends", ends).await;
    assert!(server.log().contains("the storage is stuck; only a restart helps"), "{}", server.log());
    // A process that waits for a disk can't end, so the disk must answer first.
    drop(hanging);
    assert_eq!(server.wait(LONG).code(), Some(1));
    write.await.unwrap();
    server.restart();
    assert_eq!(server.client().get(&kept).await.unwrap().session.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_hang_are_told_and_end_the_server() {
    let Some(disk) = mount("hanging syncs") else { return };
    hang_for_good(&disk, Hang::Syncs, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_told_and_ends_the_server() {
    let Some(disk) = mount("a hanging disk") else { return };
    hang_for_good(&disk, Hang::Everything, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_noticed_also_while_nobody_writes() {
    let Some(disk) = mount("a hanging disk, idle") else { return };
    hang_for_good(&disk, Hang::Everything, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_hang_for_a_while_lose_nothing() {
    let Some(disk) = mount("syncs that hang for a while") else { return };
    let mut server = start(&disk, &["--stall-timeout", "1m"]);
    let client = server.client();
    let kept = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    let hanging = Hanging::begin(&disk, Hang::Syncs);
    let writer = server.client();
    let write = tokio::spawn(async move { writer.create(CreateSessionRequest::new()).await });
    eventually("health tells that the storage hangs", async || is(&client, Health::NotServing).await).await;
    assert!(!write.is_finished(), "nothing is acknowledged");
    // Reads are answered meanwhile.
    assert_eq!(client.statistics().await.unwrap().storage_stalls, 1);
    assert_eq!(client.get(&kept).await.unwrap().session.version, 1);
    drop(hanging);
    let written = write.await.unwrap().unwrap().session_id;
    eventually("the server serves again", async || is(&client, Health::Serving).await).await;
    assert!(server.log().contains("the storage is ready again"), "{}", server.log());
    let more = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    assert_eq!(client.statistics().await.unwrap().storage_stalls, 1);
    server.kill();
    server.restart();
    for id in [kept, written, more] {
        assert_eq!(server.client().get(&id).await.unwrap().session.version, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_scrapes_are_answered_while_the_disk_hangs() {
    let Some(disk) = mount("scrapes and a hanging disk") else { return };
    let server = start(&disk, &["--stall-timeout", "1m", "--metrics-listen", "127.0.0.1:0"]);
    let address = server.metrics_address();
    assert_eq!(get(address, "/readyz").unwrap().body, "ready\n");
    let hanging = Hanging::begin(&disk, Hang::Everything);
    let ready = || get(address, "/readyz").unwrap();
    eventually("the probe tells that the storage hangs", async || ready().status == 503).await;
    assert_eq!(ready().body, "failing: the storage makes no progress\n");
    assert_eq!(get(address, "/livez").unwrap().status, 200);
    let stalls = || scrape(address).value("sessiond_storage_stalls_total");
    eventually("the stall is counted", async || stalls() > 0.5).await;
    drop(hanging);
    eventually("the server is ready again", async || ready().status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_of_a_service_manager_hears_nothing_while_the_disk_hangs() {
    let Some(disk) = mount("a hanging disk, under a watchdog") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = NotifySocket::bind(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let data = disk.path().join("data");
    let flags = ["--data-dir", data.to_str().unwrap(), "--stall-timeout", "1m"];
    let server = Server::start_under(folder, environment, &flags);
    manager.wait_for("READY=1");
    let hanging = Hanging::begin(&disk, Hang::Everything);
    manager.wait_for("STATUS=the storage makes no progress");
    assert_eq!(manager.next(Duration::from_secs(2)), None, "ten times as long as the watchdog waits");
    drop(hanging);
    let messages = manager.wait_for("STATUS=serving on ");
    assert!(messages.last().unwrap().contains("WATCHDOG=1"), "{messages:?}");
    manager.wait_for("WATCHDOG=1");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_is_noticed_while_nobody_waits_for_it() {
    let Some(disk) = mount("a failed write in the background") else { return };
    let mut server = start(&disk, &["--durability", "interval", "--flush-interval", "1s"]);
    // A server that has started looks for something to clean up, which also fails.
    let (mut written, mut unchanged) = (0, 0);
    eventually("the server writes nothing more", async || {
        let before = std::mem::replace(&mut written, disk.disk().written_bytes);
        unchanged = if written == before { unchanged + 1 } else { 0 };
        unchanged >= 20
    })
    .await;
    disk.disk().faults = Faults { breaks_writes: true, ..Faults::default() };
    // The change is answered at once, and written a second later.
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    let began = Instant::now();
    assert_eq!(server.wait(LONG).code(), Some(1), "{}", server.log());
    assert!(began.elapsed() < SOON, "ended after {:?}", began.elapsed());
    assert!(server.log().contains("the storage failed; no change is accepted any more"), "{}", server.log());
    disk.disk().faults = Faults::default();
    server.restart();
    server.client().create(CreateSessionRequest::new()).await.unwrap();
}
