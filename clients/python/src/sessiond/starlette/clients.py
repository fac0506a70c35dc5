"""The client of a middleware or a store."""

import os

from sessiond.async_client import AsyncClient
from sessiond.tls import Tls
from sessiond.token import Token
from sessiond.traces import TraceContext

DEFAULT_TIMEOUT = 1.0


def client_of(
    given: AsyncClient | None,
    address: str | None,
    namespace: str | None,
    timeout: float | None,
    tls: Tls | None,
    token: Token,
    trace_context: TraceContext | None,
) -> AsyncClient:
    """The client that was given, or one of its own; it serves every event loop.

    What is None is read from SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT; `tls`, `token` and
    `trace_context` are what AsyncClient takes.
    """
    if given is None:
        return AsyncClient(
            address or os.environ.get("SESSIOND_ADDR"),
            namespace=os.environ.get("SESSIOND_NAMESPACE", "") if namespace is None else namespace,
            timeout=float(os.environ.get("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT) if timeout is None else timeout,
            tls=tls,
            token_file=token.file,
            token=token.text,
            trace_context=trace_context,
        )
    if (address, namespace, timeout, tls, token, trace_context) != (None, None, None, None, Token(), None):
        raise ValueError(
            "give a client, or an address, a namespace, a timeout, TLS settings, a token and a trace context for one"
        )
    return given
