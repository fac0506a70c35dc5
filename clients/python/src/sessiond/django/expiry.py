"""Django's expiry as timeouts of the store.

    set_expiry(seconds)              idle timeout
    set_expiry(0), None, default     idle timeout of SESSION_COOKIE_AGE
    set_expiry(datetime, timedelta)  absolute end, and the longest idle timeout, so that only the former counts

In all three the idle timeout slides when the session is saved, not when it is read, as Django has it.
"""

from datetime import datetime, timedelta, timezone

from sessiond.v1 import session_pb2 as pb
from sessiond.values import to_timestamp

# The server's bound is 3,660 days; the difference leaves room for a clock that runs ahead.
LONGEST = timedelta(days=3650)
# A year that is far from both ends of what a datetime can hold.
_MIDDLE = 5000


def to_timeouts(expiry: datetime | float, created: datetime | None) -> pb.Timeouts | None:
    """The timeouts for an `expiry`: idle seconds, or the moment of the end. None if it is already past.

    `created` is when the session was made, None for a new one. Times are cut to milliseconds as the server does, so
    that timeouts can be compared with those that it answers.
    """
    timeouts = pb.Timeouts()
    if isinstance(expiry, datetime):
        expiry = _utc(expiry)
        now = datetime.now(timezone.utc)
        if expiry <= now:
            return None
        # The bound is a midnight, so that it is the same whether our clock or the server's named the creation.
        bound = ((created or now) + LONGEST).replace(hour=0, minute=0, second=0, microsecond=0)
        end = min(expiry, bound)
        timeouts.absolute_expire_time.CopyFrom(to_timestamp(_cut(end)))
        timeouts.idle_timeout.FromTimedelta(LONGEST)
        return timeouts
    # A number may be of any size, also one that a timedelta can't hold. What is no number lasts for ever.
    if expiry <= 0:
        return None
    idle = timedelta(milliseconds=int(min(LONGEST.total_seconds(), expiry) * 1000))
    if not idle:
        return None
    timeouts.idle_timeout.FromTimedelta(idle)
    return timeouts


def same(timeouts: pb.Timeouts, session: pb.Session) -> bool:
    """Whether the session has these timeouts already."""
    return (
        timeouts.idle_timeout == session.idle_timeout
        and timeouts.HasField("absolute_expire_time") == session.HasField("absolute_expire_time")
        and timeouts.absolute_expire_time == session.absolute_expire_time
    )


def _utc(moment: datetime) -> datetime:
    """The moment in UTC. Without USE_TZ it is naive, in the process's time zone, to which Django sets TIME_ZONE."""
    try:
        return moment.astimezone(timezone.utc)
    except (OSError, OverflowError, ValueError):
        # At the ends of what a datetime can hold, as datetime.max in Berlin is.
        end = datetime.min if moment.year < _MIDDLE else datetime.max
        return end.replace(tzinfo=timezone.utc)


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
