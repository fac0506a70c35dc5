//! Tests that try to break the promise of durability: they kill the process, cut the power, and fill or break the disk.
//! A ledger outside the server knows what was acknowledged.
//!
//! Each has a long mode: `SESSIOND_KILLS=500`, `SESSIOND_CUTS=200`, `SESSIOND_FAILURES=50`, `SESSIOND_FILLINGS=30`
//! (`SESSIOND_DISK_MIB=320` on a larger disk), with `cargo test --test durability -- --nocapture`. `SESSIOND_SEED`
//! repeats the random choices of a run, as far as they don't depend on the timing of threads.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what can't be set up fails the test; it reports what it tried"
)]

mod backup;
mod check;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod cut_fs;
mod damaged_files;
#[cfg(target_os = "linux")]
mod disk;
mod encryption;
mod entry;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod full;
#[cfg(target_os = "linux")]
mod hangs;
mod history;
mod kill;
mod ledger;
#[cfg(target_os = "linux")]
mod power;
mod random_damage;
mod restart;
mod restore;
mod swapped_files;
mod verify;
mod worker;
mod worker_notes;

use std::io::Write;

/// A number from the environment, or its default.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The seed of this run, which is printed so that the run can be repeated.
fn seed(test: &str) -> u64 {
    let seed = setting("SESSIOND_SEED", fastrand::u64(..));
    say(&format!("{test}: SESSIOND_SEED={seed}"));
    seed
}

/// Prints a line even if the test passes: the harness captures only what macros print.
fn say(line: &str) {
    // A reader that closed the output does not want the line.
    writeln!(std::io::stderr(), "{line}").ok();
}
