"""Locks that are held, by a client of either kind."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sessiond import requests
from sessiond.errors import SessiondError
from sessiond.session import Session
from sessiond.times import to_datetime

if TYPE_CHECKING:
    from sessiond.async_client import AsyncClient
    from sessiond.client import Client


class _Held:
    """What is known of a lock."""

    def __init__(self, session_id: str, answer: dict[str, Any]):
        self._session_id = session_id
        self._answer = answer

    @property
    def token(self) -> str:
        """Names the lock, for `lock_token` of an update. A secret, which is left out of the text form."""
        token: str = self._answer["lock_token"]
        return token

    @property
    def expire_time(self) -> datetime:
        """When the lease ends by itself."""
        return to_datetime(self._answer["expire_time"])

    @property
    def session(self) -> Session | None:
        """The session as it was when the lock was taken; None unless it was asked for."""
        plain = self._answer.get("session")
        return None if plain is None else Session(plain, with_attributes=True)

    def __repr__(self) -> str:
        return f"<sessiond.{type(self).__name__} until {self.expire_time.isoformat()}>"

    def moved(self, session_id: str) -> None:
        """Tells the lock the session's new ID after a rotation; it holds on."""
        self._session_id = session_id

    def _renewed(self, answer: dict[str, Any]) -> None:
        self._answer = {**self._answer, "expire_time": answer["expire_time"]}


class Lock(_Held):
    """A lock on a session. `with` releases it at the end, and doesn't mind if that fails: the lease ends by itself."""

    def __init__(self, client: "Client", session_id: str, answer: dict[str, Any]):
        super().__init__(session_id, answer)
        self._client = client

    def renew(self, lease: timedelta | None = None) -> None:
        """Lets the lease start again from now: 100 ms to 60 s; left out, 10 s. Raises LockLost."""
        request = requests.lock(self._session_id, lease, None, False, self.token)
        self._renewed(self._client.plain("LockSession", request))

    def unlock(self) -> bool:
        """Releases the lock; False if it did not hold any more."""
        request = requests.unlock(self._session_id, self.token)
        return bool(self._client.plain("UnlockSession", request)["released"])

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.unlock()
        except SessiondError:
            pass


class AsyncLock(_Held):
    """As Lock, for coroutines: `async with client.lock(id) as lock`, or `lock = await client.lock(id)`."""

    def __init__(self, client: "AsyncClient", session_id: str, answer: dict[str, Any]):
        super().__init__(session_id, answer)
        self._client = client

    async def renew(self, lease: timedelta | None = None) -> None:
        """Lets the lease start again from now: 100 ms to 60 s; left out, 10 s. Raises LockLost."""
        request = requests.lock(self._session_id, lease, None, False, self.token)
        self._renewed(await self._client.plain("LockSession", request))

    async def unlock(self) -> bool:
        """Releases the lock; False if it did not hold any more."""
        request = requests.unlock(self._session_id, self.token)
        return bool((await self._client.plain("UnlockSession", request))["released"])

    async def __aenter__(self) -> "AsyncLock":
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.unlock()
        except SessiondError:
            pass


class AsyncLocking(Awaitable[AsyncLock]):
    """What AsyncClient.lock() answers: awaited, it takes the lock; with `async with`, it releases it too."""

    def __init__(self, take: Callable[[], Coroutine[Any, Any, AsyncLock]]):
        self._take = take
        self._lock: AsyncLock | None = None

    def __await__(self) -> Generator[Any, None, AsyncLock]:
        return self._take().__await__()

    async def __aenter__(self) -> AsyncLock:
        self._lock = await self._take()
        return self._lock

    async def __aexit__(self, *problem: object) -> None:
        if self._lock is not None:
            await self._lock.__aexit__(*problem)
