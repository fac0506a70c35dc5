"""Sessions of FastAPI in sessiond: the middleware of `sessiond.starlette`, and dependencies that give the session.

    from sessiond.fastapi import CurrentSession, SessiondMiddleware

    app = FastAPI()
    app.add_middleware(SessiondMiddleware)

    @app.get("/")
    async def visits(session: CurrentSession) -> int:
        session["visits"] = session.get("visits", 0) + 1
        return session["visits"]

None of the dependencies shows in the OpenAPI description. clients/python/docs/asgi.md has the settings.
"""

from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

from sessiond.starlette import Device, Session, SessiondMiddleware, SessionInterrupted, device_labels

__all__ = [
    "CurrentPrincipal",
    "CurrentSession",
    "Device",
    "Session",
    "SessionInterrupted",
    "SessiondMiddleware",
    "device_labels",
    "get_principal",
    "get_session",
    "require_csrf_token",
]

CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def get_session(connection: HTTPConnection) -> Session:
    """The session of the request or the WebSocket: `session: Session = Depends(get_session)`."""
    session = connection.scope.get("session")
    if not isinstance(session, Session):
        raise RuntimeError("the request has no session: app.add_middleware(SessiondMiddleware)")
    session.mark_accessed()
    return session


CurrentSession = Annotated[Session, Depends(get_session)]
"""`session: CurrentSession` is the session of the request."""


def get_principal(session: CurrentSession) -> str:
    """The user that is logged in; 401 if nobody is."""
    if session.principal is None:
        raise HTTPException(401, "Nobody is logged in.")
    return session.principal


CurrentPrincipal = Annotated[str, Depends(get_principal)]
"""`principal: CurrentPrincipal` is the user that is logged in; the answer is 401 if nobody is."""


async def require_csrf_token(connection: HTTPConnection, session: CurrentSession) -> None:
    """Refuses a request that may change something, with 403, unless its header x-csrf-token has a token of the session.

    `dependencies=[Depends(require_csrf_token)]` of an app, a router or a route.
    """
    if connection.scope.get("method") in _SAFE:
        return
    if not await session.verify_csrf_token(connection.headers.get(CSRF_HEADER)):
        raise HTTPException(403, "The token is missing, too old, or of another session.")
