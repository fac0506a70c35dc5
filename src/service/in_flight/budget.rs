//! What the whole process has room for, and what each connection takes of it: requests in flight, and the bytes of messages
//! that are not whole yet or not taken yet.

use super::waiting::{WaitingShares, WakeUps, Wish};
use crate::service::errors::status::Refusal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// One connection may have so many requests in flight for each further one that the budget allows. So a single connection
/// can use nearly all of the budget, and when many want all of it, some is left for those that want little.
const REQUESTS_PER_FREE_ONE: usize = 8;

/// This part of the requests is kept for connections that have only [`FEW`]: connections that take all they can, one after
/// the other, would leave none.
const KEPT_PART: usize = 16;

const FEW: usize = 4;

/// The same part of the bytes is kept for connections that hold only so much, with a message that they want to send: others that take all
/// they can, and never let it go, would leave none.
const LITTLE: usize = 32 << 10;

/// Room is scarce when less than this part of it is free.
const SCARCE_PART: usize = 4;

/// This part of the bytes is kept for messages that wait for room: what is here or on its way of each has left the peer.
/// With the settings as they are by default, every stream that one connection may have can wait.
const WAITING_PART: usize = 2;

/// What of a message may be on its way before the server reads it: the window of each stream, as large as HTTP/2 makes it by
/// default.
pub(crate) const STREAM_WINDOW: u32 = 65_535;

/// The bounds of the whole process.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests in flight.
    pub requests: usize,
    /// Bytes of messages that are held.
    pub bytes: usize,
    /// Those that one connection may hold.
    pub connection_bytes: usize,
}

/// What the whole process has room for. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(pub(super) Arc<Room>);

#[derive(Debug)]
pub(super) struct Room {
    pub(super) bounds: Bounds,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    /// Bytes that are on their way, of messages that wait for room.
    on_their_way: AtomicUsize,
    /// What open calls take.
    pub(super) open: AtomicUsize,
    waiting: WaitingShares,
    draining: AtomicBool,
}

/// What one connection takes of the room.
#[derive(Debug)]
pub struct Share {
    pub(super) room: Arc<Room>,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    /// The part of the bytes that is answers.
    answers: AtomicUsize,
    on_their_way: AtomicUsize,
    pub(super) open: AtomicUsize,
    /// How often something came that a call needs.
    uses: AtomicUsize,
    wake_ups: WakeUps,
    /// Tells the connection that `on_their_way` has changed.
    window: Notify,
}

/// What is on its way of a message that waits for room, for as long as it waits.
#[derive(Debug)]
pub struct OnItsWay {
    share: Arc<Share>,
    bytes: usize,
}

/// A request in flight, or bytes that are held, or both. They are given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    share: Arc<Share>,
    requests: usize,
    bytes: usize,
    /// Whether the bytes are those of an answer.
    is_answer: bool,
}

impl Budget {
    /// Room within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Room {
            bounds,
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            on_their_way: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            waiting: WaitingShares::default(),
            draining: AtomicBool::new(false),
        }))
    }

    /// What a new connection takes.
    #[must_use]
    pub fn share(&self) -> Arc<Share> {
        let room = Arc::clone(&self.0);
        let [requests, bytes, answers, on_their_way, open, uses] = [0; 6].map(AtomicUsize::new);
        let (wake_ups, window) = (WakeUps::default(), Notify::new());
        Arc::new(Share { room, requests, bytes, answers, on_their_way, open, uses, wake_ups, window })
    }

    /// Requests in flight.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Bytes of messages that are held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// From now on every peer has only as much time as when room is scarce.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }
}

impl Share {
    /// Counts a request as in flight, and so its answer. It is refused at once, instead of queueing, when there are
    /// too many, or when this connection has more than its part of them.
    pub fn take(self: &Arc<Self>) -> Result<Held, Refusal> {
        let own = self.requests.fetch_add(1, Ordering::Relaxed);
        let all = self.room.requests.fetch_add(1, Ordering::Relaxed);
        // Given back at once if it is one too many.
        let held = Held { share: Arc::clone(self), requests: 1, bytes: 0, is_answer: true };
        let free = self.room.bounds.requests.saturating_sub(all);
        let is_kept = free <= self.room.bounds.requests / KEPT_PART;
        let may_take = own < free.saturating_mul(REQUESTS_PER_FREE_ONE) && (!is_kept || own < FEW);
        if may_take { Ok(held) } else { Err(Refusal::TooManyRequests) }
    }

