"""The store for starsessions: what its own tests ask of a store, and its middleware on ours."""

import asyncio
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import sessiond

starsessions = pytest.importorskip("starsessions")

from sessiond.starlette import SessionInterrupted, StarsessionsStore  # noqa: E402

numbers = count()
SESSION_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def namespace():
    return f"starsessions-{next(numbers)}"


@pytest.fixture
def run(server, namespace):
    """Runs a function with a store of its own event loop."""

    def run(act):
        async def main():
            async with sessiond.AsyncClient(server.address, namespace=namespace, timeout=10) as client:
                return await act(StarsessionsStore(client))

        return asyncio.run(main())

    return run


@pytest.mark.parametrize("data", [b'{"a": [1, 2.5, null, {"b": "text"}]}', b"data", b"[1]", b"\x80pickled"])
@pytest.mark.parametrize("session_id", ["session_id", SESSION_ID])
def test_write_read_remove(run, data, session_id):
    async def act(store):
        assert await store.read(session_id, lifetime=60) == b""
        assert await store.write(session_id, data, lifetime=60, ttl=60) == session_id
        assert await store.read(session_id, lifetime=60) == data
        await store.remove(session_id)
        assert await store.read(session_id, lifetime=60) == b""
        await store.remove(session_id)

    run(act)


def test_session_only_cookie(run):
    async def act(store):
        await store.write(SESSION_ID, b"{}", lifetime=0, ttl=0)
        assert await store.read(SESSION_ID, lifetime=0) == b"{}"

    run(act)


def test_time_to_live(run):
    async def act(store):
        await store.write(SESSION_ID, b"data", lifetime=60, ttl=1)
        await asyncio.sleep(1.1)
        assert await store.read(SESSION_ID, lifetime=60) == b""

    run(act)


def test_log_out_is_final_for_who_has_read_the_session(run):
    async def act(store):
        await store.write(SESSION_ID, b'{"a": 1}', lifetime=60, ttl=60)
        await store.read(SESSION_ID, lifetime=60)
        await store.remove(SESSION_ID)
        with pytest.raises(SessionInterrupted):
            await store.write(SESSION_ID, b'{"a": 2}', lifetime=60, ttl=60)
        assert await store.read(SESSION_ID, lifetime=60) == b""

    run(act)


@pytest.mark.parametrize("rolling", [False, True])
def test_middleware_of_starsessions(server, namespace, rolling):
    async def visits(request):
        await starsessions.load_session(request)
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session["visits"])

    async def leave(request):
        await starsessions.load_session(request)
        request.session.clear()
        return JSONResponse("bye")

    async def renew(request):
        await starsessions.load_session(request)
        starsessions.regenerate_session_id(request)
        return JSONResponse("new")

    store = StarsessionsStore(address=server.address, namespace=namespace, timeout=10)
    options = {"store": store, "lifetime": 3600, "rolling": rolling, "cookie_https_only": False}
    app = Starlette(
        routes=[Route("/", visits), Route("/leave", leave), Route("/renew", renew)],
        middleware=[Middleware(starsessions.SessionMiddleware, **options)],
    )
    with TestClient(app) as browser:
        assert [browser.get("/").json() for _ in range(3)] == [1, 2, 3]
        before = browser.cookies["session"]
        with sessiond.Client(server.address, namespace=namespace, timeout=10) as client:
            assert client.get(before, touch=False).attributes["visits"] == 3
            browser.get("/renew")
            assert browser.cookies["session"] != before
            assert browser.get("/").json() == 4
            session_id = browser.cookies["session"]
            assert browser.get("/leave").json() == "bye"
            with pytest.raises(sessiond.SessionNotFound):
                client.get(session_id)
        assert browser.get("/").json() == 1
