"""The middleware: it loads the session before the application runs, and stores what changed before the response."""

import logging
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sessiond.async_client import AsyncClient
from sessiond.errors import SessiondError
from sessiond.starlette.clients import client_of
from sessiond.starlette.session import Session
from sessiond.tls import File, Tls
from sessiond.token import Token
from sessiond.traces import TraceContext
from sessiond.web.devices import labels_of
from sessiond.web.errors import SessionInterrupted, answer_for
from sessiond.web.state import Labels, Rules, State

logger = logging.getLogger("sessiond.web")

TWO_WEEKS = 14 * 24 * 3600
# RFC 6455 and its registry: "try again later".
_TRY_AGAIN_LATER = 1013

_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COOKIE_ATTRIBUTE = re.compile(r"[^\x00-\x1f\x7f;]+")

ErrorHandler = Callable[[HTTPConnection, SessiondError], Awaitable[Response]]


class SessiondMiddleware:
    """Gives every request a `session` that sessiond keeps, as Starlette's SessionMiddleware does with a cookie.

    Without a `client` it makes one from `address`, `namespace` and `timeout`, or from the environment's SESSIOND_ADDR,
    SESSIOND_NAMESPACE and SESSIOND_TIMEOUT, and closes it when the application's lifespan ends. `tls` says how it calls
    an address with https://, and `token_file` or `token` by which token the server knows it;
    `trace_context` tells the trace that its calls carry.

    `max_age` is how many seconds a session lasts after the last request that loaded it, and how long the browser keeps
    the cookie; with None the cookie goes with the browser, and the namespace's idle timeout holds. `absolute_timeout`
    ends a session however busy it is. `https_only`: None marks the cookie as Secure where the request came by HTTPS.
    `grace` is how long the old ID can still read after `rotate`. `labels` makes the labels of a session from the
    request that makes it or logs in; `device_labels` is one such function. `principal_key` names a key of the session
    whose value is the principal. `on_error` makes the response for an error of a session instead of `answer_error`.
    """

    def __init__(
        self,
        app: ASGIApp,
        client: AsyncClient | None = None,
        *,
        address: str | None = None,
        namespace: str | None = None,
        timeout: float | None = None,
        tls: Tls | None = None,
        token_file: File | None = None,
        token: str | None = None,
        trace_context: TraceContext | None = None,
        cookie_name: str = "session",
        max_age: int | None = TWO_WEEKS,
        path: str = "/",
        domain: str | None = None,
        same_site: Literal["lax", "strict", "none"] = "lax",
        https_only: bool | None = None,
        partitioned: bool = False,
        absolute_timeout: timedelta | None = None,
        grace: timedelta = timedelta(0),
        labels: Callable[[HTTPConnection], Labels] | None = None,
        principal_key: str = "",
        on_error: ErrorHandler | None = None,
    ):
        self.app = app
        given = Token(file=token_file, text=token)
        # Pages that show the local variables of a traceback would show it.
        del token
        self._client = client_of(client, address, namespace, timeout, tls, given, trace_context)
        self._owns_client = client is None
        self._cookie = _Cookie(cookie_name, max_age, path, domain, same_site, https_only, partitioned)
        self._labels = labels
        self._on_error = on_error or answer_error
        self._rules = Rules(
            idle_timeout=None if max_age is None else timedelta(seconds=max_age),
            absolute_timeout=absolute_timeout,
            grace=grace,
            principal_key=principal_key,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._closing(send))
        elif scope["type"] in ("http", "websocket"):
            await self._handle(HTTPConnection(scope), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _handle(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        scope = connection.scope
        session = Session(self._client, State(self._rules, lambda: self._labels_of(connection)))
        scope["session"] = session
        answer = _Answer(self, connection, session, receive, send)
        try:
            if self._cookie.is_in(connection):
                await session._load(self._cookie.read(connection))
            await self.app(scope, receive, answer.send)
        except SessiondError as error:
            # The application asked the store something, or there is no session to begin with.
            await answer.fail(error)
        except Exception:
            # Nothing of a request that failed is stored, but a log-out is final.
            await session._end_now()
            raise
        else:
            if scope["type"] == "websocket":
                await self._save_rest(session)

    async def _save_rest(self, session: Session) -> None:
        """Stores what changed while a WebSocket was open."""
        if session.is_new:
            return await session._end_now()
        try:
            await session.save()
        except SessionInterrupted:
            logger.info(
                "Session %s was ended while its WebSocket was open; what changed meanwhile is lost", session.handle
            )

    def _closing(self, send: Send) -> Send:
        """A `send` of the lifespan that closes the client when the application has shut down."""

        async def closing(message: Message) -> None:
            if self._owns_client and message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._client.close()
            await send(message)

        return closing

    def _labels_of(self, connection: HTTPConnection) -> Labels:
        return self._labels(connection) if self._labels else {}


class _Answer:
    """The response of one request: the session is stored before it begins, and if that fails, it is another."""

    def __init__(
        self, middleware: SessiondMiddleware, connection: HTTPConnection, session: Session, receive: Receive, send: Send
    ):
        self._middleware = middleware
        self._connection = connection
        self._session = session
        self._receive = receive
        self._send = send
        self._has_begun = False
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        """What the application calls as `send`."""
        if self._is_replaced:
            return
        if not self._has_begun and message["type"] in ("http.response.start", "websocket.accept"):
            try:
                await self._session.save()
            except SessiondError as error:
                return await self.fail(error)
            self._has_begun = True
            message.setdefault("headers", [])
            self._middleware._cookie.write(MutableHeaders(scope=message), self._connection, self._session)
        await self._send(message)

    async def fail(self, error: SessiondError) -> None:
        """Sends the response for an error, if there can still be one."""
        if self._has_begun or self._is_replaced:
            raise error
        response = await self._middleware._on_error(self._connection, error)
        self._is_replaced = True
        if self._connection.scope["type"] == "http":
            await response(self._connection.scope, self._receive, self._send)
        elif "websocket.http.response" in self._connection.scope.get("extensions", {}):
            await response(self._connection.scope, self._receive, self._send)
        else:
            await self._send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})