    /// Holds these bytes of a request, whether or not there is room: the caller has waited for room, or can't.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        let mut held = Held { share: Arc::clone(self), requests: 0, bytes: 0, is_answer: false };
        held.add(bytes);
        held
    }

    /// Holds these bytes of an answer, likewise.
    pub fn hold_answer(self: &Arc<Self>, bytes: usize) -> Held {
        let mut held = Held { share: Arc::clone(self), requests: 0, bytes: 0, is_answer: true };
        held.add(bytes);
        held
    }

    /// Notes that something came that a call needs: a part of its messages. Its head does not count, since
    /// nothing may follow it.
    pub fn note_use(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the connection has no call at all: neither one of which anything is held, nor one that waits for something.
    pub fn has_no_call(&self) -> bool {
        [&self.requests, &self.bytes, &self.on_their_way, &self.open].iter().all(|own| own.load(Ordering::Relaxed) == 0)
    }

    /// How often something came that a call needs.
    pub fn uses(&self) -> usize {
        self.uses.load(Ordering::Relaxed)
    }

    /// Whether the connection may receive another message, of so many bytes. It may exceed its bound by that message.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        let own = self.bytes.load(Ordering::SeqCst);
        let kept = if own.saturating_add(bytes) <= LITTLE { 0 } else { self.room.bounds.kept_for_little() };
        own < self.room.bounds.connection_bytes && own < self.free().saturating_sub(kept)
    }

    /// Whether the connection may have another answer. While it holds no answer at all, what it has received makes no
    /// difference: that stays until it is answered.
    pub fn has_room_to_answer(&self) -> bool {
        let own = self.answers.load(Ordering::SeqCst);
        own == 0 || own < self.room.bounds.connection_bytes && self.bytes.load(Ordering::SeqCst) < self.free()
    }

    /// Waits until [`has_room_for`](Self::has_room_for) as much.
    pub async fn room_for(self: &Arc<Self>, bytes: usize) {
        let wish = if bytes <= LITTLE { Wish::SmallMessage } else { Wish::Message };
        self.room.waiting.wait(self, wish, |share| share.has_room_for(bytes)).await;
    }

    /// Whether there is room for somebody who wants it, as far as that can be told without the size of his message.
    pub(super) fn may_have_room(&self, wish: Wish) -> bool {
        match wish {
            Wish::Message => self.has_room_for(LITTLE + 1),
            Wish::SmallMessage => self.has_room_for(0),
            Wish::Answer => self.has_room_to_answer(),
        }
    }

    /// Waits until [`has_room_to_answer`](Self::has_room_to_answer).
    pub async fn room_to_answer(self: &Arc<Self>) {
        self.room.waiting.wait(self, Wish::Answer, Self::has_room_to_answer).await;
    }

    /// How those are woken who wait in it.
    pub(super) fn wake_ups(&self) -> &WakeUps {
        &self.wake_ups
    }

    /// Lets a message of so many bytes wait for room. As much of it may be here as its stream's window allows. The
    /// connection's window is opened by as much: otherwise messages that wait would fill it, and those that have room could
    /// never arrive. `None` if too many wait already, or if this connection has more than its part of them.
    pub fn wait(self: &Arc<Self>, bytes: usize) -> Option<OnItsWay> {
        let bytes = bytes.min(STREAM_WINDOW as usize);
        let own = self.on_their_way.fetch_add(bytes, Ordering::Relaxed);
        let all = self.room.on_their_way.fetch_add(bytes, Ordering::Relaxed);
        // Given back at once if it is one too many.
        let on_its_way = OnItsWay { share: Arc::clone(self), bytes };
        let free = self.room.bounds.kept_for_waiting().saturating_sub(all);
        let may_wait = own < self.room.bounds.connection_bytes && own < free;
        may_wait.then(|| {
            self.window.notify_one();
            on_its_way
        })
    }

    /// Bytes on their way that the connection's window must have room for, beside what it has room for anyway.
    pub fn on_their_way(&self) -> usize {
        self.on_their_way.load(Ordering::Relaxed)
    }

    /// Waits until [`on_their_way`](Self::on_their_way) changes.
    pub async fn window_changed(&self) {
        self.window.notified().await;
    }

    /// Bytes that nobody holds.
    fn free(&self) -> usize {
        self.room.bounds.held().saturating_sub(self.room.bytes.load(Ordering::SeqCst))
    }

    /// Whether the server drains.
    pub fn is_draining(&self) -> bool {
        self.room.draining.load(Ordering::Relaxed)
    }

    /// Whether a peer that keeps the server waiting should be given up early: the server drains, or room is scarce and this
    /// connection holds a good part of it.
    pub fn is_pressed(&self) -> bool {
        let Room { bounds, requests, bytes, .. } = &*self.room;
        let presses = |own: &AtomicUsize, all: &AtomicUsize, bound: usize| {
            let free = bound.saturating_sub(all.load(Ordering::Relaxed));
            free < bound / SCARCE_PART && own.load(Ordering::Relaxed).saturating_mul(2) >= free
        };
        self.is_draining()
            || presses(&self.requests, requests, bounds.requests)
            || presses(&self.bytes, bytes, bounds.held())
    }
}

