//! Why an operation on a session was refused.

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
    #[error("the session ID was rotated away and can only read")]
    IdRetired,
    /// The session has another version than the caller expected.
    #[error("the session has version {current}")]
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
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The same error about a field of the message in this field.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        match self {
            Self::Invalid { field, problem } => Self::Invalid {
                field: format!("{outer}.{field}"),
                problem,
            },
            other => other,
        }
    }
}
