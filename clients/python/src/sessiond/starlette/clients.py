"""The client of a middleware or a store."""

import os

from sessiond.async_client import AsyncClient
from sessiond.tls import Tls

DEFAULT_TIMEOUT = 1.0


def client_of(
    given: AsyncClient | None, address: str | None, namespace: str | None, timeout: float | None, tls: Tls | None
) -> AsyncClient:
    """The client that was given, or one of its own; it serves every event loop.

    What is None is read from SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT; `tls` is what AsyncClient takes.
    """
    if given is None:
        return AsyncClient(
            address or os.environ.get("SESSIOND_ADDR"),
            namespace=os.environ.get("SESSIOND_NAMESPACE", "") if namespace is None else namespace,
            timeout=float(os.environ.get("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT) if timeout is None else timeout,
            tls=tls,
        )
    if (address, namespace, timeout, tls) != (None, None, None, None):
        raise ValueError("give a client, or an address, a namespace, a timeout and TLS settings for one")
    return given
