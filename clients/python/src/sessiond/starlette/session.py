"""The session of a request, as an application uses it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, TypeVar

import starlette.middleware.sessions

from sessiond.async_client import AsyncClient
from sessiond.web import tokens, users
from sessiond.web.devices import Device
from sessiond.web.state import State
from sessiond.web.steps import Steps, run_async

T = TypeVar("T")


class Session(dict[str, Any]):
    """What the store keeps of one visitor: a dictionary that is stored before the response begins.

    Only what changed is sent, also within a list or a dictionary. Methods that ask the store something are awaited, and
    raise StoreUnavailable if it can't be used.
    """

    # Older versions of Starlette don't tell that `request.session` was used: it must be assumed.
    accessed = not hasattr(starlette.middleware.sessions, "Session")
    modified = False

    def __init__(self, client: AsyncClient, state: State):
        super().__init__()
        self._client = client
        self._state = state
        # One after the other: two tasks of a request must not both make the session.
        self._running = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Session {self.handle or 'without a handle'}>"

    @property
    def is_new(self) -> bool:
        """Whether it is not stored yet."""
        return self._state.is_new

    @property
    def handle(self) -> str | None:
        """Names the session for its whole life, and is no secret; None while it is not stored."""
        return self._state.handle

    @property
    def labels(self) -> dict[str, str]:
        """What the list of devices shows of this session."""
        return self._state.labels

    @property
    def expire_time(self) -> datetime | None:
        """When it ends if nothing more happens, in UTC; None while it is not stored."""
        return self._state.expire_time

    @property
    def principal(self) -> str | None:
        """The user that the session belongs to; None while nobody is logged in.

        Setting it is a log-in: the session gets a new ID in the same step.
        """
        self.mark_accessed()
        return self._state.principal

    @principal.setter
    def principal(self, principal: str | int | None) -> None:
        self._state.principal = principal
        self.mark_modified()

    def rotate(self) -> None:
        """Gives the session a new ID before the response begins, as at every change of what the user may do."""
        self._state.rotate()
        self.mark_modified()

    def end(self) -> None:
        """Ends the session for good; what is set afterwards goes into a new one."""
        super().clear()
        self._state.end()
        self.mark_modified()

    def clear(self) -> None:
        """Removes all data and the principal: a log-out, unless something is set afterwards.

        The session is deleted then; what is set afterwards goes under a new ID.
        """
        super().clear()
        self._state.clear()
        self.mark_modified()

    async def save(self) -> None:
        """Stores what changed now. Needed only for changes after the response, or a WebSocket's connection, began.

        A session that is new can be stored only before: afterwards no cookie can be sent.
        """
        if await self._run(self._state.save(self)):
            self.modified = True

    async def devices(self) -> list[Device]:
        """The user's sessions, newest first; none while nobody is logged in."""
        return await self._run(users.devices(self._state, self))

    async def end_device(self, handle: str) -> bool:
        """Ends one of the user's sessions. False if this user has none of that handle."""
        has_ended = await self._run(users.end_device(self._state, handle, self))
        self._drop_if_ended()
        return has_ended

    async def end_others(self) -> int:
        """Ends all of the user's sessions but this one; how many."""
        return await self._run(users.end_others(self._state, self))

    async def end_all(self) -> int:
        """Ends all of the user's sessions, this one too; how many."""
        count = await self._run(users.end_all(self._state, self))
        self._drop_if_ended()
        return count

    async def csrf_token(self) -> str:
        """A token for a form, valid until the session ends or gets a new ID. Stores a session that is new."""
        self.mark_accessed()
        return await self._run(tokens.csrf_token(self._state, self))

    async def verify_csrf_token(self, token: object) -> bool:
        """Whether a token was issued for this session under its present ID."""
        return await self._run(tokens.verify_csrf_token(self._state, token))

    async def issue_handoff(self, audience: str, *, lifetime: timedelta | None = None) -> str:
        """A ticket by which the audience, such as "https://shop.example", gets this session: once, within 30 s.

        It is a secret. `lifetime` is from 1 s to 5 min.
        """
        return await self._run(tokens.issue_handoff(self._state, audience, lifetime, self))

    async def redeem_handoff(self, ticket: str, audience: str) -> None:
        """Makes the session that a ticket opens this visitor's; theirs until now ends. Raises HandoffInvalid."""
        data = await self._run(tokens.redeem_handoff(self._state, ticket, audience))
        super().clear()
        super().update(data)
        self.mark_modified()

    def mark_accessed(self) -> None:
        """Starlette calls this whenever `request.session` is used: the response depends on the cookie."""
        self.accessed = True

    def mark_modified(self) -> None:
        self.accessed = self.modified = True

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.mark_modified()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.mark_modified()

    def pop(self, key: str, *default: Any) -> Any:
        size = len(self)
        value = super().pop(key, *default)
        if len(self) < size:
            self.mark_modified()
        return value

    def popitem(self) -> tuple[str, Any]:
        item = super().popitem()
        self.mark_modified()
        return item

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self.mark_modified()
        return super().setdefault(key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self.mark_modified()

    def __ior__(self, other: Any, /) -> "Session":  # type: ignore[override,misc]
        self.update(other)
        return self

    async def _load(self, cookie: str) -> None:
        steps = self._state.load(cookie)
        # Pages that show the local variables of a traceback must not show it.
        del cookie
        super().update(await self._run(steps))

    async def _end_now(self) -> None:
        await self._run(self._state.end_now())

    def _drop_if_ended(self) -> None:
        if self._state.is_new:
            super().clear()
            self.mark_modified()

    async def _run(self, steps: Steps[T]) -> T:
        async with self._running:
            return await run_async(self._client, steps)
