//! The slots for connections: how many may be open, and which one is closed when there are too many.
//!
//! While all slots are taken and a new connection waits, an idle one is evicted: one that never finished its handshake, or
//! else the one that has been idle for longest. A connection that is at work is never evicted.
//!
//! An address has a number of its own. With that, idle ones of its own are evicted for its new ones, which are refused as long as there
//! are none: the others' slots are not touched.

use super::offenders::Offenders;
use super::origin::Origin;
use std::collections::{BTreeMap, HashMap};
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
    per_address: usize,
    taken: Mutex<Taken>,
    offenders: Offenders,
    refused: AtomicU64,
    cut_off: AtomicU64,
    /// Moments are counted in milliseconds from here.
    began: Instant,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    occupants: BTreeMap<u64, Arc<Occupant>>,
    /// Those that have connections.
    origins: HashMap<Origin, OriginCount>,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct OriginCount {
    open: usize,
    /// When idle ones of it were last looked for, in milliseconds, if ever.
    looked: Option<u64>,
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
    origin: Origin,
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
    /// So many connections, and so many of one address.
    pub(in crate::server) fn new(number: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(number)),
            per_address,
            taken: Mutex::default(),
            offenders: Offenders::default(),
            refused: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
            began: Instant::now(),
            next: AtomicU64::new(0),
        })
    }

    /// Whether one more connection from there may have a slot. If there are too many, idle ones are evicted, for which one is let in.
    pub(super) fn admits(&self, origin: Origin) -> bool {
        let now = self.now();
        let mut taken = self.taken();
        let Some(count) = taken.origins.get_mut(&origin).filter(|count| count.open >= self.per_address) else {
            return true;
        };
        // A look takes long compared with what a connection costs its peer.
        let has_looked = count.looked.is_some_and(|looked| now < looked.saturating_add(as_millis(LOOK_EVERY)));
        if !has_looked {
            if count.looked.replace(now).is_none() {
                tracing::warn!(%origin, limit = self.per_address, "an address has max-connections-per-address connections");
            }
            if taken.evict(now, Some(origin)) > 0 {
                return true;
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// How many connections were refused since the start, since their address had enough.
    pub(in crate::server) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many connections were closed since the start because their peers broke the rules.
    pub(in crate::server) fn cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Waits for a slot. While none is free, idle connections are evicted. `None` once there are no slots any more.
    pub(in crate::server) async fn take(self: &Arc<Self>, origin: Origin) -> Option<Slot> {
        loop {
            match timeout(LOOK_EVERY, Arc::clone(&self.free).acquire_owned()).await {
                Ok(permit) => return permit.ok().map(|permit| self.slot(origin, permit)),
                Err(_) => _ = self.taken().evict(self.now(), None),
            }
        }
    }

    fn slot(self: &Arc<Self>, origin: Origin, permit: OwnedSemaphorePermit) -> Slot {
        let occupant = Arc::new(Occupant {
            origin,
            is_established: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            last_active: AtomicU64::new(self.now()),
            eviction: Notify::new(),
            is_evicted: AtomicBool::new(false),
            offences: AtomicU32::new(0),
            is_cut_off: AtomicBool::new(false),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut taken = self.taken();
        taken.origins.entry(origin).or_default().open += 1;
        taken.occupants.insert(number, Arc::clone(&occupant));
        drop(taken);
        Slot { number, slots: Arc::clone(self), occupant, _permit: permit }
    }

    fn now(&self) -> u64 {
        as_millis(self.began.elapsed())
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Taken {
    /// Evicts the connections that are missed least, of those from there or of all, and returns how many. Those that were evicted
    /// before free their slots shortly.
    fn evict(&self, now: u64, origin: Option<Origin>) -> usize {
        let is_evicted = |occupant: &Occupant| occupant.is_evicted.load(Ordering::Relaxed);
        let of_origin: Vec<_> =
            self.occupants.values().filter(|occupant| origin.is_none_or(|origin| occupant.origin == origin)).collect();
        let evicted = of_origin.iter().filter(|occupant| is_evicted(occupant)).count();
        let more = (1 + of_origin.len() / EVICTED_PART).saturating_sub(evicted);
        let mut candidates: Vec<_> = of_origin
            .into_iter()
            .filter(|occupant| !is_evicted(occupant))
            .filter_map(|occupant| Some((occupant.eviction_rank(now)?, occupant)))
            .collect();
        candidates.sort_unstable_by_key(|(eviction_rank, _)| *eviction_rank);
        candidates.truncate(more);
        for (_, occupant) in &candidates {
            occupant.is_evicted.store(true, Ordering::Relaxed);
            occupant.eviction.notify_one();
        }
        candidates.len()
    }

    fn remove(&mut self, number: u64) {
        let Some(occupant) = self.occupants.remove(&number) else { return };
        if let Some(count) = self.origins.get_mut(&occupant.origin) {
            count.open -= 1;
            if count.open == 0 {
                self.origins.remove(&occupant.origin);
            }
        }
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

    /// Notes that the connection is closed because its peer broke the rules.
    pub(super) fn note_broken_rules(&self) {
        self.slots.offenders.note(self.occupant.origin);
        self.slots.cut_off.fetch_add(1, Ordering::Relaxed);
    }

    /// How long the connection waits before it is served, since others from the same address broke the rules.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.slots.offenders.pause(self.occupant.origin)
    }

    /// Notes that the connection, which is evicted, has come back to life and closes when it is idle again. Until then another may
    /// be evicted in its place.
    pub(super) fn note_revival(&self) {
        self.occupant.is_evicted.store(false, Ordering::Relaxed);
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
        self.slots.taken().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin = Origin::User(Some(1));
    const THERE: Origin = Origin::User(Some(2));

    async fn idle_for(duration: Duration) {
        tokio::time::advance(duration).await;
    }

    async fn is_evicted(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.evicted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_handshakes_are_evicted_before_idle_connections_and_those_before_idle_streams() {
        let slots = Slots::new(4, 4);
        let mut occupants = Vec::new();
        for _ in 0..4 {
            occupants.push(Arc::new(slots.take(HERE).await.expect("a slot is free")));
        }
        let [stream, late, early, unfinished] = &occupants[..] else { panic!("there are four") };
        let _call = stream.begin_call();
        for slot in [stream, early, late] {
            slot.established();
            idle_for(Duration::from_millis(10)).await;
        }
        slots.taken().evict(slots.now(), None);
        for slot in &occupants {
            assert!(!is_evicted(slot).await, "none has been idle for long");
        }
        idle_for(IDLE_WITH_CALLS).await;
        for (number, next) in [unfinished, early, late, stream].into_iter().enumerate() {
            slots.taken().evict(slots.now(), None);
            assert!(is_evicted(next).await, "number {number}");
            // As if it had gone.
            slots.taken().remove(next.number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_work_stays() {
        let slots = Slots::new(1, 1);
        let slot = Arc::new(slots.take(HERE).await.expect("a slot is free"));
        slot.established();
        let call = slot.begin_call();
        idle_for(IDLE_WITH_CALLS / 2).await;
        call.note_activity();
        idle_for(IDLE_WITH_CALLS / 2).await;
        slots.taken().evict(slots.now(), None);
        assert!(!is_evicted(&slot).await);
        drop(slot);
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_that_is_evicted_lives_on_another_is_evicted_in_its_place() {
        let slots = Slots::new(2, 2);
        let revived = slots.take(HERE).await.expect("a slot is free");
        revived.established();
        idle_for(IDLE).await;
        let idle = slots.take(HERE).await.expect("a slot is free");
        idle.established();
        slots.taken().evict(slots.now(), None);
        assert!(is_evicted(&revived).await);

        idle_for(IDLE).await;
        revived.note_activity();
        slots.taken().evict(slots.now(), None);
        assert!(!is_evicted(&idle).await, "one is enough");
        revived.note_revival();
        slots.taken().evict(slots.now(), None);
        assert!(is_evicted(&idle).await && !is_evicted(&revived).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_gets_the_slot_of_an_idle_one() {
        let slots = Slots::new(1, 1);
        let slot = slots.take(HERE).await.expect("a slot is free");
        let leaves = tokio::spawn(async move { slot.evicted().await });
        assert!(timeout(Duration::from_secs(2), slots.take(HERE)).await.is_ok());
        leaves.await.expect("it was told to");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_enough_connections_gets_no_more_unless_one_is_idle() {
        let slots = Slots::new(10, 2);
        let busy = Arc::new(slots.take(HERE).await.expect("a slot is free"));
        busy.established();
        let call = busy.begin_call();
        assert!(slots.admits(HERE));
        let idle = slots.take(HERE).await.expect("a slot is free");
        idle.established();
        assert!(!slots.admits(HERE), "none has been idle for long");
        assert!(slots.admits(THERE));
        let other = slots.take(THERE).await.expect("a slot is free");

        idle_for(IDLE).await;
        assert!(slots.admits(HERE), "one is idle");
        assert!(is_evicted(&idle).await && !is_evicted(&other).await);
        assert!(!slots.admits(HERE), "it was let in for only one");
        assert_eq!(slots.refused(), 2);
        drop(idle);
        assert!(slots.admits(HERE));
        drop((busy, call));
        assert_eq!(slots.taken().origins.len(), 1, "nothing is kept of an address without connections");
    }
}
