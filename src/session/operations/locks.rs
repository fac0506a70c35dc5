//! Exclusive leases on sessions, for frameworks that serialise the requests of one session.
//!
//! A lease is kept in memory. It ends with the server: after that, no update under its token is accepted. Sessions that nobody
//! locks cost nothing here.

use crate::clock::{Clock, Millis};
use crate::model::{Handle, Secret, SessionId};
use crate::session::Sessions;
use crate::session::error::Error;
use crate::session::liveness::expiry::Access;
use crate::session::liveness::lookup::{LookupKey, Seen};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The shortest lease: 100 ms.
pub const MIN_LEASE: Millis = 100;

/// The longest lease: 60 s.
pub const MAX_LEASE: Millis = 60_000;

/// The longest wait for a lock: 30 s.
pub const MAX_LOCK_WAIT: Millis = 30_000;

/// At most so many requests can wait for one lock.
const MAX_WAITERS: usize = 128;

/// All leases.
#[derive(Debug)]
pub(in crate::session) struct Locks {
    clock: Clock,
    table: Mutex<HashMap<Handle, Lock>>,
}

#[derive(Debug, Default)]
struct Lock {
    holder: Option<Holder>,
    /// In the order in which they came.
    waiters: VecDeque<Arc<Notify>>,
}

#[derive(Debug)]
struct Holder {
    token: String,
    since: Millis,
    until: Millis,
}

/// How another request holds the lock, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct HeldByOther {
    held_for: Millis,
    ends_in: Millis,
}

impl From<HeldByOther> for Error {
    fn from(held: HeldByOther) -> Self {
        Self::LockHeld { held_for: held.held_for, ends_in: held.ends_in }
    }
}

impl Lock {
    fn is_held(&self, now: Millis) -> bool {
        self.holder.as_ref().is_some_and(|holder| now < holder.until)
    }

    /// How another request holds it. While nobody does, those at the front of the queue are about to.
    fn held(&self, now: Millis) -> HeldByOther {
        self.holder.as_ref().map_or(HeldByOther::default(), |holder| HeldByOther {
            held_for: now.saturating_sub(holder.since),
            ends_in: holder.until.saturating_sub(now),
        })
    }

    fn is_first(&self, waiter: &Arc<Notify>) -> bool {
        self.waiters.front().is_none_or(|first| Arc::ptr_eq(first, waiter))
    }

    fn wake_first(&self) {
        if let Some(first) = self.waiters.front() {
            first.notify_one();
        }
    }
}

impl Locks {
    pub(in crate::session) fn new(clock: Clock) -> Self {
        Self { clock, table: Mutex::default() }
    }

    /// Whether the token belongs to a lock that is held.
    pub(in crate::session) fn holds(&self, handle: Handle, token: &str) -> bool {
        let table = self.table();
        let lock = table.get(&handle).filter(|lock| lock.is_held(self.clock.now()));
        lock.is_some_and(|lock| lock.holder.as_ref().is_some_and(|holder| holder.token == token))
    }

    /// Ends the lease of a session that is gone; its waiters will notice.
    pub(in crate::session) fn end(&self, handle: Handle) {
        if let Some(lock) = self.table().get_mut(&handle) {
            lock.holder = None;
            lock.wake_first();
        }
    }

    /// Forgets locks that nobody holds or waits for.
    pub(in crate::session) fn purge(&self) {
        let now = self.clock.now();
        self.table().retain(|_, lock| lock.is_held(now) || !lock.waiters.is_empty());
    }

    /// Starts the lease again if the token belongs to a lock that is held. Returns its new end.
    fn renew(&self, handle: Handle, token: &str, lease: Millis) -> Result<Millis, Error> {
        let mut table = self.table();
        let now = self.clock.now();
        let lock = table.get_mut(&handle).filter(|lock| lock.is_held(now));
        let holder = lock.and_then(|lock| lock.holder.as_mut()).filter(|holder| holder.token == token);
        let holder = holder.ok_or(Error::LockLost)?;
        holder.until = now.saturating_add(lease);
        Ok(holder.until)
    }

    /// Releases a lock; `false` if the token belongs to no lock that is held. The session's handle comes with it, if it is there.
    pub(super) fn release(&self, handle: Handle, token: &str) -> bool {
        let mut table = self.table();
        let now = self.clock.now();
        let Some(lock) = table.get_mut(&handle) else {
            return false;
        };
        if !lock.is_held(now) || lock.holder.as_ref().is_none_or(|holder| holder.token != token) {
            return false;
        }
        lock.holder = None;
        lock.wake_first();
        if lock.waiters.is_empty() {
            table.remove(&handle);
        }
        true
    }

