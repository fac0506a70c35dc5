"""The way to the server, behind two Protocols, and the choice between the two packages that know it.

    native   sessiond._native, written in Rust: the default where it is built
    grpcio   grpcio and protobuf: for machines that it is not built for; pip install 'sessiond[grpc]'

Messages of the contract travel in plain form: a dict by the proto's field names. Unset and default fields may be left
out of a request; in an answer every scalar, map and repeated field is there, while unset messages and optional fields
are not. Of a oneof only the field that is set is there. Durations and timestamps are ints, in microseconds (since 1970
in UTC), enums are their numbers, and a Value is bytes (see sessiond.values).
"""

import os
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from sessiond.tls import Tls
from sessiond.token import Token
from sessiond.traces import Trace

ENVIRONMENT = "SESSIOND_TRANSPORT"

# What the environment variable can say, and the module that it means.
_MODULES = {"native": "sessiond.transport.native", "grpc": "sessiond.transport.grpcio"}


class Stream(Protocol):
    """What WatchSessions answers, message by message."""

    def receive(self) -> dict[str, Any] | None:
        """The next message; None at the end. Raises a SessiondError."""

    def cancel(self) -> None:
        """Ends the stream, from any thread; a receive() that waits then answers None."""


class Transport(Protocol):
    """Blocking calls. Safe to share between threads, and across a fork."""

    name: str

    def call(self, method: str, request: dict[str, Any], timeout: float, trace: Trace | None = None) -> dict[str, Any]:
        """The answer to a call of this trace, which ends within `timeout` seconds, repetitions included.

        Raises a SessiondError that has no exception chained to it; the request is then emptied, since pages that show
        the local variables of a traceback would otherwise show what is in it.
        """

    def watch(self, request: dict[str, Any]) -> Stream: ...

    def close(self) -> None:
        """Drops the connection; the next call makes a new one."""


class AsyncStream(Protocol):
    """As Stream. A receive() that is cancelled loses no message: the next one answers with it."""

    async def receive(self) -> dict[str, Any] | None: ...

    def cancel(self) -> None: ...


class AsyncTransport(Protocol):
    """As Transport, for coroutines. It can be used in one event loop after another, and in several at a time."""

    name: str

    async def call(
        self, method: str, request: dict[str, Any], timeout: float, trace: Trace | None = None
    ) -> dict[str, Any]: ...

    def watch(self, request: dict[str, Any]) -> AsyncStream: ...

    async def close(self) -> None: ...


def open(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> Transport:
    """A transport to the first of the addresses (in normal form) that can be reached.

    Nothing is connected before the first call. `timeout` is the usual time of a call in seconds. `tls`, which is whole
    (see sessiond.tls.settings_for), is there if and only if the addresses have https://. `token`, where there is one,
    is whole too. Raises TlsError or TokenError if their files can't be used, and ImportError if there is no transport.
    """
    transport: Transport = chosen().open(addresses, timeout, tls, token)
    return transport


def open_async(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> AsyncTransport:
    """As open(), for coroutines."""
    transport: AsyncTransport = chosen().open_async(addresses, timeout, tls, token)
    return transport


def codec() -> Any:
    """What has encode(), decode(), encode_all() and decode_all() of sessiond.values."""
    return chosen().codec


def chosen() -> ModuleType:
    """The module of the transport in use. Raises ImportError, which says what to install."""
    forced = os.environ.get(ENVIRONMENT)
    if forced:
        return _forced(forced)
    try:
        return load("native")
    except ImportError:
        pass
    try:
        return load("grpc")
    except ImportError:
        pass
    raise ImportError(
        "sessiond has no transport: its native module is not built for this Python and machine, and grpcio is missing; "
        "run: pip install 'sessiond[grpc]'"
    )


def load(choice: str) -> ModuleType:
    """The module of a transport, "native" or "grpc". Raises ImportError."""
    return import_module(_MODULES[choice])


def _forced(choice: str) -> ModuleType:
    if choice not in _MODULES:
        raise ImportError(f"{ENVIRONMENT} is {choice!r}; it can be native or grpc")
    try:
        return load(choice)
    except ImportError as error:
        advice = "run: pip install 'sessiond[grpc]'" if choice == "grpc" else f"unset {ENVIRONMENT} to use grpcio"
        raise ImportError(f"{ENVIRONMENT} is {choice}, which can't be imported: {error}; {advice}") from None
