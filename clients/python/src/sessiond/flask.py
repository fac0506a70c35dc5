"""Sessions of Flask 3.1 in sessiond.

    from sessiond.flask import SessiondSession

    app = Flask(__name__)
    SessiondSession(app)

`flask.session` works as ever. `sessiond.flask.session` is the same with types, for what only sessiond can do: the user
that a session belongs to, the list of devices, hand-off. clients/python/docs/flask.md has the settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import flask
from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

from sessiond.client import Client
from sessiond.errors import SessiondError
from sessiond.tls import Tls
from sessiond.web import tokens, users
from sessiond.web.devices import Device, labels_of
from sessiond.web.errors import HANDLED, SessionInterrupted, answer_for
from sessiond.web.state import Labels, Rules, State
from sessiond.web.steps import Steps, run

__all__ = [
    "Device",
    "Session",
    "SessionInterrupted",
    "SessiondSession",
    "SessiondSessionInterface",
    "device_labels",
    "handle_error",
    "session",
]

T = TypeVar("T")

DEFAULT_TIMEOUT = 1.0


class Session(SessionMixin):
    """The session of a request. It is loaded at its first use; a request that does not look at it costs no call.

    Loading raises StoreUnavailable if the store can't be used, as do the methods that ask it something.
    """

    modified = False
    accessed = False

    def __init__(self, client: Client, state: State, request: Request, cookie: str | None):
        self._client = client
        self._state = state
        self._cookie = cookie
        self._data: dict[str, Any] | None = None if cookie else {}
        self._has_failed = False
        self.is_secure = request.is_secure
        """Whether the request came by HTTPS."""

    def __repr__(self) -> str:
        return f"<Session {self._state.handle or 'without a handle'}>"

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        return self._loaded()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._loaded()[key] = value
        self._mark_modified()

    def __delitem__(self, key: str) -> None:
        del self._loaded()[key]
        self._mark_modified()

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return iter(self._loaded())

    def __len__(self) -> int:
        self.accessed = True
        return len(self._loaded())

    def __ior__(self, other: Mapping[str, Any]) -> Session:
        self.update(other)
        return self

    def clear(self) -> None:
        """Removes all data and the principal: a log-out, unless something is set afterwards.

        The session is deleted then; what is set afterwards goes under a new ID.
        """
        self._loaded().clear()
        self._state.clear()
        self._mark_modified()

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether it is not stored yet."""
        self._loaded()
        return self._state.is_new

    @property
    def handle(self) -> str | None:
        """Names the session for its whole life, and is no secret; None while it is not stored."""
        self._loaded()
        return self._state.handle

    @property
    def labels(self) -> dict[str, str]:
        """What the list of devices shows of this session."""
        self._loaded()
        return self._state.labels

    @property
    def principal(self) -> str | None:
        """The user that the session belongs to; None while nobody is logged in.

        Setting it is a log-in: the session gets a new ID in the same step.
        """
        self._loaded()
        return self._state.principal

    @principal.setter
    def principal(self, principal: str | int | None) -> None:
        self._loaded()
        self._state.principal = principal
        self._mark_modified()

    def rotate(self) -> None:
        """Gives the session a new ID when the request is over, as at every change of what the user may do."""
        self._loaded()
        self._state.rotate()
        self._mark_modified()

    def end(self) -> None:
        """Ends the session for good; what is set afterwards goes into a new one."""
        self._loaded().clear()
        self._state.end()
        self._mark_modified()

    def devices(self) -> list[Device]:
        """The user's sessions, newest first; none while nobody is logged in."""
        return self._run(users.devices(self._state, self._loaded()))

    def end_device(self, handle: str) -> bool:
        """Ends one of the user's sessions. False if this user has none of that handle."""
        has_ended = self._run(users.end_device(self._state, handle, self._loaded()))
        self._drop_if_ended()
        return has_ended

    def end_others(self) -> int:
        """Ends all of the user's sessions but this one; how many."""
        return self._run(users.end_others(self._state, self._loaded()))

    def end_all(self) -> int:
        """Ends all of the user's sessions, this one too; how many."""
        count = self._run(users.end_all(self._state, self._loaded()))
        self._drop_if_ended()
        return count

    def csrf_token(self) -> str:
        """A token for a form, valid until the session ends or gets a new ID. Stores a session that is new."""
        return self._run(tokens.csrf_token(self._state, self._loaded()))

    def verify_csrf_token(self, token: object) -> bool:
        """Whether a token was issued for this session under its present ID."""
        self._loaded()
        return self._run(tokens.verify_csrf_token(self._state, token))

    def issue_handoff(self, audience: str, *, lifetime: timedelta | None = None) -> str:
        """A ticket by which the audience, such as "https://shop.example", gets this session: once, within 30 s.

        It is a secret. `lifetime` is from 1 s to 5 min.
        """
        return self._run(tokens.issue_handoff(self._state, audience, lifetime, self._loaded()))

    def redeem_handoff(self, ticket: str, audience: str) -> None:
        """Makes the session that a ticket opens this visitor's; theirs until now ends. Raises HandoffInvalid."""
        self._loaded()
        self._data = self._run(tokens.redeem_handoff(self._state, ticket, audience))
        self._mark_modified()

    def _loaded(self) -> dict[str, Any]:
        if self._data is None:
            self._data = self._run(self._state.load(self._cookie or ""))
        return self._data

    def _mark_modified(self) -> None:
        self.accessed = self.modified = True

    def _drop_if_ended(self) -> None:
        if self._state.is_new:
            self._loaded().clear()
            self._mark_modified()

    def _run(self, steps: Steps[T]) -> T:
        self.accessed = True
        return run(self._client, steps)

    def _save(self) -> None:
        if self._data is not None and run(self._client, self._state.save(self._data)):
            self.modified = True

    @property
    def _leaves_cookie_behind(self) -> bool:
        is_emptied = self.modified and self._state.is_new and self._cookie is not None
        return self._state.removes_cookie or is_emptied


