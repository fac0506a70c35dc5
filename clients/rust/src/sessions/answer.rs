//! What the calls answer.

use std::fmt;

use crate::convert::Complete;
use crate::error::Error;
use crate::proto::{
    CreateSessionResponse, GetSessionResponse, RotateSessionResponse, Session, TouchSessionResponse,
    UpdateSessionResponse,
};
use crate::redact::Redacted;
use crate::{Address, Timestamp};

/// A new session.
#[derive(Clone, PartialEq)]
pub struct Created {
    /// The session's ID: the secret for the visitor's cookie.
    pub session_id: String,
    /// The session, without its attributes.
    pub session: Session,
}

/// A session that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The session; without its attributes if it was not modified.
    pub session: Session,
    /// True if the version is the one that the caller knows.
    pub not_modified: bool,
}

/// A session that was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Updated {
    /// The session after the change, without its attributes.
    pub session: Session,
    /// True if upsert made the session.
    pub created: bool,
}

/// A session whose idle timeout was slid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    /// When the session ends if nothing more happens.
    pub expire_time: Timestamp,
    /// The session's version: tells whether a copy is still fresh.
    pub version: u64,
}

/// A session under its new ID.
#[derive(Clone, PartialEq)]
pub struct Rotated {
    /// The new ID.
    pub session_id: String,
    /// The session after the rotation, without its attributes.
    pub session: Session,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_id, session } = self;
        f.debug_struct("Created").field("session_id", &Redacted(session_id)).field("session", session).finish()
    }
}

impl fmt::Debug for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_id, session } = self;
        f.debug_struct("Rotated").field("session_id", &Redacted(session_id)).field("session", session).finish()
    }
}

impl Complete for CreateSessionResponse {
    type Answer = Created;

    fn complete(self, address: &Address) -> Result<Created, Error> {
        let session = self.session.ok_or_else(|| Error::incomplete(address))?;
        Ok(Created { session_id: self.session_id, session })
    }
}

impl Complete for GetSessionResponse {
    type Answer = Read;

    fn complete(self, address: &Address) -> Result<Read, Error> {
        let session = self.session.ok_or_else(|| Error::incomplete(address))?;
        Ok(Read { session, not_modified: self.not_modified })
    }
}

impl Complete for UpdateSessionResponse {
    type Answer = Updated;

    fn complete(self, address: &Address) -> Result<Updated, Error> {
        let session = self.session.ok_or_else(|| Error::incomplete(address))?;
        Ok(Updated { session, created: self.created })
    }
}

impl Complete for TouchSessionResponse {
    type Answer = Touched;

    fn complete(self, address: &Address) -> Result<Touched, Error> {
        let expire_time = self.expire_time.ok_or_else(|| Error::incomplete(address))?;
        Ok(Touched { expire_time, version: self.version })
    }
}

impl Complete for RotateSessionResponse {
    type Answer = Rotated;

    fn complete(self, address: &Address) -> Result<Rotated, Error> {
        let session = self.session.ok_or_else(|| Error::incomplete(address))?;
        Ok(Rotated { session_id: self.session_id, session })
    }
}