impl Bounds {
    fn kept_for_waiting(&self) -> usize {
        self.bytes / WAITING_PART
    }

    fn kept_for_little(&self) -> usize {
        self.held() / KEPT_PART
    }

    /// What can be held of messages that don't wait.
    fn held(&self) -> usize {
        self.bytes - self.kept_for_waiting()
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.share.on_their_way.fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.room.on_their_way.fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.window.notify_one();
    }
}

impl Held {
    /// Holds more bytes.
    pub fn add(&mut self, bytes: usize) {
        if bytes > 0 {
            self.share.bytes.fetch_add(bytes, Ordering::SeqCst);
            self.share.room.bytes.fetch_add(bytes, Ordering::SeqCst);
            if self.is_answer {
                self.share.answers.fetch_add(bytes, Ordering::SeqCst);
            }
            self.bytes += bytes;
        }
    }

    /// Holds so many bytes, instead of those that it held.
    pub fn set(&mut self, bytes: usize) {
        let before = std::mem::take(&mut self.bytes);
        // In this order, so that nobody takes for free what is only exchanged.
        self.add(bytes);
        self.share.free_bytes(before, self.is_answer);
    }

    /// The part that holds so many of its bytes.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { share: Arc::clone(&self.share), requests: 0, bytes, is_answer: self.is_answer }
    }

    /// Counts the request as in flight no longer, and keeps the bytes.
    pub fn leave(&mut self) {
        self.share.leave(std::mem::take(&mut self.requests));
    }
}

impl Share {
    fn leave(&self, requests: usize) {
        if requests > 0 {
            self.requests.fetch_sub(requests, Ordering::Relaxed);
            self.room.requests.fetch_sub(requests, Ordering::Relaxed);
        }
    }

