//! Waiting for a peer that is to close its side.

use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// How long a peer may take to close its side. The time goes by in steps. If the whole machine stands still, as virtual ones do at
/// times, the peer can do nothing either: that counts as one step, however long it was.
pub(super) struct Patience {
    step: Pin<Box<Sleep>>,
    length: Duration,
    left: u32,
}

impl Patience {
    const STEPS: u32 = 10;

    pub(super) fn of(duration: Duration) -> Self {
        let length = duration / Self::STEPS;
        Self { step: Box::pin(sleep(length)), length, left: Self::STEPS }
    }

    /// Goes on where it was left.
    pub(super) async fn end(&mut self) {
        while self.left > 0 {
            self.step.as_mut().await;
            self.left -= 1;
            self.step.as_mut().reset(Instant::now() + self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    #[tokio::test(start_paused = true)]
    async fn a_standstill_of_the_machine_is_one_step_of_the_patience() {
        let mut patience = Patience::of(Duration::from_secs(1));
        let mut end = pin!(patience.end());
        assert!(poll!(&mut end).is_pending());
        tokio::time::advance(Duration::from_secs(30)).await;
        let begin = Instant::now();
        end.await;
        assert_eq!(begin.elapsed(), Duration::from_millis(900));
    }
}
