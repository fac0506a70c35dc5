"""Sessions of Django's other engines: which there are, and how one is moved to the store.

A session keeps its key, so nobody is logged out, and ends when it would have ended. One that the store has already is
never overwritten.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core.cache.backends.base import InvalidCacheKey
from django.core.exceptions import SuspiciousOperation
from django.utils import timezone

from sessiond.django import expiry
from sessiond.django.calls import Steps
from sessiond.django.codec import Codec
from sessiond.django.names import principal_of, session_id_of
from sessiond.errors import InvalidArgument, SessionIdTaken

BATCH = 200


class CanNotList(Exception):
    """The engine does not know which sessions it has."""


@dataclass(frozen=True, repr=False)
class Old:
    """A session of another engine. `expires` is None where the engine does not tell."""

    session_key: str
    data: dict[Any, Any]
    expires: datetime | None


def store_class(engine: str) -> Any:
    """The SessionStore of an engine. Raises ImportError or AttributeError."""
    return import_module(engine).SessionStore


def old_sessions(engine: str) -> Iterator[Old | None]:
    """The live sessions of an engine; None for each that can't be read. Raises CanNotList."""
    kind = store_class(engine)
    if hasattr(kind, "get_model_class"):
        return _of_database(kind)
    if hasattr(kind, "_get_storage_path"):
        return _of_files(kind)
    raise CanNotList(
        f"{engine} can't list its sessions. Move them as they are used instead: "
        f'SESSION_ENGINE = "sessiond.django.moving" and SESSIOND["FALLBACK_ENGINE"] = "{engine}".'
    )


def count(engine: str) -> int | None:
    """How many live sessions there are; None if only reading them all would tell."""
    kind = store_class(engine)
    if not hasattr(kind, "get_model_class"):
        return None
    found: int = kind.get_model_class().objects.filter(expire_date__gt=timezone.now()).count()
    return found


def move(old: Old, codec: Codec, cookie_age: float) -> Steps[bool]:
    """Makes the session in the store; False if it is there already, or has ended by now.

    Raises TypeError or ValueError if its data can't be stored.
    """
    request = create_request(old, codec, cookie_age)
    if request is None:
        return False
    try:
        yield "CreateSession", request
    except SessionIdTaken:
        return False
    except InvalidArgument:
        # Its time ran out between our clock and the server's.
        if old.expires is not None and expiry.utc(old.expires) <= expiry.utc(timezone.now()) + timedelta(seconds=5):
            return False
        raise
    return True


def create_request(old: Old, codec: Codec, cookie_age: float) -> dict[str, Any] | None:
    """The request that makes this session in the store; None if it has ended."""
    chosen = old.data.get("_session_expiry")
    now = expiry.to_microseconds(expiry.utc(timezone.now()))
    moments = {}
    if chosen and isinstance(chosen, (str, datetime)):
        end = datetime.fromisoformat(chosen) if isinstance(chosen, str) else chosen
        timeouts = expiry.to_timeouts(end, None)
    else:
        timeouts = expiry.to_timeouts(chosen or cookie_age, None)
        if timeouts is not None and old.expires is not None:
            # What is left of the timeout goes on from where it is: the session was active that long before its end.
            active = expiry.to_microseconds(expiry.utc(old.expires)) - timeouts["idle_timeout"]
            active = min(now, active)
            if active + timeouts["idle_timeout"] <= now:
                return None
            moments = {"create_time": active, "last_access_time": active}
    if timeouts is None:
        return None
    attributes, _ = codec.encode_all(old.data)
    return {
        "session_id": session_id_of(old.session_key),
        "attributes": attributes,
        "principal": principal_of(old.data.get(USER_KEY)),
        "timeouts": timeouts,
        **moments,
    }


def find(kind: Any, session_key: str) -> Old | None:
    """The session of a key in another engine."""
    store = kind(session_key)
    data = store.load()
    if store.session_key != session_key:
        # The file engine leaves a new, empty session behind in place of one that has ended.
        if store.session_key:
            store.delete()
        return None
    expires = None
    if hasattr(kind, "get_model_class"):
        expires = store.model.objects.filter(session_key=session_key).values_list("expire_date", flat=True).first()
    elif hasattr(kind, "_get_storage_path"):
        try:
            modified = store._last_modification()
        except FileNotFoundError:
            # Another request has moved it, or ended it, since it was read.
            return None
        expires = store.get_expiry_date(modification=modified, expiry=data.get("_session_expiry"))
    return Old(session_key, data, expires)


def forget(kind: Any, session_key: str) -> bool:
    """Ends a session in another engine; whether it was there is known for sure, also among parallel requests."""
    store = kind(session_key)
    if hasattr(kind, "get_model_class"):
        removed, _ = store.model.objects.filter(session_key=session_key).delete()
        # The engine's own way, since it may keep a copy in a cache.
        store.delete(session_key)
        return bool(removed)
    if hasattr(kind, "_get_storage_path"):
        try:
            os.unlink(store._key_to_file(session_key))
        except (OSError, SuspiciousOperation):
            # No file, or a key that is no name of a file, as the store mints them.
            return False
        return True
    if hasattr(store, "_cache") and hasattr(store, "cache_key_prefix"):
        try:
            return bool(store._cache.delete(store.cache_key_prefix + session_key))
        except InvalidCacheKey:
            return False
    was_there = bool(store.exists(session_key))
    store.delete(session_key)
    return was_there


def _of_database(kind: Any) -> Iterator[Old | None]:
    store = kind()
    rows = kind.get_model_class().objects.filter(expire_date__gt=timezone.now()).order_by("session_key")
    after = ""
    # By pages rather than one long query, which some databases would hold open or keep in memory as a whole.
    while page := list(rows.filter(session_key__gt=after)[:BATCH]):
        for row in page:
            data = store.decode(row.session_data)
            yield Old(row.session_key, data, row.expire_date) if data else None
        after = page[-1].session_key


def _of_files(kind: Any) -> Iterator[Old | None]:
    store = kind()
    folder = kind._get_storage_path()
    # By name, not by load(): that would leave a new file behind for each session that has ended.
    for entry in os.scandir(folder):
        key = entry.name.removeprefix(store.file_prefix)
        if key == entry.name or not key.isalnum() or not entry.is_file():
            continue
        session = kind(key)
        try:
            with open(entry.path, encoding="ascii") as file:
                data = session.decode(file.read())
            expires = session.get_expiry_date(
                modification=session._last_modification(), expiry=data.get("_session_expiry")
            )
        except (OSError, ValueError):
            # One that was moved or ended since the folder was listed is nothing to tell of.
            if os.path.exists(entry.path):
                yield None
            continue
        if not data:
            yield None
        elif expiry.utc(expires) > expiry.utc(timezone.now()):
            yield Old(key, data, expires)
