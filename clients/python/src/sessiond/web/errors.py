"""Errors of a request's session, and the status that each has as a response."""

import logging

from sessiond.errors import HandoffInvalid, SessiondError, StorageFull, StoreUnavailable, TooManyRequests

logger = logging.getLogger("sessiond.web")


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


def answer_for(error: Exception) -> tuple[str, int, dict[str, str]]:
    """The text, the status and the headers of the response for an error, which is logged; raises one that has none."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        raise error
    # A page that lost a race against a log-out is nothing to look into.
    logger.log(logging.ERROR if status == 503 else logging.INFO, "%s", error)
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "1"
    return _TEXT[status], status, headers
