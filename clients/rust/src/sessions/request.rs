//! Building requests: each sets what its caller names and leaves every other field at its default. All fields of a
//! request are public, too.

use std::time::Duration;

use crate::Timestamp;
use crate::convert::{duration, from_id};
use crate::proto::{
    Access, CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest, SessionChange,
    Timeouts, TouchSessionRequest, UpdateSessionRequest, Value, delete_session_request::Target, timeouts::Absolute,
};

impl CreateSessionRequest {
    /// A session without data; the server mints its ID.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An ID that the caller's framework must choose.
    #[must_use]
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = id.into();
        self
    }

    /// Gives the session an attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The user that the session belongs to.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }

    /// Gives the session a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Timeouts other than the defaults of the namespace.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }

    /// When the session was made, if that was before this call.
    #[must_use]
    pub fn create_time(mut self, moment: impl Into<Timestamp>) -> Self {
        self.create_time = Some(moment.into());
        self
    }

    /// When the visitor was last active, if that was before this call.
    #[must_use]
    pub fn last_access_time(mut self, moment: impl Into<Timestamp>) -> Self {
        self.last_access_time = Some(moment.into());
        self
    }
}

impl GetSessionRequest {
    /// A read that slides the idle timeout.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { session_id: id.into(), access: Access::Touch.into(), ..Self::default() }
    }

    /// A read that changes nothing.
    #[must_use]
    pub fn peek(mut self) -> Self {
        self.access = Access::Peek.into();
        self
    }

    /// If the session still has this version, its attributes are not sent again.
    #[must_use]
    pub fn unless_version(mut self, version: u64) -> Self {
        self.if_version_not = Some(version);
        self
    }

    /// The session without its attributes.
    #[must_use]
    pub fn omit_attributes(mut self) -> Self {
        self.omit_attributes = true;
        self
    }
}

impl UpdateSessionRequest {
    /// Changes a session, whatever its version is.
    #[must_use]
    pub fn new(id: impl Into<String>, change: SessionChange) -> Self {
        Self { session_id: id.into(), change: Some(change), ..Self::default() }
    }

    /// Compare-and-set: only if the session has this version.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }

    /// Only if the lock of this token still holds.
    #[must_use]
    pub fn lock_token(mut self, token: impl Into<String>) -> Self {
        self.lock_token = token.into();
        self
    }

    /// Releases the lock of this token when the change is done, and carries the change out only if the lock still holds.
    #[must_use]
    pub fn unlock(mut self, token: impl Into<String>) -> Self {
        self.unlock = true;
        self.lock_token(token)
    }

    /// Makes a session under this ID if there is none. It can revive a session that was ended meanwhile.
    #[must_use]
    pub fn upsert(mut self) -> Self {
        self.upsert = true;
        self
    }
}

impl TouchSessionRequest {
    /// Slides the idle timeout.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { session_id: id.into(), ..Self::default() }
    }
}

impl RotateSessionRequest {
    /// A new ID, minted by the server; the old one is dead when the answer arrives.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { session_id: id.into(), ..Self::default() }
    }

    /// The next ID, where the caller's framework must choose it.
    #[must_use]
    pub fn new_session_id(mut self, id: impl Into<String>) -> Self {
        self.new_session_id = id.into();
        self
    }

    /// How long the old ID can still read, at most 60 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(duration(grace));
        self
    }

    /// A change in the same atomic step, such as setting the principal at log in.
    #[must_use]
    pub fn change(mut self, change: SessionChange) -> Self {
        self.change = Some(change);
        self
    }

    /// Compare-and-set: only if the session has this version.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }
}

impl DeleteSessionRequest {
    /// Ends the session that has this ID.
    #[must_use]
    pub fn by_id(id: impl Into<String>) -> Self {
        Self { target: Some(Target::SessionId(id.into())), ..Self::default() }
    }

    /// Ends the session that has this handle.
    #[must_use]
    pub fn by_handle(handle: impl Into<String>) -> Self {
        Self { target: Some(Target::Handle(handle.into())), ..Self::default() }
    }

    /// No error if there is no such session.
    #[must_use]
    pub fn allow_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }
}

impl SessionChange {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set_attributes.insert(name.into(), value.into());
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: impl Into<String>) -> Self {
        self.remove_attributes.push(name.into());
        self
    }

    /// Removes every attribute that this change does not set.
    #[must_use]
    pub fn clear(mut self) -> Self {
        self.clear_attributes = true;
        self
    }

    /// Sets the principal; the empty text removes it.
    #[must_use]
    pub fn set_principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn set_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set_labels.insert(name.into(), value.into());
        self
    }

    /// Removes a label.
    #[must_use]
    pub fn remove_label(mut self, name: impl Into<String>) -> Self {
        self.remove_labels.push(name.into());
        self
    }

    /// Replaces both timeouts.
    #[must_use]
    pub fn set_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }
}

impl Timeouts {
    /// The defaults of the namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the session this long after its last access.
    #[must_use]
    pub fn idle(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(duration(timeout));
        self
    }

    /// Ends the session this long after its creation; replaces a moment set before.
    #[must_use]
    pub fn absolute(mut self, timeout: Duration) -> Self {
        self.absolute = Some(Absolute::AbsoluteTimeout(duration(timeout)));
        self
    }

    /// Ends the session at this moment; replaces an absolute timeout set before.
    #[must_use]
    pub fn expire_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.absolute = Some(Absolute::AbsoluteExpireTime(time.into()));
        self
    }
}

from_id!(GetSessionRequest::new, TouchSessionRequest::new, RotateSessionRequest::new, DeleteSessionRequest::by_id);
