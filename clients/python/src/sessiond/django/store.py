"""SessionStore: Django's SessionBase over sessiond.

save() sends only the difference to what was loaded, so two parallel requests that change different keys both win. It
never makes a session that it means to update: one that was ended meanwhile raises UpdateError, which Django's
middleware turns into SessionInterrupted. A store that can't be reached raises sessiond.StoreUnavailable within
SESSIOND_TIMEOUT.
"""

import hashlib
import logging
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from sessiond.django import conf, expiry
from sessiond.django.codec import Codec, Undecodable
from sessiond.errors import SessionCorrupt, SessionIdRetired, SessionIdTaken, SessionNotFound
from sessiond.ids import mapped_id
from sessiond.v1 import session_calls_pb2 as rpc
from sessiond.v1 import session_pb2, value_pb2
from sessiond.v1.access_pb2 import ACCESS_PEEK
from sessiond.values import to_datetime

logger = logging.getLogger("sessiond.django")

# The server's bound, in bytes.
_LONGEST_PRINCIPAL = 256
_DIGEST = "sha256:"


class SessionStore(SessionBase):
    """A session in sessiond.

    The async twins are SessionBase's own, which run the sync methods in a thread, as those of Django's database engine
    do. grpc.aio would bind a channel to one event loop, where Django under WSGI makes a loop for every async view, and
    it can't be forked; and the middleware saves from a thread in any case.
    """

    def __init__(self, session_key: str | None = None):
        super().__init__(session_key)
        self._codec = Codec(self)
        self._forget()

    def load(self) -> dict[str, Any]:
        if self.session_key is None:
            return {}
        try:
            session = _call("GetSession", _peek(self.session_key)).session
        except SessionNotFound:
            self._session_key = None
            return {}
        except SessionCorrupt:
            logger.error("A stored session fails its checksum; it counts as no session")
            self._session_key = None
            return {}
        attributes, data = self._decode(session)
        # A load beside a cache, which the caller throws away, must not become what the cache is compared with.
        if not hasattr(self, "_session_cache"):
            self._remember(session, attributes)
        return data

    def exists(self, session_key: str | None) -> bool:
        if not session_key:
            return False
        request = _peek(session_key)
        del session_key
        try:
            _call("GetSession", request)
        except SessionNotFound:
            return False
        except SessionCorrupt:
            return True
        return True

    def create(self) -> None:
        """Makes a session under an ID that the server mints, with what is in the cache."""
        self._create(None, self._get_session(no_load=True))
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)
        if must_create:
            return self._create(self.session_key, data)
        # Loading may have found that there is no such session.
        if self.session_key is None:
            raise UpdateError
        timeouts = self._timeouts(data)
        if timeouts is None:
            return self._end()
        change, attributes = self._change(data, timeouts)
        try:
            request = rpc.UpdateSessionRequest(session_id=_id(self.session_key), change=change)
            response = _call("UpdateSession", request)
        except (SessionNotFound, SessionIdRetired):
            raise UpdateError from None
        self._remember(response.session, attributes)

    def delete(self, session_key: str | None = None) -> None:
        if session_key is None:
            session_key = self.session_key
        if session_key:
            request = rpc.DeleteSessionRequest(session_id=_id(session_key), allow_missing=True)
            del session_key
            _call("DeleteSession", request)

    def clear(self) -> None:
        super().clear()
        # Whatever another request adds meanwhile goes too.
        self._replace = True

    def cycle_key(self) -> None:
        """Gives the session a new ID and saves it, in one atomic step.

        If the session is gone meanwhile, it depends on whether somebody is logged in: a session that was logged out
        must not come back (SessionInterrupted), while the data of a visitor who is just logging in goes into a new
        session, as in Django's own engines.
        """
        data = self._session
        if self.session_key is None:
            return self.create()
        timeouts = self._timeouts(data)
        if timeouts is None:
            self.delete()
            return self.create()
        change, attributes = self._change(data, timeouts)
        try:
            request = rpc.RotateSessionRequest(session_id=_id(self.session_key), change=change)
            response = _call("RotateSession", request)
        except (SessionNotFound, SessionIdRetired):
            if USER_KEY in data:
                raise SessionInterrupted("The session was ended by another request.") from None
            return self.create()
        self._session_key = response.session_id
        self._remember(response.session, attributes)
        self.modified = True

    async def acycle_key(self) -> None:
        return await sync_to_async(self.cycle_key)()

    @classmethod
    def clear_expired(cls) -> None:
        """Does nothing: the server sweeps expired sessions by itself."""

    def _create(self, session_key: str | None, data: dict[Any, Any]) -> None:
        self._forget()
        timeouts = self._timeouts(data)
        if timeouts is None:
            # Django's session that expired before it was saved: a key, and nothing behind it.
            if self.exists(session_key):
                raise CreateError
            self._session_key = session_key or get_random_string(32, VALID_KEY_CHARS)
            self._ended_key = self.session_key
            return
        attributes = self._encode(data)
        request = rpc.CreateSessionRequest(
            session_id=_id(session_key),
            attributes=attributes,
            principal=principal_of(data.get(USER_KEY)),
            timeouts=timeouts,
        )
        is_chosen = session_key is not None
        del session_key
        try:
            response = _call("CreateSession", request)
        except SessionIdTaken:
            raise CreateError from None
        # A key that was chosen stays, whatever ID stands for it.
        if not is_chosen:
            self._session_key = response.session_id
        self._remember(response.session, attributes)

    def _end(self) -> None:
        """Saves a session whose expiry is past: it is gone. Saving it once more is no error."""
        if self._ended_key == self.session_key:
            return
        try:
            _call("DeleteSession", rpc.DeleteSessionRequest(session_id=_id(self.session_key)))
        except SessionNotFound:
            raise UpdateError from None
        self._forget()
        self._ended_key = self.session_key

    def _change(
        self, data: dict[Any, Any], timeouts: session_pb2.Timeouts
    ) -> tuple[session_pb2.SessionChange, dict[str, value_pb2.Value]]:
        """The difference to what was loaded, and all attributes as they will be known after it."""
        encoded = {name: (key, value) for key, item in data.items() for name, value in [self._codec.encode(key, item)]}
        attributes = {name: value for name, (_, value) in encoded.items()}
        replace = self._replace or self._known_key != self.session_key
        before = {} if replace else self._attributes
        changed = {
            name: value
            for name, (key, value) in encoded.items()
            if name not in before or not self._codec.same(name, before[name], key, data[key], value)
        }
        removed = [name for name in before if name not in encoded]
        change = session_pb2.SessionChange(set_attributes=changed, remove_attributes=removed, clear_attributes=replace)
        # A principal that another application set is left alone, unless this session's own user changes.
        if replace or USER_KEY in changed or USER_KEY in removed:
            change.principal = principal_of(data.get(USER_KEY))
        if self._known is None or not expiry.same(timeouts, self._known):
            change.timeouts.CopyFrom(timeouts)
        return change, attributes

    def _encode(self, data: dict[Any, Any]) -> dict[str, value_pb2.Value]:
        return dict(self._codec.encode(key, value) for key, value in data.items())

    def _decode(self, session: session_pb2.Session) -> tuple[dict[str, value_pb2.Value], dict[str, Any]]:
        """The attributes that can be read, and the session data from them. The others stay untouched in the store."""
        attributes, data = {}, {}
        for name in sorted(session.attributes):
            try:
                key, value = self._codec.decode(name, session.attributes[name])
            except Undecodable as error:
                logger.warning("Session %s: attribute %r is left out: %s", session.handle, name, error)
                continue
            attributes[name] = session.attributes[name]
            data[key] = value
        return attributes, data

    def _timeouts(self, data: dict[Any, Any]) -> session_pb2.Timeouts | None:
        """The timeouts that Django's expiry asks for; None if it is past."""
        chosen = data.get("_session_expiry")
        if chosen and isinstance(chosen, (str, datetime)):
            end = self.get_expiry_date(expiry=chosen)
            created = to_datetime(self._known.create_time) if self._known else None
            return expiry.to_timeouts(end, created)
        return expiry.to_timeouts(self.get_expiry_age(expiry=chosen), None)

    def _remember(self, session: session_pb2.Session, attributes: dict[str, value_pb2.Value]) -> None:
        """Notes what the store holds now under the present key: later changes are compared with it."""
        self._known_key = self.session_key
        self._known: session_pb2.Session | None = session
        self._attributes: dict[str, value_pb2.Value] = attributes
        self._replace = False
        self._ended_key: str | None = None

    def _forget(self) -> None:
        """Nothing is known of what the store holds: the next save replaces it as a whole."""
        self._known_key = None
        self._known = None
        self._attributes = {}
        self._replace = False
        self._ended_key = None


