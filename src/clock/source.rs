//! Reads the two clocks of the system together, or two clocks that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds. A time of day counts from the Unix epoch.
pub(super) type Nanos = i64;

/// The latest moment that counts, in the year 2160. It leaves room for the time that passes.
pub(super) const LATEST: Nanos = 6_000_000_000_000_000_000;

/// If two readings of the elapsed time are this close, with one of the time of day between them, all three count as one
/// moment.
const CLOSE: Nanos = 20_000;

/// How often the clocks are read, at most, if the thread is interrupted between the readings.
const MAX_TRIES: usize = 16;

/// What both clocks show at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The time of day, which people and NTP set.
    pub(super) wall: Nanos,
    /// The time since the machine started, including suspension. Nobody can set it.
    pub(super) elapsed: Nanos,
    /// How far apart the two readings may be.
    pub(super) blur: Nanos,
}

/// Where the clocks are read.
#[derive(Clone, Debug)]
pub(super) enum Source {
    System,
    Manual(Arc<ManualClocks>),
}

#[derive(Debug, Default)]
pub(super) struct ManualClocks {
    pub(super) wall: AtomicI64,
    pub(super) elapsed: AtomicI64,
}

impl Source {
    pub(super) fn elapsed(&self) -> Nanos {
        match self {
            Self::System => system_elapsed(),
            Self::Manual(clocks) => clocks.elapsed.load(Ordering::SeqCst),
        }
    }

    pub(super) fn read(&self) -> Reading {
        match self {
            Self::System => read_system(),
            Self::Manual(clocks) => {
                Reading { wall: clocks.wall.load(Ordering::SeqCst), elapsed: self.elapsed(), blur: 0 }
            }
        }
    }
}

/// Returns the most exact of some readings.
fn read_system() -> Reading {
    let mut best = read_system_once();
    for _ in 1..MAX_TRIES {
        if best.blur <= CLOSE {
            break;
        }
        let again = read_system_once();
        if again.blur < best.blur {
            best = again;
        }
    }
    best
}

fn read_system_once() -> Reading {
    let before = system_elapsed();
    let wall = system_wall();
    let blur = system_elapsed() - before;
    Reading { wall, elapsed: before + blur / 2, blur }
}

/// The time of day, for what others have set by it: certificates and tokens. Sessions have a time of their own.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

fn system_wall() -> Nanos {
    // A clock before 1970 counts as 1970: there were no web sessions before.
    let since_epoch = time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since_epoch.as_nanos()).unwrap_or(LATEST).min(LATEST)
}

fn system_elapsed() -> Nanos {
    // Apple's CLOCK_MONOTONIC also counts the time of sleep.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(id);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
