"""The way to the server: lazy, safe for threads and forks, a deadline on every call, few retries, typed errors."""

import json
import math
import os
import threading
from typing import Any

# Before grpc, which reads the switch that this sets when it is first imported.
from sessiond import forking  # isort: split

import grpc

from sessiond.address import parse
from sessiond.errors import from_rpc_error
from sessiond.v1.session_store_pb2_grpc import SessionStoreStub

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 1.0

# UNAVAILABLE is the only code that is repeated, at most twice and within the call's deadline; when more than about one
# call in ten fails, the throttle stops repeating, so that an ailing server is not hit three times as hard.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "sessiond.v1.SessionStore"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.25s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}

_OPTIONS = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A session store is a neighbour, not the internet.
    ("grpc.enable_http_proxy", 0),
    # A server that restarts is found again within a second; gRPC's own bound is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer that vanished without a word is noticed while calls wait for it.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # The largest answer that a server can be set to send; gRPC itself takes 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Connections are not shared between Connection objects, nor are their reconnect delays.
    ("grpc.use_local_subchannel_pool", 1),
]


def address_from_env() -> str:
    """SESSIOND_ADDR, or the default address of the server."""
    return os.environ.get("SESSIOND_ADDR") or DEFAULT_ADDRESS


class Connection:
    """Calls RPCs at one server.

    `address` is "HOST:PORT", "http://HOST:PORT" or "unix:PATH"; left out, SESSIOND_ADDR and then 127.0.0.1:50051.
    `timeout` is the deadline of a call in seconds, retries included. Either raises ValueError if it can't be used.
    Nothing is connected before the first call. A process that was forked makes its own channel at its first call.
    """

    def __init__(self, address: str | None = None, *, timeout: float = DEFAULT_TIMEOUT):
        self.address = parse(address or address_from_env())
        self.timeout = timeout
        if not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
            raise ValueError("timeout must be a number of seconds above 0")
        self.forget()
        forking.forget_in_child(self)

    def __repr__(self) -> str:
        return f"<sessiond.Connection to {self.address}>"

    def call(self, method: str, request: Any, *, timeout: float | None = None) -> Any:
        """The response of the RPC `method` of sessiond.v1.SessionStore.

        Raises a SessiondError; the request is then emptied, since pages that show the local variables of a traceback
        would otherwise show the session ID.
        """
        rpc = getattr(self._stub(), method)
        try:
            with forking.call():
                return rpc(request, timeout=timeout or self.timeout)
        except grpc.RpcError as rpc_error:
            error = from_rpc_error(rpc_error)
        request.Clear()
        # Out here, so that gRPC's error, with frames that hold copies of the request, is not chained.
        raise error

    def close(self) -> None:
        """Drops the connection; the next call makes a new one."""
        with self._lock:
            channel, self._channel, self._cached_stub = self._channel, None, None
        if channel is not None:
            channel.close()

    def forget(self) -> None:
        """Starts anew in a process that was forked: the channel belongs to the parent."""
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._cached_stub: SessionStoreStub | None = None

    def _stub(self) -> SessionStoreStub:
        stub = self._cached_stub
        if stub is not None:
            return stub
        with self._lock:
            if self._cached_stub is None:
                options = list(_OPTIONS)
                if self.address.startswith("unix:"):
                    # gRPC would send the socket's path as host name, which servers refuse.
                    options.append(("grpc.default_authority", "localhost"))
                    target = self.address
                else:
                    # With its scheme, since a host may be called as one is.
                    target = f"dns:///{self.address}"
                self._channel = grpc.insecure_channel(target, options)
                self._cached_stub = SessionStoreStub(self._channel)
            return self._cached_stub
