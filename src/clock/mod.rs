//! The clock of the sessions. Only this module reads the time of day. Everything else gets a [`Clock`], which tests can
//! move.
//!
//! **The time of the sessions** is the time that a [`Clock`] tells. Every timeout, lease and ticket ends by it. It goes
//! on with the machine's elapsed time (`CLOCK_BOOTTIME`), which nobody can set and which includes the time in
//! suspension. The time of day only says where it begins.
//!
//! **A step of the time of day**, ahead or back, is therefore not time that has passed. It is logged and counted, and
//! then made up for slowly: the time of the sessions goes 2 % faster or slower until both agree again. The alternatives
//! are worse. Following a step at once would end sessions that were just used, or make time stand still. Keeping the
//! difference for ever would let it grow with every step, and a moment that a caller names, such as the end of a
//! session, would never be met again. 2 % is little for a timeout, and absorbs an hour in two days; NTP's own 0.05 %
//! would need 83.
//!
//! **Over a restart** the newest time is kept in a file ([`ClockFile`]). If the machine itself went on, the file tells
//! exactly how much time has passed. After a restart of the machine, only the time of day can tell. If it is ahead of
//! the newest time, the clock follows it, with a warning above an hour and up to a limit that can be set. If it is
//! behind, the time of the sessions goes on from the newest time, so that ended sessions stay ended. It is corrected as
//! soon as the time of day has passed it.
//!
//! `docs/time.md` tells operators the same.

mod file;
mod follow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod source;
mod start;

pub use file::{CLOCK_FILE, ClockFile, Known};
pub(crate) use source::time_of_day;

use source::{LATEST, ManualClocks, Nanos, Reading, Source};
use start::{Finding, Start};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// A moment or a length of time in milliseconds; moments count from the Unix epoch.
pub type Millis = u64;

/// How far ahead of the present the newest time is written to the file. The file is written more often than that.
pub const RESERVE: Millis = 15_000;

/// Tells the time in milliseconds and never goes back, even when the system's clock is set back. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How far the time of the sessions is ahead of the elapsed time, in nanoseconds.
    offset: AtomicI64,
    /// The newest time that was told.
    latest: AtomicU64,
    /// How often the time of day was set.
    steps: AtomicU64,
    /// Whether the time of day was behind at the start, so that nobody knows how long the server was stopped.
    is_unsure: AtomicBool,
    /// How far the time of day may then be ahead once it has caught up, in nanoseconds.
    jump_limit: AtomicI64,
    /// By how much the time may still get ahead of the elapsed time before that must be written to the file, in
    /// nanoseconds. After a crash the next start assumes all of it. So there must be no more, or sessions would end
    /// early.
    allowance: AtomicI64,
    last: Mutex<Reading>,
}

/// How far a clock and the system's clock agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The time of the sessions.
    pub time: Millis,
    /// How far it is ahead of the system's clock, in milliseconds; negative if it is behind.
    pub ahead: i64,
    /// How often the system's clock was set by more than a second since the start. A step while the server was stopped
    /// counts once.
    pub steps: u64,
}

/// The result of a look at the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Whether both differ. The next look should then come soon, because small moves are not noticed.
    pub differs: bool,
    /// Whether the time has gone, or would go, farther than the file says.
    pub must_be_written_down: bool,
}

/// The error that the system's clock is farther ahead than a start allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the system's clock is {} ahead of the newest time that this data has seen, which clock-jump-limit does not allow; if the \
     clock is wrong, set it; if the server was stopped for so long, start it with --clock-jump-limit none",
    length(*.0)
)]
pub struct TooFarAhead(Nanos);

impl Clock {
    /// A clock that starts with the system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// A clock that stands still until the returned hand moves it.
    #[must_use]
    pub fn manual(start: Millis) -> (Self, ClockHand) {
        let clocks = Arc::new(ManualClocks { wall: to_nanos(start).into(), ..ManualClocks::default() });
        (Self::of(Source::Manual(Arc::clone(&clocks))), ClockHand(clocks))
    }

