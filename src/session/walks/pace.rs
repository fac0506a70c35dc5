//! How fast a walk may go: it must hold up no request beside it.

use std::time::Duration;
use tokio::time::Instant;

/// Sessions that a walk looks at in one slice. With 128, the p99 of reads beside a list was 2.4 to 3.6 times its quiet value
/// on two cores, most of it the lister's own work on what it got; with 64 it was 1.3 to 1.9 times.
pub(in crate::session) const SLICE: usize = 64;

/// The shortest pause between two slices: who lists a million sessions must leave the processors to the requests beside it.
const MIN_PAUSE: Duration = Duration::from_millis(1);

/// A walk takes no more than a third of a core, even where the sessions have to be fetched from disk.
const PAUSE_PER_WORK: u32 = 2;

/// Pauses after a slice on which work began at this moment.
pub(super) async fn rest(began: Instant) {
    tokio::time::sleep(MIN_PAUSE.max(PAUSE_PER_WORK * began.elapsed())).await;
}
