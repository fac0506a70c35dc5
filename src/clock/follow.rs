//! Makes the time of the sessions follow the system's clock slowly.

use super::source::{Nanos, Reading};

/// A difference of more than this between two looks is a step of the system's clock, and is logged. NTP makes smaller
/// corrections every day.
pub(super) const STEP: Nanos = 1_000_000_000;

/// The time of the sessions goes faster or slower by at most one part in this many. An idle timeout of half an hour is
/// then off by 36 s at most, and it takes 50 hours to make up for one hour.
pub(super) const SLEW: Nanos = 50;

/// A look that comes late, on a busy machine, makes up for at most this time. So the time goes faster or slower but
/// never jumps.
const AT_ONCE: Nanos = 200_000_000;

/// How to move the time of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) by: Nanos,
    /// By how much the system's clock was set since the last look; 0 if it was not set.
    pub(super) step: Nanos,
}

/// Compares a reading with the last one and with the time of the sessions, `time`.
pub(super) fn judge(last: Reading, reading: Reading, time: Nanos) -> Move {
    let passed = (reading.elapsed - last.elapsed).max(0);
    let step = (reading.wall - last.wall) - passed;
    let step = if step.abs() > STEP { step } else { 0 };
    let difference = reading.wall - time;
    let most = passed.min(AT_ONCE) / SLEW;
    // A difference within the uncertainty of the reading counts as none.
    let by = if difference.abs() <= reading.blur { 0 } else { difference.clamp(-most, most) };
    Move { by, step }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    const HOUR: Nanos = 3_600 * SECOND;

    fn at(elapsed: Nanos, wall: Nanos) -> Reading {
        Reading { wall, elapsed, blur: 1_000 }
    }

    #[test]
    fn a_step_is_made_up_for_by_one_part_in_fifty() {
        let last = at(0, HOUR);
        let look = SECOND / 10;
        let back = judge(last, at(look, look), HOUR + look);
        assert_eq!(back, Move { by: -look / 50, step: -HOUR });
        let ahead = judge(last, at(look, 2 * HOUR + look), HOUR + look);
        assert_eq!(ahead, Move { by: look / 50, step: HOUR });
    }

    #[test]
    fn a_late_look_makes_no_jump() {
        let ahead = judge(at(0, 0), at(10 * SECOND, HOUR), 10 * SECOND);
        assert_eq!(ahead.by, SECOND / 5 / 50);
    }

    #[test]
    fn the_end_of_it_is_not_overshot() {
        let moved = judge(at(0, 0), at(SECOND, SECOND), SECOND - 3_000_000);
        assert_eq!(moved, Move { by: 3_000_000, step: 0 });
        assert_eq!(judge(at(0, 0), at(SECOND, SECOND), SECOND - 1_000).by, 0);
    }

    #[test]
    fn time_in_suspension_is_no_step() {
        assert_eq!(judge(at(0, 0), at(8 * HOUR, 8 * HOUR), 8 * HOUR), Move { by: 0, step: 0 });
    }
}
