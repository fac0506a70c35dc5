"""The engine for the days of the move: SESSION_ENGINE = "sessiond.django.moving".

It is the engine of sessiond.django, with one difference: a key that the store does not know is looked up once in the
engine that the site had before, SESSIOND["FALLBACK_ENGINE"]. A session that is found there is moved to the store under
the same key, and deleted where it was. Nobody is logged out. When the old sessions have ended, or "manage.py sessiond
migrate" has moved the rest, set SESSION_ENGINE = "sessiond.django".

A log out is final here too: whoever moves a session must have deleted the old one, and of two who try one gives way.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import ImproperlyConfigured

from sessiond.django import conf
from sessiond.django.calls import run
from sessiond.django.migrate import Old, find, forget, move, store_class
from sessiond.django.store import Data
from sessiond.django.store import SessionStore as Engine

__all__ = ["SessionStore"]


class SessionStore(Engine):
    """A session in sessiond, or in the engine before it until it is used."""

    def __init__(self, session_key: str | None = None):
        super().__init__(session_key)
        # A key kept here, not in a variable, is not shown by pages that show the variables of a traceback.
        self._sought: str | None = None

    def load(self) -> Data:
        self._sought = self.session_key
        data = super().load()
        if self._sought is None or self.session_key is not None:
            return data
        self._bring()
        # Moved by this request, or by one beside it that was faster.
        self._session_key = self._sought
        return super().load()

    async def aload(self) -> Data:
        self._sought = self.session_key
        data = await super().aload()
        if self._sought is None or self.session_key is not None:
            return data
        await sync_to_async(self._bring)()
        self._session_key = self._sought
        return await super().aload()

    def exists(self, session_key: str | None) -> bool:
        self._sought = session_key
        del session_key
        return super().exists(self._sought) or bool(self._sought) and self._find() is not None

    async def aexists(self, session_key: str | None) -> bool:
        self._sought = session_key
        del session_key
        return (
            await super().aexists(self._sought) or bool(self._sought) and await sync_to_async(self._find)() is not None
        )

    def save(self, must_create: bool = False) -> None:
        self._sought = self.session_key
        try:
            super().save(must_create)
        except UpdateError:
            # A session that was cleared without being loaded is still where it was.
            if must_create or not self._bring():
                raise
            self._session_key = self._sought
            super().save()

    async def asave(self, must_create: bool = False) -> None:
        self._sought = self.session_key
        try:
            await super().asave(must_create)
        except UpdateError:
            if must_create or not await sync_to_async(self._bring)():
                raise
            self._session_key = self._sought
            await super().asave()

    def delete(self, session_key: str | None = None) -> None:
        self._sought = self.session_key if session_key is None else session_key
        del session_key
        super().delete(self._sought)
        # Else a move that was cut off between its two steps could bring it back.
        self._forget_old()

    async def adelete(self, session_key: str | None = None) -> None:
        self._sought = self.session_key if session_key is None else session_key
        del session_key
        await super().adelete(self._sought)
        await sync_to_async(self._forget_old)()

    def cycle_key(self) -> None:
        self._sought = self.session_key
        super().cycle_key()
        self._forget_old()

    async def acycle_key(self) -> None:
        self._sought = self.session_key
        await super().acycle_key()
        await sync_to_async(self._forget_old)()

    def _bring(self) -> bool:
        """Moves the session of the key that is sought; whether this request did."""
        old = self._find()
        if old is None or not run(move(old, self._codec, self.get_session_cookie_age())):
            return False
        if self._forget_old():
            return True
        # Another request had moved it before, and it was ended since: what was made here must not live on.
        run(self._delete(self._sought))
        return False

    def _find(self) -> Old | None:
        """The session of the key that is sought in the engine before."""
        if not self._sought:
            return None
        return find(_fallback(), self._sought)

    def _forget_old(self) -> bool:
        if not self._sought:
            return False
        return forget(_fallback(), self._sought)


def _fallback() -> Any:
    engine = conf.current().fallback_engine
    if engine is None:
        raise ImproperlyConfigured('The engine "sessiond.django.moving" needs SESSIOND["FALLBACK_ENGINE"].')
    return store_class(engine)
