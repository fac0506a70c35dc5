"""The settings of the engine; the package's docstring lists them."""

import os
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sessiond.connection import DEFAULT_TIMEOUT, Connection


def namespace() -> str:
    """The namespace; empty means the server's "default"."""
    return _setting("SESSIOND_NAMESPACE") or ""


def connection() -> Connection:
    """The connection of this process. Settings are read at every call, so that tests can override them."""
    try:
        return _connection(_setting("SESSIOND_ADDR"), float(_setting("SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT))
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"SESSIOND_ADDR or SESSIOND_TIMEOUT: {error}") from error


@lru_cache(maxsize=16)
def _connection(address: str | None, timeout: float) -> Connection:
    return Connection(address, timeout=timeout)


def _setting(name: str) -> Any:
    return getattr(settings, name, None) or os.environ.get(name)
