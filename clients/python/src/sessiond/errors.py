"""The errors of the client: one class for each reason of the contract, all below SessiondError.

No error ever carries a session ID: the server puts none in its answers, and none is added here.
"""

from collections.abc import Sequence

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DOMAIN = "sessiond"
_DETAILS_KEY = "grpc-status-details-bin"


class SessiondError(Exception):
    """Anything that went wrong between the caller and the store.

    `reason` is the machine-readable reason of the contract, such as "SESSION_NOT_FOUND", or the name of the gRPC code
    where the server gave none; `code` is the grpc.StatusCode, None for errors found before anything was sent;
    `metadata` is what the server says beyond that, such as "limit" and "actual".
    """

    reason = "UNKNOWN"
    code: grpc.StatusCode | None = None

    def __init__(self, message: str, *, reason: str | None = None, code=None, metadata=None):
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

    def __init__(self, message: str, *, violations: Sequence[tuple[str, str]] = (), **details):
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
    """The principal has as many sessions as its namespace allows."""

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


class SessionCorrupt(SessiondError):
    """The stored session fails its checksum."""

    reason = "SESSION_CORRUPT"


class InternalError(SessiondError):
    """The server failed; its log says why."""

    reason = "INTERNAL"


_BY_REASON = {
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
        SessionCorrupt,
        InternalError,
    )
}
# Codes decide where the reason is unknown: a proxy answered, or the call never reached the server.
_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: StoreUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: StoreUnavailable,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.INTERNAL: InternalError,
}


def from_rpc_error(error: grpc.RpcError) -> SessiondError:
    """The typed error for what gRPC raised."""
    code = error.code()
    info, violations = _details(error)
    reason = info.reason or code.name
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or SessiondError
    # The server's text says the same as its violations, if there are any.
    problem = "; ".join(f"{field}: {description}" for field, description in violations) or error.details()
    details = {"reason": reason, "code": code, "metadata": info.metadata}
    if kind is InvalidArgument:
        details["violations"] = violations
    return kind(f"{reason}: {problem or 'no details'}", **details)


def _details(error: grpc.RpcError) -> tuple[error_details_pb2.ErrorInfo, list[tuple[str, str]]]:
    """The server's ErrorInfo and its field violations; both empty if it sent none."""
    info = error_details_pb2.ErrorInfo()
    violations: list[tuple[str, str]] = []
    trailers = dict(error.trailing_metadata() or ())
    try:
        details = status_pb2.Status.FromString(trailers.get(_DETAILS_KEY, b"")).details
    except DecodeError:
        # Not of this server: a proxy may send anything.
        return info, violations
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            candidate = error_details_pb2.ErrorInfo()
            detail.Unpack(candidate)
            if candidate.domain == _DOMAIN:
                info = candidate
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad_request = error_details_pb2.BadRequest()
            detail.Unpack(bad_request)
            violations = [(v.field, v.description) for v in bad_request.field_violations]
    return info, violations
