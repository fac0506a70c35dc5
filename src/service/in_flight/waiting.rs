//! Those who wait for bytes to become free. Who has freed some wakes only those for whom there is room now: a crowd that waits costs
//! others next to nothing.

use super::budget::Share;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// To receive a message.
    Message,
    /// To receive a small one, for which there may be room although there is none for others.
    SmallMessage,
    /// To make an answer.
    Answer,
}

/// How those who wait in one share are woken, each wish for itself, and one at a time.
#[derive(Debug, Default)]
pub(super) struct WakeUps {
    messages: Notify,
    small_messages: Notify,
    answers: Notify,
}

/// The shares in which somebody waits.
#[derive(Debug, Default)]
pub(super) struct WaitingShares {
    /// How many wait; what there is room for is looked for only if anybody does.
    waiting: AtomicUsize,
    /// By where they are in memory.
    shares: Mutex<HashMap<usize, Waiting>>,
}

/// A share, and how many wait in it.
#[derive(Debug)]
struct Waiting {
    share: Arc<Share>,
    count: usize,
}

/// Somebody who waits, for as long as it lives.
pub(super) struct Waiter<'a> {
    among: &'a WaitingShares,
    share: &'a Arc<Share>,
}

impl Wish {
    fn of(self, wake_ups: &WakeUps) -> &Notify {
        match self {
            Self::Message => &wake_ups.messages,
            Self::SmallMessage => &wake_ups.small_messages,
            Self::Answer => &wake_ups.answers,
        }
    }
}

impl WaitingShares {
    /// Waits until `has_room`.
    pub(super) async fn wait(&self, share: &Arc<Share>, wish: Wish, has_room: impl Fn(&Share) -> bool) {
        if has_room(share) {
            return;
        }
        let _waiter = Waiter::begin(self, share);
        let wake_up = wish.of(share.wake_ups());
        loop {
            // What becomes free after this line is not missed.
            let woken = wake_up.notified();
            if has_room(share) {
                // It takes the room before the next one runs, who then looks whether there is more.
                wake_up.notify_one();
                return;
            }
            woken.await;
        }
    }

    /// Wakes those for whom there is room.
    pub(super) fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        for Waiting { share, .. } in self.shares().values() {
            for wish in [Wish::Message, Wish::SmallMessage, Wish::Answer] {
                if share.may_have_room(wish) {
                    wish.of(share.wake_ups()).notify_one();
                }
            }
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<usize, Waiting>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Waiter<'a> {
    fn begin(among: &'a WaitingShares, share: &'a Arc<Share>) -> Self {
        let waiting = || Waiting { share: Arc::clone(share), count: 0 };
        among.shares().entry(Arc::as_ptr(share).addr()).or_insert_with(waiting).count += 1;
        among.waiting.fetch_add(1, Ordering::SeqCst);
        Self { among, share }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.among.waiting.fetch_sub(1, Ordering::SeqCst);
        let address = Arc::as_ptr(self.share).addr();
        let mut shares = self.among.shares();
        if let Some(waiting) = shares.get_mut(&address) {
            waiting.count -= 1;
            if waiting.count == 0 {
                shares.remove(&address);
            }
        }
    }
}
