//! From the status of a call to its error.

use std::error::Error as StdError;
use std::time::Duration;

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use super::{Error, Violation};
use crate::Address;
use crate::proto::ItemError;

impl Error {
    pub(crate) fn from_status(status: &Status, address: &Address, deadline: Duration) -> Self {
        let address = address.to_string();
        if let Some(error) = Self::of_transport(status, &address, deadline) {
            return error;
        }
        let details = status.get_error_details();
        let info = details.error_info();
        let number = |key: &str| info.and_then(|info| info.metadata.get(key)?.parse().ok());
        let millis = |key: &str| number(key).map(Duration::from_millis);
        let message = one_line(status.message());
        // Another server's reasons are not ours, whatever they are called.
        let reason = info.filter(|info| info.domain == "sessiond").map_or("", |info| info.reason.as_str());
        match reason {
            "SESSION_NOT_FOUND" => Self::SessionNotFound,
            "SESSION_LIMIT_REACHED" => Self::SessionLimitReached,
            "LOCK_HELD" => Self::LockHeld { held_for: millis("held_for_ms"), ends_in: millis("ends_in_ms") },
            "LOCK_LOST" => Self::LockLost,
            "HANDOFF_INVALID" => Self::HandoffInvalid,
            "EVENTS_GONE" => Self::EventsGone,
            "WATCHER_TOO_SLOW" => Self::WatcherTooSlow { address },
            "SESSION_ID_TAKEN" => Self::SessionIdTaken,
            "VERSION_MISMATCH" => Self::VersionMismatch { current: number("current_version") },
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
            "SESSION_TOO_LARGE" => Self::SessionTooLarge { message, limit: number("limit"), actual: number("actual") },
            "MESSAGE_TOO_LARGE" => Self::MessageTooLarge { message, limit: number("limit"), actual: number("actual") },
            "UNKNOWN_METHOD" => Self::UnknownMethod { address },
            "TOO_MANY_REQUESTS" => Self::TooManyRequests { address },
            "STORAGE_FULL" => Self::StorageFull { address },
            "BACKUP_RUNNING" => Self::BackupRunning { address },
            "BACKUP_TOO_SLOW" => Self::BackupTooSlow { address },
            "VERIFY_RUNNING" => Self::VerifyRunning { address },
            "NOT_EMPTY" => Self::NotEmpty { address },
            "IN_MEMORY" => Self::InMemory { address },
            "BACKUP_INVALID" => Self::BackupInvalid { message },
            "NOT_READY" => Self::NotReady { address },
            "SESSION_CORRUPT" => Self::SessionCorrupt,
            "INTERNAL" => Self::Internal { address },
            _ => match status.code() {
                // Who refuses may also be a proxy.
                Code::Unauthenticated => Self::Unauthenticated { address, message },
                Code::PermissionDenied => Self::PermissionDenied { address, message },
                Code::Unavailable => Self::Unavailable { address, cause: message },
                // A server that ends a call at the deadline it was told may call it either; nobody else cancels here.
                Code::DeadlineExceeded | Code::Cancelled => Self::DeadlineExceeded { address, deadline },
                code => Self::Other { address, code, message },
            },
        }
    }

    /// Why one item of a batch failed.
    pub(crate) fn from_item(error: &ItemError, address: &Address) -> Self {
        let message = one_line(&error.message);
        match error.reason.as_str() {
            "SESSION_NOT_FOUND" => Self::SessionNotFound,
            "SESSION_CORRUPT" => Self::SessionCorrupt,
            "BATCH_TOO_LARGE" => Self::BatchTooLarge,
            "INVALID_ARGUMENT" => Self::InvalidArgument { message, violations: Vec::new() },
            _ => Self::Other { address: address.to_string(), code: Code::Unknown, message },
        }
    }

