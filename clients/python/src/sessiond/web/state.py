"""State: what one request knows of the visitor's session, and what it does to it.

The data itself is a mapping of the adapter, which hands it to every step that needs it. What changed, also inside a
list or a dictionary, shows by comparison with the bytes that the store holds.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessiond import fields
from sessiond.errors import (
    SessionCorrupt,
    SessionIdRetired,
    SessionNotFound,
    UnsupportedValue,
)
from sessiond.ids import mapped_id
from sessiond.values import decode, decode_all, encode
from sessiond.web.devices import to_datetime
from sessiond.web.errors import SessionInterrupted
from sessiond.web.steps import Steps

logger = logging.getLogger("sessiond.web")

_TOUCH, _PEEK = 1, 2
MICROSECOND = timedelta(microseconds=1)
# Values of these types can't be changed in place: the same object is the same value.
_IMMUTABLE = frozenset({str, int, float, bool, bytes, datetime, type(None)})
# Values of these types have one form, whoever stores them.
_ONE_FORM = _IMMUTABLE - {datetime}
_MISSING = object()

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Rules:
    """What holds for all sessions of a site."""

    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    grace: timedelta = timedelta(0)
    """How long the old ID of a rotation, unless it is a log-in, can still read: at most 60 s."""
    touch: bool = True
    """Whether loading a session slides its idle timeout."""
    principal_key: str = ""
    """The principal follows the value of this key, if it is not empty."""
    insignificant: frozenset[str] = frozenset()
    """A session that has no other keys than these counts as empty."""

    def timeouts(self) -> dict[str, int]:
        """The timeouts in plain form."""
        timeouts = {}
        if self.idle_timeout is not None:
            timeouts["idle_timeout"] = self.idle_timeout // MICROSECOND
        if self.absolute_timeout is not None:
            timeouts["absolute_timeout"] = self.absolute_timeout // MICROSECOND
        return timeouts


class State:
    """The session of one request. Steps that fail leave it as it was, so that they can be repeated."""

    # What the next save sets; None leaves it as it is, and "" removes it.
    _principal: str | None

    def __init__(self, rules: Rules, labels: Callable[[], Labels]):
        self._rules = rules
        self._labels = labels
        self.sets_cookie = False
        """The browser has to learn an ID."""
        self.removes_cookie = False
        """The browser's ID leads nowhere any more."""
        self._left: str | None = None
        self._sought: str | None = None
        self._forget()

    def __repr__(self) -> str:
        return f"<session {self.handle or 'that is new'}>"

    @property
    def session_id(self) -> str | None:
        """The ID for the cookie, a secret; None while nothing is stored."""
        return self._id

    @property
    def is_new(self) -> bool:
        return self._id is None

    @property
    def handle(self) -> str | None:
        return self._stored["handle"] if self._stored else None

    @property
    def labels(self) -> dict[str, str]:
        return dict(self._stored["labels"]) if self._stored else {}

    @property
    def update_time(self) -> datetime | None:
        return to_datetime(self._stored["update_time"]) if self._stored else None

    @property
    def expire_time(self) -> datetime | None:
        return to_datetime(self._stored["expire_time"]) if self._stored else None

    @property
    def principal(self) -> str | None:
        return (self._stored_principal if self._principal is None else self._principal) or None

    @principal.setter
    def principal(self, principal: str | int | None) -> None:
        text = "" if principal is None else fields.text("principal", str(principal))
        if text != (self.principal or ""):
            self._principal = text
            # What somebody learned of the ID before must be worth nothing afterwards.
            self._rotates = True

    def rotate(self) -> None:
        """The next save gives the session a new ID."""
        self._rotates = True

    def clear(self) -> None:
        """All data goes, the principal too. What the session holds next goes under a new ID."""
        self._principal = ""
        self._clears = self._rotates = True

    def end(self) -> None:
        """The session ends at the next save. What is set afterwards goes into a new one."""
        left = self._id or self._left
        self._forget()
        self._left = left

    def load(self, cookie: str) -> Steps[dict[str, Any]]:
        """The data of the session that a cookie names; none if there is no such session."""
        # Pages that show the local variables of a traceback must not show an ID; hence `del`, here and below.
        self._sought = mapped_id(cookie)
        del cookie
        if self._sought is None:
            return {}
        access = _TOUCH if self._rules.touch else _PEEK
        try:
            answer = yield "GetSession", {"session_id": self._sought, "access": access}
        except SessionNotFound:
            return {}
        except SessionCorrupt:
            logger.error("A stored session fails its checksum; it counts as no session")
            return {}
        return self.take(self._sought, answer["session"])

    def save(self, data: Mapping[str, Any]) -> Steps[bool]:
        """Stores what changed. True if that was anything."""
        has_ended = yield from self._end_left()
        self._follow_principal(data)
        is_empty = self.principal is None and self._rules.insignificant.issuperset(data)
        if self._id is None:
            if is_empty:
                return has_ended
            yield from self._create(data)
            return True
        change, after = self._change(data)
        if is_empty and change and (self._clears or not self._has_unreadable):
            self.end()
            yield from self._end_left()
        elif self._rotates:
            yield from self._rotate(change, after, data)
        elif change:
            try:
                answer = yield "UpdateSession", {"session_id": self._id, "change": change}
            except (SessionNotFound, SessionIdRetired):
                raise SessionInterrupted from None
            self._remember(self._id, answer["session"], after, data)
        else:
            return has_ended
        return True

    def end_now(self) -> Steps[None]:
        """Carries out what `end` asked for, and stores nothing else: for a request that failed."""
        yield from self._end_left()

    def stored_id(self, data: Mapping[str, Any]) -> Steps[str]:
        """The ID that the session will have: one that is new, or is to get a new ID, is stored now."""
        if self._id is None or self._rotates:
            yield from self._end_left()
            self._follow_principal(data)
            if self._id is None:
                yield from self._create(data)
            else:
                yield from self._rotate(*self._change(data), data)
        assert self._id is not None
        return self._id

    def stored_user(self, data: Mapping[str, Any]) -> Steps[str | None]:
        """Who is logged in, when the store knows it."""
        self._follow_principal(data)
        if self._principal is not None:
            yield from self.stored_id(data)
        return self.principal

    def take(self, session_id: str, stored: dict[str, Any]) -> dict[str, Any]:
        """Makes a stored session this one, and answers its data."""
        attributes: dict[str, bytes] = stored.pop("attributes")
        try:
            data = decode_all(attributes)
        except UnsupportedValue:
            data = self._decode_each(attributes, stored["handle"])
        self._remember(session_id, stored, {name: attributes[name] for name in data}, data)
        self._has_unreadable = len(data) < len(attributes)
        return data

    def _forget(self) -> None:
        self._id: str | None = None
        self._stored: dict[str, Any] | None = None
        self._known: dict[str, bytes] = {}
        self._loaded: dict[str, Any] = {}
        self._has_unreadable = False
        self._principal = None
        self._clears = self._rotates = False
        self.sets_cookie = False

    def _decode_each(self, attributes: Mapping[str, bytes], handle: str) -> dict[str, Any]:
        """What can be read; the rest stays untouched in the store."""
        data = {}
        for name in sorted(attributes):
            try:
                data[name] = decode(attributes[name])
            except UnsupportedValue as error:
                logger.warning("Session %s: attribute %r is left out: %s", handle, name, error)
        return data

    def _remember(
        self, session_id: str, stored: dict[str, Any], known: dict[str, bytes], data: Mapping[str, Any]
    ) -> None:
        """Notes what the store holds now: later changes are compared with it."""
        stored.pop("attributes", None)
        self._id, self._stored, self._known, self._loaded = session_id, stored, known, dict(data)
        self._principal = None
        self._clears = self._rotates = False

    @property
    def _stored_principal(self) -> str:
        return self._stored["principal"] if self._stored else ""

    def _follow_principal(self, data: Mapping[str, Any]) -> None:
        key = self._rules.principal_key
        # Who set the principal by hand, or another service, is left alone until the value changes.
        before = None if self._clears else self._loaded.get(key)
        if key and data.get(key) != before:
            self.principal = data.get(key)

    def _change(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The difference to what the store holds, and the attributes as they will be known after it."""
        before = {} if self._clears else self._known
        changed: dict[str, bytes] = {}
        after: dict[str, bytes] = {}
        for name, value in data.items():
            old = before.get(name)
            if old is not None and value is self._loaded.get(name, _MISSING) and type(value) in _IMMUTABLE:
                after[name] = old
                continue
            new = _encoded(value, name)
            if old is not None and (new == old or self._is_same(old, new, value, name)):
                after[name] = old
            else:
                after[name] = changed[name] = new
        change: dict[str, Any] = {}
        if changed:
            change["set_attributes"] = changed
        if removed := [name for name in before if name not in after]:
            change["remove_attributes"] = removed
        if self._clears:
            change["clear_attributes"] = True
        if self._principal is not None and self._principal != self._stored_principal:
            change["principal"] = self._principal
            if self._principal and (labels := fields.text_map("labels", self._labels())):
                change["set_labels"] = labels
        return change, after

    @staticmethod
    def _is_same(old: bytes, new: bytes, value: Any, name: str) -> bool:
        """Whether bytes differ for one value: another language may have stored a moment in nanoseconds."""
        return type(value) not in _ONE_FORM and new == encode(decode(old), name)

    def _create(self, data: Mapping[str, Any]) -> Steps[None]:
        attributes = {name: _encoded(value, name) for name, value in data.items()}
        request = {
            "attributes": dict(attributes),
            "principal": self.principal or "",
            "labels": fields.text_map("labels", self._labels()),
            "timeouts": self._rules.timeouts(),
        }
        answer = yield "CreateSession", request
        self._remember(answer["session_id"], answer["session"], attributes, data)
        self._has_unreadable = False
        self.sets_cookie, self.removes_cookie = True, False

    def _rotate(self, change: dict[str, Any], after: dict[str, bytes], data: Mapping[str, Any]) -> Steps[None]:
        # Whoever learned of an ID before a log-in must not see what comes after it.
        keeps_user = self._principal is None and not self._clears
        grace = self._rules.grace // MICROSECOND if keeps_user else 0
        request = {"session_id": self._id, "grace": grace, "change": change}
        try:
            answer = yield "RotateSession", request
        except (SessionNotFound, SessionIdRetired):
            # The data of a visitor who is just logging in goes into a new session; one that was logged out stays so.
            if self._stored_principal or not self.principal:
                raise SessionInterrupted from None
            yield from self._create(data)
            return
        self._remember(answer["session_id"], answer["session"], after, data)
        self.sets_cookie = True

    def _end_left(self) -> Steps[bool]:
        if self._left is None:
            return False
        yield "DeleteSession", {"session_id": self._left, "allow_missing": True}
        self._left = None
        self.removes_cookie = self._id is None
        return True


def _encoded(value: Any, name: Any) -> bytes:
    if not isinstance(name, str):
        raise UnsupportedValue(f"a session's keys must be text, not {type(name).__name__}")
    return encode(value, fields.text("the name of an attribute", name))