session = cast(Session, flask.session)
"""The session of the present request: `flask.session` with the type of this module."""


class SessiondSessionInterface(SessionInterface):
    """Keeps Flask's sessions in sessiond: `app.session_interface = SessiondSessionInterface()`.

    Without a `client` it makes one from the settings SESSIOND_ADDR, SESSIOND_NAMESPACE, SESSIOND_TIMEOUT, and for an
    address with https:// SESSIOND_CA_FILE, SESSIOND_CERTIFICATE_FILE, SESSIOND_KEY_FILE and SESSIOND_SERVER_NAME. The
    token by which the server knows the site is in the file of SESSIOND_TOKEN_FILE, or in SESSIOND_TOKEN.
    SESSIOND_TRACE_CONTEXT tells the trace that calls carry, as sessiond.tracing.current does.
    `labels` makes the labels of a session from the request that makes it or logs in; `device_labels` is one such
    function.
    """

    def __init__(self, client: Client | None = None, *, labels: Callable[[Request], Labels] | None = None):
        self._client = client
        self._labels = labels

    def client(self, app: Flask) -> Client:
        """The client of this app's sessions."""
        if self._client is None:
            self._client = Client(
                _setting(app, "SESSIOND_ADDR"),
                namespace=_setting(app, "SESSIOND_NAMESPACE") or "",
                timeout=float(_setting(app, "SESSIOND_TIMEOUT") or DEFAULT_TIMEOUT),
                tls=_tls(app),
                # What is not set, the client looks for in the environment.
                token_file=app.config.get("SESSIOND_TOKEN_FILE"),
                token=app.config.get("SESSIOND_TOKEN"),
                trace_context=app.config.get("SESSIOND_TRACE_CONTEXT"),
            )
        return self._client

    def regenerate(self, session: SessionMixin) -> None:
        """Gives the session a new ID, as flask-session's method of this name does."""
        cast(Session, session).rotate()

    def get_cookie_samesite(self, app: Flask) -> str | None:
        """SESSION_COOKIE_SAMESITE, or "Lax" if that says nothing."""
        return super().get_cookie_samesite(app) or "Lax"

    def open_session(self, app: Flask, request: Request) -> Session:
        def labels() -> Labels:
            return self._labels(request) if self._labels else {}

        state = State(_rules(app), labels)
        return Session(self.client(app), state, request, request.cookies.get(self.get_cookie_name(app)))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Stores what the request changed. If that fails, the app's handler of the error makes the response."""
        session = cast(Session, session)
        # Flask calls this again for the page of an error that saving raised.
        if not session._has_failed:
            try:
                session._save()
            except SessiondError as error:
                session._has_failed = True
                _answer_instead(app, session, response, error)
            else:
                self._send_cookie(app, session, response)
        if session.accessed:
            response.vary.add("Cookie")

    def _send_cookie(self, app: Flask, session: Session, response: Response) -> None:
        state = session._state
        name = self.get_cookie_name(app)
        attributes: dict[str, Any] = {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app) or session.is_secure,
            "httponly": self.get_cookie_httponly(app),
            "samesite": self.get_cookie_samesite(app),
            "partitioned": self.get_cookie_partitioned(app),
        }
        if session._leaves_cookie_behind:
            response.delete_cookie(name, **attributes)
        elif state.session_id is not None and (state.sets_cookie or self.should_set_cookie(app, session)):
            expires = self.get_expiration_time(app, session)
            response.set_cookie(name, state.session_id, expires=expires, **attributes)
        else:
            return
        session.accessed = True


