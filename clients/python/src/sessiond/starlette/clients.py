"""The client of a middleware or a store."""

import os

from sessiond.async_client import AsyncClient
from sessiond.tls import Tls
from sessiond.token import Token

DEFAULT_TIMEOUT = 1.0


def client_of(
    given: AsyncClient | None,
    address: str | None,
    namespace: str | None,
    timeout: float | None,
    tls: Tls | None,
    token: Token,
) -> AsyncClient:
    """The client that was given, or one of its own; it serves every event loop.

    What is None is read from SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT; `tls` and `token` are what
    AsyncClient takes.
    """
    if given is None:
        return AsyncClient(
            address or os.environ.get("SESSIOND_ADDR"),
            namespace=os.environ.get("SESSIOND_NAMESPACE", "") if namespace is None else namespace,
            timeout=float(os.environ.get("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT) if timeout is None else timeout,
            tls=tls,
            token_file=token.file,
            token=token.text,
        )
    if (address, namespace, timeout, tls, token) != (None, None, None, None, Token()):
        raise ValueError("give a client, or an address, a namespace, a timeout, TLS settings and a token for one")
    return given