class _Cookie:
    """The cookie that carries the ID."""

    def __init__(
        self,
        name: str,
        max_age: int | None,
        path: str,
        domain: str | None,
        same_site: str,
        https_only: bool | None,
        partitioned: bool,
    ):
        if not _COOKIE_NAME.fullmatch(name):
            raise ValueError(f"cookie_name {name!r} holds a character that no cookie's name has")
        if max_age is not None and not max_age > 0:
            raise ValueError("max_age is a number of seconds above 0, or None")
        if same_site not in ("lax", "strict", "none"):
            raise ValueError(f'same_site is "lax", "strict" or "none", not {same_site!r}')
        if https_only is False and (same_site == "none" or partitioned or name.startswith("__")):
            raise ValueError('same_site="none", partitioned, "__Host-" and "__Secure-" need HTTPS')
        if name.startswith("__Host-") and (path != "/" or domain is not None):
            raise ValueError('the prefix "__Host-" needs the path "/", and no domain')
        for attribute in (path, domain):
            if attribute is not None and not _COOKIE_ATTRIBUTE.fullmatch(attribute):
                raise ValueError(f"path or domain {attribute!r} holds a character that it can't")
        self._name = name
        self._max_age = max_age
        self._https_only = https_only
        self._path = path
        self._attributes = f"; httponly; samesite={same_site}"
        if domain is not None:
            self._attributes += f"; domain={domain}"
        if partitioned:
            self._attributes += "; partitioned"

    def is_in(self, connection: HTTPConnection) -> bool:
        """Whether a request carries an ID."""
        return bool(connection.cookies.get(self._name))

    def read(self, connection: HTTPConnection) -> str:
        """The ID that a request carries."""
        return connection.cookies[self._name]

    def write(self, headers: MutableHeaders, connection: HTTPConnection, session: Session) -> None:
        """Adds the headers that a response needs for its session."""
        state = session._state
        is_emptied = session.modified and state.is_new and self._name in connection.cookies
        if state.removes_cookie or is_emptied:
            self._append(headers, connection, "null", "; expires=Thu, 01 Jan 1970 00:00:00 GMT")
        elif state.session_id is not None and (state.sets_cookie or self._must_renew(session)):
            lifetime = "" if self._max_age is None else f"; Max-Age={self._max_age}"
            self._append(headers, connection, state.session_id, lifetime)
        if session.accessed:
            headers.add_vary_header("Cookie")

    def _must_renew(self, session: Session) -> bool:
        """Whether the browser would drop the cookie before the store drops the session.

        It is sent with every change, and by any request in the second half of its life.
        """
        if self._max_age is None:
            return False
        changed = session._state.update_time
        is_old = changed is not None and datetime.now(timezone.utc) - changed > timedelta(seconds=self._max_age / 2)
        return session.modified or is_old

    def _append(self, headers: MutableHeaders, connection: HTTPConnection, value: str, lifetime: str) -> None:
        is_secure = self._https_only or (self._https_only is None and connection.url.scheme in ("https", "wss"))
        secure = "; secure" if is_secure else ""
        headers.append("Set-Cookie", f"{self._name}={value}; path={self._path}{lifetime}{self._attributes}{secure}")
        headers.add_vary_header("Cookie")


async def answer_error(connection: HTTPConnection, error: SessiondError) -> Response:
    """503, or 409 for a session that was ended meanwhile; raises an error that is a fault of the site."""
    return PlainTextResponse(*answer_for(error))


def device_labels(connection: HTTPConnection) -> Labels:
    """The labels "device", the browser as it calls itself, and "address"."""
    address = connection.client.host if connection.client else None
    return labels_of(connection.headers.get("user-agent"), address)
