"""Starlette's sessions against a real server: what is loaded, stored, and sent to the browser."""

import asyncio
import sys
import time
import traceback
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

import sessiond
from sessiond.starlette import Session, SessiondMiddleware, SessionInterrupted, device_labels, middleware

numbers = count()
SECRET_ID = "unknown-session-id-0123456789"


class Recording(sessiond.AsyncClient):
    """Notes the methods that it calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    async def plain(self, method, request, **kwargs):
        self.calls.append(method)
        return await super().plain(method, request, **kwargs)


class Shop:
    """An application whose page does what a test gives it, and its store."""

    def __init__(self, server, base_url="http://testserver", timeout=10.0, **options):
        namespace = f"starlette-{next(numbers)}"
        self.store = sessiond.Client(server.address, namespace=namespace, timeout=10)
        self.client = Recording(server.address, namespace=namespace, timeout=timeout)
        self.base_url = base_url
        self.act = None
        self.seen = None
        self.app = Starlette(
            routes=[Route("/", self.page), Route("/plain", self.plain), WebSocketRoute("/socket", self.socket)],
            middleware=[Middleware(SessiondMiddleware, client=self.client, **options)],
        )

    async def page(self, request):
        self.seen = self.act(request.session)
        if asyncio.iscoroutine(self.seen):
            self.seen = await self.seen
        return PlainTextResponse("done")

    async def plain(self, request):
        return PlainTextResponse("a page without a session")

    async def socket(self, websocket):
        await self.act(websocket)

    def visitor(self, **headers):
        return Visitor(self, headers)


class Visitor:
    """One browser."""

    def __init__(self, shop, headers):
        self.shop = shop
        self.browser = TestClient(shop.app, shop.base_url, raise_server_exceptions=False, headers=headers)
        self.response = None

    def __call__(self, act, path="/"):
        """What `act(session)` answers, or the response if that is no success."""
        self.shop.act = act
        self.shop.client.calls.clear()
        self.response = self.browser.get(path)
        return self.shop.seen if self.response.status_code == 200 else self.response

    @property
    def calls(self):
        return self.shop.client.calls

    @property
    def session_id(self):
        return self.browser.cookies.get("session")

    @property
    def set_cookie(self):
        return self.response.headers.get("set-cookie")

    def stored(self):
        return self.shop.store.get(self.session_id, touch=False)

    def twin(self):
        other = self.shop.visitor()
        other.browser.cookies.set("session", self.session_id, domain="testserver.local")
        return other


@pytest.fixture
def shop_of(server):
    """Makes shops."""
    return lambda at=server, **options: Shop(at, **options)


@pytest.fixture
def shop(shop_of):
    return shop_of(labels=device_labels)


@pytest.fixture
def visitor(shop):
    return shop.visitor()


def put(**values):
    return lambda session: session.update(values)


def contents(session):
    return dict(session)


def log_in_as(name):
    def act(session):
        session.principal = name

    return act


def end(session):
    session.end()


def test_values_come_back(visitor):
    moment = datetime(2026, 5, 17, 12, 30, 15, 123456, tzinfo=timezone.utc)
    values = {"text": "grüß dich", "none": None, "bytes": b"\x00\xff", "moment": moment, "map": {"b": [1, 1.5, True]}}
    visitor(put(**values))
    assert visitor(contents) == values
    assert visitor.stored().attributes == values


def test_session_is_a_dict(visitor):
    def act(session):
        assert isinstance(session, Session) and isinstance(session, dict)
        session["a"] = [1]
        return JSONResponse(session).body

    assert visitor(act) == b'{"a":[1]}'


def test_without_a_cookie_nothing_is_asked(visitor):
    visitor(contents)
    assert visitor.calls == [] and visitor.set_cookie is None
    assert visitor.response.headers["vary"] == "Cookie"
    visitor(None, "/plain")
    assert "vary" not in visitor.response.headers


def test_calls_of_reading_and_of_changing(visitor):
    visitor(put(a=1))
    assert visitor.calls == ["CreateSession"]
    visitor(contents)
    assert visitor.calls == ["GetSession"] and visitor.set_cookie is None
    visitor(put(b=1))
    assert visitor.calls == ["GetSession", "UpdateSession"]
    visitor(put(b=1))
    assert visitor.calls == ["GetSession"]


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda session: session.update(a=2), {"a": 2, "b": [1]}),
        (lambda session: session["b"].append(2), {"a": 1, "b": [1, 2]}),
        (lambda session: session.pop("a"), {"b": [1]}),
        (lambda session: session.pop("z", None), {"a": 1, "b": [1]}),
        (lambda session: session.popitem(), {"a": 1}),
        (lambda session: session.setdefault("n", []).append(1), {"a": 1, "b": [1], "n": [1]}),
        (lambda session: session.__delitem__("b"), {"a": 1}),
        (lambda session: session.__ior__({"a": "x"}), {"a": "x", "b": [1]}),
    ],
)
def test_changes_are_noticed(visitor, change, after):
    visitor(put(a=1, b=[1]))
    visitor(change)
    assert visitor.stored().attributes == after


def test_parallel_requests_both_win(visitor):
    """Each has loaded the session before the other stores."""
    visitor(put(a=1, b=1))
    session_id = visitor.session_id
    shop = visitor.shop

    async def act(session):
        session["a"] = 2
        del session["b"]
        await shop.client.update(session_id, set_attributes={"c": 3})

    visitor(act)
    assert visitor.stored().attributes == {"a": 2, "c": 3}


def test_cookie_is_the_bare_id_with_strict_attributes(visitor):
    visitor(put(a=1))
    parts = visitor.set_cookie.split("; ")
    assert parts[0] == f"session={visitor.session_id}"
    assert set(parts[1:]) == {"httponly", "path=/", "samesite=lax", "Max-Age=1209600"}
    assert visitor.stored().idle_timeout == timedelta(days=14)


def test_cookie_is_secure_under_https(shop_of):
    visitor = shop_of(base_url="https://testserver").visitor()
    visitor(put(a=1))
    assert "secure" in visitor.set_cookie.split("; ")
    visitor = shop_of(https_only=True).visitor()
    visitor(put(a=1))
    assert "secure" in visitor.set_cookie.split("; ")
    visitor = shop_of(base_url="https://testserver", https_only=False).visitor()
    visitor(put(a=1))
    assert "secure" not in visitor.set_cookie.split("; ")


def test_cookie_that_goes_with_the_browser(shop_of):
    visitor = shop_of(max_age=None, absolute_timeout=timedelta(days=1)).visitor()
    visitor(put(a=1))
    assert "Max-Age" not in visitor.set_cookie
    stored = visitor.stored()
    assert stored.idle_timeout == timedelta(days=1)
    assert stored.absolute_expire_time - stored.create_time == timedelta(days=1)


@pytest.mark.parametrize(("age", "is_renewed"), [(timedelta(days=6), False), (timedelta(days=8), True)])
def test_cookie_is_renewed_in_the_second_half_of_its_life(visitor, monkeypatch, age, is_renewed):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + age

    visitor(put(a=1))
    monkeypatch.setattr(middleware, "datetime", Later)
    assert visitor(contents) == {"a": 1}
    assert visitor.calls == ["GetSession"]
    if is_renewed:
        assert visitor.session_id in visitor.set_cookie and "Max-Age=1209600" in visitor.set_cookie
    else:
        assert visitor.set_cookie is None


@pytest.mark.parametrize(
    "options",
    [
        {"cookie_name": "a b"},
        {"max_age": 0},
        {"max_age": -1},
        {"same_site": "Lax"},
        {"same_site": "none", "https_only": False},
        {"cookie_name": "__Host-id", "domain": "shop.example"},
        {"cookie_name": "__Secure-id", "https_only": False},
        {"path": "/; secure"},
        {"client": object(), "namespace": "a"},
    ],
)
def test_options_that_cant_be_used(options):
    with pytest.raises(ValueError):
        SessiondMiddleware(None, **options)


def test_emptied_session_is_deleted_with_its_cookie(visitor):
    visitor(put(a=1))
    other = visitor.twin()
    visitor(lambda session: session.pop("a"))
    assert visitor.calls == ["GetSession", "DeleteSession"]
    assert "1970" in visitor.set_cookie and visitor.session_id is None
    assert other(contents) == {}


def test_clear_is_a_log_out(visitor):
    visitor(put(a=1))
    visitor(log_in_as("ada"))
    other = visitor.twin()
    visitor(lambda session: session.clear())
    assert visitor.session_id is None
    assert other(lambda session: (dict(session), session.principal)) == ({}, None)


def test_clear_and_fill_is_a_log_in_under_a_new_id(visitor):
    visitor(put(cart=["tea"]))
    before = visitor.twin()

    def act(session):
        session.clear()
        session["user_id"] = 7

    visitor(act)
    assert visitor.calls == ["GetSession", "RotateSession"]
    assert visitor(contents) == {"user_id": 7} and before(contents) == {}


def test_principal_is_a_log_in_in_one_step(shop):
    visitor = shop.visitor(**{"User-Agent": "Firefox"})
    visitor(put(cart=["tea"]))
    before, handle = visitor.twin(), visitor.stored().handle
    visitor(log_in_as(42))
    assert visitor.calls == ["GetSession", "RotateSession"]
    stored = visitor.stored()
    assert (stored.principal, stored.handle, stored.attributes) == ("42", handle, {"cart": ["tea"]})
    assert stored.labels == {"device": "Firefox", "address": "testclient"}
    assert before(contents) == {}
    assert visitor(lambda s: (s.principal, s.handle, s.labels["device"])) == ("42", handle, "Firefox")


def test_principal_follows_a_key(shop_of):
    visitor = shop_of(principal_key="user").visitor()
    visitor(put(user="ada"))
    assert visitor.stored().principal == "ada"
    visitor(lambda session: session.update(user="grace"))
    assert visitor.calls == ["GetSession", "RotateSession"] and visitor.stored().principal == "grace"


def test_rotate_and_grace(shop_of):
    visitor = shop_of(grace=timedelta(seconds=30)).visitor()
    visitor(put(a=1))
    before = visitor.twin()
    visitor(lambda session: session.rotate())
    assert visitor.session_id != before.session_id
    assert visitor(contents) == before(contents) == {"a": 1}
    assert before(put(b=1)).status_code == 409


def test_log_out_is_final(visitor):
    visitor(put(a=1))
    session_id = visitor.session_id

    async def act(session):
        session["b"] = 1
        await visitor.shop.client.delete(session_id)

    response = visitor(act)
    assert response.status_code == 409 and "ended by another request" in response.text
    assert "set-cookie" not in response.headers
    assert visitor(contents) == {}


def test_what_is_set_after_the_end_goes_into_a_new_session(visitor):
    visitor(put(a=1))
    old = visitor.twin()

    def act(session):
        session.end()
        session["b"] = 1

    visitor(act)
    assert visitor.calls == ["GetSession", "DeleteSession", "CreateSession"]
    assert visitor.stored().attributes == {"b": 1} and old(contents) == {}


def test_log_out_of_a_page_that_fails(visitor):
    visitor(put(a=1))
    other = visitor.twin()

    def act(session):
        session["b"] = 1
        raise ZeroDivisionError

    assert visitor(act).status_code == 500
    assert visitor.stored().attributes == {"a": 1}

    def leave(session):
        session.end()
        raise ZeroDivisionError

    assert visitor(leave).status_code == 500
    assert other(contents) == {}


def test_devices(shop):
    first, second, third = visitors = [shop.visitor(**{"User-Agent": f"Browser {n}"}) for n in range(3)]
    for visitor in visitors:
        visitor(log_in_as("ada"))
    devices = first(lambda session: session.devices())
    assert [device.labels["device"] for device in devices] == ["Browser 2", "Browser 1", "Browser 0"]
    assert [device.is_current for device in devices] == [False, False, True]
    assert first(lambda session: session.end_device(devices[0].handle)) is True
    assert first(lambda session: session.end_device(devices[0].handle)) is False
    assert third(lambda session: session.principal) is None
    assert first(lambda session: session.end_others()) == 1
    assert second(lambda session: session.principal) is None
    second(log_in_as("ada"))
    assert first(lambda session: session.end_all()) == 2
    assert first.session_id is None and second(lambda session: session.principal) is None


def test_ending_the_present_device(visitor):
    visitor(log_in_as("ada"))
    assert visitor(lambda session: session.end_device(session.handle)) is True
    assert visitor.session_id is None


def test_csrf_token(shop):
    visitor, other = shop.visitor(), shop.visitor()
    token = visitor(lambda session: session.csrf_token())
    assert visitor.calls == ["CreateSession", "IssueCsrfToken"]
    other(put(a=1))
    assert visitor(lambda session: session.verify_csrf_token(token)) is True
    assert other(lambda session: session.verify_csrf_token(token)) is False
    for wrong in ("", None, token[:-1], "\udcff"):
        assert visitor(lambda session, wrong=wrong: session.verify_csrf_token(wrong)) is False


def test_tasks_of_one_request_make_one_session(visitor):
    async def act(session):
        session.principal = "ada"
        await asyncio.gather(*(session.csrf_token() for _ in range(10)), session.devices(), session.end_others())

    visitor(act)
    assert visitor.calls.count("CreateSession") == 1 and visitor.shop.store.count() == 1


def test_handoff_to_another_domain(shop):
    here, there = shop.visitor(), shop.visitor()
    here(log_in_as("ada"))
    there(put(cart=1))
    before = there.twin()
    ticket = here(lambda session: session.issue_handoff("https://shop.example", lifetime=timedelta(minutes=1)))

    async def redeem(session):
        await session.redeem_handoff(ticket, "https://shop.example")
        return session.principal

    assert there(redeem) == "ada"
    assert there.session_id != here.session_id and before(contents) == {}
    assert there(redeem).status_code == 403
    here(end)
    assert there(lambda session: session.principal) is None


def test_what_cant_be_stored_is_an_error_that_names_the_key(visitor):
    visitor(put(a=1))
    visitor.browser._transport.raise_server_exceptions = True
    with pytest.raises(sessiond.UnsupportedValue, match="'cart'.*set"):
        visitor(put(cart=[{1, 2}]))
    with pytest.raises(sessiond.UnsupportedValue, match="int"):
        visitor(lambda session: session.update({1: 2}))
    assert visitor.stored().attributes == {"a": 1}


def test_unknown_and_odd_cookies_are_no_session(visitor):
    for value in (SECRET_ID, "short", "x" * 300):
        visitor.browser.cookies.set("session", value)
        assert visitor(contents) == {} and visitor.set_cookie is None


def test_store_that_is_away(shop_of, own_server):
    visitor = shop_of(own_server, timeout=1).visitor()
    visitor(put(a=1))
    own_server.kill()
    response = visitor(contents)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "set-cookie" not in response.headers and visitor.session_id
    fresh = visitor.shop.visitor()
    assert fresh(put(a=1)).status_code == 503
    assert fresh(lambda session: session.csrf_token()).status_code == 503
    with pytest.raises(WebSocketDenialResponse) as denied, visitor.browser.websocket_connect("/socket"):
        pass
    assert denied.value.status_code == 503
    own_server.start()
    deadline = time.monotonic() + 10
    while visitor(contents) != {"a": 1}:
        assert visitor.response.status_code == 503 and time.monotonic() < deadline


def test_error_page_of_the_site(shop_of, own_server):
    async def on_error(connection, error):
        return PlainTextResponse(f"sorry: {type(error).__name__}", 599)

    visitor = shop_of(own_server, timeout=1, on_error=on_error).visitor()
    visitor(put(a=1))
    own_server.kill()
    response = visitor(contents)
    assert (response.status_code, response.text) == (599, "sorry: StoreUnavailable")


def test_no_id_in_what_a_traceback_shows(shop_of, own_server):
    shown = []

    async def on_error(connection, error):
        frames = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
        shown.append("".join(frames.format()))
        return PlainTextResponse("", 503)

    visitor = shop_of(own_server, timeout=1, on_error=on_error).visitor()
    visitor(put(a=1))
    session_id = visitor.session_id
    own_server.kill()
    visitor(contents)
    # The request's own headers are beyond our reach.
    lines = [line for line in shown[0].splitlines() if "b'cookie'" not in line]
    assert len(lines) > 20 and not any(session_id in line for line in lines)


def test_repr_shows_no_secrets(visitor):
    visitor(put(a="secret value"))
    assert visitor(repr) == f"<Session {visitor.stored().handle}>"


def test_streams_store_before_they_begin(visitor):
    async def stream(request):
        request.session["before"] = 1

        async def parts():
            yield b"a"
            request.session["during"] = 1
            await request.session.save()
            yield b"b"

        return StreamingResponse(parts())

    visitor.shop.app.router.routes.append(Route("/stream", stream))
    visitor(None, "/stream")
    assert visitor.response.text == "ab"
    assert visitor.stored().attributes == {"before": 1, "during": 1}


def test_websocket_has_the_session_and_stores_changes(visitor):
    visitor(put(a=1))

    async def act(websocket):
        websocket.session["opened"] = True
        await websocket.accept()
        await websocket.send_json(dict(websocket.session))
        websocket.session["said"] = await websocket.receive_text()
        await websocket.close()

    visitor.shop.act = act
    with visitor.browser.websocket_connect("/socket") as websocket:
        assert websocket.receive_json() == {"a": 1, "opened": True}
        assert visitor.stored().attributes == {"a": 1, "opened": True}
        websocket.send_text("hello")
        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()
    assert visitor.stored().attributes == {"a": 1, "opened": True, "said": "hello"}


def test_websocket_of_a_new_visitor_gets_a_cookie(visitor):
    async def act(websocket):
        websocket.session["a"] = 1
        await websocket.accept()
        await websocket.close()

    visitor.shop.act = act
    with visitor.browser.websocket_connect("/socket") as websocket:
        headers = {name.decode().lower(): value.decode() for name, value in websocket.extra_headers or []}
        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()
    session_id = headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert visitor.shop.store.get(session_id).attributes == {"a": 1}


def test_websocket_of_a_session_that_ends_meanwhile(visitor):
    visitor(put(a=1))

    async def act(websocket):
        await websocket.accept()
        await visitor.shop.client.revoke_namespace()
        websocket.session["b"] = 1
        await websocket.close()

    visitor.shop.act = act
    with visitor.browser.websocket_connect("/socket") as websocket:
        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()
    assert visitor(contents) == {}


def test_one_client_serves_many_event_loops(server):
    """Test clients without `with` run every request in a loop of its own."""

    async def page(request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session["visits"])

    options = {"address": server.address, "namespace": f"starlette-{next(numbers)}", "timeout": 10}
    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(SessiondMiddleware, **options)])
    browser = TestClient(app)
    assert [browser.get("/").json() for _ in range(3)] == [1, 2, 3]
    with browser:
        assert [browser.get("/").json() for _ in range(3)] == [4, 5, 6]
    # The end of a lifespan closes the connection; the next call makes another.
    assert browser.get("/").json() == 7


def test_own_client_is_closed_with_the_lifespan(server, monkeypatch):
    closed = []
    monkeypatch.setenv("SESSIOND_ADDR", server.address)
    monkeypatch.setenv("SESSIOND_NAMESPACE", f"starlette-{next(numbers)}")
    monkeypatch.setenv("SESSIOND_TIMEOUT", "9")
    close = sessiond.AsyncClient.close

    async def closing(client):
        closed.append((client.address, client.timeout))
        await close(client)

    monkeypatch.setattr(sessiond.AsyncClient, "close", closing)

    async def page(request):
        request.session["a"] = 1
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(SessiondMiddleware)])
    with TestClient(app) as browser:
        browser.get("/")
        assert closed == []
    assert closed == [(server.address, 9)]


def test_interrupted_is_a_session_error():
    assert issubclass(SessionInterrupted, sessiond.SessiondError)
    assert SessionInterrupted().reason == "SESSION_INTERRUPTED"


def test_websocket_that_cant_be_answered_with_a_page(own_server):
    """Where the server of the application lacks the extension for that, the connection is closed."""
    sent = []

    async def main():
        async with sessiond.AsyncClient(own_server.address, timeout=1) as client:
            own_server.kill()
            middleware = SessiondMiddleware(None, client)
            headers = [(b"cookie", f"session={SECRET_ID}".encode())]
            scope = {"type": "websocket", "path": "/", "headers": headers, "scheme": "ws"}

            async def send(message):
                sent.append(message)

            await middleware(scope, None, send)

    asyncio.run(main())
    assert sent == [{"type": "websocket.close", "code": 1013}]
