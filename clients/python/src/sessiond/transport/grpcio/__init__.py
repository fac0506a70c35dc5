"""The transport over grpcio and protobuf, for machines that sessiond._native is not built for."""

from sessiond.tls import Tls
from sessiond.token import Token

# Before grpc, which reads the switch that this sets when it is first imported.
from sessiond.transport import AsyncTransport, Transport
from sessiond.transport.grpcio import forking  # noqa: F401  # isort: split
from sessiond.transport.grpcio import values as codec
from sessiond.transport.grpcio.asynchronous import AsyncGrpcTransport
from sessiond.transport.grpcio.blocking import NAME, GrpcTransport

__all__ = ["NAME", "codec", "open", "open_async"]


def open(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> Transport:
    return GrpcTransport(addresses, tls, token)


def open_async(addresses: list[str], timeout: float, tls: Tls | None, token: Token | None) -> AsyncTransport:
    return AsyncGrpcTransport(addresses, tls, token)