def _call(method: str, request: Any) -> Any:
    """The response of an RPC in the namespace of this site.

    call() empties the request when it fails. That, and the `del` of session keys above, keep them off the pages and
    services that show the local variables of a traceback.
    """
    request.namespace = conf.namespace()
    return conf.connection().call(method, request)


def _peek(session_key: str) -> rpc.GetSessionRequest:
    return rpc.GetSessionRequest(session_id=_id(session_key), access=ACCESS_PEEK)


def _id(session_key: Any) -> str:
    """The session ID for a key, which may come from a cookie and be anything; "" for none: the server mints one.

    Django's cache engine takes keys with lone surrogates, which have no place in UTF-8; they are escaped.
    """
    if not session_key:
        return ""
    return mapped_id(str(session_key).encode("utf-8", "backslashreplace").decode()) or ""


def principal_of(user: Any) -> str:
    """The principal for a user ID, as lists and revocations take it; "" for nobody.

    It is the ID as text. One that the server would not take, since it has more than 256 bytes, stands for "sha256:" and
    the SHA-256 of its UTF-8 in hexadecimal digits; so does one that looks like that itself.
    """
    if user is None:
        return ""
    text = str(user)
    encoded = text.encode("utf-8", "surrogatepass")
    is_text = encoded.decode("utf-8", "replace") == text
    if is_text and len(encoded) <= _LONGEST_PRINCIPAL and not text.startswith(_DIGEST):
        return text
    return _DIGEST + hashlib.sha256(encoded).hexdigest()
