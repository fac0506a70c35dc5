"""What the store knows of one visitor, in Python's own types."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sessiond import values
from sessiond.times import to_datetime, to_timedelta


class Session:
    """A session as the store had it when it answered. Times are aware datetimes in UTC.

    It does not contain the session ID. Sessions are equal if all that is known of them is.
    """

    __slots__ = ("_attributes", "_plain", "_stored")

    def __init__(self, plain: dict[str, Any], *, with_attributes: bool):
        """The session for its plain message; `with_attributes` says whether the answer carries them."""
        self._plain = plain
        self._stored: dict[str, bytes] | None = plain["attributes"] if with_attributes else None
        self._attributes: dict[str, Any] | None = None

    @property
    def handle(self) -> str:
        """Names the session for its whole life, across rotation of its ID. Not a secret; safe to log."""
        return self._text("handle")

    @property
    def namespace(self) -> str:
        """The isolation unit that the session lives in."""
        return self._text("namespace")

    @property
    def version(self) -> int:
        """1 at creation; grows by one with every change of data. Touching and rotating leave it alone."""
        version: int = self._plain["version"]
        return version

    @property
    def attributes(self) -> dict[str, Any] | None:
        """The data, sorted by name; None where the answer left it out: it is then unknown, not empty.

        It is decoded at the first use. Raises UnsupportedValue for a kind of value that this version does not know.
        """
        if self._attributes is None and self._stored is not None:
            self._attributes = values.decode_all(self._stored)
        return self._attributes

    @property
    def stored(self) -> dict[str, bytes] | None:
        """The data as it is stored, for those who decode it themselves with sessiond.values; None as in
        `attributes`.
        """
        return self._stored

    @property
    def principal(self) -> str:
        """The user that the session belongs to; empty while nobody is logged in."""
        return self._text("principal")

    @property
    def labels(self) -> dict[str, str]:
        """Short texts about the visitor's device."""
        labels: dict[str, str] = self._plain["labels"]
        return labels

    @property
    def create_time(self) -> datetime:
        """When the session was made. Rotation keeps it."""
        return to_datetime(self._plain["create_time"])

    @property
    def last_access_time(self) -> datetime:
        """The last read with touch, touch, update or rotation."""
        return to_datetime(self._plain["last_access_time"])

    @property
    def update_time(self) -> datetime:
        """The last change of data."""
        return to_datetime(self._plain["update_time"])

    @property
    def idle_timeout(self) -> timedelta:
        """The session ends this long after its last access."""
        return to_timedelta(self._plain["idle_timeout"])

    @property
    def absolute_expire_time(self) -> datetime | None:
        """When the session ends however busy it is; None if it has no absolute timeout."""
        micros = self._plain.get("absolute_expire_time")
        return None if micros is None else to_datetime(micros)

    @property
    def expire_time(self) -> datetime:
        """When the session ends if nothing more happens. At this millisecond it is absent everywhere."""
        return to_datetime(self._plain["expire_time"])

    @property
    def sealed(self) -> bool:
        """Whether only the session's ID opens its attributes (policy sealed): in lists and events they are unknown, not
        empty.
        """
        return bool(self._plain.get("sealed", False))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Session):
            return NotImplemented
        return self._plain == other._plain and self._stored == other._stored

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = "unknown" if self._stored is None else ", ".join(sorted(self._stored)) or "none"
        return (
            f"<sessiond.Session {self.handle} of namespace {self.namespace!r}, version {self.version}, "
            f"principal {self.principal!r}, expires {self.expire_time.isoformat()}, attributes: {names}>"
        )

    def _text(self, name: str) -> str:
        text: str = self._plain[name]
        return text


@dataclass(frozen=True)
class Created:
    """A session and the ID that leads to it. The ID is a bearer secret: it is left out of the text form."""

    session_id: str = field(repr=False)
    session: Session


@dataclass(frozen=True)
class Touched:
    """What a touch led to: when the session ends if nothing more happens, and its version, which a touch leaves
    alone.
    """

    expire_time: datetime
    version: int


@dataclass(frozen=True)
class Page:
    """Some sessions, newest first, and what asks for the next page: "" if this is the last. It may be empty and not the
    last."""

    sessions: list[Session]
    next_page_token: str


@dataclass(frozen=True)
class Handoff:
    """A ticket, by which another domain gets its own ID of the same session, and when it ends. It can be used once, and
    is left out of the text form.
    """

    ticket: str = field(repr=False)
    expire_time: datetime
