//! How long a peer may keep the server waiting.

use crate::service::Share;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often the server looks whether others need what the peer holds. Each peer has at least this long.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A peer that takes a large answer slower than this holds its memory for too long.
const MIN_BYTES_PER_SECOND: u64 = 64 << 10;

/// Resolves when the server has waited for the peer for too long: for as long as `limit` says, which may grow meanwhile, or
/// for only two ticks if others need what the peer holds.
pub(super) async fn timed_out(share: &Share, limit: impl Fn() -> Duration) {
    let begin = Instant::now();
    let mut was_pressed = false;
    loop {
        let Some(left) = limit().checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) else { return };
        sleep(left.min(TICK)).await;
        let is_pressed = share.is_pressed();
        if is_pressed && was_pressed {
            return;
        }
        was_pressed = is_pressed;
    }
}

/// The time that a peer has for so many bytes, if it has this long for the first.
pub(super) fn time_for(bytes: usize, first: Duration) -> Duration {
    first + Duration::from_millis(bytes as u64 * 1_000 / MIN_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Bounds, Budget};

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_peer_has_all_its_time_while_nobody_needs_what_it_holds() {
        let share = Budget::new(Bounds { requests: 1, bytes: 1_000, connection_bytes: 1_000 }).share();
        let begin = Instant::now();
        timed_out(&share, || LIMIT).await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_has_little_time_when_room_is_scarce() {
        let share = Budget::new(Bounds { requests: 1, bytes: 1_000, connection_bytes: 1_000 }).share();
        let _held = share.hold(900);
        let begin = Instant::now();
        timed_out(&share, || LIMIT).await;
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[test]
    fn large_answers_get_more_time() {
        assert_eq!(time_for(0, LIMIT), LIMIT);
        assert_eq!(time_for(4 << 20, LIMIT).as_secs(), 94);
    }
}
