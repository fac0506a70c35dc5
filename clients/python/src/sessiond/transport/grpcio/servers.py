"""The processes of one store. One is used at a time, and the next in turn when it is away."""

import os
import threading
import time
from typing import Any

import grpc

from sessiond.tls import File, Tls, TlsError
from sessiond.token import Token
from sessiond.transport.grpcio import forking
from sessiond.transport.grpcio.budget import RetryBudget
from sessiond.transport.grpcio.credentials import Credentials, load
from sessiond.transport.grpcio.methods import Method
from sessiond.transport.grpcio.tokens import Tokens

# How old what is known of the files of TLS may be when a call is made, in seconds.
_LOOK_AFTER = 2.0

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

    def __init__(self, address: str, renewal: "Renewal | None" = None):
        self.address = address
        # None without TLS.
        self._renewal = renewal
        # Since it was last turned to.
        self.has_answered = False
        self.forget()

    def forget(self) -> None:
        """Starts anew in a process that was forked: the channel belongs to the parent."""
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        # The one before, which was made with other certificates.
        self._retired: grpc.Channel | None = None
        self._callables: dict[str, Any] = {}
        # What the channel was made with.
        self._credentials: Credentials | None = None

    def unary(self, method: Method) -> Any:
        self._renew()
        found = self._callables.get(method.path)
        if found is None:
            with self._lock:
                made = self._open().unary_unary(method.path, method.serialize, method.deserialize)
                found = self._callables.setdefault(method.path, made)
        return found

    def stream(self, method: Method) -> Any:
        self._renew()
        with self._lock:
            return self._open().unary_stream(method.path, method.serialize, method.deserialize)

    def close(self) -> None:
        with self._lock:
            channels = self._channel, self._retired
            self._channel, self._retired, self._callables = None, None, {}
        for channel in channels:
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
            self._credentials = self._renewal.current() if self._renewal else None
            if self._credentials is None:
                self._channel = grpc.insecure_channel(target, options)
            else:
                options.extend(self._credentials.options())
                self._channel = grpc.secure_channel(target, self._credentials.of_grpc(), options)
        return self._channel

    def _renew(self) -> None:
        """Gives the channel up if it has no connection and would make one with files that have changed since: gRPC's
        channels keep what they were made with.
        """
        if self._channel is None or self._renewal is None or self._renewal.current() is self._credentials:
            return
        with self._lock:
            channel = self._channel
            if channel is None or _is_connected(channel):
                return
            # Calls of other threads may still be on it; those of the one before have ended.
            before, self._retired = self._retired, channel
            self._channel, self._callables = None, {}
        if before is not None:
            before.close()


def _is_connected(channel: grpc.Channel) -> bool:
    # gRPC tells it publicly only to a thread that keeps asking.
    state = channel._channel.check_connectivity_state(False)
    return bool(state == grpc.ChannelConnectivity.READY.value[0])


class Renewal:
    """The certificates and the key, which are read again when their files have changed."""

    def __init__(self, tls: Tls):
        self._tls = tls
        self._stamps = self._look()
        self._found = load(tls)
        self.forget()

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._next_look = time.monotonic() + _LOOK_AFTER

    def current(self) -> Credentials:
        """What holds for the next connection. Looks at the files if the last look is too old."""
        if time.monotonic() >= self._next_look:
            with self._lock:
                self._next_look = time.monotonic() + _LOOK_AFTER
                self._renew()
        return self._found

    def _renew(self) -> None:
        stamps = self._look()
        if stamps == self._stamps:
            return
        try:
            self._found = load(self._tls)
        except TlsError:
            # What was read before holds until they can be used.
            return
        self._stamps = stamps

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What tells that a file has changed; None for one that is not there."""
        files = (self._tls.ca_file, self._tls.certificate_file, self._tls.key_file)
        return [_stamp(file) for file in files if file]


def _stamp(file: File) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Servers:
    """All processes of the store, in the order of their addresses."""

    def __init__(self, addresses: list[str], tls: Tls | None, token: Token | None):
        self._renewal = None if tls is None else Renewal(tls)
        self._all = [Server(address, self._renewal) for address in addresses]
        self.tokens = Tokens(token)
        self.budget = RetryBudget()
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
        self.budget.forget()
        if self._renewal is not None:
            self._renewal.forget()
        for server in self._all:
            server.forget()
