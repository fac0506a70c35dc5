//! Tests that kill the process: under load, while it opens its data, and while it sweeps.

use crate::common::{Server, binary, eventually};
use crate::entry::Promise;
use crate::ledger::{Ledger, MIXED};
use crate::{say, seed, setting};
use fastrand::Rng;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Sweeping and writing touches are frequent. So are checkpoints, because little is kept in memory. So a kill meets
/// them.
pub(crate) const BUSY_UPKEEP: [&str; 6] =
    ["--sweep-interval", "100ms", "--touch-interval", "100ms", "--cache-size", "2MiB"];
/// The whole history is checked, however long a run takes.
pub(crate) const WHOLE_HISTORY: [&str; 4] = ["--event-history-count", "1000000000", "--event-history-age", "90d"];
/// How long a process lives at most if the kill is to meet its opening.
const OPENING: std::ops::Range<u64> = 1..60;
/// What a busy machine may add to a promised time.
const SLACK: Duration = Duration::from_secs(2);

/// Starts the server on this data and kills it before it is ready, or soon after.
async fn interrupt_opening(data: &Path, flags: &[&str], rng: &mut Rng) {
    let mut command = binary();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(flags).args(WHOLE_HISTORY);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_millis(rng.u64(OPENING))).await;
    process.kill().unwrap();
    process.wait().unwrap();
}

async fn kill_again_and_again(name: &str, flags: &[&str], promise: Promise, kills: u64, calls: std::ops::Range<u64>) {
    kill_and_change(name, flags, promise, kills, calls, |_| {}).await;
}

/// The same; before each opening, `change` may change files that the flags name.
pub(crate) async fn kill_and_change(
    name: &str,
    flags: &[&str],
    promise: Promise,
    kills: u64,
    calls: std::ops::Range<u64>,
    mut change: impl FnMut(&mut Rng),
) {
    let seed = seed(name);
    let mut rng = Rng::with_seed(seed);
    let mut server = Server::start_with(&[flags, &WHOLE_HISTORY].concat());
    let mut ledger = Ledger::new(&server.client(), seed, promise, MIXED).await;
    for _ in 0..kills {
        let load = ledger.begin(|| server.client()).await;
        let enough = ledger.acknowledged() + rng.u64(calls.clone());
        let began = Instant::now();
        let least = if let Promise::OlderThan(age) = promise { age * 3 / 2 } else { Duration::ZERO };
        eventually("enough is acknowledged", async || ledger.acknowledged() > enough && began.elapsed() > least).await;
        sleep(Duration::from_micros(rng.u64(..10_000))).await;
        let crash = Instant::now();
        server.kill();
        ledger.end(load).await;
        while rng.u8(..3) == 0 {
            change(&mut rng);
            interrupt_opening(&server.data(), flags, &mut rng).await;
            ledger.report.interrupted_openings += 1;
        }
        change(&mut rng);
        server.restart();
        ledger.check(&server.client(), crash).await;
        ledger.judge(name, seed);
    }
    ledger.finish(&server.client()).await;
    say(&format!("{name}: {ledger}"));
    ledger.judge(name, seed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_all_that_it_acknowledged() {
    let kills = setting("SESSIOND_KILLS", 20);
    let flags = [&BUSY_UPKEEP[..], &["--durability", "always"]].concat();
    kill_again_and_again("kills, always", &flags, Promise::Everything, kills, 1..1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_with_an_interval_loses_no_more_than_that() {
    let kills = setting("SESSIOND_KILLS", 20).div_ceil(5);
    // With a cache of the usual size, there is much to replay.
    let flags = [&BUSY_UPKEEP[..4], &["--durability", "interval", "--flush-interval", "200ms"]].concat();
    let promise = Promise::OlderThan(Duration::from_millis(200) + SLACK);
    kill_again_and_again("kills, interval", &flags, promise, kills, 1..1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_without_durability_loses_the_last_moments_and_tears_nothing() {
    let kills = setting("SESSIOND_KILLS", 20).div_ceil(5);
    let promise = Promise::OlderThan(Duration::from_millis(500) + SLACK);
    let flags = [&BUSY_UPKEEP[..], &["--durability", "none"]].concat();
    kill_again_and_again("kills, none", &flags, promise, kills, 1..1_500).await;
}
