//! Tests that cut the power, under load and while the server opens its data. What was not synced is lost, in any order.

use crate::common::{Server, binary, eventually};
use crate::cut_fs::CutFs;
use crate::entry::Promise;
use crate::kill::{BUSY_UPKEEP, WHOLE_HISTORY};
use crate::ledger::{LARGE, Ledger, MIXED, Style};
use crate::{say, seed, setting};
use fastrand::Rng;
use sessiond_client::proto::{CountSessionsRequest, CreateSessionRequest, ListSessionsRequest};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The number of disk changes until the power cut.
const UNDER_LOAD: std::ops::Range<u64> = 1..1_500;
const WHILE_OPENING: std::ops::Range<u64> = 0..40;
/// How often each moment of the first opening is tried.
const ATTEMPTS: u64 = 4;
/// How long to wait for a cut during an opening. If none comes, the opening is over, or one cut fewer is tried. Neither
/// fails the test.
const OPENED: Duration = Duration::from_millis(500);

/// Mounts a disk, or says why the test is skipped.
pub(crate) fn mount(test: &str) -> Option<CutFs> {
    match CutFs::mount() {
        Ok(disk) => Some(disk),
        Err(reason) => {
            say(&format!("{test}: SKIPPED, {reason}"));
            None
        }
    }
}

/// Starts the server on this data without waiting for it.
fn open(data: &Path) -> Child {
    let mut command = binary();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(WHOLE_HISTORY);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Cuts the power while the server opens its data. The opening may end before the cut.
async fn interrupt_opening(disk: &CutFs, data: &Path, rng: &mut Rng) -> String {
    disk.disk().cut_in(rng.u64(WHILE_OPENING));
    let mut process = open(data);
    let began = Instant::now();
    let over = async || !disk.disk().has_power() || began.elapsed() > OPENED;
    eventually("the power is cut, or the server is open", over).await;
    disk.disk().cut_now();
    process.kill().unwrap();
    process.wait().unwrap();
    disk.disk().restore(rng)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    cut_again_and_again("power cuts", MIXED, setting("SESSIOND_CUTS", 10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_in_the_middle_of_large_changes_takes_nothing_either() {
    cut_again_and_again("power cuts, large sessions", LARGE, setting("SESSIOND_CUTS", 10).div_ceil(2)).await;
}

async fn cut_again_and_again(name: &str, style: Style, cuts: u64) {
    let Some(disk) = mount(name) else { return };
    let seed = seed(name);
    let mut rng = Rng::with_seed(seed);
    let data = disk.path().join("data");
    // The very first opening has nothing to lose, but must not leave anything on which a later one fails.
    let mut early = 0;
    while rng.u8(..3) > 0 {
        interrupt_opening(&disk, &data, &mut rng).await;
        early += 1;
    }
    let flags = ["--durability", "always", "--data-dir", data.to_str().unwrap()];
    let mut server = Server::start_with(&[&BUSY_UPKEEP[..], &WHOLE_HISTORY, &flags].concat());
    let mut ledger = Ledger::new(&server.client(), seed, Promise::Everything, style).await;
    ledger.report.interrupted_openings = early;
    for number in 1..=cuts {
        let load = ledger.begin(|| server.client()).await;
        // In some rounds the process is killed instead, and the power goes while the next process reads what nobody has
        // synced yet.
        let cut_at_once = rng.u8(..4) > 0;
        if cut_at_once {
            disk.disk().cut_in(rng.u64(UNDER_LOAD));
            eventually("the power is cut", async || !disk.disk().has_power()).await;
        } else {
            let enough = ledger.acknowledged() + rng.u64(1..1_000);
            eventually("enough is acknowledged", async || ledger.acknowledged() > enough).await;
        }
        let crash = Instant::now();
        server.kill();
        ledger.end(load).await;
        let mut left = if cut_at_once { disk.disk().restore(&mut rng) } else { "what was written".into() };
        if !cut_at_once {
            left += "; while opening ";
            left += &interrupt_opening(&disk, &data, &mut rng).await;
            ledger.report.interrupted_openings += 1;
        }
        while rng.u8(..3) == 0 {
            left += "; while opening ";
            left += &interrupt_opening(&disk, &data, &mut rng).await;
            ledger.report.interrupted_openings += 1;
        }
        eprintln!("{name}: after cut {number} there is left {left}");
        server.restart();
        ledger.check(&server.client(), crash).await;
        ledger.judge(name, seed);
    }
    ledger.finish(&server.client()).await;
    say(&format!("{name}: {ledger}; {}", disk.disk().use_of_space()));
    ledger.judge(name, seed);
}

/// The power is cut at each disk change of a folder's first opening, and then again right after the first acknowledged
/// change.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_opening_can_be_cut_anywhere() {
    let name = "cuts of the first opening";
    let Some(disk) = mount(name) else { return };
    let seed = seed(name);
    let mut rng = Rng::with_seed(seed);
    let (mut cuts, mut complete) = (0, false);
    while !complete {
        for attempt in 0..ATTEMPTS {
            let data = disk.path().join(format!("data-{cuts}-{attempt}"));
            disk.disk().cut_in(cuts);
            let mut process = open(&data);
            let began = Instant::now();
            let over = async || !disk.disk().has_power() || began.elapsed() > OPENED;
            eventually("the power is cut, or the server is open", over).await;
            complete = disk.disk().has_power();
            disk.disk().cut_now();
            process.kill().unwrap();
            process.wait().unwrap();
            let left = disk.disk().restore(&mut rng);
            eprintln!("{name}: after change {cuts} there is left {left}");

            let mut server = Server::start_with(&["--data-dir", data.to_str().unwrap()]);
            let created = server.client().create(CreateSessionRequest::new()).await.unwrap();
            disk.disk().cut_now();
            server.kill();
            let left = disk.disk().restore(&mut rng);
            eprintln!("{name}: after the first session there is left {left}");
            server.restart();
            server.client().get(&created.session_id).await.unwrap();
        }
        cuts += 1;
    }
    say(&format!("{name}: {} cuts, 0 lost", 2 * cuts * ATTEMPTS));
}

/// A process that never syncs is killed, and the power goes while the next process opens what the kernel still had. Any
/// amount may be lost, but the rest must open.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsynced_log_can_be_cut_while_it_is_opened() {
    let name = "cuts over an unsynced log";
    let Some(disk) = mount(name) else { return };
    let (cuts, seed) = (setting("SESSIOND_CUTS", 10), seed(name));
    let mut rng = Rng::with_seed(seed);
    let data = disk.path().join("data");
    let flags = ["--cache-size", "2MiB", "--durability", "none", "--data-dir"];
    let mut server = Server::start_with(&[&flags[..], &[data.to_str().unwrap()]].concat());
    for number in 1..=cuts {
        let client = server.client();
        // sled has written a part of these changes.
        for _ in 0..rng.u32(100..600) {
            let attribute = vec![rng.u8(..); 10_000];
            client.create(CreateSessionRequest::new().attribute("bytes", attribute)).await.unwrap();
        }
        server.kill();
        let left = interrupt_opening(&disk, &data, &mut rng).await;
        eprintln!("{name}: after cut {number} there is left {left}");
        server.restart();
        let listed = server.client().list(ListSessionsRequest::new()).await.unwrap();
        let alive = server.client().count(CountSessionsRequest::new()).await.unwrap();
        assert_eq!(listed.sessions.len() as u64, alive.min(100));
    }
    say(&format!("{name}: {cuts} cuts, every folder opened; {}", disk.disk().use_of_space()));
}
