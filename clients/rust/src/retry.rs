//! The deadline of a call, and its repetition while the server is unavailable.

use std::error::Error as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status};

use crate::lane::{Failure, is_not_ready};
use crate::retry_budget::{Charge, RetryBudget};
use crate::unsent::absence;

/// Stands for a deadline that lies beyond all time: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How often a call is repeated that met `UNAVAILABLE`; no other error is repeated, nor is a call that may have been carried
/// out, unless twice is the same as once.
///
/// All calls of a client and its clones share a retry budget: a reserve of 1,000 tokens. A repetition takes one if a server has
/// answered `UNAVAILABLE`, and none if no server was there or it starts or stops (`NOT_READY`); each call that succeeds gives a tenth of one back. Without a token a call
/// is not repeated. The end of the fast lane is one answer to all calls that waited on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included. The deadline of the call ends them earlier.
    pub attempts: u32,
    /// The longest pause after the first attempt; it doubles from attempt to attempt, up to 200 ms or itself if that is longer. What is
    /// taken is random between half of it and all of it, so that many clients do not come back at the same moment.
    pub pause: Duration,
}

/// No pause grows beyond this.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

impl Default for RetryPolicy {
    /// Twenty attempts within two to four seconds: longer than a server needs to restart.
    fn default() -> Self {
        Self { attempts: 20, pause: Duration::from_millis(100) }
    }
}

impl RetryPolicy {
    /// One attempt and no more.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: 1, pause: Duration::ZERO }
    }

    pub(crate) fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = self.pause.saturating_mul(2_u32.saturating_pow(attempt - 1));
        let longest = doubled.min(LONGEST_PAUSE.max(self.pause));
        // The standard library's only source of randomness; good enough to spread pauses.
        let random = RandomState::new().hash_one(attempt) % 1024;
        let share = 0.5 + f64::from(u16::try_from(random).unwrap_or_default()) / 2048.0;
        Duration::try_from_secs_f64(longest.as_secs_f64() * share).unwrap_or(longest)
    }
}

/// Why a stream did not begin: opening it twice does no harm.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if was_answered(&status) { Self::Answered(status) } else { Self::NotCarriedOut(status, None) }
    }
}

/// Whether a status came from a server. Only one that was made on this side has a source.
pub(crate) fn was_answered(status: &Status) -> bool {
    status.source().is_none()
}

impl Failure {
    /// What a failed unary call means. If no server answered, the call was not sent, or the connection was lost with it.
    pub(crate) fn of_unary(status: Status, is_idempotent: bool) -> Self {
        if was_answered(&status) {
            return Self::Answered(status);
        }
        match absence(status) {
            Ok(absence) => Self::NotCarriedOut(absence, None),
            Err(status) if is_idempotent => Self::NotCarriedOut(status, None),
            Err(status) => Self::Unknown(status, None),
        }
    }

    /// What a repetition costs: nothing if no server has answered, or if one that starts or stops asks for it.
    pub(crate) fn charge(&self) -> Option<Charge> {
        match self {
            Self::Answered(status) | Self::NotCarriedOut(status, _) | Self::Unknown(status, _)
                if is_not_ready(status) =>
            {
                None
            }
            Self::Answered(_) => Some(Charge::default()),
            Self::NotCarriedOut(_, charge) | Self::Unknown(_, charge) => charge.clone(),
            Self::Refused => None,
        }
    }

    /// The same failure, after another process of the store has answered in the same attempt, perhaps.
    pub(crate) fn after(self, earlier: Option<Charge>) -> Self {
        match self {
            Self::NotCarriedOut(status, None) => Self::NotCarriedOut(status, earlier),
            failure => failure,
        }
    }

    /// Whether the server can't be used now: it is not there, or is starting or shutting down.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Answered(status) | Self::NotCarriedOut(status, _) | Self::Unknown(status, _) => {
                status.code() == Code::Unavailable
            }
            Self::Refused => false,
        }
    }

    /// The one rule of what is repeated.
    pub(crate) fn may_be_repeated(&self) -> bool {
        match self {
            Self::Answered(status) | Self::NotCarriedOut(status, _) => status.code() == Code::Unavailable,
            Self::Unknown(..) | Self::Refused => false,
        }
    }

    /// Whether a server did not know the caller. It carried nothing out.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Answered(status) | Self::NotCarriedOut(status, _) => {
                status.code() == Code::Unauthenticated && was_answered(status)
            }
            Self::Unknown(..) | Self::Refused => false,
        }
    }

    fn into_status(self) -> Status {
        match self {
            Self::Answered(status) | Self::NotCarriedOut(status, _) | Self::Unknown(status, _) => status,
            Self::Refused => Status::unavailable("the stream was refused"),
        }
    }
}

