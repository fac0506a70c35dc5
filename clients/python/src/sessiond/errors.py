"""The errors of the client: one class for each reason of the contract, all below SessiondError.

No error ever carries a session ID: the server puts none in its answers, and none is added here.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Code(IntEnum):
    """The codes of gRPC, by their numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class SessiondError(Exception):
    """Anything that went wrong between the caller and the store.

    `reason` is the machine-readable reason of the contract, such as "SESSION_NOT_FOUND", or the name of the code where
    the server gave none; `code` is the code of gRPC, None for errors found before anything was sent; `metadata` is what
    the server says beyond that, such as "limit" and "actual".
    """

    reason = "UNKNOWN"
    code: Code | None = None

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        code: Code | None = None,
        metadata: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.reason = reason or type(self).reason
        self.code = code
        self.metadata: dict[str, str] = dict(metadata or {})


class UnsupportedValue(SessiondError, TypeError):
    """A value that the language-neutral Value can't hold; the message names the attribute and the place in it."""

    reason = "UNSUPPORTED_VALUE"


class InvalidArgument(SessiondError):
    """A field is out of its bounds; `violations` is a list of (field, description)."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, message: str, *, violations: Sequence[tuple[str, str]] = (), **details: Any):
        super().__init__(message, **details)
        self.violations: list[tuple[str, str]] = list(violations)

    @classmethod
    def of(cls, field: str, problem: str) -> "InvalidArgument":
        """The error about a field that was found before anything was sent."""
        return cls(f"{cls.reason}: {field}: {problem}", violations=[(field, problem)])


class SessionNotFound(SessiondError):
    """Unknown, expired or deleted: the three look alike."""

    reason = "SESSION_NOT_FOUND"


class SessionIdTaken(SessiondError):
    """The ID that the caller chose is in use."""

    reason = "SESSION_ID_TAKEN"


class VersionMismatch(SessiondError):
    """The session has another version than expected; read it again and retry."""

    reason = "VERSION_MISMATCH"

    @property
    def current_version(self) -> int | None:
        """The version that the session has now, if the server told it."""
        version = self.metadata.get("current_version")
        return None if version is None else int(version)


class SessionIdRetired(SessiondError):
    """The ID was rotated away; until its grace ends it can read, and nothing else."""

    reason = "SESSION_ID_RETIRED"


class SessionTooLarge(SessiondError):
    """The session would outgrow a limit; `metadata` has "limit" and "actual"."""

    reason = "SESSION_TOO_LARGE"


class MessageTooLarge(SessiondError):
    """The request is larger than the server takes; `metadata` has "limit" and "actual", in bytes."""

    reason = "MESSAGE_TOO_LARGE"


class SessionLimitReached(SessiondError):
    """The principal or its namespace has as many sessions as are allowed."""

    reason = "SESSION_LIMIT_REACHED"


class TooManyRequests(SessiondError):
    """The server has as many requests in flight as it allows."""

    reason = "TOO_MANY_REQUESTS"


class StorageFull(SessiondError):
    """Free disk space is low at the server; reads and deletes still work."""

    reason = "STORAGE_FULL"


class StoreUnavailable(SessiondError):
    """The store can't be reached, isn't ready, or did not answer within the deadline.

    After a missed deadline (reason "DEADLINE_EXCEEDED") the call may have been carried out.
    """

    reason = "UNAVAILABLE"


class NotReady(StoreUnavailable):
    """The server is starting or shuts down; the call was not carried out."""

    reason = "NOT_READY"


class Unauthenticated(SessiondError):
    """The server does not know who calls: the token is missing, unknown, revoked or expired, and nothing else tells.

    The call was not carried out.
    """

    reason = "UNAUTHENTICATED"


class PermissionDenied(SessiondError):
    """The caller may not do that. The call was not carried out."""

    reason = "PERMISSION_DENIED"


class LockHeld(SessiondError):
    """Another holds the lock, and the wait is over; `metadata` has "held_for_ms" and "ends_in_ms" of that lock."""

    reason = "LOCK_HELD"


class LockLost(SessiondError):
    """The lock token is of no lock that holds; what was to be done under it was not done."""

    reason = "LOCK_LOST"


class HandoffInvalid(SessiondError):
    """The ticket is unknown, used, too old, or for another audience."""

    reason = "HANDOFF_INVALID"


class EventsGone(SessiondError):
    """The events after the resume token are no longer kept: list the sessions, and watch from now on."""

    reason = "EVENTS_GONE"


class WatcherTooSlow(SessiondError):
    """The watcher did not read for too long; it can resume after its last event."""

    reason = "WATCHER_TOO_SLOW"


class BatchTooLarge(SessiondError):
    """The answer to a batch has no room for this session; ask for fewer at a time."""

    reason = "BATCH_TOO_LARGE"


class UnknownMethod(SessiondError):
    """The server has no such method: it is older than this client, or no sessiond."""

    reason = "UNKNOWN_METHOD"


class SessionCorrupt(SessiondError):
    """The stored session fails its checksum."""

    reason = "SESSION_CORRUPT"


class InternalError(SessiondError):
    """The server failed; its log says why."""

    reason = "INTERNAL"


_BY_REASON: dict[str, type[SessiondError]] = {
    error.reason: error
    for error in (
        InvalidArgument,
        SessionNotFound,
        SessionIdTaken,
        VersionMismatch,
        SessionIdRetired,
        SessionTooLarge,
        MessageTooLarge,
        SessionLimitReached,
        TooManyRequests,
        StorageFull,
        NotReady,
        Unauthenticated,
        PermissionDenied,
        LockHeld,
        LockLost,
        HandoffInvalid,
        EventsGone,
        WatcherTooSlow,
        BatchTooLarge,
        UnknownMethod,
        SessionCorrupt,
        InternalError,
    )
}
# Codes decide where the reason is unknown: a proxy answered, or the call never reached the server.
_BY_CODE: dict[int, type[SessiondError]] = {
    Code.UNAVAILABLE: StoreUnavailable,
    Code.DEADLINE_EXCEEDED: StoreUnavailable,
    Code.INVALID_ARGUMENT: InvalidArgument,
    Code.INTERNAL: InternalError,
    Code.UNIMPLEMENTED: UnknownMethod,
    Code.UNAUTHENTICATED: Unauthenticated,
    Code.PERMISSION_DENIED: PermissionDenied,
}


def make(
    reason: str,
    code: int,
    message: str,
    metadata: Mapping[str, str] | None = None,
    violations: Sequence[tuple[str, str]] = (),
) -> SessiondError:
    """The error of a call, of its class. Transports raise it.

    `reason` is "" if the server named none; `code` is the number of gRPC's code; `violations` are the fields that are
    out of their bounds, each with what is wrong with it.
    """
    known = Code(code) if 0 <= code <= Code.UNAUTHENTICATED else Code.UNKNOWN
    kind = _BY_REASON.get(reason) or _BY_CODE.get(known) or SessiondError
    reason = reason or known.name
    # The server's text says the same as its violations, if there are any.
    problem = "; ".join(f"{field}: {description}" for field, description in violations) or message or "no details"
    text = f"{reason}: {problem}"
    if issubclass(kind, InvalidArgument):
        return kind(text, reason=reason, code=known, metadata=metadata, violations=violations)
    return kind(text, reason=reason, code=known, metadata=metadata)
