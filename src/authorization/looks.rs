//! Looks at the files, and calls that wait for the next: their token may have been made a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// So long a call waits for a look. The files are read within this time, unless their disk hangs.
const WAIT: Duration = Duration::from_millis(500);

/// The looks of the one who follows the files.
pub(super) struct Looks {
    wanted: Notify,
    /// How many have begun, and how many of them have ended.
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

impl Looks {
    pub(super) fn new() -> Self {
        Self { wanted: Notify::new(), begun: AtomicU64::new(0), ended: watch::Sender::new(0) }
    }

    /// Asks for a look, and waits until one that begins from now on has ended, or for no longer than [`WAIT`].
    pub(super) async fn next(&self) {
        let mut ended = self.ended.subscribe();
        let begun = self.begun.load(Ordering::Acquire);
        self.wanted.notify_one();
        // It can't be closed while this is there.
        timeout(WAIT, ended.wait_for(|ended| *ended > begun)).await.ok();
    }

    /// Waits until a look is wanted.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.ended.send_replace(self.begun.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_look_that_had_begun_before_is_not_waited_for() {
        let looks = Arc::new(Looks::new());
        let begin = Instant::now();
        looks.begin();
        let waiting = tokio::spawn({
            let looks = Arc::clone(&looks);
            async move { looks.next().await }
        });
        looks.wanted().await;
        looks.end();
        tokio::time::sleep(WAIT / 2).await;
        assert!(!waiting.is_finished());
        looks.begin();
        looks.end();
        waiting.await.unwrap();
        assert!(begin.elapsed() < WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_look_that_does_not_end() {
        let looks = Looks::new();
        let begin = Instant::now();
        looks.begin();
        looks.next().await;
        assert_eq!(begin.elapsed(), WAIT);
    }
}
