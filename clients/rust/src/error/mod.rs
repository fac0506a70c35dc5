//! What can go wrong.

mod decode;
mod reason;

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// Why a call failed. Its texts never hold a session ID or another secret.
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
    /// The request is larger than the server takes.
    #[error("the request is too large: {message}")]
    MessageTooLarge {
        /// What the server says.
        message: String,
        /// The limit, in bytes.
        limit: Option<u64>,
        /// The request's size, in bytes.
        actual: Option<u64>,
    },
    /// The server has no such method: it may be older than this client.
    #[error("sessiond at {address} has no such method; it may be older than this client")]
    UnknownMethod {
        /// The server.
        address: String,
    },
    /// The principal or its namespace has as many sessions as are allowed.
    #[error("the principal or the namespace has as many sessions as are allowed")]
    SessionLimitReached,
    /// Another holds the lock, and the wait is over.
    #[error("the session is locked by another")]
    LockHeld {
        /// How long the other has held it.
        held_for: Option<std::time::Duration>,
        /// When its lease ends, from the answer on.
        ends_in: Option<std::time::Duration>,
    },
    /// The lock token is of no lock that holds: the lease ended, or the server was restarted. Nothing was changed.
    #[error("the lock was lost: nothing was changed")]
    LockLost,
    /// The ticket is unknown, used, too old, or for another audience.
    #[error("the ticket is not valid: it is unknown, used, too old, or for another audience")]
    HandoffInvalid,
    /// The events after the resume token are no longer kept: list the sessions and watch from now on.
    #[error("the events after that resume token are no longer kept")]
    EventsGone,
    /// The watcher did not read for too long and was cut off: resume after the last event that it saw.
    #[error("events were not read fast enough, and sessiond at {address} ended the stream")]
    WatcherTooSlow {
        /// The server.
        address: String,
    },
    /// The answer to a batch has no room for this session: ask for fewer at a time.
    #[error("the answer has no room for the session: ask for fewer at a time")]
    BatchTooLarge,
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
    /// Another backup or restore is under way.
    #[error("another backup or restore of sessiond at {address} is under way")]
    BackupRunning {
        /// The server.
        address: String,
    },
    /// The backup was not read, or sent, fast enough.
    #[error("the backup was not passed on fast enough, and sessiond at {address} gave it up")]
    BackupTooSlow {
        /// The server.
        address: String,
    },
    /// Another check of the data is under way.
    #[error("another check of the data of sessiond at {address} is under way")]
    VerifyRunning {
        /// The server.
        address: String,
    },
    /// A backup can be restored only where there is no session and no event.
    #[error("sessiond at {address} holds sessions or events already: restore into a server with an empty data folder")]
    NotEmpty {
        /// The server.
        address: String,
    },
    /// The server keeps sessions in memory only and can't restore a backup.
    #[error("sessiond at {address} keeps sessions in memory only and can't restore a backup")]
    InMemory {
        /// The server.
        address: String,
    },
    /// What was sent is no backup, damaged, cut off, or of a newer format. Nothing was restored.
    #[error("nothing was restored: {message}")]
    BackupInvalid {
        /// What the server says.
        message: String,
    },
    /// The server does not know who calls: the token is missing, unknown, revoked or expired, and nothing else tells. Nothing
    /// was carried out.
    #[error("{address} does not know the caller: {message}")]
    Unauthenticated {
        /// The server.
        address: String,
        /// What the server says.
        message: String,
    },
    /// The caller may not do that. Nothing was carried out.
    #[error("{address} does not allow the call: {message}")]
    PermissionDenied {
        /// The server.
        address: String,
        /// What the server says.
        message: String,
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

fn version(current: Option<&u64>) -> String {
    current.map_or_else(String::new, |version| format!(": its version is {version}"))
}

fn violations_or(violations: &[Violation], message: &str) -> String {
    if violations.is_empty() {
        return message.to_owned();
    }
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
