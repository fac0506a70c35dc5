"""What is known of a call that failed."""

import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from sessiond import errors
from sessiond.errors import Code, SessiondError

_DOMAIN = "sessiond"
_DETAILS_KEY = "grpc-status-details-bin"

# How gRPC says that no connection came about. Where it says so in other words, a call is not repeated that could be.
_NO_CONNECTION = re.compile(r"failed to connect to all addresses|errors resolving |DNS resolution failed")

# How gRPC says that a connection was lost, or took no more calls. It does not tell otherwise whether a status came from
# the other side: where it says so in other words, a repetition takes a token of the budget that it need not take.
_LOST = re.compile(
    r"Stream removed|Socket closed|Connection reset|Broken pipe|recvmsg|sendmsg|End of TCP stream|Transport closed"
    r"|GOAWAY|RST_STREAM|keepalive",
    re.IGNORECASE,
)

# What gRPC says of a connection with TLS that did not come about, each with what it means, in the words of the native
# core where it has some.
_WITHOUT_TLS = [
    (re.compile(r"CERTIFICATE_VERIFY_FAILED: (.*?)(?:: OK)?$"), r"invalid peer certificate: \1"),
    (re.compile(r"Hostname Verification Check failed"), "invalid peer certificate: it is not for this name"),
    (re.compile(r"WRONG_VERSION_NUMBER"), "the server does not speak TLS"),
    # All that it says where the server sent an alert, after the client had done its part.
    (re.compile(r"TSI_DATA_CORRUPTED"), "the server refuses this client; it may want another certificate of it"),
]


@dataclass(frozen=True)
class Failure:
    error: SessiondError
    # For certain; otherwise it may have been.
    was_not_carried_out: bool
    # By a server or a proxy. Otherwise gRPC noticed here that none is there, or a server that starts or stops asks for
    # the repetition.
    was_answered: bool

    @property
    def is_absence(self) -> bool:
        """The server is away: it can't be reached, is starting or shuts down."""
        return self.error.code is Code.UNAVAILABLE

    @property
    def is_silence(self) -> bool:
        """Nothing came in time, not even an error of the server's."""
        return self.error.reason == Code.DEADLINE_EXCEEDED.name

    def may_be_repeated(self, is_idempotent: bool) -> bool:
        """The one rule of what is repeated."""
        return self.is_absence and (self.was_not_carried_out or is_idempotent)


# A channel was closed between being looked up and being used.
CLOSED = Failure(
    errors.make("", Code.UNAVAILABLE, "the client was closed meanwhile"), was_not_carried_out=True, was_answered=False
)


def from_call(call: Any) -> Failure:
    """The failure for what gRPC raised, or for a call of it that is over."""
    number, _ = call.code().value
    text = call.details() or ""
    info, violations = _details(call)
    is_unconnected = not info.reason and _NO_CONNECTION.match(text) is not None
    if is_unconnected:
        text = _in_words(text)
    error = errors.make(info.reason, number, text, info.metadata, violations)
    return Failure(
        error,
        was_not_carried_out=is_unconnected or info.reason == errors.NotReady.reason,
        was_answered=info.reason != errors.NotReady.reason
        and (bool(info.reason) or not is_unconnected and _LOST.search(text) is None),
    )


def _in_words(text: str) -> str:
    for pattern, meaning in _WITHOUT_TLS:
        found = pattern.search(text)
        if found:
            return f"no TLS connection: {found.expand(meaning)}"
    return text


def _details(call: Any) -> tuple[error_details_pb2.ErrorInfo, list[tuple[str, str]]]:
    """The server's ErrorInfo and its field violations; both empty if it sent none."""
    info = error_details_pb2.ErrorInfo()
    violations: list[tuple[str, str]] = []
    trailers = dict(call.trailing_metadata() or ())
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
