//! The names that the contract has for errors.

use tonic::Code;

use super::Error;

impl Error {
    /// The reason as the contract calls it, such as `SESSION_NOT_FOUND`, for logs and metrics; empty where no sessiond gave one.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.names().0
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.names().1
    }

    /// Whether the same call may succeed in a moment: the server is away, busy, or did not answer in time. It may have been
    /// carried out nevertheless.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::NotReady { .. }
                | Self::DeadlineExceeded { .. }
                | Self::TooManyRequests { .. }
                | Self::WatcherTooSlow { .. }
        )
    }

    fn names(&self) -> (&'static str, Code) {
        match self {
            Self::SessionNotFound => ("SESSION_NOT_FOUND", Code::NotFound),
            Self::SessionIdTaken => ("SESSION_ID_TAKEN", Code::AlreadyExists),
            Self::VersionMismatch { .. } => ("VERSION_MISMATCH", Code::Aborted),
            Self::SessionIdRetired => ("SESSION_ID_RETIRED", Code::FailedPrecondition),
            Self::InvalidArgument { .. } => ("INVALID_ARGUMENT", Code::InvalidArgument),
            Self::SessionTooLarge { .. } => ("SESSION_TOO_LARGE", Code::ResourceExhausted),
            Self::MessageTooLarge { .. } => ("MESSAGE_TOO_LARGE", Code::ResourceExhausted),
            Self::UnknownMethod { .. } => ("UNKNOWN_METHOD", Code::Unimplemented),
            Self::SessionLimitReached => ("SESSION_LIMIT_REACHED", Code::ResourceExhausted),
            Self::LockHeld { .. } => ("LOCK_HELD", Code::FailedPrecondition),
            Self::LockLost => ("LOCK_LOST", Code::FailedPrecondition),
            Self::HandoffInvalid => ("HANDOFF_INVALID", Code::NotFound),
            Self::EventsGone => ("EVENTS_GONE", Code::OutOfRange),
            Self::WatcherTooSlow { .. } => ("WATCHER_TOO_SLOW", Code::ResourceExhausted),
            Self::BatchTooLarge => ("BATCH_TOO_LARGE", Code::ResourceExhausted),
            Self::TooManyRequests { .. } => ("TOO_MANY_REQUESTS", Code::ResourceExhausted),
            Self::StorageFull { .. } => ("STORAGE_FULL", Code::ResourceExhausted),
            Self::BackupRunning { .. } => ("BACKUP_RUNNING", Code::ResourceExhausted),
            Self::BackupTooSlow { .. } => ("BACKUP_TOO_SLOW", Code::ResourceExhausted),
            Self::VerifyRunning { .. } => ("VERIFY_RUNNING", Code::ResourceExhausted),
            Self::NotEmpty { .. } => ("NOT_EMPTY", Code::FailedPrecondition),
            Self::InMemory { .. } => ("IN_MEMORY", Code::FailedPrecondition),
            Self::BackupInvalid { .. } => ("BACKUP_INVALID", Code::InvalidArgument),
            Self::Unauthenticated { .. } => ("UNAUTHENTICATED", Code::Unauthenticated),
            Self::PermissionDenied { .. } => ("PERMISSION_DENIED", Code::PermissionDenied),
            Self::NotReady { .. } => ("NOT_READY", Code::Unavailable),
            Self::SessionCorrupt => ("SESSION_CORRUPT", Code::DataLoss),
            Self::Internal { .. } => ("INTERNAL", Code::Internal),
            Self::Unavailable { .. } => ("", Code::Unavailable),
            Self::DeadlineExceeded { .. } => ("", Code::DeadlineExceeded),
            Self::Other { code, .. } => ("", *code),
        }
    }
}
