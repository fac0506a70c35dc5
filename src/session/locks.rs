//! Exclusive leases on sessions, for frameworks that serialise the requests of one session.
//!
//! A lease is kept in memory: it ends with the server, after which no update under its token is accepted. Sessions that
//! nobody locks are not looked up here.

use super::Sessions;
use super::error::Error;
use super::lookup::Key;
use super::touches::Access;
use crate::clock::{Clock, Millis};
use crate::model::{Handle, Secret, SessionId};
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

/// Requests that can wait for one lock.
const MAX_WAITERS: usize = 128;

/// All leases.
#[derive(Debug)]
pub(super) struct Locks {
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
    until: Millis,
}

impl Lock {
    fn is_held(&self, now: Millis) -> bool {
        self.holder.as_ref().is_some_and(|holder| now < holder.until)
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
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, table: Mutex::default() }
    }

    /// Whether the token is of a lock that holds.
    pub(super) fn holds(&self, handle: Handle, token: &str) -> bool {
        let table = self.table();
        let lock = table.get(&handle).filter(|lock| lock.is_held(self.clock.now()));
        lock.is_some_and(|lock| lock.holder.as_ref().is_some_and(|holder| holder.token == token))
    }

    /// Ends the lease of a session that is gone; its waiters will find that out.
    pub(super) fn end(&self, handle: Handle) {
        if let Some(lock) = self.table().get_mut(&handle) {
            lock.holder = None;
            lock.wake_first();
        }
    }

    /// Forgets locks that nobody holds or waits for.
    pub(super) fn purge(&self) {
        let now = self.clock.now();
        self.table().retain(|_, lock| lock.is_held(now) || !lock.waiters.is_empty());
    }

    fn release(&self, handle: Handle, token: &str) -> bool {
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
        let place = Place { locks: self, handle, wake: Arc::default() };
        loop {
            let held_for = match place.try_take(lease)? {
                Ok(lock) => return Ok(lock),
                Err(held_for) => held_for,
            };
            if Instant::now() >= deadline {
                return Err(Error::LockHeld);
            }
            let lease_ends = Instant::now() + Duration::from_millis(held_for.max(1));
            // Whether woken or timed out, the next look decides.
            timeout_at(lease_ends.min(deadline), place.wake.notified()).await.ok();
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Handle, Lock>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who want a lock. It is given up when the request ends, however it ends.
struct Place<'a> {
    locks: &'a Locks,
    handle: Handle,
    wake: Arc<Notify>,
}

impl Place<'_> {
    /// Takes the lock, or says how long it is held; the place in the queue is then kept.
    fn try_take(&self, lease: Millis) -> Result<Result<(String, Millis), Millis>, Error> {
        let mut table = self.locks.table();
        let now = self.locks.clock.now();
        let lock = table.entry(self.handle).or_default();
        if !lock.is_held(now) && lock.is_first(&self.wake) {
            let (token, until) = (Secret::mint(self.handle).reveal(), now.saturating_add(lease));
            lock.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.wake));
            lock.holder = Some(Holder { token: token.clone(), until });
            return Ok(Ok((token, until)));
        }
        if !lock.waiters.iter().any(|waiter| Arc::ptr_eq(waiter, &self.wake)) {
            if lock.waiters.len() >= MAX_WAITERS {
                return Err(Error::LockHeld);
            }
            lock.waiters.push_back(Arc::clone(&self.wake));
        }
        // While it is free, those in front are about to take it.
        Ok(Err(lock.holder.as_ref().map_or(0, |holder| holder.until.saturating_sub(now))))
    }
}

impl Drop for Place<'_> {
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

impl Sessions {
    /// Takes the session's lock for a time, waiting for it if another holds it. Returns the lock's token and its end.
    pub async fn lock(
        &self,
        namespace: &str,
        id: &SessionId,
        lease: Millis,
        wait: Millis,
    ) -> Result<(String, Millis), Error> {
        let handle = self.writable_session(namespace, id).await?;
        let (token, until) = self.locks.acquire(handle, lease, wait).await?;
        // It may have ended while this request waited.
        if let Err(error) = self.writable_session(namespace, id).await {
            self.locks.release(handle, &token);
            return Err(error);
        }
        Ok((token, until))
    }

    /// Releases a lock; `false` if the token is of none that holds.
    pub async fn unlock(&self, namespace: &str, id: &SessionId, token: &str) -> Result<bool, Error> {
        let key = Key::new(namespace, id);
        let live = self.query(|view| self.touches.find(view, &key, Access::Peek)).await?;
        Ok(live.is_some_and(|live| self.locks.release(live.record.handle, token)))
    }

    async fn writable_session(&self, namespace: &str, id: &SessionId) -> Result<Handle, Error> {
        let key = Key::new(namespace, id);
        let live = self.query(|view| self.touches.find(view, &key, Access::Touch)).await?;
        Ok(live.ok_or(Error::NotFound)?.writable()?.record.handle)
    }
}
