//! The slots for connections: how many may be open, and which one is closed when there are too many.
//!
//! While all slots are taken and a new connection waits, an idle one is evicted: one that never finished its handshake, or
//! else the one that has been idle for longest. A connection that is at work is never evicted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// How often the server looks for a connection to evict while a new one waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Each look evicts at most one connection in so many, and at least one: a crowd that waits is let in quickly.
const EVICTED_PART: usize = 256;

/// A connection can be evicted if its handshake takes longer than this, or if it has had no call for so long.
const IDLE: Duration = Duration::from_secs(1);

/// A connection with calls can be evicted if no byte went either way for so long: its calls are streams that nobody uses
/// at present.
const IDLE_WITH_CALLS: Duration = Duration::from_secs(10);

/// A connection of which so many requests did not arrive, or so many answers were not taken, is closed.
const MAX_OFFENCES: u32 = 100;

/// All slots of the server.
#[derive(Debug)]
pub(in crate::server) struct Slots {
    free: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Arc<Occupant>>>,
    /// Moments are counted in milliseconds from here.
    began: Instant,
    next: AtomicU64,
}

/// The slot of one connection. It is free again when this is dropped.
#[derive(Debug)]
pub(in crate::server) struct Slot {
    number: u64,
    slots: Arc<Slots>,
    occupant: Arc<Occupant>,
    _permit: OwnedSemaphorePermit,
}

/// The connection in a slot.
#[derive(Debug)]
struct Occupant {
    is_established: AtomicBool,
    /// Calls that are being answered.
    calls: AtomicUsize,
    /// When a byte last went either way, in milliseconds.
    last_active: AtomicU64,
    eviction: Notify,
    is_evicted: AtomicBool,
    /// How often it has kept the server waiting for too long.
    offences: AtomicU32,
    /// It has done harm: it is closed at once, whatever it is doing.
    is_cut_off: AtomicBool,
}

/// A call that is being answered. It counts until this is dropped.
#[derive(Debug)]
pub(in crate::server) struct ActiveCall(Arc<Slot>);

