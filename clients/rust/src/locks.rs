//! Exclusive leases on sessions, for frameworks that serialise the requests of one session.

use std::fmt;
use std::time::Duration;

use crate::client::Client;
use crate::convert::{Complete, duration, from_id};
use crate::error::Error;
use crate::proto::{LockSessionRequest, LockSessionResponse, Session, UnlockSessionRequest};
use crate::redact::Redacted;
use crate::{Address, Timestamp};

/// A wait that is longer is refused by the server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl LockSessionRequest {
    /// A lease of 10 s, if no other holds the lock.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { session_id: id.into(), ..Self::default() }
    }

    /// How long the lock holds unless it is released: 100 ms to 60 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(duration(lease));
        self
    }

    /// Renews the lock of this token instead of taking a new one: its lease starts again from now.
    #[must_use]
    pub fn renew(mut self, lock_token: impl Into<String>) -> Self {
        self.lock_token = lock_token.into();
        self
    }

    /// Reads the session under the lock in the same call.
    #[must_use]
    pub fn include_session(mut self) -> Self {
        self.include_session = true;
        self
    }

    /// How long to wait for a lock that another holds, at most 30 s. The call's deadline becomes longer by it.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(duration(wait));
        self
    }
}

impl UnlockSessionRequest {
    /// Releases the lock of this token.
    #[must_use]
    pub fn new(id: impl Into<String>, lock_token: impl Into<String>) -> Self {
        Self { session_id: id.into(), lock_token: lock_token.into(), ..Self::default() }
    }
}

from_id!(LockSessionRequest::new);

/// A lock that is held.
#[derive(Clone, PartialEq)]
pub struct Lock {
    /// Names the lock, in updates and to release it.
    pub lock_token: String,
    /// When the lease ends by itself.
    pub expire_time: Timestamp,
    /// The session as it was once the lock was taken, if it was asked for.
    pub session: Option<Session>,
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lock_token, expire_time, session } = self;
        f.debug_struct("Lock")
            .field("lock_token", &Redacted(lock_token))
            .field("expire_time", expire_time)
            .field("session", session)
            .finish()
    }
}

impl Complete for LockSessionResponse {
    type Answer = Lock;

    fn complete(self, address: &Address) -> Result<Lock, Error> {
        let expire_time = self.expire_time.ok_or_else(|| Error::incomplete(address))?;
        Ok(Lock { lock_token: self.lock_token, expire_time, session: self.session })
    }
}

impl Client {
    /// Takes an exclusive lease on a session. Takes an ID or a whole request. It binds those who ask for it: an update
    /// that names the lock's token is refused once the lock is lost; one that names none is never held up.
    pub async fn lock(&self, request: impl Into<LockSessionRequest>) -> Result<Lock, Error> {
        let mut request = request.into();
        self.fill_namespace(&mut request.namespace);
        let wait = request.wait.map_or(Ok(Duration::ZERO), Duration::try_from);
        // The server judges a wait that is none.
        let wait = wait.unwrap_or_default().min(LONGEST_WAIT);
        self.with_deadline(self.deadline().saturating_add(wait))
            .store(request, |mut stub, request| async move { stub.lock_session(request).await })
            .await?
            .complete(self.address())
    }

    /// Releases a lease. True if this call released it; false if it had ended, or the token is of another lock.
    pub async fn unlock(&self, mut request: UnlockSessionRequest) -> Result<bool, Error> {
        self.fill_namespace(&mut request.namespace);
        let response =
            self.store(request, |mut stub, request| async move { stub.unlock_session(request).await }).await?;
        Ok(response.released)
    }
}
