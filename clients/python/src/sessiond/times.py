"""Times in microseconds, as plain messages have them, to Python's."""

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_datetime(micros: int) -> datetime:
    """An aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def to_timedelta(micros: int) -> timedelta:
    return timedelta(microseconds=micros)
