//! A number that many threads count up at once. Each thread counts in a stripe of its own, so that no cache line travels
//! between cores; a reader adds the stripes up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads beyond so many share stripes. That costs them time and nothing else.
const STRIPES: usize = 32;

/// A cache line, and the one that processors fetch along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

/// The number.
#[derive(Debug)]
pub(crate) struct Striped(Box<[Stripe; STRIPES]>);

impl Default for Striped {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Stripe::default())))
    }
}

impl Striped {
    /// Counts one more.
    pub(crate) fn add_one(&self) {
        self.0[stripe()].0.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

/// The stripe of this thread.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        /// Larger than any stripe until the thread has one.
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() >= STRIPES {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn nothing_is_lost_when_threads_count_at_once() {
        let number = Striped::default();
        thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1_000).for_each(|_| number.add_one()));
            }
        });
        assert_eq!(number.sum(), 2 * STRIPES as u64 * 1_000);
    }
}