    fn of(source: Source) -> Self {
        let reading = source.read();
        let shared = Shared {
            offset: (reading.wall - reading.elapsed).into(),
            latest: AtomicU64::default(),
            steps: AtomicU64::default(),
            is_unsure: AtomicBool::default(),
            jump_limit: AtomicI64::new(Nanos::MAX),
            allowance: AtomicI64::new(Nanos::MAX),
            last: Mutex::new(reading),
        };
        Self { source, shared: Arc::new(shared) }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        let reading = to_millis(self.source.elapsed() + self.shared.offset.load(Ordering::SeqCst));
        let latest = self.shared.latest.load(Ordering::SeqCst);
        // Mostly another call has seen this millisecond already. Then nothing is written that other threads read.
        if reading <= latest { latest } else { self.shared.latest.fetch_max(reading, Ordering::SeqCst).max(reading) }
    }

    /// Starts with what is known from the last run, and not before `floor`. Nothing may depend on what the clock told
    /// before.
    ///
    /// # Errors
    /// The system's clock is ahead by more than `limit`. The clock is unchanged, and the call can be repeated.
    pub fn begin(&self, known: Option<&Known>, floor: Millis, limit: Option<Duration>) -> Result<(), TooFarAhead> {
        let reading = self.source.read();
        let limit = limit.map_or(Nanos::MAX, |limit| Nanos::try_from(limit.as_nanos()).unwrap_or(Nanos::MAX));
        let start = start::judge(known, floor, file::boot().as_deref(), reading, limit).map_err(TooFarAhead)?;
        let Start { time, is_unsure, finding } = start;
        self.shared.offset.store(time - reading.elapsed, Ordering::SeqCst);
        self.shared.latest.store(to_millis(time), Ordering::SeqCst);
        self.shared.is_unsure.store(is_unsure, Ordering::SeqCst);
        self.shared.jump_limit.store(limit, Ordering::SeqCst);
        *self.shared.last.lock().unwrap_or_else(PoisonError::into_inner) = reading;
        if matches!(finding, Finding::Stepped(_) | Finding::Behind(_)) {
            self.shared.steps.fetch_add(1, Ordering::SeqCst);
        }
        tell(finding, time);
        Ok(())
    }

    /// Looks at the system's clock and moves a little towards it. It must be called regularly.
    pub fn follow(&self) -> Followed {
        let mut last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.source.read();
        let time = reading.elapsed + self.shared.offset.load(Ordering::SeqCst);
        let moved = follow::judge(*last, reading, time);
        *last = reading;
        if moved.step != 0 {
            self.shared.steps.fetch_add(1, Ordering::SeqCst);
            tracing::warn!(
                "the system's clock was set {}; timeouts go on by the time that passes, and the time of sessions follows \
                 the clock slowly",
                direction(moved.step)
            );
        }
        let ahead = reading.wall - time;
        let is_believed = (0..=self.shared.jump_limit.load(Ordering::SeqCst)).contains(&ahead);
        let caught_up = is_believed && self.shared.is_unsure.swap(false, Ordering::SeqCst);
        let allowance = self.shared.allowance.load(Ordering::SeqCst);
        let by = if caught_up {
            tell_caught_up(ahead);
            ahead
        } else {
            moved.by.min(allowance)
        };
        if !caught_up {
            self.shared.allowance.store(allowance - by.max(0), Ordering::SeqCst);
        }
        self.shared.offset.fetch_add(by, Ordering::SeqCst);
        Followed {
            differs: (ahead - by).abs() > reading.blur,
            must_be_written_down: caught_up || (moved.by > 0 && by < moved.by),
        }
    }

    /// Notes that `known` was written to the file. The time may go on as far as it says.
    pub fn written_down(&self, known: &Known) {
        let _following = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.allowance.store(known.allowance(), Ordering::SeqCst);
    }

