"""SessionStore: Django's SessionBase over sessiond.

save() sends only the difference to what was loaded, so two parallel requests that change different keys both win. It
never makes a session that it means to update: one that was ended meanwhile raises UpdateError, which Django's
middleware turns into SessionInterrupted. A store that can't be reached raises sessiond.StoreUnavailable within the
timeout of the settings.

Every async method does what its twin does, with calls that are awaited in the running event loop.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from sessiond.django import conf, expiry, password
from sessiond.django.calls import Call, Steps, arun, run
from sessiond.django.codec import Codec
from sessiond.django.names import principal_of, session_id_of
from sessiond.errors import SessionCorrupt, SessionIdRetired, SessionIdTaken, SessionNotFound

logger = logging.getLogger("sessiond.django")

# sessiond.v1.Access
_TOUCH, _PEEK = 1, 2

Data = dict[Any, Any]
Plain = dict[str, Any]


class SessionStore(SessionBase):
    """A session in sessiond.

    `labeller` answers the labels of a session that is made or logged in; LabelsMiddleware sets it.
    """

    labeller: Callable[[], dict[str, str]] | None = None

    # Of SessionBase, which has no types.
    _session_key: str | None

    # What the store holds under the key: the session in plain form, and its attributes; None and empty if unknown.
    _known_key: str | None
    _known: Plain | None
    _attributes: dict[str, bytes]
    # Whether the next save replaces everything.
    _replace: bool
    # Whether a call has slid the session for which no save was asked yet.
    _slid: bool
    # The key whose session ended because it was saved with an expiry in the past.
    _ended_key: str | None

    def __init__(self, session_key: str | None = None):
        super().__init__(session_key)
        self._codec = Codec(self)
        self._forget()

    @property
    def handle(self) -> str | None:
        """What names the session in lists, logs and events; None while nothing is stored.

        It is known once the session was loaded or saved. Not a secret, and the same for the session's whole life.
        """
        known = self._known
        return None if known is None or self._known_key != self.session_key else known["handle"]

    @property
    def principal(self) -> str:
        """To whom the session belongs in the store, whichever service logged them in; "" for nobody.

        It is known once the session was loaded or saved: after a log in it changes with the save.
        """
        known = self._known
        return "" if known is None or self._known_key != self.session_key else known["principal"]

    def load(self) -> Data:
        return run(self._load())

    async def aload(self) -> Data:
        return await arun(self._load())

    def exists(self, session_key: str | None) -> bool:
        steps = self._exists(session_key)
        del session_key
        return run(steps)

    async def aexists(self, session_key: str | None) -> bool:
        steps = self._exists(session_key)
        del session_key
        return await arun(steps)

    def create(self) -> None:
        """Makes a session under an ID that the server mints, with what is in the cache."""
        run(self._create(self._get_session(no_load=True)))
        self.modified = True

    async def acreate(self) -> None:
        """See create()."""
        await arun(self._create(await self._aget_session(no_load=True)))
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        run(self._save(self._get_session(no_load=must_create), must_create))

    async def asave(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return await self.acreate()
        await arun(self._save(await self._aget_session(no_load=must_create), must_create))

    async def asave_ahead(self) -> None:
        """asave(), after which a save() of the same data is no call. For SessionMiddleware."""
        await self.asave()
        self._slid = True

    def delete(self, session_key: str | None = None) -> None:
        steps = self._delete(session_key)
        del session_key
        run(steps)

    async def adelete(self, session_key: str | None = None) -> None:
        steps = self._delete(session_key)
        del session_key
        await arun(steps)

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
        run(self._cycle(self._get_session()))
        self.modified = True

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await arun(self._cycle(await self._aget_session()))
        self.modified = True

    @classmethod
    def clear_expired(cls) -> None:
        """Does nothing: the server sweeps expired sessions by itself."""

    @classmethod
    async def aclear_expired(cls) -> None:
        """See clear_expired()."""

    def adopt(self, session_id: str, session: Plain) -> None:
        """Becomes the session that an answer of the store, in plain form, has under this ID."""
        self._session_key = session_id
        self._session_cache = self._decode(session, keep=True)

    # What follows is steps of calls.run() and calls.arun().

    def _load(self) -> Steps[Data]:
        if self.session_key is None:
            return {}
        slide = conf.current().slide_on_read
        try:
            answer = yield _get(self.session_key, access=_TOUCH if slide else _PEEK)
        except SessionNotFound:
            self._session_key = None
            return {}
        except SessionCorrupt:
            logger.error("A stored session fails its checksum; it counts as no session")
            self._session_key = None
            return {}
        # A load beside a cache, which the caller throws away, must not become what the cache is compared with.
        keep = not hasattr(self, "_session_cache")
        data = self._decode(answer["session"], keep=keep)
        if keep:
            self._slid = slide
            password.note_current(self)
        return data

    def _exists(self, session_key: str | None) -> Steps[bool]:
        if not session_key:
            return False
        call = _get(session_key, access=_PEEK, omit_attributes=True)
        del session_key
        try:
            yield call
        except SessionNotFound:
            return False
        except SessionCorrupt:
            return True
        return True

    def _save(self, data: Data, must_create: bool) -> Steps[None]:
        if must_create:
            return (yield from self._create(data, must_keep_key=True))
        # Loading may have found that there is no such session.
        if self.session_key is None:
            raise UpdateError
        timeouts = self._timeouts(data)
        if timeouts is None:
            return (yield from self._end())
        change, attributes = self._change(data, timeouts)
        session_id = session_id_of(self.session_key)
        if not change:
            # The call before has slid the session already.
            if self._slid:
                self._slid = False
                return
            call: Call = ("TouchSession", {"session_id": session_id})
        else:
            call = ("UpdateSession", {"session_id": session_id, "change": change})
        del session_id
        try:
            answer = yield call
        except (SessionNotFound, SessionIdRetired):
            raise UpdateError from None
        if change:
            self._remember(answer["session"], attributes)

    def _delete(self, session_key: str | None) -> Steps[None]:
        if session_key is None:
            session_key = self.session_key
        if session_key:
            call = ("DeleteSession", {"session_id": session_id_of(session_key), "allow_missing": True})
            del session_key
            yield call

    def _cycle(self, data: Data) -> Steps[None]:
        if self.session_key is None:
            return (yield from self._create(data))
        timeouts = self._timeouts(data)
        if timeouts is None:
            yield from self._delete(None)
            return (yield from self._create(data))
        change, attributes = self._change(data, timeouts)
        self._label(change, "set_labels")
        try:
            answer = yield "RotateSession", {"session_id": session_id_of(self.session_key), "change": change}
        except (SessionNotFound, SessionIdRetired):
            if USER_KEY in data:
                raise SessionInterrupted("The session was ended by another request.") from None
            return (yield from self._create(data))
        self._session_key = answer["session_id"]
        self._remember(answer["session"], attributes)

    def _create(self, data: Data, *, must_keep_key: bool = False) -> Steps[None]:
        """Makes a session: under the present key, or under an ID that the server mints."""
        self._forget()
        if not must_keep_key:
            self._session_key = None
        timeouts = self._timeouts(data)
        if timeouts is None:
            # Django's session that expired before it was saved: a key, and nothing behind it.
            if (yield from self._exists(self.session_key)):
                raise CreateError
            self._session_key = self.session_key or get_random_string(32, VALID_KEY_CHARS)
            self._ended_key = self.session_key
            return
        attributes, _ = self._codec.encode_all(data)
        # A copy, since a request that fails is emptied.
        request = {"attributes": dict(attributes), "principal": principal_of(data.get(USER_KEY)), "timeouts": timeouts}
        self._label(request, "labels")
        if must_keep_key:
            request["session_id"] = session_id_of(self.session_key)
        try:
            answer = yield "CreateSession", request
        except SessionIdTaken:
            raise CreateError from None
        # A key that was chosen stays, whatever ID stands for it.
        if not must_keep_key:
            self._session_key = answer["session_id"]
        self._remember(answer["session"], attributes)

    def _end(self) -> Steps[None]:
        """Saves a session whose expiry is past: it is gone. Saving it once more is no error."""
        if self._ended_key == self.session_key:
            return
        try:
            yield "DeleteSession", {"session_id": session_id_of(self.session_key)}
        except SessionNotFound:
            raise UpdateError from None
        self._forget()
        self._ended_key = self.session_key

    # What follows only computes.

    def _change(self, data: Data, timeouts: expiry.Timeouts) -> tuple[Plain, dict[str, bytes]]:
        """The difference to what was loaded, and all attributes as they will be known after it."""
        attributes, keys = self._codec.encode_all(data)
        change: Plain = {}
        replace = self._replace or self._known_key != self.session_key
        before: dict[str, bytes] = {}
        if replace:
            change["clear_attributes"] = True
        else:
            before = self._attributes
        changed = {}
        for name, encoded in attributes.items():
            stored = before.get(name)
            if stored == encoded:
                continue
            if stored is not None:
                key = name if keys is data else keys[name]
                if self._codec.same(name, stored, key, data[key], encoded):
                    continue
            changed[name] = encoded
        if changed:
            change["set_attributes"] = changed
        removed = [name for name in before if name not in attributes]
        if removed:
            change["remove_attributes"] = removed
        # A principal that another application set is left alone, unless this session's own user changes.
        if replace or USER_KEY in changed or USER_KEY in removed:
            change["principal"] = principal_of(data.get(USER_KEY))
        if USER_KEY in changed:
            self._label(change, "set_labels")
        if self._known is None or not expiry.same(timeouts, self._known):
            change["timeouts"] = timeouts
        return change, attributes

    def _label(self, request: Plain, field: str) -> None:
        if self.labeller is not None:
            request[field] = self.labeller()

    def _decode(self, session: Plain, *, keep: bool) -> Data:
        """The data of a session. Attributes that can't be read stay untouched in the store."""
        attributes = session.pop("attributes")
        data, unreadable = self._codec.decode_all(attributes)
        for name, problem in unreadable.items():
            logger.warning("Session %s: attribute %r is left out: %s", session["handle"], name, problem)
            del attributes[name]
        if keep:
            self._remember(session, attributes)
        return data

    def _timeouts(self, data: Data) -> expiry.Timeouts | None:
        """The timeouts that Django's expiry asks for; None if it is past."""
        chosen = data.get("_session_expiry")
        # The two cases of every day, which get_expiry_age() answers in the same way, without asking for the time.
        if not chosen:
            return expiry.to_timeouts(self.get_session_cookie_age(), None)
        if not isinstance(chosen, (str, datetime)):
            return expiry.to_timeouts(chosen, None)
        end = self.get_expiry_date(expiry=chosen)
        return expiry.to_timeouts(end, None if self._known is None else self._known["create_time"])

    def _remember(self, session: Plain, attributes: dict[str, bytes]) -> None:
        """Notes what the store holds now under the present key: later changes are compared with it."""
        self._known_key = self.session_key
        self._known = session
        self._attributes = attributes
        self._replace = False
        self._slid = False
        self._ended_key = None

    def _forget(self) -> None:
        """Nothing is known of what the store holds: the next save replaces it as a whole."""
        self._known_key = None
        self._known = None
        self._attributes = {}
        self._replace = False
        self._slid = False
        self._ended_key = None


def _get(session_key: str, *, access: int, omit_attributes: bool = False) -> Call:
    return "GetSession", {
        "session_id": session_id_of(session_key),
        "access": access,
        "omit_attributes": omit_attributes,
    }
