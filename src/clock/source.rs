//! The two clocks of the system, read together; and a pair of them that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds; those of the time of day count from the Unix epoch.
pub(super) type Nanos = i64;

/// No moment counts as later than this one in the year 2160, so that there is room for the time that passes.
pub(super) const LATEST: Nanos = 6_000_000_000_000_000_000;

/// Two looks at the elapsed time that are no farther apart, with one at the time of day between them, are as good as one.
const CLOSE: Nanos = 20_000;

/// How often the clocks are read again because the thread was interrupted between the looks.
const MAX_TRIES: usize = 16;

/// What both clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The time of day, which people and NTP set.
    pub(super) wall: Nanos,
    /// The time since the machine started, which nobody sets, with the time that it was suspended.
    pub(super) elapsed: Nanos,
    /// How far the two looks may be apart.
    pub(super) blur: Nanos,
}

/// Where both clocks are read.
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

/// The closest of some tries.
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

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn system_wall() -> Nanos {
    // Before 1970 there were no web sessions: such a clock counts as standing at the epoch.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since_epoch.as_nanos()).unwrap_or(LATEST).min(LATEST)
}

fn system_elapsed() -> Nanos {
    // Apple's CLOCK_MONOTONIC counts the time of sleep, too.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(id);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