    /// Notes that no file is written, because no start comes after this one.
    pub fn forget(&self) {
        self.shared.allowance.store(Nanos::MAX, Ordering::SeqCst);
    }

    /// Raises the time to this moment, unless it has passed. It is for restored sessions, which have seen that moment.
    pub fn raise(&self, moment: Millis) {
        let _following = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = to_nanos(moment) - to_nanos(self.now());
        if ahead > 0 {
            tracing::warn!(
                "the restored sessions come from a clock that is {} ahead; their time goes on",
                length(ahead)
            );
            self.shared.offset.fetch_add(ahead, Ordering::SeqCst);
        }
    }

    /// What to write to the file for the next start, if time may go on for `reserve` until the next write.
    #[must_use]
    pub fn known(&self, reserve: Millis) -> Known {
        // It is never less than a time that was told, which a move back may have left ahead.
        let told = to_nanos(self.now());
        let Reading { wall, elapsed, .. } = self.source.read();
        let time = told.max(elapsed + self.shared.offset.load(Ordering::SeqCst));
        // It is rounded up, because a part of a millisecond counts as well.
        Known { through: to_millis(time) + 1 + reserve, time, elapsed, wall, boot: file::boot() }
    }

    /// How far this clock and the system's clock agree.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let time = self.now();
        let wall = to_millis(self.source.read().wall);
        let steps = self.shared.steps.load(Ordering::SeqCst);
        Agreement { time, ahead: time.cast_signed() - wall.cast_signed(), steps }
    }
}

fn tell(finding: Finding, time: Nanos) {
    match finding {
        Finding::Nothing => {}
        Finding::Stepped(step) => tracing::warn!(
            "the system's clock was set {} while the server was stopped; timeouts go on by the time that passed, and the \
             time of sessions follows the clock slowly",
            direction(step)
        ),
        Finding::Behind(by) => tracing::warn!(
            "the system's clock is {} behind the newest time that this data has seen ({}); the time of sessions goes on from \
             there; if the clock is wrong, set it",
            length(by),
            moment(time)
        ),
        Finding::Ahead(by) => tracing::warn!(
            "the system's clock is {} ahead of the newest time that this data has seen; sessions that ended meanwhile are \
             swept; if the server was not stopped for so long, stop it, set the clock, and restore a backup; \
             clock-jump-limit makes it wait instead",
            length(by)
        ),
    }
}

/// Logs that the system's clock has passed the newest time known at the start. How far it is ahead now is how long the
/// server was stopped.
fn tell_caught_up(by: Nanos) {
    if by > follow::STEP {
        tracing::warn!(
            "the system's clock, which was behind at the start, is {} ahead of the time of sessions now, which follows it; \
             sessions that ended meanwhile are swept",
            length(by)
        );
    }
}

fn direction(step: Nanos) -> String {
    format!("{} by {}", if step < 0 { "back" } else { "ahead" }, length(step))
}

/// A length of time, to the second.
fn length(length: Nanos) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(length.unsigned_abs() / 1_000_000_000))
}

fn moment(time: Nanos) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(to_millis(time)))
}

/// Rounds down. A moment before 1970 becomes 0.
fn to_millis(nanos: Nanos) -> Millis {
    nanos.max(0).cast_unsigned() / 1_000_000
}

fn to_nanos(millis: Millis) -> Nanos {
    Nanos::try_from(millis).unwrap_or(LATEST).saturating_mul(1_000_000).min(LATEST)
}

/// Moves a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<ManualClocks>);

impl ClockHand {
    /// Lets so many milliseconds pass.
    pub fn advance(&self, by: Millis) {
        let by = to_nanos(by);
        self.0.elapsed.fetch_add(by, Ordering::SeqCst);
        self.0.wall.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the system's clock by so many milliseconds, ahead or back, while no time passes.
    pub fn set_by(&self, step: i64) {
        self.0.wall.fetch_add(step.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