class SessiondSession:
    """The extension: `SessiondSession(app)`, or `init_app(app)` later.

    It puts a SessiondSessionInterface in place and registers `handle_error` for the errors that are no fault of the
    site, where the app has no handler for them.
    """

    def __init__(
        self,
        app: Flask | None = None,
        client: Client | None = None,
        *,
        labels: Callable[[Request], Labels] | None = None,
    ):
        self._client = client
        self._labels = labels
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Keeps this app's sessions in sessiond. Raises an error for settings that can't be used."""
        interface = SessiondSessionInterface(self._client, labels=self._labels)
        interface.client(app)
        _rules(app)
        app.session_interface = interface
        app.extensions["sessiond"] = self
        registered = app.error_handler_spec[None][None]
        for kind in HANDLED:
            if kind not in registered:
                app.register_error_handler(kind, handle_error)


def handle_error(error: Exception) -> Response:
    """The response for an error that is no fault of the site: 503, or 409 for a session that was ended meanwhile."""
    return Response(*answer_for(error), mimetype="text/plain")


def device_labels(request: Request) -> Labels:
    """The labels "device", the browser as it calls itself, and "address"."""
    return labels_of(request.headers.get("User-Agent"), request.remote_addr)


def _answer_instead(app: Flask, session: Session, response: Response, error: SessiondError) -> None:
    """Makes the response that of the app's handler for this error; raises it if there is none.

    Flask has no other way to answer an error that comes while the session is saved.
    """
    # A session_transaction() of a test has a session of its own.
    if cast(Any, flask.session)._get_current_object() is not session:
        raise error
    other = app.make_response(app.handle_user_exception(error))
    response.close()
    response.status = other.status
    response.headers = other.headers
    response.response = other.response
    response.direct_passthrough = other.direct_passthrough


def _rules(app: Flask) -> Rules:
    return Rules(
        idle_timeout=app.permanent_session_lifetime,
        absolute_timeout=app.config.get("SESSIOND_ABSOLUTE_TIMEOUT"),
        grace=app.config.get("SESSIOND_GRACE") or timedelta(0),
        touch=app.config["SESSION_REFRESH_EACH_REQUEST"],
        principal_key=app.config.get("SESSIOND_PRINCIPAL_KEY") or "",
        insignificant=frozenset({"_permanent"}),
    )


def _tls(app: Flask) -> Tls:
    # Not from the environment: the client looks there itself, and only where TLS is spoken.
    return Tls(
        ca_file=app.config.get("SESSIOND_CA_FILE"),
        certificate_file=app.config.get("SESSIOND_CERTIFICATE_FILE"),
        key_file=app.config.get("SESSIOND_KEY_FILE"),
        server_name=app.config.get("SESSIOND_SERVER_NAME"),
    )


def _setting(app: Flask, name: str) -> Any:
    return app.config.get(name) or os.environ.get(name)
