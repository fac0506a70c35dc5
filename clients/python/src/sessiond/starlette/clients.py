"""The client of a middleware or a store."""

import os

from sessiond.async_client import AsyncClient

DEFAULT_TIMEOUT = 1.0


def client_of(
    given: AsyncClient | None, address: str | None, namespace: str | None, timeout: float | None
) -> AsyncClient:
    """The client that was given, or one of its own; it serves every event loop.

    What is None is read from SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT.
    """
    if given is None:
        return AsyncClient(
            address or os.environ.get("SESSIOND_ADDR"),
            namespace=os.environ.get("SESSIOND_NAMESPACE", "") if namespace is None else namespace,
            timeout=float(os.environ.get("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT) if timeout is None else timeout,
        )
    if (address, namespace, timeout) != (None, None, None):
        raise ValueError("give a client, or an address, a namespace and a timeout for one")
    return given
