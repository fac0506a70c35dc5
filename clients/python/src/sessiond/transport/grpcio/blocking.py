"""Blocking calls."""

import time
from typing import Any

import grpc

from sessiond.errors import Code
from sessiond.tls import Tls
from sessiond.token import Token
from sessiond.traces import Trace
from sessiond.transport import Stream
from sessiond.transport.grpcio import failures, forking
from sessiond.transport.grpcio.attempts import Attempts
from sessiond.transport.grpcio.messages import to_message, to_plain
from sessiond.transport.grpcio.methods import UNARY, WATCH, Method
from sessiond.transport.grpcio.servers import Servers
from sessiond.transport.grpcio.tokens import Metadata

NAME = "grpcio"


def method_of(name: str) -> Method:
    """The method of this name. Raises ValueError."""
    found = UNARY.get(name)
    if found is None:
        raise ValueError(f"{name!r} is no method")
    return found


class GrpcTransport:
    name = NAME

    def __init__(self, addresses: list[str], tls: Tls | None, token: Token | None):
        self._servers = Servers(addresses, tls, token)

    def call(self, method: str, request: dict[str, Any], timeout: float, trace: Trace | None = None) -> dict[str, Any]:
        known = method_of(method)
        message = to_message(known.request, request)
        attempts = Attempts(self._servers, known.is_idempotent, timeout, trace)
        while True:
            server = attempts.server()
            try:
                with forking.call():
                    answer = server.unary(known)(message, timeout=attempts.rest, metadata=attempts.metadata)
            except grpc.RpcError as error:
                failure = failures.from_call(error)
            except ValueError:
                failure = failures.CLOSED
            else:
                attempts.note_success(server)
                return to_plain(answer)
            pause = attempts.pause(failure)
            if pause is None:
                break
            time.sleep(pause)
        message.Clear()
        request.clear()
        # Out here, so that gRPC's error, with frames that hold copies of the request, is not chained.
        raise attempts.verdict(failure)

    def watch(self, request: dict[str, Any]) -> Stream:
        return GrpcStream(self._servers, request)

    def close(self) -> None:
        self._servers.close()


class GrpcStream:
    """The stream of a watch. It begins at once, at the process in use, and has no deadline."""

    def __init__(self, servers: Servers, request: dict[str, Any]):
        self._servers = servers
        self._turn = servers.turn
        self._is_cancelled = False
        self._message = to_message(WATCH.request, request)
        # What it is opened with; None once it has said something, or has been opened again.
        self._opened_with: Metadata | None = None
        self._call = self._open()

    def receive(self) -> dict[str, Any] | None:
        try:
            message = next(self._call, None)
            self._opened_with = None
            return None if message is None else to_plain(message)
        except grpc.RpcError as error:
            if self._is_cancelled:
                return None
            failure = failures.from_call(error)
        if failure.error.code is Code.UNAUTHENTICATED and self._opened_with is not None:
            if self._servers.tokens.has_another_than(self._opened_with):
                self._call = self._open()
                self._opened_with = None
                return self.receive()
        if failure.is_absence:
            self._servers.leave(self._turn)
        raise failure.error

    def cancel(self) -> None:
        self._is_cancelled = True
        self._call.cancel()

    def _open(self) -> Any:
        self._opened_with = self._servers.tokens.metadata()
        return self._servers.at(self._turn).stream(WATCH)(self._message, metadata=self._opened_with)
