"""What Starlette's own tests ask of its SessionMiddleware, asked of this one.

Not asked is what they do with the content of the cookie, and with max_age=-1, which is refused here: a session that has
expired already is made by waiting.
"""

import re
import time
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

import sessiond
from sessiond.starlette import Session, SessiondMiddleware
from sessiond.web.state import Rules, State

numbers = count()


def view(request):
    return JSONResponse({"session": request.session})


async def update(request):
    request.session.update(await request.json())
    return JSONResponse({"session": request.session})


async def update_in_place(request):
    session = request.session
    session |= await request.json()
    return JSONResponse({"session": request.session})


async def popitem(request):
    request.session.popitem()
    return JSONResponse({"session": request.session})


async def pop(request):
    # Not by way of request.session, which notes that it was used.
    return JSONResponse({"value": request.scope["session"].pop("a")})


async def clear(request):
    request.session.clear()
    return JSONResponse({"session": request.session})


def without_session(request):
    return JSONResponse({"status": "ok"})


@pytest.fixture
def app_with(server):
    def make(**options):
        options = {"address": server.address, "namespace": f"starlette-own-{next(numbers)}", "timeout": 10} | options
        return Starlette(
            routes=[
                Route("/view", view),
                Route("/update", update, methods=["POST"]),
                Route("/update-in-place", update_in_place, methods=["POST"]),
                Route("/popitem", popitem, methods=["POST"]),
                Route("/pop", pop, methods=["POST"]),
                Route("/clear", clear, methods=["POST"]),
                Route("/without", without_session),
            ],
            middleware=[Middleware(SessiondMiddleware, **options)],
        )

    return make


def session_at(browser, path="/view"):
    return browser.get(path).json()["session"]


def after(browser, path, **values):
    return browser.post(path, json=values).json()["session"]


def test_session(app_with):
    browser = TestClient(app_with())
    assert session_at(browser) == {}
    response = browser.post("/update", json={"some": "data"})
    assert response.json() == {"session": {"some": "data"}}
    assert int(re.search(r"; Max-Age=([0-9]+);", response.headers["set-cookie"])[1]) == 14 * 24 * 3600
    assert session_at(browser) == {"some": "data"}
    assert after(browser, "/clear") == {}
    assert session_at(browser) == {}


@pytest.mark.parametrize("partitioned", [False, True])
def test_partitioned_cookie(app_with, partitioned):
    app = app_with(https_only=True, same_site="none", partitioned=partitioned)
    browser = TestClient(app, base_url="https://testserver")
    for path in ("/update", "/clear"):
        response = browser.post(path, json={"some": "data"})
        assert ("partitioned" in response.headers["set-cookie"].split("; ")) is partitioned


def test_session_expires(app_with):
    app = app_with(max_age=1)
    response = TestClient(app).post("/update", json={"some": "data"})
    assert response.json() == {"session": {"some": "data"}}
    value = re.search(r"session=([^;]*);", response.headers["set-cookie"])[1]
    time.sleep(1.1)
    assert session_at(TestClient(app, cookies={"session": value})) == {}


def test_secure_cookie(app_with):
    app = app_with(https_only=True)
    secure, insecure = TestClient(app, base_url="https://testserver"), TestClient(app, base_url="http://testserver")
    assert session_at(insecure) == {}
    assert after(insecure, "/update", some="data") == {"some": "data"}
    assert session_at(insecure) == {}
    assert session_at(secure) == {}
    assert after(secure, "/update", some="data") == {"some": "data"}
    assert session_at(secure) == {"some": "data"}
    assert after(secure, "/clear") == {}
    assert session_at(secure) == {}


def test_cookie_of_a_path(app_with):
    app = Starlette(routes=[Mount("/second", app=app_with(path="/second"))])
    response = TestClient(app).post("/second/update", json={"some": "data"})
    assert response.status_code == 200
    assert re.search(r"; path=(\S+);", response.headers["set-cookie"])[1] == "/second"


def test_cookie_that_is_no_session(app_with):
    app = app_with()
    assert after(TestClient(app), "/update", some="data") == {"some": "data"}
    assert session_at(TestClient(app, cookies={"session": "invalid"})) == {}


def test_cookie_of_the_browsers_session(app_with):
    browser = TestClient(app_with(max_age=None))
    response = browser.post("/update", json={"some": "data"})
    assert "Max-Age" not in response.headers["set-cookie"]
    assert session_at(browser) == {"some": "data"}
    browser.cookies.delete("session")
    assert session_at(browser) == {}


def test_cookie_of_a_domain(app_with):
    browser = TestClient(app_with(domain=".example.com"))
    response = browser.post("/update", json={"some": "data"})
    assert "domain=.example.com" in response.headers["set-cookie"]
    assert session_at(browser) == {}


def test_cookie_is_set_only_when_something_changed(app_with):
    browser = TestClient(app_with())
    assert "set-cookie" in browser.post("/update", json={"some": "data"}).headers
    response = browser.get("/view")
    assert response.json() == {"session": {"some": "data"}} and "set-cookie" not in response.headers


def test_vary_when_the_session_is_used(app_with):
    browser = TestClient(app_with())
    assert "cookie" in browser.post("/update", json={"some": "data"}).headers["vary"].lower()
    assert "cookie" in browser.get("/view").headers["vary"].lower()
    assert "vary" not in browser.get("/without").headers


@pytest.mark.parametrize("values", [{"a": "1"}, {"a": "1", "b": "2"}])
def test_vary_when_a_value_is_popped(app_with, values):
    browser = TestClient(app_with())
    assert after(browser, "/update", **values) == values
    response = browser.post("/pop")
    assert response.json() == {"value": "1"}
    assert "set-cookie" in response.headers and "cookie" in response.headers["vary"].lower()


@pytest.mark.parametrize(
    ("act", "modified", "accessed"),
    [
        (lambda session: session.__setitem__("c", "3"), True, True),
        (lambda session: session.__delitem__("a"), True, True),
        (lambda session: session.clear(), True, True),
        (lambda session: session.pop("a"), True, True),
        (lambda session: session.pop("missing", None), False, False),
        (lambda session: session.popitem(), True, True),
        (lambda session: session.setdefault("c", "3"), True, True),
        (lambda session: session.setdefault("a", "3"), False, False),
        (lambda session: session.update(c="3"), True, True),
    ],
)
def test_session_tracks_changes(act, modified, accessed):
    session = Session(None, State(Rules(), dict))
    dict.update(session, {"a": "1", "b": "2"})
    assert not session.modified
    act(session)
    assert (session.modified, session.accessed) == (modified, accessed)


@pytest.mark.parametrize(
    ("path", "values", "expected"),
    [("/update-in-place", {"c": "3"}, {"a": "1", "b": "2", "c": "3"}), ("/popitem", {}, {"a": "1"})],
)
def test_changes_in_place_are_stored(app_with, path, values, expected):
    browser = TestClient(app_with())
    after(browser, "/update", a="1", b="2")
    assert after(browser, path, **values) == expected
    assert session_at(browser) == expected


def test_store_holds_the_value_under_the_id_of_the_cookie(app_with, server):
    browser = TestClient(app_with(namespace="starlette-looked-into"))
    after(browser, "/update", some="data")
    with sessiond.Client(server.address, namespace="starlette-looked-into", timeout=10) as client:
        assert client.get(browser.cookies["session"]).attributes == {"some": "data"}
