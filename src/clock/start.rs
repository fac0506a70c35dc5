//! Decides with which time a server starts. It compares what the last run knew with the system's clock.

use super::file::Known;
use super::follow::{SLEW, STEP};
use super::source::{Nanos, Reading};
use super::{Millis, to_nanos};

/// A jump ahead that is worth a warning: few servers are stopped on purpose for so long.
const LONG_STOP: Nanos = 60 * 60 * 1_000_000_000;

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The time of the sessions with which the server starts.
    pub(super) time: Nanos,
    /// Whether nobody knows how long the server was stopped, because the system's clock is behind.
    pub(super) is_unsure: bool,
    /// What to log about the system's clock.
    pub(super) finding: Finding,
}

/// What to log about the system's clock at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Nothing,
    /// The clock was set by this much while the server was stopped and the machine went on.
    Stepped(Nanos),
    /// The clock is behind the newest known time by this much.
    Behind(Nanos),
    /// The clock is ahead of the newest known time by this much.
    Ahead(Nanos),
}

/// Decides with which time to start, which is never before `floor`. If the system's clock is ahead of the known time by
/// more than `limit`, the error tells by how much.
pub(super) fn judge(
    known: Option<&Known>,
    floor: Millis,
    boot: Option<&str>,
    reading: Reading,
    limit: Nanos,
) -> Result<Start, Nanos> {
    let floor = to_nanos(floor);
    if let Some(known) = known
        && known.boot.is_some()
        && known.boot.as_deref() == boot
        && reading.elapsed >= known.elapsed
    {
        // The machine went on, so the elapsed time tells how much time has passed, whatever the system's clock says.
        let passed = reading.elapsed.saturating_sub(known.elapsed);
        // The time of the sessions may have gone a little faster, but only as long as the file said in advance, and
        // only up to the time of day.
        let faster = passed.min(to_nanos(known.through).saturating_sub(known.time)).max(0) / SLEW;
        let faster = faster.min(known.allowance());
        let time = known.time.saturating_add(passed).saturating_add(faster).max(floor);
        let step = reading.wall.saturating_sub(known.wall).saturating_sub(passed);
        let finding = if step.saturating_abs() > STEP { Finding::Stepped(step) } else { Finding::Nothing };
        return Ok(Start { time, is_unsure: false, finding });
    }
    let newest = known.map_or(0, |known| to_nanos(known.through)).max(floor);
    if reading.wall < newest {
        let behind = newest - reading.wall;
        let is_much = behind > to_nanos(super::RESERVE) + STEP;
        let finding = if is_much { Finding::Behind(behind) } else { Finding::Nothing };
        return Ok(Start { time: newest, is_unsure: true, finding });
    }
    // A folder without a known time is new, or of an older version.
    let ahead = if known.is_some() { reading.wall - newest } else { 0 };
    if ahead > limit {
        return Err(ahead);
    }
    let finding = if ahead > LONG_STOP { Finding::Ahead(ahead) } else { Finding::Nothing };
    Ok(Start { time: reading.wall, is_unsure: false, finding })
}

#[cfg(test)]
mod tests {
    use super::super::to_millis;
    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    const DAY: Nanos = 24 * 60 * 60 * SECOND;
    const NOW: Nanos = 1_700_000_000 * SECOND;

    fn known() -> Known {
        Known {
            through: to_millis(NOW + 10 * SECOND),
            time: NOW,
            elapsed: 500 * SECOND,
            wall: NOW,
            boot: Some("one".to_owned()),
        }
    }

    fn start(boot: &str, elapsed: Nanos, wall: Nanos, limit: Nanos) -> Result<Start, Nanos> {
        judge(Some(&known()), 0, Some(boot), Reading { wall, elapsed, blur: 0 }, limit)
    }

