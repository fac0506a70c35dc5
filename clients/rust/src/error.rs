//! What can go wrong, decoded from the status of a call.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use crate::Address;

/// Why a call failed. Its texts never hold a session ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Unknown, expired or deleted: the three look alike.
    #[error("no such session: it is unknown, expired or deleted")]
    SessionNotFound,
    /// The ID that the caller chose is in use.
    #[error("the session ID is taken")]
    SessionIdTaken,
    /// The session does not have the expected version: read it again and retry.
    #[error("the session was changed meanwhile{}", version(.current.as_ref()))]
    VersionMismatch {
        /// The session's present version.
        current: Option<u64>,
    },
    /// The ID was rotated away and can only read until its grace ends.
    #[error("the session ID was replaced by a rotation and can no longer change the session")]
    SessionIdRetired,
    /// A field of the request is out of its bounds.
    #[error("invalid argument: {}", violations_or(.violations, .message))]
    InvalidArgument {
        /// What the server says.
        message: String,
        /// The fields and their bounds.
        violations: Vec<Violation>,
    },
    /// The session would outgrow a limit.
    #[error("the session would become too large: {message}")]
    SessionTooLarge {
        /// What the server says.
        message: String,
        /// The limit.
        limit: Option<u64>,
        /// What the session would come to.
        actual: Option<u64>,
    },
    /// The server has as many requests in flight as it allows.
    #[error("sessiond at {address} has too many requests in flight")]
    TooManyRequests {
        /// The server.
        address: String,
    },
    /// Free disk space is low; reads and deletes still work.
    #[error("sessiond at {address} is short of disk space and takes no new data")]
    StorageFull {
        /// The server.
        address: String,
    },
    /// The server is starting or draining.
    #[error("sessiond at {address} is not ready: it is starting or shutting down")]
    NotReady {
        /// The server.
        address: String,
    },
    /// No server answers, or the connection was lost. In the latter case the call may have been carried out.
    #[error("no sessiond answers at {address}: {cause}")]
    Unavailable {
        /// Where the server should be.
        address: String,
        /// What the system says, such as "connection refused".
        cause: String,
    },
    /// The call's time was up. It may have been carried out.
    #[error("sessiond at {address} did not answer within {deadline:?}")]
    DeadlineExceeded {
        /// The server.
        address: String,
        /// The time that the call had.
        deadline: Duration,
    },
    /// The stored session fails its checksum.
    #[error("the stored session is damaged")]
    SessionCorrupt,
    /// A fault of the server; its log says more.
    #[error("sessiond at {address} failed; its log says why")]
    Internal {
        /// The server.
        address: String,
    },
    /// Anything else, such as the answer of another gRPC server.
    #[error("unexpected answer from {address}: {message} ({code:?})")]
    Other {
        /// The server.
        address: String,
        /// The gRPC code.
        code: Code,
        /// What the server says.
        message: String,
    },
}

/// A field of a request that is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request.
    pub field: String,
    /// The bound, in words.
    pub description: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.description)
    }
}

impl Error {
    pub(crate) fn from_status(status: &Status, address: &Address, deadline: Duration) -> Self {
        let address = address.to_string();
        if let Some(error) = Self::of_transport(status, &address, deadline) {
            return error;
        }
        let details = status.get_error_details();
        let info = details.error_info();
        let number = |key: &str| info.and_then(|info| info.metadata.get(key)?.parse().ok());
        let message = one_line(status.message());
        // Another server's reasons are not ours, whatever they are called.
        let reason = info
            .filter(|info| info.domain == "sessiond")
            .map_or("", |info| info.reason.as_str());
        match reason {
            "SESSION_NOT_FOUND" => Self::SessionNotFound,
            "SESSION_ID_TAKEN" => Self::SessionIdTaken,
            "VERSION_MISMATCH" => Self::VersionMismatch {
                current: number("current_version"),
            },
            "SESSION_ID_RETIRED" => Self::SessionIdRetired,
            "INVALID_ARGUMENT" => Self::InvalidArgument {
                message,
                violations: details.bad_request().map_or_else(Vec::new, |bad_request| {
                    let violation = |found: &tonic_types::FieldViolation| Violation {
                        field: one_line(&found.field),
                        description: one_line(&found.description),
                    };
                    bad_request.field_violations.iter().map(violation).collect()
                }),
            },
            "SESSION_TOO_LARGE" => Self::SessionTooLarge {
                message,
                limit: number("limit"),
                actual: number("actual"),
            },
            "TOO_MANY_REQUESTS" => Self::TooManyRequests { address },
            "STORAGE_FULL" => Self::StorageFull { address },
            "NOT_READY" => Self::NotReady { address },
            "SESSION_CORRUPT" => Self::SessionCorrupt,
            "INTERNAL" => Self::Internal { address },
            _ => match status.code() {
                Code::Unavailable => Self::Unavailable {
                    address,
                    cause: message,
                },
                // A server that ends a call at the deadline it was told may call it either; nobody else cancels here.
                Code::DeadlineExceeded | Code::Cancelled => Self::DeadlineExceeded { address, deadline },
                code => Self::Other { address, code, message },
            },
        }
    }