    fn free_bytes(&self, bytes: usize, is_answer: bool) {
        if bytes > 0 {
            if is_answer {
                self.answers.fetch_sub(bytes, Ordering::SeqCst);
            }
            self.bytes.fetch_sub(bytes, Ordering::SeqCst);
            self.room.bytes.fetch_sub(bytes, Ordering::SeqCst);
            self.room.waiting.wake();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.leave(self.requests);
        self.share.free_bytes(self.bytes, self.is_answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::from_fn;
    use std::time::Duration;
    use tokio::time::timeout;

    fn budget(requests: usize, bytes: usize, connection_bytes: usize) -> Budget {
        Budget::new(Bounds { requests, bytes, connection_bytes })
    }

    fn greedy(share: &Arc<Share>) -> Vec<Held> {
        from_fn(|| share.take().ok()).collect()
    }

    #[test]
    fn ten_greedy_connections_leave_some_budget_for_others() {
        let budget = budget(10_000, 0, 0);
        let held: Vec<Vec<Held>> = (0..10).map(|_| greedy(&budget.share())).collect();
        assert!(held.iter().flatten().count() > 9_000);
        let others: Vec<Held> = (0..50).map(|_| budget.share().take().expect("some budget is left")).collect();
        drop((held, others));
        assert_eq!(budget.0.requests.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_small_budget_can_be_taken_by_one_connection() {
        for bound in 1..=8 {
            assert_eq!(greedy(&budget(bound, 0, 0).share()).len(), bound);
        }
    }

    #[test]
    fn bytes_are_bounded_for_a_connection_and_shared_by_all() {
        let budget = budget(1, 2_000, 400);
        let fill = |share: &Arc<Share>| from_fn(|| share.has_room_for(1).then(|| share.hold(100))).collect::<Vec<_>>();
        let first = budget.share();
        let held = fill(&first);
        assert_eq!(held.len(), 4);
        let others: Vec<_> = (0..3).map(|_| fill(&budget.share())).collect();
        assert!(others.iter().all(|held| !held.is_empty()), "each gets something");
        assert!(!first.has_room_for(1));
        drop((held, others));
        assert!(first.has_room_for(1));
        assert_eq!(budget.0.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_for_those_who_hold_little_is_not_for_large_messages() {
        let budget = budget(1, 32 << 20, 16 << 20);
        let large = 1 << 20;
        let greedy: Vec<_> = from_fn(|| {
            let share = budget.share();
            share.has_room_for(large).then(|| share.hold(large))
        })
        .collect();
        assert_eq!(greedy.len(), 15, "of 16 MiB that do not wait");
        let (other, large_one) = (budget.share(), budget.share());
        assert!(other.has_room_for(LITTLE) && !other.has_room_for(LITTLE + 1) && !large_one.has_room_for(large));
        let held = other.hold(LITTLE);
        assert!(!other.has_room_for(1), "it holds more than little now");
        let waits = Arc::clone(&other);
        let waiting = tokio::spawn(async move { waits.room_for(1).await });
        tokio::task::yield_now().await;
        drop(held);
        timeout(Duration::from_secs(60), waiting).await.expect("it is woken").expect("it does not panic");
        drop(greedy);
        assert!(large_one.has_room_for(large));
    }

    #[test]
    fn what_was_received_can_always_be_answered() {
        let share = budget(1, 1_000, 400).share();
        let _received = share.hold(900);
        assert!(!share.has_room_for(1) && share.has_room_to_answer());
        let _answer = share.hold_answer(1);
        assert!(!share.has_room_to_answer());
    }

    #[test]
    fn as_many_messages_wait_as_one_connection_may_have_streams() {
        let (streams, all, of_one) = (1_000, 256 << 20, 64 << 20);
        let share = budget(1, all, of_one).share();
        let waiting: Vec<_> = (0..streams).map(|_| share.wait(4 << 20).expect("there is room to wait")).collect();
        assert_eq!(share.on_their_way(), streams * STREAM_WINDOW as usize);
        drop(waiting);
        assert_eq!(share.on_their_way(), 0);
    }

    #[test]
    fn messages_that_wait_are_bounded_for_a_connection_and_shared_by_all() {
        let budget = budget(1, 4_000, 600);
        let fill = |share: &Arc<Share>| from_fn(|| share.wait(100)).collect::<Vec<_>>();
        let shares: Vec<_> = (0..20).map(|_| budget.share()).collect();
        let waiting: Vec<_> = shares.iter().map(fill).collect();
        assert_eq!(waiting[0].len(), 6);
        assert!(budget.0.on_their_way.load(Ordering::Relaxed) <= 2_000);
        assert!(!waiting[4].is_empty(), "others get something");
    }

    #[test]
    fn parts_add_up() {
        let budget = budget(1, 1_000, 1_000);
        let mut held = budget.share().take().expect("it is the first");
        held.add(300);
        let part = held.split(100);
        held.set(50);
        assert_eq!((held.bytes, part.bytes, budget.0.bytes.load(Ordering::Relaxed)), (50, 100, 150));
        held.leave();
        assert_eq!(budget.0.requests.load(Ordering::Relaxed), 0);
        drop((held, part));
        assert_eq!(budget.0.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_is_woken() {
        let share = budget(1, 1_000, 100).share();
        let held = share.hold(100);
        assert!(timeout(Duration::from_secs(60), share.room_for(1)).await.is_err());
        let waits = Arc::clone(&share);
        let waiting = tokio::spawn(async move { waits.room_for(1).await });
        tokio::task::yield_now().await;
        drop(held);
        timeout(Duration::from_secs(60), waiting).await.expect("it is woken").expect("it does not panic");
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_crowd_that_waits_only_those_are_woken_for_whom_there_is_room() {
        let budget = budget(1, 2_000, 300);
        let (crowded, other) = (budget.share(), budget.share());
        let mut held = vec![crowded.hold(100), crowded.hold(100), crowded.hold(100)];
        let looks = Arc::new(AtomicUsize::new(0));
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (share, looks) = (Arc::clone(&crowded), Arc::clone(&looks));
            crowd.spawn(async move {
                share.room_for(1).await;
                looks.fetch_add(1, Ordering::Relaxed);
                share.hold(100)
            });
        }
        let settled = || async { tokio::time::sleep(Duration::from_secs(1)).await };
        settled().await;
        for _ in 0..50 {
            drop(other.hold(100));
        }
        settled().await;
        assert_eq!(looks.load(Ordering::Relaxed), 0, "what others free is nothing to them");
        held.truncate(1);
        settled().await;
        assert_eq!(looks.load(Ordering::Relaxed), 2, "as many as there is room for");
        // Each makes room for the next.
        drop(held);
        while let Some(taken) = crowd.join_next().await {
            drop(taken.expect("it does not panic"));
        }
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn only_who_holds_much_is_pressed() {
        let budget = budget(1, 2_000, 1_000);
        let (much, little) = (budget.share(), budget.share());
        let _held = (much.hold(800), little.hold(1));
        assert_eq!((much.is_pressed(), little.is_pressed()), (true, false));
        budget.drain();
        assert!(little.is_pressed());
    }
}
