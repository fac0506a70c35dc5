"""Sessions of Starlette, and of other ASGI applications, in sessiond.

    from sessiond.starlette import SessiondMiddleware

    app = Starlette(routes=routes, middleware=[Middleware(SessiondMiddleware)])

`request.session` works as with Starlette's own middleware, and can do more: see Session. clients/python/docs/asgi.md
has the settings.
"""

from typing import Any

from sessiond.starlette.middleware import SessiondMiddleware, device_labels
from sessiond.starlette.session import Session
from sessiond.web.devices import Device
from sessiond.web.errors import SessionInterrupted

__all__ = ["Device", "Session", "SessionInterrupted", "SessiondMiddleware", "device_labels"]


def __getattr__(name: str) -> Any:
    # starsessions is not needed for anything else.
    if name == "StarsessionsStore":
        from sessiond.starlette.starsessions import StarsessionsStore

        return StarsessionsStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
