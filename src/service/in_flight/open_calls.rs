//! What calls take beside their messages while they are open: their heads, their tasks, the buffers of their streams. It has a bound of its
//! own, since it may last for as long as callers like: messages would have no room any more.

use super::budget::Share;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// This part of the bytes is there once more, for what open calls take beside their messages.
const OPEN_PART: usize = 4;

/// So many bytes each connection has for its open calls in any case: enough for a stream, and a few calls.
const OPEN_OF_EACH: usize = 64 << 10;

/// What a call takes beside its messages, such as its head and its task, until this is dropped: for as long as its message has not
/// arrived, or its stream is open.
#[derive(Debug)]
pub struct OpenCall {
    share: Arc<Share>,
    bytes: usize,
}

impl Share {
    /// Lets a call stay that takes so many bytes beside its messages. `None` if all calls take too much, or those of this connection more
    /// than their part of it.
    pub fn open_call(self: &Arc<Self>, bytes: usize) -> Option<OpenCall> {
        let own = self.open.fetch_add(bytes, Ordering::Relaxed);
        let all = self.room.open.fetch_add(bytes, Ordering::Relaxed);
        // Given back at once if it is one too many.
        let call = OpenCall { share: Arc::clone(self), bytes };
        let free = (self.room.bounds.bytes / OPEN_PART).saturating_sub(all);
        (own < OPEN_OF_EACH || own < free).then_some(call)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.share.open.fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.room.open.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Bounds, Budget};
    use super::*;
    use std::iter::from_fn;

    #[test]
    fn open_calls_are_bounded_and_every_connection_may_have_a_few() {
        let budget = Budget::new(Bounds { requests: 1, bytes: 64 << 20, connection_bytes: 1 });
        let fill = |share: &Arc<Share>| from_fn(|| share.open_call(10_000)).take(10_000).collect::<Vec<_>>();
        let greedy: Vec<_> = (0..100).map(|_| fill(&budget.share())).collect();
        let other = fill(&budget.share());
        assert_eq!(other.len(), 7);
        let taken = budget.0.open.load(Ordering::Relaxed);
        assert!(taken < (16 << 20) + 101 * (OPEN_OF_EACH + 10_000), "{taken}");
        drop((greedy, other));
        assert_eq!(budget.0.open.load(Ordering::Relaxed), 0);
    }
}
