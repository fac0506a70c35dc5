"""A client for each event loop."""

import asyncio
import os
from weakref import WeakKeyDictionary

from starlette.types import Message, Send

from sessiond.async_client import AsyncClient

DEFAULT_TIMEOUT = 1.0


class Clients:
    """The client that was given, or one for each event loop, made when it is first needed.

    What is None is read from SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT.
    """

    def __init__(self, given: AsyncClient | None, address: str | None, namespace: str | None, timeout: float | None):
        if given is not None and (address, namespace, timeout) != (None, None, None):
            raise ValueError("give a client, or an address, a namespace and a timeout for one")
        self._given = given
        self._address = address or os.environ.get("SESSIOND_ADDR")
        self._namespace = namespace if namespace is not None else os.environ.get("SESSIOND_NAMESPACE", "")
        self._timeout = timeout or float(os.environ.get("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT)
        self._own: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()

    def current(self) -> AsyncClient:
        """The client of the running loop."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        client = self._own.get(loop)
        if client is None:
            client = self._own[loop] = AsyncClient(self._address, namespace=self._namespace, timeout=self._timeout)
        return client

    def closing(self, send: Send) -> Send:
        """A `send` of the lifespan that closes this loop's client when the application has shut down."""

        async def closing(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                client = self._own.pop(asyncio.get_running_loop(), None)
                if client is not None:
                    await client.close()
            await send(message)

        return closing