    /// A status that did not come from the server but was made on this side, of what happened to the connection.
    fn of_transport(status: &Status, address: &str, deadline: Duration) -> Option<Self> {
        // Only a status made on this side has a source.
        let mut cause = status.source()?;
        loop {
            if cause.is::<TimeoutExpired>() {
                return Some(Self::DeadlineExceeded {
                    address: address.to_owned(),
                    deadline,
                });
            }
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        Some(Self::Unavailable {
            address: address.to_owned(),
            cause: describe(cause),
        })
    }

    pub(crate) fn incomplete(address: &Address) -> Self {
        Self::Other {
            address: address.to_string(),
            code: Code::Internal,
            message: "a part of the answer is missing".to_owned(),
        }
    }
}

/// The innermost cause in words: an error of the system without its number and in lower case.
fn describe(cause: &(dyn StdError + 'static)) -> String {
    let text = one_line(&cause.to_string());
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "the connection was lost".to_owned(),
    }
}

/// What a server says may hold anything; errors are one line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn version(current: Option<&u64>) -> String {
    current.map_or_else(String::new, |version| format!(": its version is {version}"))
}

fn violations_or(violations: &[Violation], message: &str) -> String {
    if violations.is_empty() {
        return message.to_owned();
    }
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn decode(status: &Status) -> Error {
        Error::from_status(
            status,
            &"127.0.0.1:50051".parse().expect("an address"),
            Duration::from_secs(1),
        )
    }

    fn reason(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<_, _> = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let details = ErrorDetails::with_error_info(reason, "sessiond", metadata);
        Status::with_error_details(code, "what the server says", details)
    }

    #[test]
    fn every_reason_of_the_contract_has_its_own_error() {
        let address = || "127.0.0.1:50051".to_owned();
        let message = || "what the server says".to_owned();
        for (status, expected) in [
            (reason(Code::NotFound, "SESSION_NOT_FOUND", &[]), Error::SessionNotFound),
            (
                reason(Code::AlreadyExists, "SESSION_ID_TAKEN", &[]),
                Error::SessionIdTaken,
            ),
            (
                reason(Code::Aborted, "VERSION_MISMATCH", &[("current_version", "7")]),
                Error::VersionMismatch { current: Some(7) },
            ),
            (
                reason(Code::FailedPrecondition, "SESSION_ID_RETIRED", &[]),
                Error::SessionIdRetired,
            ),
            (
                reason(Code::InvalidArgument, "INVALID_ARGUMENT", &[]),
                Error::InvalidArgument {
                    message: message(),
                    violations: Vec::new(),
                },
            ),
            (
                reason(
                    Code::ResourceExhausted,
                    "SESSION_TOO_LARGE",
                    &[("limit", "10"), ("actual", "11")],
                ),
                Error::SessionTooLarge {
                    message: message(),
                    limit: Some(10),
                    actual: Some(11),
                },
            ),
            (
                reason(Code::ResourceExhausted, "TOO_MANY_REQUESTS", &[]),
                Error::TooManyRequests { address: address() },
            ),
            (
                reason(Code::ResourceExhausted, "STORAGE_FULL", &[]),
                Error::StorageFull { address: address() },
            ),
            (
                reason(Code::Unavailable, "NOT_READY", &[]),
                Error::NotReady { address: address() },
            ),
            (reason(Code::DataLoss, "SESSION_CORRUPT", &[]), Error::SessionCorrupt),
            (
                reason(Code::Internal, "INTERNAL", &[]),
                Error::Internal { address: address() },
            ),
        ] {
            assert_eq!(decode(&status), expected);
        }
    }

    #[test]
    fn a_violation_names_its_field() {
        let mut details = ErrorDetails::with_error_info("INVALID_ARGUMENT", "sessiond", HashMap::new());
        details.set_bad_request(vec![FieldViolation::new(
            "session_id",
            "16 to 256 printable characters",
        )]);
        let status = Status::with_error_details(Code::InvalidArgument, "bad input", details);
        let error = decode(&status);
        assert_eq!(
            error.to_string(),
            "invalid argument: session_id: 16 to 256 printable characters"
        );
    }

    #[test]
    fn reasons_of_another_domain_are_not_ours() {
        let details = ErrorDetails::with_error_info("SESSION_NOT_FOUND", "elsewhere", HashMap::new());
        let status = Status::with_error_details(Code::NotFound, "two\nlines", details);
        assert_eq!(
            decode(&status).to_string(),
            "unexpected answer from 127.0.0.1:50051: two lines (NotFound)"
        );
    }
}
