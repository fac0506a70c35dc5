//! What probes are told: whether to restart the server, and whether to send it requests.

use crate::server::process::health::Phase;

/// Whether the process is worth keeping, and why. A storage that hangs may recover, and ends the process if it does not.
pub(super) fn live(phase: Phase) -> (bool, &'static str) {
    match phase {
        Phase::Failed => (false, "the storage has failed; only a restart helps\n"),
        _ => (true, "live\n"),
    }
}

/// Whether sessions are served, and what is special about it.
pub(super) fn ready(phase: Phase) -> (bool, &'static str) {
    match phase {
        Phase::Serving => (true, "ready\n"),
        Phase::ReadOnly => (true, "ready, read-only: disk space is low, and writes are refused\n"),
        Phase::Starting => (false, "starting: the data is being opened\n"),
        Phase::Restoring => (false, "restoring: a backup takes the place of the data\n"),
        Phase::Stalled => (false, "failing: the storage makes no progress\n"),
        Phase::Failed => (false, "failing: the storage has failed; only a restart helps\n"),
        Phase::Draining => (false, "draining: the server is about to end\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_told_in_one_line() {
        let phases = [
            (Phase::Starting, true, false),
            (Phase::Serving, true, true),
            (Phase::ReadOnly, true, true),
            (Phase::Restoring, true, false),
            (Phase::Stalled, true, false),
            (Phase::Failed, false, false),
            (Phase::Draining, true, false),
        ];
        for (phase, is_live, is_ready) in phases {
            let (live, ready) = (live(phase), ready(phase));
            assert_eq!((live.0, ready.0), (is_live, is_ready), "{phase:?}");
            for line in [live.1, ready.1] {
                assert!(line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
            }
        }
    }
}