/// The time that an attempt has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) end: Instant,
    /// How much is left, for the server.
    pub(crate) left: Duration,
}

impl Time {
    /// What is left of it now.
    pub(crate) fn rest(self) -> Self {
        Self { left: self.end.saturating_duration_since(Instant::now()), ..self }
    }
}

/// Runs `attempt` until it succeeds, fails for good, the budget has nothing left, or the deadline has passed. It is told how much
/// time it has.
pub(crate) async fn within<T, F>(
    deadline: Duration,
    policy: RetryPolicy,
    budget: &RetryBudget,
    mut attempt: impl FnMut(Time) -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<T, Failure>>,
{
    let start = Instant::now();
    // A deadline that is too far away is none.
    let end = start.checked_add(deadline).unwrap_or_else(|| start + LONGEST);
    let mut time = Time { end, left: deadline };
    let mut number = 1;
    let mut unavailable = None;
    loop {
        match timeout_at(end, attempt(time)).await {
            // That the server was unavailable a moment ago says more than that time is up.
            Err(_) => return Err(unavailable.unwrap_or_else(|| Status::deadline_exceeded("no answer"))),
            Ok(Err(failure)) if failure.may_be_repeated() && number < policy.attempts => {
                let charge = failure.charge();
                let status = failure.into_status();
                let pause = policy.pause_after(number);
                let is_late = start.elapsed() + pause >= deadline;
                if is_late || charge.is_some_and(|charge| !budget.pays(&charge)) {
                    return Err(status);
                }
                sleep(pause).await;
                time = time.rest();
                unavailable = Some(status);
                number += 1;
            }
            Ok(result) => {
                if result.is_ok() {
                    budget.note_success();
                }
                return result.map_err(Failure::into_status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn unavailable_is_repeated_and_the_time_left_shrinks() {
        let calls = Cell::new(0);
        let previous = Cell::new(SECOND + Duration::from_nanos(1));
        let result = within(SECOND, RetryPolicy::default(), &RetryBudget::full(), |Time { left, .. }| {
            assert!(left < previous.replace(left));
            calls.set(calls.get() + 1);
            let result =
                if calls.get() < 3 { Err(Failure::Answered(Status::unavailable("starting"))) } else { Ok("answer") };
            async { result }
        })
        .await;
        assert_eq!(result.expect("the third attempt succeeds"), "answer");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_attempts_is_bounded() {
        let calls = Cell::new(0);
        let policy = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
        let result: Result<(), _> = within(SECOND, policy, &RetryBudget::full(), |_| {
            calls.set(calls.get() + 1);
            async { Err(Failure::Answered(Status::unavailable("starting"))) }
        })
        .await;
        assert_eq!(result.expect_err("every attempt failed").code(), Code::Unavailable);
        assert_eq!(calls.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_error_is_repeated() {
        for code in [Code::Aborted, Code::DeadlineExceeded, Code::Internal, Code::ResourceExhausted, Code::Unknown] {
            let calls = Cell::new(0);
            let result: Result<(), _> = within(SECOND, RetryPolicy::default(), &RetryBudget::full(), |_| {
                calls.set(calls.get() + 1);
                async move { Err(Failure::Answered(Status::new(code, ""))) }
            })
            .await;
            assert_eq!(result.expect_err("the attempt failed").code(), code);
            assert_eq!(calls.get(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends_at_its_deadline() {
        let start = Instant::now();
        let result: Result<(), _> = within(SECOND, RetryPolicy::default(), &RetryBudget::full(), |_| pending()).await;
        assert_eq!(result.expect_err("nothing answers").code(), Code::DeadlineExceeded);
        assert_eq!(start.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_goes_beyond_the_deadline() {
        let start = Instant::now();
        let policy = RetryPolicy { attempts: 100, pause: Duration::from_millis(400) };
        let result: Result<(), _> = within(SECOND, policy, &RetryBudget::full(), |_| async {
            Err(Failure::Answered(Status::unavailable("starting")))
        })
        .await;
        assert_eq!(result.expect_err("every attempt failed").code(), Code::Unavailable);
        assert!(start.elapsed() < SECOND);
    }

    #[test]
    fn pauses_grow_and_stay_within_their_bounds() {
        let policy = RetryPolicy { attempts: u32::MAX, pause: Duration::from_millis(100) };
        for (attempt, longest) in [(1, 100), (2, 200), (3, 200), (1_000, 200)] {
            let pause = policy.pause_after(attempt).as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause} ms after attempt {attempt}");
        }
        let slow = RetryPolicy { attempts: 3, pause: SECOND };
        assert!((SECOND / 2..=SECOND).contains(&slow.pause_after(2)));
    }
}
