"""What the store knows of one visitor, in Python's own types."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessiond import fields
from sessiond.v1 import session_pb2 as pb
from sessiond.values import from_value, to_datetime


@dataclass(frozen=True)
class Session:
    """See sessiond.v1.Session. Times are aware datetimes in UTC. It does not contain the session ID."""

    handle: str
    namespace: str
    version: int
    # None where the answer left them out: unknown, not empty.
    attributes: dict[str, Any] | None
    principal: str
    labels: dict[str, str]
    create_time: datetime
    last_access_time: datetime
    update_time: datetime
    idle_timeout: timedelta
    absolute_expire_time: datetime | None
    expire_time: datetime


def from_message(session: pb.Session, *, with_attributes: bool) -> Session:
    """The Session for a message; `with_attributes` says whether the answer carries them."""
    attributes = None
    if with_attributes:
        attributes = {name: from_value(session.attributes[name]) for name in sorted(session.attributes)}
    absolute = to_datetime(session.absolute_expire_time) if session.HasField("absolute_expire_time") else None
    return Session(
        handle=session.handle,
        namespace=session.namespace,
        version=session.version,
        attributes=attributes,
        principal=session.principal,
        labels=dict(session.labels),
        create_time=to_datetime(session.create_time),
        last_access_time=to_datetime(session.last_access_time),
        update_time=to_datetime(session.update_time),
        idle_timeout=session.idle_timeout.ToTimedelta(),
        absolute_expire_time=absolute,
        expire_time=to_datetime(session.expire_time),
    )


def to_timeouts(idle: timedelta | None, absolute: timedelta | datetime | None) -> pb.Timeouts | None:
    """The Timeouts message; None if neither bound is given. `absolute` counts from creation if it is a timedelta."""
    if idle is None and absolute is None:
        return None
    timeouts = pb.Timeouts(idle_timeout=fields.duration("idle_timeout", idle))
    if isinstance(absolute, datetime):
        timeouts.absolute_expire_time.CopyFrom(fields.moment("absolute", absolute))
    elif absolute is not None:
        timeouts.absolute_timeout.CopyFrom(fields.duration("absolute", absolute))
    return timeouts
