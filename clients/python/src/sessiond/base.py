"""What Client and AsyncClient have in common: where the server is, and how their calls are made."""

import math
import os
from datetime import timedelta
from typing import Any, TypeVar

from sessiond import fields, traces
from sessiond import token as tokens
from sessiond.address import parse_list
from sessiond.tls import Tls, settings_for

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 1.0

# Their requests have no namespace.
_OF_THE_SERVER = frozenset({"GetStatistics", "SweepNow", "CheckHealth"})

Self = TypeVar("Self", bound="Base")


def address_from_env() -> str:
    """SESSIOND_ADDR, or the default address of the server."""
    return os.environ.get("SESSIOND_ADDR") or DEFAULT_ADDRESS


class Base:
    """The settings of a client. `_transport` is shared by the clients that are made from one another."""

    _transport: Any

    def __init__(
        self,
        address: str | None,
        namespace: str,
        timeout: float,
        tls: Tls | None,
        token: tokens.Token,
        trace_context: traces.TraceContext | None,
    ):
        addresses = parse_list(address or address_from_env())
        self._address = ",".join(addresses)
        self._namespace = namespace
        self._timeout = _checked(timeout)
        self._tls = settings_for(addresses, tls)
        self._token = tokens.settings_for(token)
        self._trace_context = traces.checked(trace_context)
        self._transport = self._open(addresses)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<sessiond.{kind} of namespace {self.namespace or 'default'!r} at {self.address}>"

    @property
    def address(self) -> str:
        """Where the server is, in normal form; several are separated by commas."""
        return self._address

    @property
    def tls(self) -> Tls | None:
        """How it speaks TLS, what comes from the environment included; None at addresses without https://."""
        return self._tls

    @property
    def token_source(self) -> str:
        """Where its token comes from, in words; the token is not shown."""
        return tokens.described(self._token)

    @property
    def namespace(self) -> str:
        """The namespace that the sessions live in; "" means the server's "default"."""
        return self._namespace

    @property
    def timeout(self) -> float:
        """The deadline of a call in seconds, repetitions included."""
        return self._timeout

    @property
    def transport(self) -> str:
        """The transport in use: "native" or "grpcio"."""
        name: str = self._transport.name
        return name

    def with_timeout(self: Self, seconds: float) -> Self:
        """A client with another deadline, over the same connection. Raises ValueError."""
        other = self._copy()
        other._timeout = _checked(seconds)
        return other

    def with_namespace(self: Self, name: str) -> Self:
        """A client of another namespace, over the same connection."""
        other = self._copy()
        other._namespace = name
        return other

    def with_trace_context(self: Self, trace_context: traces.TraceContext | None) -> Self:
        """A client whose calls carry the trace that the function tells, or none, over the same connection."""
        other = self._copy()
        other._trace_context = traces.checked(trace_context)
        return other

    def _open(self, addresses: list[str]) -> Any:
        raise NotImplementedError

    def _copy(self: Self) -> Self:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def _named(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """The request with the client's namespace, unless it names one."""
        if method not in _OF_THE_SERVER and "namespace" not in request:
            request["namespace"] = fields.text("namespace", self._namespace)
        return request

    def _trace(self) -> traces.Trace | None:
        """The trace that a call carries, which is made now."""
        return self._trace_context and traces.current(self._trace_context)

    def _waiting(self, wait: timedelta | None) -> float:
        """The deadline of a call that may wait so long."""
        return self._timeout + max(wait.total_seconds() if wait else 0.0, 0.0)


def _checked(timeout: float) -> float:
    if not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
        raise ValueError("timeout must be a number of seconds above 0")
    return timeout
