//! Notices when the sweeper falls behind, and tells health and the log: nothing else shows its lag.

use crate::clock::Millis;
use crate::session::Sessions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often the lag is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the sweeper's lag for as long as someone listens. Tells how far it is, in milliseconds, and whether that is above
/// `limit`.
pub(in crate::server) async fn follow(
    sessions: Sessions,
    limit: Millis,
    lag: Arc<AtomicU64>,
    behind: watch::Sender<bool>,
) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let lag_ms = match sessions.sweeper_lag().await {
            Ok(lag) => lag,
            // The engine reports its own trouble.
            Err(error) => {
                tracing::warn!(%error, "the sweeper's lag can't be read");
                continue;
            }
        };
        lag.store(lag_ms, Ordering::Relaxed);
        // The sweeper has caught up only at half the limit, so that the state doesn't flutter.
        let was_behind = *behind.borrow();
        let is_behind = lag_ms > if was_behind { limit / 2 } else { limit };
        if is_behind && !was_behind {
            tracing::error!(
                lag_ms,
                limit_ms = limit,
                "the sweeper has fallen behind: space is freed late, and expired events come late"
            );
        } else if was_behind && !is_behind {
            tracing::info!(lag_ms, "the sweeper has caught up");
        }
        behind.send_if_modified(|behind| std::mem::replace(behind, is_behind) != is_behind);
    }
}
