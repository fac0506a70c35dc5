"""The processes of one store. One is used at a time, and the next in turn when it is away."""

import threading
from typing import Any

import grpc

from sessiond.tls import Tls
from sessiond.transport.grpcio import forking
from sessiond.transport.grpcio.credentials import Credentials, load
from sessiond.transport.grpcio.methods import Method

_OPTIONS = [
    # A session store is a neighbour, not the internet.
    ("grpc.enable_http_proxy", 0),
    # What is repeated is decided here, since a call that may have been carried out must not be.
    ("grpc.service_config_disable_resolution", 1),
    # A server that restarts is found again within a second; gRPC's own bound is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer that vanished without a word is noticed while calls wait for it.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Also of a watch, which sends nothing itself.
    ("grpc.http2.max_pings_without_data", 0),
    # The largest answer that a server can be set to send; gRPC itself takes 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Connections are not shared between clients, nor are their reconnect delays.
    ("grpc.use_local_subchannel_pool", 1),
]


class Server:
    """One process, and the channel to it, which is made at the first call."""

    def __init__(self, address: str, credentials: Credentials | None = None):
        self.address = address
        # None without TLS.
        self._credentials = credentials
        # Since it was last turned to.
        self.has_answered = False
        self.forget()

    def forget(self) -> None:
        """Starts anew in a process that was forked: the channel belongs to the parent."""
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._callables: dict[str, Any] = {}

    def unary(self, method: Method) -> Any:
        found = self._callables.get(method.path)
        if found is None:
            with self._lock:
                made = self._open().unary_unary(method.path, method.serialize, method.deserialize)
                found = self._callables.setdefault(method.path, made)
        return found

    def stream(self, method: Method) -> Any:
        with self._lock:
            return self._open().unary_stream(method.path, method.serialize, method.deserialize)

    def close(self) -> None:
        with self._lock:
            channel, self._channel, self._callables = self._channel, None, {}
        if channel is not None:
            channel.close()

    def _open(self) -> grpc.Channel:
        if self._channel is None:
            options: list[tuple[str, Any]] = list(_OPTIONS)
            if self.address.startswith("unix:"):
                # gRPC would send the socket's path as host name, which servers refuse.
                options.append(("grpc.default_authority", "localhost"))
                target = self.address
            else:
                # With its scheme, since a host may be called as one is.
                target = f"dns:///{self.address.removeprefix('https://')}"
            if self._credentials is None:
                self._channel = grpc.insecure_channel(target, options)
            else:
                options.extend(self._credentials.options())
                self._channel = grpc.secure_channel(target, self._credentials.of_grpc(), options)
        return self._channel


class Servers:
    """All processes of the store, in the order of their addresses."""

    def __init__(self, addresses: list[str], tls: Tls | None):
        credentials = None if tls is None else load(tls)
        self._all = [Server(address, credentials) for address in addresses]
        # Counts on without end; its remainder names the process in use.
        self.turn = 0
        self.forget()
        forking.forget_in_child(self)

    def __len__(self) -> int:
        return len(self._all)

    def at(self, turn: int) -> Server:
        return self._all[turn % len(self._all)]

    def leave(self, turn: int) -> None:
        """Goes on with the next process, unless another call has done so already."""
        with self._lock:
            if self.turn == turn:
                self.at(turn + 1).has_answered = False
                self.turn = turn + 1

    def close(self) -> None:
        for server in self._all:
            server.close()

    def forget(self) -> None:
        self._lock = threading.Lock()
        for server in self._all:
            server.forget()
