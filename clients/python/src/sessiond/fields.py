"""Checks of what goes into the fields of a request: what a field's type can't hold is an InvalidArgument that names it.

Only types are checked here; bounds are the server's, which names the field in the same way. A message never shows the
value, which may be a session ID.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sessiond.errors import InvalidArgument

_UINT32_MAX = 2**32 - 1
_UINT64_MAX = 2**64 - 1
# Of google.protobuf.Duration: 10,000 years.
_LONGEST_DURATION = timedelta(seconds=315_576_000_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def text(field: str, value: str | None) -> str:
    """Text; None is the empty one."""
    if value is None:
        return ""
    if isinstance(value, str):
        # Encoded only to see whether it can be; an error of that would carry the text.
        if value.isascii() or value == value.encode(errors="replace").decode():
            return value
        problem = "must be valid Unicode"
    else:
        problem = f"must be text, not {_kind(value)}"
    # Pages that show the local variables of a traceback must not show it.
    del value
    raise InvalidArgument.of(field, problem)


def texts(field: str, values: Iterable[str] | None) -> list[str]:
    """Some texts. One text is not taken for a list of its letters."""
    if values is None:
        return []
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgument.of(field, f"must be several texts, not {_kind(values)}")
    return [text(field, value) for value in values]


def text_map(field: str, values: Mapping[str, str] | None) -> dict[str, str]:
    """Texts by name."""
    return {text(field, name): text(field, value) for name, value in items(field, values)}


def items(field: str, values: Mapping[Any, Any] | None) -> Iterable[tuple[Any, Any]]:
    """The entries of a mapping; None is an empty one."""
    if values is None:
        return ()
    if not isinstance(values, Mapping):
        raise InvalidArgument.of(field, f"must be a mapping, not {_kind(values)}")
    return values.items()


def version(field: str, value: int) -> int:
    """The number of a version."""
    return _number(field, value, _UINT64_MAX, "2^64 - 1")


def size(field: str, value: int) -> int:
    """How many."""
    return _number(field, value, _UINT32_MAX, "2^32 - 1")


def sizes(field: str, values: Iterable[int]) -> list[int]:
    """Some numbers."""
    if not isinstance(values, Iterable):
        raise InvalidArgument.of(field, f"must be several numbers, not {_kind(values)}")
    return [size(field, value) for value in values]


def duration(field: str, value: timedelta) -> int:
    """A duration, in microseconds."""
    if not isinstance(value, timedelta):
        raise InvalidArgument.of(field, f"must be a timedelta, not {_kind(value)}")
    if abs(value) > _LONGEST_DURATION:
        raise InvalidArgument.of(field, "must be at most 10,000 years")
    return value // _MICROSECOND


def moment(field: str, value: datetime) -> int:
    """A moment, in microseconds since 1970 in UTC; it must say its time zone."""
    if not isinstance(value, datetime):
        raise InvalidArgument.of(field, f"must be a datetime, not {_kind(value)}")
    if value.utcoffset() is None:
        raise InvalidArgument.of(field, "must be a datetime with a time zone")
    return (value - _EPOCH) // _MICROSECOND


def _number(field: str, value: int, largest: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise InvalidArgument.of(field, f"must be a whole number from 0 to {name}")
    return value


def _kind(value: Any) -> str:
    return type(value).__name__
