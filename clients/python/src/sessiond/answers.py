"""Plain answers as what the clients' methods return."""

from typing import Any

from sessiond import errors
from sessiond.errors import Code, SessiondError
from sessiond.session import Created, Handoff, Page, Session, Touched
from sessiond.times import to_datetime

Plain = dict[str, Any]

_SERVING = 1
# An item of a batch names its reason only.
_ITEM_CODES = {
    "SESSION_NOT_FOUND": Code.NOT_FOUND,
    "INVALID_ARGUMENT": Code.INVALID_ARGUMENT,
    "SESSION_CORRUPT": Code.DATA_LOSS,
    "BATCH_TOO_LARGE": Code.RESOURCE_EXHAUSTED,
}


def created(answer: Plain) -> Created:
    """Of CreateSession and RotateSession: the caller knows the attributes."""
    return Created(answer["session_id"], session(answer))


def redeemed(answer: Plain) -> Created:
    return Created(answer["session_id"], Session(answer["session"], with_attributes=True))


def session(answer: Plain) -> Session:
    """A session that comes without its attributes."""
    return Session(answer["session"], with_attributes=False)


def read(answer: Plain, omit_attributes: bool) -> Session:
    return Session(answer["session"], with_attributes=not (omit_attributes or answer["not_modified"]))


def touched(answer: Plain) -> Touched:
    return Touched(to_datetime(answer["expire_time"]), answer["version"])


def deleted(answer: Plain) -> bool:
    return bool(answer["deleted"])


def many_read(answer: Plain) -> list[Session | SessiondError]:
    return [
        Session(result["session"], with_attributes=True) if "session" in result else _item_error(result["error"])
        for result in answer["results"]
    ]


def many_deleted(answer: Plain) -> list[bool | SessiondError]:
    return [
        _item_error(result["error"]) if "error" in result else bool(result["deleted"]) for result in answer["results"]
    ]


def page(answer: Plain, with_attributes: bool) -> Page:
    sessions = [Session(found, with_attributes=with_attributes) for found in answer["sessions"]]
    return Page(sessions, answer["next_page_token"])


def handoff(answer: Plain) -> Handoff:
    return Handoff(answer["ticket"], to_datetime(answer["expire_time"]))


def health(answer: Plain) -> bool:
    return bool(answer["status"] == _SERVING)


def number(answer: Plain, field: str) -> int:
    return int(answer[field])


def _item_error(error: Plain) -> SessiondError:
    return errors.make(error["reason"], _ITEM_CODES.get(error["reason"], Code.UNKNOWN), error["message"])
