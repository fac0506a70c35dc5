"""The sessions of a user as a page of devices shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The server's bound for the value of a label, in bytes.
_LONGEST_LABEL = 256


@dataclass(frozen=True)
class Device:
    """One of a user's sessions."""

    handle: str
    """Names the session, and is no secret; `end_device` takes it."""
    is_current: bool
    """Whether it is the session of this request."""
    labels: dict[str, str]
    create_time: datetime
    last_access_time: datetime
    expire_time: datetime

    @classmethod
    def of(cls, session: Mapping[str, Any], current: str | None) -> "Device":
        """The device for a session in plain form; `current` is the handle of this request's session."""
        return cls(
            handle=session["handle"],
            is_current=session["handle"] == current,
            labels=dict(session["labels"]),
            create_time=to_datetime(session["create_time"]),
            last_access_time=to_datetime(session["last_access_time"]),
            expire_time=to_datetime(session["expire_time"]),
        )


def to_datetime(microseconds: int) -> datetime:
    """The moment in UTC for microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def labels_of(user_agent: str | None, address: str | None) -> dict[str, str]:
    """The labels "device", the browser as it calls itself, and "address"; cut to what a label can hold."""
    labels = {"device": user_agent, "address": address}
    # Headers are decoded as Latin-1, so any character is valid text, and has at most two bytes.
    return {name: _cut(text) for name, text in labels.items() if text}


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:_LONGEST_LABEL].decode("utf-8", "ignore")