    /// A status that did not come from the server but was made on this side, of what happened to the connection.
    fn of_transport(status: &Status, address: &str, deadline: Duration) -> Option<Self> {
        // Only a status made on this side has a source.
        let mut cause = status.source()?;
        loop {
            if cause.is::<TimeoutExpired>() {
                return Some(Self::DeadlineExceeded { address: address.to_owned(), deadline });
            }
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        let cause = describe(cause);
        let hint = if address.starts_with("https://") { hint_about_tls(&cause) } else { "" };
        Some(Self::Unavailable { address: address.to_owned(), cause: cause + hint })
    }

    pub(crate) fn incomplete(address: &Address) -> Self {
        Self::Other {
            address: address.to_string(),
            code: Code::Internal,
            message: "a part of the answer is missing".to_owned(),
        }
    }
}

/// What a cause may mean where TLS is spoken: what the other side says of it does not always arrive.
fn hint_about_tls(cause: &str) -> &'static str {
    let is_about = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if is_about(&["InvalidContentType"]) {
        "; it speaks no TLS there: write the address without https://"
    } else if is_about(&["fatal alert", "connection closed", "broken pipe", "connection reset", "transport error"]) {
        "; it may ask for a certificate of the client that it trusts"
    } else {
        ""
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn decode(status: &Status) -> Error {
        Error::from_status(status, &"127.0.0.1:50051".parse().expect("an address"), Duration::from_secs(1))
    }

    fn reason(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<_, _> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let details = ErrorDetails::with_error_info(reason, "sessiond", metadata);
        Status::with_error_details(code, "what the server says", details)
    }

    #[test]
    fn every_reason_of_the_contract_has_its_own_error() {
        let address = || "127.0.0.1:50051".to_owned();
        let message = || "what the server says".to_owned();
        for (status, expected) in [
            (reason(Code::NotFound, "SESSION_NOT_FOUND", &[]), Error::SessionNotFound),
            (reason(Code::ResourceExhausted, "SESSION_LIMIT_REACHED", &[]), Error::SessionLimitReached),
            (
                reason(Code::FailedPrecondition, "LOCK_HELD", &[("held_for_ms", "250"), ("ends_in_ms", "750")]),
                Error::LockHeld {
                    held_for: Some(Duration::from_millis(250)),
                    ends_in: Some(Duration::from_millis(750)),
                },
            ),
            (reason(Code::FailedPrecondition, "LOCK_LOST", &[]), Error::LockLost),
            (reason(Code::NotFound, "HANDOFF_INVALID", &[]), Error::HandoffInvalid),
            (reason(Code::OutOfRange, "EVENTS_GONE", &[]), Error::EventsGone),
            (reason(Code::ResourceExhausted, "WATCHER_TOO_SLOW", &[]), Error::WatcherTooSlow { address: address() }),
            (reason(Code::AlreadyExists, "SESSION_ID_TAKEN", &[]), Error::SessionIdTaken),
            (
                reason(Code::Aborted, "VERSION_MISMATCH", &[("current_version", "7")]),
                Error::VersionMismatch { current: Some(7) },
            ),
            (reason(Code::FailedPrecondition, "SESSION_ID_RETIRED", &[]), Error::SessionIdRetired),
            (
                reason(Code::InvalidArgument, "INVALID_ARGUMENT", &[]),
                Error::InvalidArgument { message: message(), violations: Vec::new() },
            ),
            (
                reason(Code::ResourceExhausted, "SESSION_TOO_LARGE", &[("limit", "10"), ("actual", "11")]),
                Error::SessionTooLarge { message: message(), limit: Some(10), actual: Some(11) },
            ),
            (
                reason(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[("limit", "10"), ("actual", "11")]),
                Error::MessageTooLarge { message: message(), limit: Some(10), actual: Some(11) },
            ),
            (reason(Code::Unimplemented, "UNKNOWN_METHOD", &[]), Error::UnknownMethod { address: address() }),
            (reason(Code::ResourceExhausted, "TOO_MANY_REQUESTS", &[]), Error::TooManyRequests { address: address() }),
            (reason(Code::ResourceExhausted, "STORAGE_FULL", &[]), Error::StorageFull { address: address() }),
            (reason(Code::ResourceExhausted, "BACKUP_RUNNING", &[]), Error::BackupRunning { address: address() }),
            (reason(Code::ResourceExhausted, "BACKUP_TOO_SLOW", &[]), Error::BackupTooSlow { address: address() }),
            (reason(Code::ResourceExhausted, "VERIFY_RUNNING", &[]), Error::VerifyRunning { address: address() }),
            (reason(Code::FailedPrecondition, "NOT_EMPTY", &[]), Error::NotEmpty { address: address() }),
            (reason(Code::FailedPrecondition, "IN_MEMORY", &[]), Error::InMemory { address: address() }),
            (reason(Code::InvalidArgument, "BACKUP_INVALID", &[]), Error::BackupInvalid { message: message() }),
            (
                reason(Code::Unauthenticated, "UNAUTHENTICATED", &[]),
                Error::Unauthenticated { address: address(), message: message() },
            ),
            (
                reason(Code::PermissionDenied, "PERMISSION_DENIED", &[]),
                Error::PermissionDenied { address: address(), message: message() },
            ),
            (reason(Code::Unavailable, "NOT_READY", &[]), Error::NotReady { address: address() }),
            (reason(Code::DataLoss, "SESSION_CORRUPT", &[]), Error::SessionCorrupt),
            (reason(Code::Internal, "INTERNAL", &[]), Error::Internal { address: address() }),
        ] {
            assert_eq!(decode(&status), expected);
            let told = status.get_details_error_info().expect("details").reason;
            assert_eq!((expected.reason(), expected.code()), (told.as_str(), status.code()));
        }
    }

    #[test]
    fn a_violation_names_its_field() {
        let mut details = ErrorDetails::with_error_info("INVALID_ARGUMENT", "sessiond", HashMap::new());
        details.set_bad_request(vec![FieldViolation::new("session_id", "16 to 256 printable characters")]);
        let status = Status::with_error_details(Code::InvalidArgument, "bad input", details);
        let error = decode(&status);
        assert_eq!(error.to_string(), "invalid argument: session_id: 16 to 256 printable characters");
    }

    #[test]
    fn reasons_of_another_domain_are_not_ours() {
        let details = ErrorDetails::with_error_info("SESSION_NOT_FOUND", "elsewhere", HashMap::new());
        let status = Status::with_error_details(Code::NotFound, "two\nlines", details);
        assert_eq!(decode(&status).to_string(), "unexpected answer from 127.0.0.1:50051: two lines (NotFound)");
    }

    #[test]
    fn an_item_of_a_batch_fails_like_a_call() {
        let address = "127.0.0.1:50051".parse().expect("an address");
        let item = |reason: &str| {
            let error = ItemError { reason: reason.to_owned(), message: "what the\nserver says".to_owned() };
            Error::from_item(&error, &address)
        };
        assert_eq!(item("SESSION_NOT_FOUND"), Error::SessionNotFound);
        assert_eq!(item("SESSION_CORRUPT"), Error::SessionCorrupt);
        assert_eq!(item("BATCH_TOO_LARGE"), Error::BatchTooLarge);
        assert_eq!(item("INVALID_ARGUMENT").to_string(), "invalid argument: what the server says");
        assert!(matches!(item("SOMETHING_NEW"), Error::Other { .. }));
    }
}
