"""Errors of a request's session, and the status that each has as a response."""

from sessiond.errors import HandoffInvalid, SessiondError, StorageFull, StoreUnavailable, TooManyRequests


class SessionInterrupted(SessiondError):
    """The session was ended, or got a new ID, after this request had loaded it; nothing of the request is stored."""

    reason = "SESSION_INTERRUPTED"

    def __init__(self) -> None:
        super().__init__("the session was ended, or got a new ID, by another request")


# Errors that are no fault of the site: its visitor is told what to do.
_STATUS: tuple[tuple[type[SessiondError], int], ...] = (
    (StoreUnavailable, 503),
    (TooManyRequests, 503),
    (StorageFull, 503),
    (SessionInterrupted, 409),
    (HandoffInvalid, 403),
)
HANDLED: tuple[type[SessiondError], ...] = tuple(kind for kind, _ in _STATUS)

_TEXT = {
    503: "The service can't be used at the moment. Please try again.",
    409: "Your session was ended by another request. Please load the page again.",
    403: "This link has been used, or is too old. Please begin again.",
}


def status_of(error: Exception) -> int | None:
    """The status of the response for an error; None for one that is a fault of the site or the store."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def answer_for(status: int) -> tuple[str, dict[str, str]]:
    """The text and the headers of the response with this status."""
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "1"
    return _TEXT[status], headers
