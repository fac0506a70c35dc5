"""Calls for coroutines.

They are gRPC's futures, not grpc.aio: that binds a channel to one event loop, and a process that has used it can't
fork.
"""

import asyncio
import queue
import threading
from concurrent.futures import Future
from typing import Any

from sessiond.tls import Tls
from sessiond.token import Token
from sessiond.traces import Trace
from sessiond.transport import AsyncStream
from sessiond.transport.grpcio import failures
from sessiond.transport.grpcio.attempts import Attempts
from sessiond.transport.grpcio.blocking import NAME, GrpcStream, method_of
from sessiond.transport.grpcio.messages import to_message, to_plain
from sessiond.transport.grpcio.methods import Method
from sessiond.transport.grpcio.servers import Server, Servers


class AsyncGrpcTransport:
    name = NAME

    def __init__(self, addresses: list[str], tls: Tls | None, token: Token | None):
        self._servers = Servers(addresses, tls, token)

    async def call(
        self, method: str, request: dict[str, Any], timeout: float, trace: Trace | None = None
    ) -> dict[str, Any]:
        known = method_of(method)
        message = to_message(known.request, request)
        attempts = Attempts(self._servers, known.is_idempotent, timeout, trace)
        while True:
            server = attempts.server()
            answer, failure = await _attempt(server, known, message, attempts)
            if failure is None:
                attempts.note_success(server)
                return to_plain(answer)
            pause = attempts.pause(failure)
            if pause is None:
                break
            await asyncio.sleep(pause)
        message.Clear()
        request.clear()
        raise attempts.verdict(failure)

    def watch(self, request: dict[str, Any]) -> AsyncStream:
        return AsyncGrpcStream(GrpcStream(self._servers, request))

    async def close(self) -> None:
        self._servers.close()


async def _attempt(
    server: Server, method: Method, message: Any, attempts: Attempts
) -> tuple[Any, failures.Failure | None]:
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    try:
        call = server.unary(method).future(message, timeout=attempts.rest, metadata=attempts.metadata)
    except ValueError:
        return None, failures.CLOSED
    call.add_done_callback(lambda _: _wake(loop, over))
    try:
        await over
    except asyncio.CancelledError:
        call.cancel()
        raise
    if call.code().value[0] == 0:
        return call.result(), None
    return None, failures.from_call(call)


def _wake(loop: asyncio.AbstractEventLoop, over: "asyncio.Future[None]") -> None:
    try:
        loop.call_soon_threadsafe(_finish, over)
    except RuntimeError:
        # The loop is closed: nobody waits any more.
        pass


def _finish(over: "asyncio.Future[None]") -> None:
    # It may have been cancelled.
    if not over.done():
        over.set_result(None)


class AsyncGrpcStream:
    """A stream that is read by a thread of its own, which is started by the first receive() and ended by cancel()."""

    def __init__(self, stream: GrpcStream):
        self._stream = stream
        self._wanted: queue.SimpleQueue[Future[dict[str, Any] | None] | None] = queue.SimpleQueue()
        self._is_cancelled = False
        self._thread: threading.Thread | None = None
        self._pending: Future[dict[str, Any] | None] | None = None

    async def receive(self) -> dict[str, Any] | None:
        if self._is_cancelled:
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="sessiond-watch", daemon=True)
            self._thread.start()
        # A receive() that was cancelled left its message on the way, or here.
        if self._pending is None:
            self._pending = Future()
            self._wanted.put(self._pending)
        pending = self._pending
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        pending.add_done_callback(lambda _: _wake(loop, over))
        await over
        self._pending = None
        return pending.result()

    def cancel(self) -> None:
        self._is_cancelled = True
        self._stream.cancel()
        self._wanted.put(None)

    def _read(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            try:
                wanted.set_result(self._stream.receive())
            except BaseException as error:
                wanted.set_exception(error)
