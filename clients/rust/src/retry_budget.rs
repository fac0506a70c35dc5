//! A bound for the repetitions of all calls of a client together.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The budget is counted in tenths of a token.
const TOKEN: u32 = 10;

/// The reserve: a thousand tokens.
const FULL: u32 = 1_000 * TOKEN;

/// How much more a server that is reached, but can't be used, gets to do by repetitions. Each answer `UNAVAILABLE` takes a token
/// before its call is repeated, and each call that succeeds gives a tenth of one back: in the long run, repetitions are at most a
/// tenth of the calls that succeed. A server that is not there has nothing to bear, so its absence takes none; one that starts or stops
/// (`NOT_READY`) soon ends or serves, refuses at little cost, and asks for the repetition.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub(crate) fn full() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// A call has succeeded.
    pub(crate) fn note_success(&self) {
        // Tasks of all threads come by here: while nothing is missing they share what they only read.
        if self.0.load(Relaxed) < FULL {
            // An error means that others have filled it meanwhile.
            self.0.fetch_update(Relaxed, Relaxed, |tenths| (tenths < FULL).then_some(tenths + 1)).ok();
        }
    }

    /// Whether there is a token for what was answered.
    pub(crate) fn pays(&self, charge: &Charge) -> bool {
        *charge.0.get_or_init(|| self.take())
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |tenths| tenths.checked_sub(TOKEN)).is_ok()
    }
}

/// What the repetition costs after one answer of a server. If it was the end of a stream, all calls on it share the charge, and
/// with it whether it was paid: they are repeated together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Charge(Arc<OnceLock<bool>>);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn tokens_taken(budget: &RetryBudget) -> usize {
        (0..FULL).take_while(|_| budget.take()).count()
    }

    #[test]
    fn there_are_a_thousand_tokens_and_no_more() {
        let budget = RetryBudget::full();
        budget.note_success();
        assert_eq!(tokens_taken(&budget), 1_000);
        assert!(!budget.take());
    }

    #[test]
    fn ten_calls_that_succeed_give_a_token_back() {
        let budget = RetryBudget::full();
        tokens_taken(&budget);
        (0..9).for_each(|_| budget.note_success());
        assert!(!budget.take());
        budget.note_success();
        assert_eq!(tokens_taken(&budget), 1);
        (0..20_000).for_each(|_| budget.note_success());
        assert_eq!(tokens_taken(&budget), 1_000);
    }

    #[test]
    fn calls_that_share_an_answer_pay_one_token_together() {
        let (budget, first, last) = (RetryBudget::full(), Charge::default(), Charge::default());
        assert!(budget.pays(&first) && budget.pays(&first.clone()));
        assert_eq!(tokens_taken(&budget), 999);
        assert!(!budget.pays(&last));
        budget.note_success();
        assert!(budget.pays(&first) && !budget.pays(&last), "it was settled once for all of them");
    }

    #[test]
    fn threads_lose_no_token_and_make_none() {
        let budget = RetryBudget::full();
        let taken: usize = thread::scope(|scope| {
            let work = || (0..1_000).filter(|_| budget.take()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(taken, 1_000);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| budget.note_success()));
            }
        });
        assert_eq!(tokens_taken(&budget), 400);
    }
}
