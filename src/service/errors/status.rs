//! The one place that makes error statuses: a gRPC code, a machine-readable reason, and for bad input the field. What arises
//! below the methods is put into the same form by `protocol`.

use super::counters::{self, MET_DAMAGE, REFUSED_FOR_SPACE};
use crate::authorization::Denied;
use crate::backup::RestoreError;
use crate::engine::EngineError;
use crate::proto::ItemError;
use crate::session::Error;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `google.rpc.ErrorInfo` sent.
const DOMAIN: &str = "sessiond";

/// Why the server refuses a call before it reaches the session rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The engine is still being opened, or the server is about to end.
    NotReady,
    /// As many requests are in flight as are allowed.
    TooManyRequests,
    /// Too many look-ups of the caller fail.
    FailedLookups(usize),
    /// A watcher reads too slowly.
    WatcherTooSlow,
    /// A backup or a restore is running.
    BackupRunning,
    /// A backup is read or sent too slowly, or can't catch up with the changes.
    BackupTooSlow,
    /// A check of the data is running.
    VerifyRunning,
    /// A backup can be restored only into an empty server.
    NotEmpty,
    /// There is no disk to restore to.
    InMemory,
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotReady => {
                plain(Code::Unavailable, "the server is starting or stopping; repeat the call", "NOT_READY")
            }
            Refusal::FailedLookups(limit) => plain(
                Code::ResourceExhausted,
                format!("more than {limit} look-ups of this caller fail in a second (setting max-failed-lookups)"),
                "TOO_MANY_REQUESTS",
            ),
            Refusal::WatcherTooSlow => plain(
                Code::ResourceExhausted,
                "the watcher reads too slowly; resume after the last event that it received",
                "WATCHER_TOO_SLOW",
            ),
            Refusal::BackupRunning => plain(
                Code::ResourceExhausted,
                "another backup or restore is running; only one can run at a time",
                "BACKUP_RUNNING",
            ),
            Refusal::BackupTooSlow => plain(
                Code::ResourceExhausted,
                "the backup moved too slowly: its reader or sender stalled, or sessions change faster than it is read",
                "BACKUP_TOO_SLOW",
            ),
            Refusal::VerifyRunning => plain(
                Code::ResourceExhausted,
                "another check of the data is running; only one can run at a time",
                "VERIFY_RUNNING",
            ),
            Refusal::NotEmpty => plain(
                Code::FailedPrecondition,
                "the server already holds sessions or events; restore into a server that was started with an empty data folder",
                "NOT_EMPTY",
            ),
            Refusal::InMemory => plain(
                Code::FailedPrecondition,
                "the server keeps its sessions in memory only; restore into a server with the engine sled",
                "IN_MEMORY",
            ),
            Refusal::TooManyRequests => plain(
                Code::ResourceExhausted,
                "too many requests are in flight (setting max-requests-in-flight)",
                "TOO_MANY_REQUESTS",
            ),
        }
    }
}

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::NotAllowed { .. } => plain(Code::PermissionDenied, message, "PERMISSION_DENIED"),
            Denied::TooManyCalls { .. } => plain(Code::ResourceExhausted, message, "TOO_MANY_REQUESTS"),
            Denied::Unknown | Denied::Malformed | Denied::Token => {
                plain(Code::Unauthenticated, message, "UNAUTHENTICATED")
            }
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound => plain(Code::NotFound, message, "SESSION_NOT_FOUND"),
            Error::IdTaken => plain(Code::AlreadyExists, message, "SESSION_ID_TAKEN"),
            Error::IdRetired => plain(Code::FailedPrecondition, message, "SESSION_ID_RETIRED"),
            Error::VersionMismatch { current } => with_reason(
                Code::Aborted,
                message,
                "VERSION_MISMATCH",
                HashMap::from([("current_version".into(), current.to_string())]),
            ),
            Error::TooLarge { limit, actual, .. } => with_reason(
                Code::ResourceExhausted,
                message,
                "SESSION_TOO_LARGE",
                HashMap::from([("limit".into(), limit.to_string()), ("actual".into(), actual.to_string())]),
            ),
            Error::Invalid { field, problem } => {
                let reason = "INVALID_ARGUMENT";
                counters::count(reason);
                let mut details = ErrorDetails::with_bad_request_violation(field, problem);
                details.set_error_info(reason, DOMAIN, HashMap::new());
                Status::with_error_details(Code::InvalidArgument, message, details)
            }
            Error::SessionLimit { .. } | Error::NamespaceLimit { .. } => {
                plain(Code::ResourceExhausted, message, "SESSION_LIMIT_REACHED")
            }
            Error::BatchTooLarge => plain(Code::ResourceExhausted, message, "BATCH_TOO_LARGE"),
            Error::LockHeld { held_for, ends_in } => with_reason(
                Code::FailedPrecondition,
                message,
                "LOCK_HELD",
                HashMap::from([
                    ("held_for_ms".into(), held_for.to_string()),
                    ("ends_in_ms".into(), ends_in.to_string()),
                ]),
            ),
            Error::LockLost => plain(Code::FailedPrecondition, message, "LOCK_LOST"),
            Error::HandoffInvalid => plain(Code::NotFound, message, "HANDOFF_INVALID"),
            Error::EventsGone => plain(Code::OutOfRange, message, "EVENTS_GONE"),
            Error::Engine(error) => engine_failure(&error),
        }
    }
}