    async fn acquire(&self, handle: Handle, lease: Millis, wait: Millis) -> Result<(String, Millis), Error> {
        let deadline = Instant::now() + Duration::from_millis(wait);
        let waiter = Waiter { locks: self, handle, wake: Arc::default() };
        loop {
            let held = match waiter.try_take(lease) {
                Attempt::Acquired(token, until) => return Ok((token, until)),
                Attempt::Queued(held) if Instant::now() < deadline => held,
                Attempt::Queued(held) | Attempt::QueueFull(held) => return Err(held.into()),
            };
            let lease_ends = Instant::now() + Duration::from_millis(held.ends_in.max(1));
            // Woken or timed out: the next attempt decides.
            timeout_at(lease_ends.min(deadline), waiter.wake.notified()).await.ok();
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Handle, Lock>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that wants a lock. It leaves the queue when this is dropped, however the request ends.
struct Waiter<'a> {
    locks: &'a Locks,
    handle: Handle,
    wake: Arc<Notify>,
}

/// What an attempt to take a lock came to.
enum Attempt {
    /// The request has the lock: its token and its end.
    Acquired(String, Millis),
    /// The request stands in the queue.
    Queued(HeldByOther),
    /// Too many wait already.
    QueueFull(HeldByOther),
}

impl Waiter<'_> {
    /// Takes the lock, or joins the queue for it.
    fn try_take(&self, lease: Millis) -> Attempt {
        let mut table = self.locks.table();
        let now = self.locks.clock.now();
        let lock = table.entry(self.handle).or_default();
        if !lock.is_held(now) && lock.is_first(&self.wake) {
            let (token, until) = (Secret::mint(self.handle).reveal(), now.saturating_add(lease));
            lock.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.wake));
            lock.holder = Some(Holder { token: token.clone(), since: now, until });
            return Attempt::Acquired(token, until);
        }
        if !lock.waiters.iter().any(|waiter| Arc::ptr_eq(waiter, &self.wake)) {
            if lock.waiters.len() >= MAX_WAITERS {
                return Attempt::QueueFull(lock.held(now));
            }
            lock.waiters.push_back(Arc::clone(&self.wake));
        }
        Attempt::Queued(lock.held(now))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut table = self.locks.table();
        if let Some(lock) = table.get_mut(&self.handle) {
            let waiting = lock.waiters.len();
            lock.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.wake));
            // The one behind may be first now.
            if lock.waiters.len() < waiting {
                lock.wake_first();
            }
            if lock.waiters.is_empty() && lock.holder.is_none() {
                table.remove(&self.handle);
            }
        }
    }
}

/// A request for a session's lock.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// Where the session lives.
    pub namespace: String,
    /// Its ID.
    pub id: SessionId,
    /// For how long to hold the lock.
    pub lease: Millis,
    /// How long to wait while another holds it.
    pub wait: Millis,
    /// The token of a lock to renew, instead of taking one.
    pub renewed: Option<String>,
}

/// A lock that was taken or renewed.
#[derive(Debug)]
pub struct Locked {
    /// Names the lock.
    pub token: String,
    /// Its end.
    pub until: Millis,
    /// The session under the lock.
    pub session: Seen,
}

impl Sessions {
    /// Takes the session's lock for a time, waiting for it if another holds it, or renews it.
    pub async fn lock(&self, request: LockRequest) -> Result<Locked, Error> {
        let key = LookupKey::new(&request.namespace, &request.id);
        let handle = self.writable_session(&key).await?.record.handle;
        let (token, until) = match request.renewed {
            Some(token) => {
                let until = self.locks.renew(handle, &token, request.lease)?;
                (token, until)
            }
            None => self.locks.acquire(handle, request.lease, request.wait).await?,
        };
        // It may have ended while this request waited.
        match self.writable_session(&key).await {
            Ok(session) => Ok(Locked { token, until, session }),
            Err(error) => {
                self.locks.release(handle, &token);
                Err(error)
            }
        }
    }

    /// Releases a lock; `false` if the token belongs to no lock that is held. The session's handle comes with it, if it is there.
    pub async fn unlock(&self, namespace: &str, id: &SessionId, token: &str) -> Result<(Option<Handle>, bool), Error> {
        let key = LookupKey::new(namespace, id);
        let live = self.query(|view| self.touches.find(view, &key, Access::Peek)).await?;
        let handle = live.map(|live| live.record.handle);
        Ok((handle, handle.is_some_and(|handle| self.locks.release(handle, token))))
    }

    async fn writable_session(&self, key: &LookupKey) -> Result<Seen, Error> {
        let live = self.query(|view| self.touches.find(view, key, Access::Touch)).await?;
        Ok(self.counters.note_lookup(live.ok_or(Error::NotFound))?.writable()?.into())
    }
}
