"""The transport over sessiond._native, which is written in Rust."""

import asyncio
from typing import Any

from sessiond import _native
from sessiond.tls import Tls
from sessiond.token import Token
from sessiond.traces import Trace
from sessiond.transport import AsyncStream, AsyncTransport, Stream, Transport

NAME = "native"

# It has encode(), decode(), encode_all() and decode_all().
codec = _native


class _Native:
    name = NAME

    def __init__(self, addresses: list[str], timeout: float, tls: Tls | None, token: Token | None):
        core = _native.Core(addresses, timeout, tls, token)
        # Bound here, since a layer between would cost a good part of what a call costs.
        self.call = core.call
        self.close = core.close
        self._core = core

    def watch(self, request: dict[str, Any]) -> Stream:
        stream: Stream = self._core.watch(request)
        return stream


class _AsyncNative:
    name = NAME

    def __init__(self, addresses: list[str], timeout: float, tls: Tls | None, token: Token | None):
        self._core = _native.AsyncCore(addresses, timeout, tls, token)

    async def call(
        self, method: str, request: dict[str, Any], timeout: float, trace: Trace | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = await self._core.call(asyncio.get_running_loop(), method, request, timeout, trace)
        return answer

    def watch(self, request: dict[str, Any]) -> AsyncStream:
        return _AsyncStream(self._core.watch(request))

    async def close(self) -> None:
        self._core.close()


class _AsyncStream:
    def __init__(self, stream: Any):
        self._stream = stream
        self._pending: asyncio.Future[dict[str, Any] | None] | None = None

    async def receive(self) -> dict[str, Any] | None:
        # One that was cancelled left its message on the way.
        if self._pending is None:
            self._pending = self._stream.receive(asyncio.get_running_loop())
        pending: asyncio.Future[dict[str, Any] | None] = self._pending
        try:
            message = await asyncio.shield(pending)
        except asyncio.CancelledError:
            # The message may be there already: it is for the next receive().
            if pending.cancelled():
                self._pending = None
            raise
        except BaseException:
            self._pending = None
            raise
        self._pending = None
        return message

    def cancel(self) -> None:
        self._stream.cancel()


def open(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> Transport:
    return _Native(addresses, timeout, tls, token)


def open_async(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> AsyncTransport:
    return _AsyncNative(addresses, timeout, tls, token)
