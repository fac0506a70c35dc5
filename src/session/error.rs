//! Why an operation on a session was refused.

use crate::clock::Millis;
use crate::engine::EngineError;

/// The reasons; `service::status` turns each into its gRPC status.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Unknown, expired or deleted: the three look alike.
    #[error("there is no such session")]
    NotFound,
    /// The ID that the caller chose is in use.
    #[error("the session ID is taken")]
    IdTaken,
    /// The ID was rotated away and can only read.
    #[error("the session ID was replaced by a rotation and can only read")]
    IdRetired,
    /// The session has another version than the caller expected.
    #[error("the session has version {current}, not the expected one")]
    VersionMismatch {
        /// The version that it has.
        current: u64,
    },
    /// The session would outgrow a limit.
    #[error("{subject} would be {actual}, above the limit of {limit}")]
    TooLarge {
        /// What is too large, with its unit.
        subject: &'static str,
        /// The limit.
        limit: usize,
        /// What it would be.
        actual: usize,
    },
    /// The principal has as many sessions as it may.
    #[error("the principal already has as many sessions as are allowed ({limit})")]
    SessionLimit {
        /// How many are allowed.
        limit: usize,
    },
    /// The namespace has as many sessions as it may.
    #[error("the namespace already has as many sessions as are allowed ({limit})")]
    NamespaceLimit {
        /// How many are allowed.
        limit: usize,
    },
    /// Another holds the session's lock.
    #[error("another request holds the session's lock")]
    LockHeld {
        /// How long the other has held it, in milliseconds.
        held_for: Millis,
        /// When its lease ends, in milliseconds from now.
        ends_in: Millis,
    },
    /// The lock under which the caller wanted to change the session does not hold.
    #[error("the lock is no longer held")]
    LockLost,
    /// The ticket is unknown, used, too old, or for another audience: they all look alike.
    #[error("the hand-off ticket is not valid")]
    HandoffInvalid,
    /// The events after the point from which a watcher wants to resume are no longer kept.
    #[error("the events after the resume token are no longer kept; list the sessions and watch from now on")]
    EventsGone,
    /// This session does not fit into an answer with many.
    #[error("the session does not fit into the answer; ask for fewer sessions at a time")]
    BatchTooLarge,
    /// A field is out of its bounds.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field's path in the request.
        field: String,
        /// The bound that it breaks.
        problem: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Error {
    /// A field is out of its bounds.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), problem: problem.into() }
    }

    /// The same error about a field of the message in this field.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        match self {
            Self::Invalid { field, problem } => Self::Invalid { field: format!("{outer}.{field}"), problem },
            other => other,
        }
    }
}
