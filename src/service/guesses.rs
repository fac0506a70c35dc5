//! Look-ups that find no session: whoever guesses IDs makes many of them.

use super::errors::status::Refusal;
use crate::authorization::{Caller, Pace, Rate};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;
use tonic::{Code, Status};

/// So long an answer is held back at most.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Slows callers down whose look-ups fail too often, and then refuses them. Look-ups that find their session are never slowed
/// down. Clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct Guesses {
    /// How many look-ups of a caller may fail in a second; `None` for any number.
    limit: Option<usize>,
    /// Of all callers together, if nobody is asked who he is.
    anybody: Arc<Rate>,
    delayed: Arc<AtomicU64>,
}

impl Guesses {
    pub(super) fn limited_to(limit: Option<usize>) -> Self {
        Self { limit, anybody: Arc::default(), delayed: Arc::default() }
    }

    /// Passes an answer on, later or never if it says that there is no such session and too many do.
    pub(super) async fn judge<T>(&self, caller: &Caller, answer: Result<T, Status>) -> Result<T, Status> {
        if answer.as_ref().is_err_and(|status| status.code() == Code::NotFound) {
            self.note(caller, 1).await?;
        }
        answer
    }

    /// Takes note of look-ups that have failed, and waits if there are too many.
    pub(super) async fn note(&self, caller: &Caller, failed: usize) -> Result<(), Refusal> {
        let failed = u64::try_from(failed).unwrap_or(u64::MAX);
        let rate = caller.count_failed_lookups(failed).unwrap_or(&self.anybody);
        let Some(limit) = self.limit.filter(|_| failed > 0) else { return Ok(()) };
        match rate.count(failed, u64::try_from(limit).unwrap_or(u64::MAX), MAX_DELAY) {
            Pace::Within => Ok(()),
            Pace::Early(wait) => {
                self.delayed.fetch_add(1, Ordering::Relaxed);
                sleep(wait).await;
                Ok(())
            }
            Pace::Above => {
                tracing::warn!(%caller, limit, "too many look-ups fail: somebody may be guessing session IDs");
                Err(Refusal::FailedLookups(limit))
            }
        }
    }

    /// How many answers were held back.
    pub(super) fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }
}
