//! How long a peer may keep the server waiting.

use crate::service::Share;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at whether others need what the peer holds. A peer that is waited for is given at least that long.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Who takes a large answer slower than so many bytes a second holds it for too long.
const MIN_BYTES_PER_SECOND: u64 = 64 << 10;

/// Resolves when the peer has been waited for too long: as long as `after` says, which may grow meanwhile, or only two ticks
/// when others need what it holds.
pub(super) async fn runs_out(share: &Share, after: impl Fn() -> Duration) {
    let begin = Instant::now();
    let mut was_pressed = false;
    loop {
        let Some(left) = after().checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) else { return };
        sleep(left.min(TICK)).await;
        let is_pressed = share.is_pressed();
        if is_pressed && was_pressed {
            return;
        }
        was_pressed = is_pressed;
    }
}

/// The time for the taking of so many bytes, of which the first may be waited for this long.
pub(super) fn to_take(bytes: usize, first: Duration) -> Duration {
    first + Duration::from_millis(bytes as u64 * 1_000 / MIN_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Bounds, Places};

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn it_lasts_while_nobody_needs_what_is_held() {
        let share = Places::new(Bounds { requests: 1, bytes: 1_000, connection_bytes: 1_000 }).share();
        let begin = Instant::now();
        runs_out(&share, || LIMIT).await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_short_when_room_is_scarce() {
        let share = Places::new(Bounds { requests: 1, bytes: 1_000, connection_bytes: 1_000 }).share();
        let _held = share.hold(900);
        let begin = Instant::now();
        runs_out(&share, || LIMIT).await;
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[test]
    fn large_answers_get_more_time() {
        assert_eq!(to_take(0, LIMIT), LIMIT);
        assert_eq!(to_take(4 << 20, LIMIT).as_secs(), 94);
    }
}