/// A call has reached its deadline.
pub(crate) fn call_timed_out() -> Status {
    plain(Code::DeadlineExceeded, "the call reached its deadline; it may have been carried out", "DEADLINE_EXCEEDED")
}

/// Why a backup was not restored.
pub(in crate::service) fn restore_failure(error: &RestoreError) -> Status {
    match error {
        RestoreError::Backup(problem) => plain(Code::InvalidArgument, problem.to_string(), "BACKUP_INVALID"),
        RestoreError::Engine(error) => engine_failure(error),
        RestoreError::Folder(_) | RestoreError::Files(_) => {
            tracing::error!(%error, "a backup could not be restored");
            plain(Code::Internal, "the storage failed; see the server's log", "INTERNAL")
        }
    }
}

/// The reason and the text of an error, for an item of a batch.
pub(in crate::service) fn item_error(error: impl Into<Status>) -> ItemError {
    let status = error.into();
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    ItemError { reason, message: status.message().into() }
}

/// Logs what happened, and tells the caller only what it can act on.
fn engine_failure(error: &EngineError) -> Status {
    match error {
        EngineError::StorageFull => plain(
            Code::ResourceExhausted,
            "too little free disk space to write; reads and deletes still work",
            REFUSED_FOR_SPACE,
        ),
        EngineError::Stopped => Refusal::NotReady.into(),
        EngineError::Corrupt(_) => {
            tracing::error!(%error, "a request met damaged data");
            plain(Code::DataLoss, "the stored session is damaged", MET_DAMAGE)
        }
        EngineError::Storage(_) | EngineError::DiskFull | EngineError::Damaged { .. } | EngineError::Keys(_) => {
            tracing::error!(%error, "a request failed");
            plain(Code::Internal, "the storage failed; see the server's log", "INTERNAL")
        }
    }
}

/// The error with this reason, and nothing else to tell of it.
pub(super) fn plain(code: Code, message: impl Into<String>, reason: &str) -> Status {
    with_reason(code, message, reason, HashMap::new())
}

/// The error with this reason, and details of it. It is counted here, since every error is told to somebody.
pub(super) fn with_reason(
    code: Code,
    message: impl Into<String>,
    reason: &str,
    metadata: HashMap<String, String>,
) -> Status {
    counters::count(reason);
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    #[test]
    fn no_caller_is_told_where_the_storage_failed_and_why() {
        let cause = || io::Error::other("/var/lib/sessiond/db: Input/output error");
        for error in [
            EngineError::Storage(Arc::new(cause())),
            EngineError::Corrupt(cause().to_string()),
            EngineError::Damaged { folder: "/var/lib/sessiond".into(), damage: cause().to_string() },
            EngineError::DiskFull,
            EngineError::Stopped,
        ] {
            let status = engine_failure(&error);
            let told = format!("{} {}", status.message(), String::from_utf8_lossy(status.details()));
            assert!(!told.contains("/var/lib") && !told.contains("Input/output"), "{error}: {told}");
        }
    }
}