    #[test]
    fn while_the_machine_goes_on_the_system_clock_counts_for_nothing() {
        let three = 503 * SECOND;
        let time = NOW + 3 * SECOND;
        for (wall, finding) in [
            (NOW + 3 * SECOND, Finding::Nothing),
            (NOW + 3 * SECOND - DAY, Finding::Stepped(-DAY)),
            (NOW + 3 * SECOND + DAY, Finding::Stepped(DAY)),
        ] {
            assert_eq!(start("one", three, wall, SECOND), Ok(Start { time, is_unsure: false, finding }));
        }
    }

    #[test]
    fn what_the_time_may_have_gone_faster_is_counted_and_no_more() {
        let starts = |ahead: Nanos, elapsed: Nanos| {
            let known = Known { wall: NOW + ahead, ..known() };
            let reading = Reading { wall: NOW + ahead + elapsed, elapsed: 500 * SECOND + elapsed, blur: 0 };
            judge(Some(&known), 0, Some("one"), reading, Nanos::MAX).map(|start| start.time)
        };
        let three = 3 * SECOND;
        assert_eq!(starts(0, three), Ok(NOW + three), "both agreed");
        assert_eq!(starts(-DAY, three), Ok(NOW + three), "it went slower");
        assert_eq!(starts(DAY, three), Ok(NOW + three + three / SLEW));
        assert_eq!(starts(1_000_000, three), Ok(NOW + three + 1_000_000), "no farther than to the time of day");
        // The server has not run for longer than the file says in advance.
        assert_eq!(starts(DAY, DAY), Ok(NOW + DAY + 10 * SECOND / SLEW));
    }

    #[test]
    fn after_another_start_of_the_machine_the_system_clock_is_held_against_the_newest_time() {
        let newest = NOW + 10 * SECOND;
        let starts = |wall| start("two", 5 * SECOND, wall, 2 * DAY);
        let sure = |time, finding| Ok(Start { time, is_unsure: false, finding });
        assert_eq!(starts(NOW + 60 * SECOND), sure(NOW + 60 * SECOND, Finding::Nothing));
        assert_eq!(starts(newest + DAY), sure(newest + DAY, Finding::Ahead(DAY)));
        assert_eq!(starts(newest + 3 * DAY), Err(3 * DAY));
        let unsure = |finding| Ok(Start { time: newest, is_unsure: true, finding });
        assert_eq!(starts(newest - DAY), unsure(Finding::Behind(DAY)));
        assert_eq!(starts(NOW + 3 * SECOND), unsure(Finding::Nothing), "a quick start of the machine");
    }

    #[test]
    fn a_machine_that_has_run_for_less_time_was_started_again() {
        let started = start("one", 5 * SECOND, NOW + DAY, Nanos::MAX).map(|start| start.time);
        assert_eq!(started, Ok(NOW + DAY), "another machine may have been given the same name");
    }

    #[test]
    fn numbers_that_no_clock_shows_do_no_harm() {
        for strange in [Nanos::MIN, -1, 0, Nanos::MAX] {
            let reading = Reading { wall: NOW, elapsed: 500 * SECOND, blur: 0 };
            for known in [
                Known { time: strange, ..known() },
                Known { elapsed: strange, ..known() },
                Known { wall: strange, ..known() },
                Known { through: u64::MAX, time: strange, elapsed: strange, wall: strange, ..known() },
            ] {
                let started = judge(Some(&known), 0, Some("one"), reading, Nanos::MAX);
                assert!(started.is_ok_and(|start| start.time >= 0), "{known:?}");
            }
        }
    }

    #[test]
    fn without_a_known_time_the_newest_event_is_the_least() {
        let reading = Reading { wall: NOW, elapsed: 0, blur: 0 };
        let started = |floor| judge(None, floor, Some("one"), reading, SECOND).map(|start| start.time);
        assert_eq!(started(0), Ok(NOW));
        assert_eq!(started(to_millis(NOW - DAY)), Ok(NOW));
        assert_eq!(started(to_millis(NOW + DAY)), Ok(NOW + DAY));
    }
}