impl Slots {
    pub(in crate::server) fn new(number: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(number)),
            taken: Mutex::default(),
            began: Instant::now(),
            next: AtomicU64::new(0),
        })
    }

    /// Waits for a slot. While none is free, idle connections are evicted. `None` once there are no slots any more.
    pub(in crate::server) async fn take(self: &Arc<Self>) -> Option<Slot> {
        loop {
            match timeout(LOOK_EVERY, Arc::clone(&self.free).acquire_owned()).await {
                Ok(permit) => return permit.ok().map(|permit| self.slot(permit)),
                Err(_) => self.evict(),
            }
        }
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        let occupant = Arc::new(Occupant {
            is_established: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            last_active: AtomicU64::new(self.now()),
            eviction: Notify::new(),
            is_evicted: AtomicBool::new(false),
            offences: AtomicU32::new(0),
            is_cut_off: AtomicBool::new(false),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.taken().insert(number, Arc::clone(&occupant));
        Slot { number, slots: Arc::clone(self), occupant, _permit: permit }
    }

    /// Evicts the connections that are missed least. Those that were evicted before free their slots shortly.
    fn evict(&self) {
        let now = self.now();
        let taken = self.taken();
        let is_evicted = |occupant: &Occupant| occupant.is_evicted.load(Ordering::Relaxed);
        let evicted = taken.values().filter(|occupant| is_evicted(occupant)).count();
        let more = (1 + taken.len() / EVICTED_PART).saturating_sub(evicted);
        let mut candidates: Vec<_> = taken
            .values()
            .filter(|occupant| !is_evicted(occupant))
            .filter_map(|occupant| Some((occupant.eviction_rank(now)?, occupant)))
            .collect();
        candidates.sort_unstable_by_key(|(eviction_rank, _)| *eviction_rank);
        for (_, occupant) in candidates.into_iter().take(more) {
            occupant.is_evicted.store(true, Ordering::Relaxed);
            occupant.eviction.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Occupant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupant {
    /// The lowest rank is evicted first; `None` if the connection must stay. Among equals, the one that has been idle for
    /// longest has the lowest rank.
    fn eviction_rank(&self, now: u64) -> Option<(u8, u64)> {
        let last_active = self.last_active.load(Ordering::Relaxed);
        let (rank, idle) = if !self.is_established.load(Ordering::Relaxed) {
            (0, IDLE)
        } else if self.calls.load(Ordering::Relaxed) == 0 {
            (1, IDLE)
        } else {
            (2, IDLE_WITH_CALLS)
        };
        let has_been_idle = Duration::from_millis(now.saturating_sub(last_active)) >= idle;
        has_been_idle.then_some((rank, last_active))
    }
}

impl Slot {
    /// Notes that the handshake is finished.
    pub(super) fn established(&self) {
        self.occupant.is_established.store(true, Ordering::Relaxed);
        self.note_activity();
    }

    /// Notes that a byte went one way or the other.
    pub(in crate::server) fn note_activity(&self) {
        self.occupant.last_active.store(self.slots.now(), Ordering::Relaxed);
    }

    /// Counts a call that begins.
    pub(in crate::server) fn begin_call(self: &Arc<Self>) -> ActiveCall {
        self.occupant.calls.fetch_add(1, Ordering::Relaxed);
        self.note_activity();
        ActiveCall(Arc::clone(self))
    }

    /// Counts that the connection has kept the server waiting for too long. A connection that does so often is closed.
    pub(in crate::server) fn count_offence(&self) {
        if self.occupant.offences.fetch_add(1, Ordering::Relaxed) + 1 < MAX_OFFENCES {
            return;
        }
        self.occupant.is_cut_off.store(true, Ordering::Relaxed);
        self.occupant.is_evicted.store(true, Ordering::Relaxed);
        self.occupant.eviction.notify_one();
    }

    /// Resolves when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.occupant.eviction.notified().await;
    }

    /// Whether the connection is to be closed at once.
    pub(super) fn is_cut_off(&self) -> bool {
        self.occupant.is_cut_off.load(Ordering::Relaxed)
    }

    /// Whether no byte went either way for so long.
    pub(super) fn is_idle_for(&self, duration: Duration) -> bool {
        let last_active = self.occupant.last_active.load(Ordering::Relaxed);
        Duration::from_millis(self.slots.now().saturating_sub(last_active)) >= duration
    }
}

impl ActiveCall {
    /// Notes that a byte went one way or the other.
    pub(in crate::server) fn note_activity(&self) {
        self.0.note_activity();
    }

    /// The caller has kept the server waiting for too long.
    pub(in crate::server) fn count_offence(&self) {
        self.0.count_offence();
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        if self.0.occupant.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.note_activity();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn idle_for(duration: Duration) {
        tokio::time::advance(duration).await;
    }

    async fn is_evicted(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.evicted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_handshakes_are_evicted_before_idle_connections_and_those_before_idle_streams() {
        let slots = Slots::new(4);
        let mut occupants = Vec::new();
        for _ in 0..4 {
            occupants.push(Arc::new(slots.take().await.expect("a slot is free")));
        }
        let [stream, late, early, unfinished] = &occupants[..] else { panic!("there are four") };
        let _call = stream.begin_call();
        for slot in [stream, early, late] {
            slot.established();
            idle_for(Duration::from_millis(10)).await;
        }
        slots.evict();
        for slot in &occupants {
            assert!(!is_evicted(slot).await, "none has been idle for long");
        }
        idle_for(IDLE_WITH_CALLS).await;
        for (number, next) in [unfinished, early, late, stream].into_iter().enumerate() {
            slots.evict();
            assert!(is_evicted(next).await, "number {number}");
            // As if it had gone.
            slots.taken().remove(&next.number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_work_stays() {
        let slots = Slots::new(1);
        let slot = Arc::new(slots.take().await.expect("a slot is free"));
        slot.established();
        let call = slot.begin_call();
        idle_for(IDLE_WITH_CALLS / 2).await;
        call.note_activity();
        idle_for(IDLE_WITH_CALLS / 2).await;
        slots.evict();
        assert!(!is_evicted(&slot).await);
        drop(slot);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_gets_the_slot_of_an_idle_one() {
        let slots = Slots::new(1);
        let slot = slots.take().await.expect("a slot is free");
        let leaves = tokio::spawn(async move { slot.evicted().await });
        assert!(timeout(Duration::from_secs(2), slots.take()).await.is_ok());
        leaves.await.expect("it was told to");
    }
}
