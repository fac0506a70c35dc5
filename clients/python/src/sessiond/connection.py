"""Calls with the messages of protobuf, for the Django engine until it makes plain calls."""

import math
import os
from typing import Any

from sessiond.address import parse
from sessiond.transport.grpcio.blocking import GrpcTransport
from sessiond.transport.grpcio.messages import to_message, to_plain
from sessiond.transport.grpcio.methods import UNARY

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 1.0


class Connection:
    def __init__(self, address: str | None = None, *, timeout: float = DEFAULT_TIMEOUT):
        self.address = parse(address or os.environ.get("SESSIOND_ADDR") or DEFAULT_ADDRESS)
        self.timeout = timeout
        if not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
            raise ValueError("timeout must be a number of seconds above 0")
        self._transport = GrpcTransport([self.address])

    def call(self, method: str, request: Any, *, timeout: float | None = None) -> Any:
        plain = to_plain(request)
        request.Clear()
        answer = self._transport.call(method, plain, timeout or self.timeout)
        descriptor = UNARY[method].deserialize(b"")
        return to_message(type(descriptor), answer)

    def close(self) -> None:
        self._transport.close()
