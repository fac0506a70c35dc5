"""Django's expiry as timeouts of the store, in the plain form of the contract: microseconds.

    set_expiry(seconds)              idle timeout
    set_expiry(0), None, default     idle timeout of SESSION_COOKIE_AGE
    set_expiry(datetime, timedelta)  absolute end, and the longest idle timeout, so that only the former counts

In all three the idle timeout slides when the session is saved, not when it is read, as Django has it, unless
SESSIOND["SLIDE_ON_READ"] says otherwise.
"""

from datetime import datetime, timedelta, timezone
from typing import Any

Timeouts = dict[str, int]

# The server's bound is 3,660 days; the difference leaves room for a clock that runs ahead.
LONGEST = timedelta(days=3650)
_LONGEST_SECONDS = LONGEST.total_seconds()
_LONGEST_MICROSECONDS = int(_LONGEST_SECONDS) * 1_000_000
# A year that is far from both ends of what a datetime can hold.
_MIDDLE = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def to_timeouts(expiry: datetime | float, created: int | None) -> Timeouts | None:
    """The timeouts for an `expiry`: idle seconds, or the moment of the end. None if it is already past.

    `created` is when the session was made, in microseconds; None for a new one. Times are cut to milliseconds as the
    server does, so that timeouts can be compared with those that it answers.
    """
    if isinstance(expiry, datetime):
        expiry = utc(expiry)
        now = datetime.now(timezone.utc)
        if expiry <= now:
            return None
        # The bound is a midnight, so that it is the same whether our clock or the server's named the creation.
        start = now if created is None else to_datetime(created)
        bound = (start + LONGEST).replace(hour=0, minute=0, second=0, microsecond=0)
        end = to_microseconds(min(expiry, bound))
        return {"idle_timeout": _LONGEST_MICROSECONDS, "absolute_expire_time": end // 1000 * 1000}
    # A number may be of any size, also one that a timedelta can't hold. What is no number lasts for ever.
    if expiry <= 0:
        return None
    idle = int(min(_LONGEST_SECONDS, expiry) * 1000) * 1000
    return {"idle_timeout": idle} if idle else None


def same(timeouts: Timeouts, session: dict[str, Any]) -> bool:
    """Whether the session, in plain form, has these timeouts already."""
    return timeouts["idle_timeout"] == session["idle_timeout"] and timeouts.get("absolute_expire_time") == session.get(
        "absolute_expire_time"
    )


def utc(moment: datetime) -> datetime:
    """The moment in UTC. Without USE_TZ it is naive, in the process's time zone, to which Django sets TIME_ZONE."""
    try:
        return moment.astimezone(timezone.utc)
    except (OSError, OverflowError, ValueError):
        # At the ends of what a datetime can hold, as datetime.max in Berlin is.
        end = datetime.min if moment.year < _MIDDLE else datetime.max
        return end.replace(tzinfo=timezone.utc)


def to_datetime(microseconds: int) -> datetime:
    """An aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND
