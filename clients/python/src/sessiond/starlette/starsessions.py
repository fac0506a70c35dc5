"""A store for starsessions 2: what its middleware and handlers do stays as it is."""

import json
from collections import OrderedDict
from datetime import timedelta
from typing import Any

from starsessions.stores import SessionStore

from sessiond.async_client import AsyncClient
from sessiond.errors import SessionIdRetired, SessionNotFound
from sessiond.ids import mapped_id
from sessiond.starlette.clients import client_of
from sessiond.tls import File, Tls
from sessiond.token import Token
from sessiond.traces import TraceContext
from sessiond.values import Opaque
from sessiond.web.errors import SessionInterrupted

_ENCODING = "starsessions"
# As many as may be between a request's load and its save.
_MOST_READ = 10_000


class StarsessionsStore(SessionStore):
    """Keeps the sessions of starsessions: `SessionMiddleware(app, store=StarsessionsStore())`.

    Arguments are those of SessiondMiddleware. The data of JsonSerializer becomes attributes that every language reads;
    that of another serializer is stored as it is. starsessions writes a session as a whole, so of two parallel requests
    the later one wins; SessiondMiddleware is better where there is a choice.
    """

    def __init__(
        self,
        client: AsyncClient | None = None,
        *,
        address: str | None = None,
        namespace: str | None = None,
        timeout: float | None = None,
        tls: Tls | None = None,
        token_file: File | None = None,
        token: str | None = None,
        trace_context: TraceContext | None = None,
    ):
        given = Token(file=token_file, text=token)
        del token
        self._client = client_of(client, address, namespace, timeout, tls, given, trace_context)
        self._read: OrderedDict[str, None] = OrderedDict()

    async def read(self, session_id: str, lifetime: int) -> bytes:
        """The data; empty if there is no such session. Reading is no activity: starsessions writes in any case."""
        known = _id(session_id)
        try:
            session = await self._client.get(known, touch=False)
        except SessionNotFound:
            self._read.pop(known, None)
            return b""
        self._read[known] = None
        if len(self._read) > _MOST_READ:
            self._read.popitem(last=False)
        return _to_bytes(session.attributes or {})

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        """Replaces the data, or makes the session. Raises SessionInterrupted if it was ended meanwhile."""
        known = _id(session_id)
        seconds = ttl or lifetime
        try:
            await self._client.update(
                known,
                # starsessions chooses the IDs of new sessions. One that was read must not come back after a log-out.
                upsert=known not in self._read,
                clear_attributes=True,
                set_attributes=_to_attributes(data),
                idle_timeout=timedelta(seconds=seconds) if seconds > 0 else None,
            )
        except (SessionNotFound, SessionIdRetired):
            raise SessionInterrupted from None
        return session_id

    async def remove(self, session_id: str) -> None:
        """Ends the session, if there is one."""
        await self._client.delete(_id(session_id), allow_missing=True)


def _id(session_id: str) -> str:
    # An ID that names no session is refused by the server.
    return mapped_id(session_id) or ""


def _to_attributes(data: bytes) -> dict[str, Any]:
    try:
        attributes = json.loads(data)
    except ValueError:
        attributes = None
    return attributes if isinstance(attributes, dict) else {_ENCODING: Opaque(_ENCODING, data)}


def _to_bytes(attributes: dict[str, Any]) -> bytes:
    whole = attributes.get(_ENCODING)
    if isinstance(whole, Opaque) and whole.encoding == _ENCODING:
        return whole.data
    return json.dumps(attributes).encode()
