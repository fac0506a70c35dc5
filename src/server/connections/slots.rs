//! The connections that may be open, and which has to go when there are too many.
//!
//! While all seats are taken and somebody waits, a connection goes that is of no use to anyone: one that never finished its
//! greeting, or else the one that has been quiet for longest. A connection that is at work is never closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Between two looks for a connection that can go, while somebody waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of so many connections may be told to go in each look, so that a crowd that waits is let in quickly.
const LEAVING_PART: usize = 256;

/// A greeting that is not finished after so long can go, and so can a connection without a call for so long.
const QUIET: Duration = Duration::from_secs(1);

/// A connection with calls on which nothing was said for so long can go: they are streams that nobody uses at present.
const QUIET_WITH_CALLS: Duration = Duration::from_secs(10);

/// A connection of which so many requests did not arrive, or so many answers were not taken, is closed.
const MAX_OFFENCES: u32 = 100;

/// The seats of a server.
#[derive(Debug)]
pub(in crate::server) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Arc<Sitter>>>,
    /// What moments are counted from.
    began: Instant,
    next: AtomicU64,
}

/// The seat of one connection, for as long as it is kept.
#[derive(Debug)]
pub(in crate::server) struct Seat {
    number: u64,
    seats: Arc<Seats>,
    sitter: Arc<Sitter>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of a connection.
#[derive(Debug)]
struct Sitter {
    has_greeted: AtomicBool,
    /// Calls that are being answered.
    calls: AtomicUsize,
    /// When something was last said, in milliseconds.
    last_said: AtomicU64,
    leave: Notify,
    is_leaving: AtomicBool,
    /// How often it has kept the server waiting for too long.
    offences: AtomicU32,
    /// It has done harm, and is not waited for.
    is_cut_off: AtomicBool,
}

/// A call that is being answered, for as long as it is kept.
#[derive(Debug)]
pub(in crate::server) struct Call(Arc<Seat>);

impl Seats {
    pub(in crate::server) fn new(number: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(number)),
            taken: Mutex::default(),
            began: Instant::now(),
            next: AtomicU64::new(0),
        })
    }

    /// Waits for a seat. If none is free, a connection that is of no use has to go. `None` once there are no seats any more.
    pub(in crate::server) async fn take(self: &Arc<Self>) -> Option<Seat> {
        loop {
            match timeout(LOOK_EVERY, Arc::clone(&self.free).acquire_owned()).await {
                Ok(permit) => return permit.ok().map(|permit| self.seat(permit)),
                Err(_) => self.send_away(),
            }
        }
    }

    fn seat(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Seat {
        let sitter = Arc::new(Sitter {
            has_greeted: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            last_said: AtomicU64::new(self.now()),
            leave: Notify::new(),
            is_leaving: AtomicBool::new(false),
            offences: AtomicU32::new(0),
            is_cut_off: AtomicBool::new(false),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.taken().insert(number, Arc::clone(&sitter));
        Seat { number, seats: Arc::clone(self), sitter, _permit: permit }
    }

    /// Tells those connections to go that can be spared best. Those that were told before free their seats shortly.
    fn send_away(&self) {
        let now = self.now();
        let taken = self.taken();
        let is_leaving = |sitter: &Sitter| sitter.is_leaving.load(Ordering::Relaxed);
        let leaving = taken.values().filter(|sitter| is_leaving(sitter)).count();
        let more = (1 + taken.len() / LEAVING_PART).saturating_sub(leaving);
        let mut spared: Vec<_> = taken
            .values()
            .filter(|sitter| !is_leaving(sitter))
            .filter_map(|sitter| Some((sitter.usefulness(now)?, sitter)))
            .collect();
        spared.sort_unstable_by_key(|(usefulness, _)| *usefulness);
        for (_, sitter) in spared.into_iter().take(more) {
            sitter.is_leaving.store(true, Ordering::Relaxed);
            sitter.leave.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Sitter>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sitter {
    /// The least useful goes first; `None` if it can't go. Those alike go in the order in which they fell silent.
    fn usefulness(&self, now: u64) -> Option<(u8, u64)> {
        let last_said = self.last_said.load(Ordering::Relaxed);
        let (rank, quiet) = if !self.has_greeted.load(Ordering::Relaxed) {
            (0, QUIET)
        } else if self.calls.load(Ordering::Relaxed) == 0 {
            (1, QUIET)
        } else {
            (2, QUIET_WITH_CALLS)
        };
        let has_been_quiet = Duration::from_millis(now.saturating_sub(last_said)) >= quiet;
        has_been_quiet.then_some((rank, last_said))
    }
}

impl Seat {
    /// The greeting is finished.
    pub(super) fn greeted(&self) {
        self.sitter.has_greeted.store(true, Ordering::Relaxed);
        self.says();
    }

    /// Something is said, by either side.
    pub(in crate::server) fn says(&self) {
        self.sitter.last_said.store(self.seats.now(), Ordering::Relaxed);
    }

    /// Begins a call.
    pub(in crate::server) fn begin_call(self: &Arc<Self>) -> Call {
        self.sitter.calls.fetch_add(1, Ordering::Relaxed);
        self.says();
        Call(Arc::clone(self))
    }

    /// Counts that the connection has kept the server waiting for too long. One that does so over and over is closed.
    pub(in crate::server) fn offend(&self) {
        if self.sitter.offences.fetch_add(1, Ordering::Relaxed) + 1 < MAX_OFFENCES {
            return;
        }
        self.sitter.is_cut_off.store(true, Ordering::Relaxed);
        self.sitter.is_leaving.store(true, Ordering::Relaxed);
        self.sitter.leave.notify_one();
    }

    /// Resolves when the connection has to go.
    pub(super) async fn told_to_leave(&self) {
        self.sitter.leave.notified().await;
    }

    /// Whether the connection is not to be waited for.
    pub(super) fn is_cut_off(&self) -> bool {
        self.sitter.is_cut_off.load(Ordering::Relaxed)
    }

    /// Whether nothing was said for so long.
    pub(super) fn is_quiet_for(&self, duration: Duration) -> bool {
        let last_said = self.sitter.last_said.load(Ordering::Relaxed);
        Duration::from_millis(self.seats.now().saturating_sub(last_said)) >= duration
    }
}

impl Call {
    /// Something is said, by either side.
    pub(in crate::server) fn says(&self) {
        self.0.says();
    }

    /// The caller has kept the server waiting for too long.
    pub(in crate::server) fn offends(&self) {
        self.0.offend();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.sitter.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.says();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn quiet_for(duration: Duration) {
        tokio::time::advance(duration).await;
    }

    async fn is_told(seat: &Seat) -> bool {
        timeout(Duration::ZERO, seat.told_to_leave()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_unfinished_go_before_the_idle_and_those_before_silent_streams() {
        let seats = Seats::new(4);
        let mut sitting = Vec::new();
        for _ in 0..4 {
            sitting.push(Arc::new(seats.take().await.expect("a seat is free")));
        }
        let [stream, late, early, unfinished] = &sitting[..] else { panic!("there are four") };
        let _call = stream.begin_call();
        for seat in [stream, early, late] {
            seat.greeted();
            quiet_for(Duration::from_millis(10)).await;
        }
        seats.send_away();
        for seat in &sitting {
            assert!(!is_told(seat).await, "none has been quiet for long");
        }
        quiet_for(QUIET_WITH_CALLS).await;
        for (number, next) in [unfinished, early, late, stream].into_iter().enumerate() {
            seats.send_away();
            assert!(is_told(next).await, "number {number}");
            // As if it had gone.
            seats.taken().remove(&next.number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_at_work_stays() {
        let seats = Seats::new(1);
        let seat = Arc::new(seats.take().await.expect("a seat is free"));
        seat.greeted();
        let call = seat.begin_call();
        quiet_for(QUIET_WITH_CALLS / 2).await;
        call.says();
        quiet_for(QUIET_WITH_CALLS / 2).await;
        seats.send_away();
        assert!(!is_told(&seat).await);
        drop(seat);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_seat_of_one_that_is_idle() {
        let seats = Seats::new(1);
        let seat = seats.take().await.expect("a seat is free");
        let leaves = tokio::spawn(async move { seat.told_to_leave().await });
        assert!(timeout(Duration::from_secs(2), seats.take()).await.is_ok());
        leaves.await.expect("it was told to");
    }
}
