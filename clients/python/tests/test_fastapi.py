"""FastAPI's dependencies for the session."""

from itertools import count
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient

import sessiond
from sessiond.fastapi import (
    CurrentPrincipal,
    CurrentSession,
    Session,
    SessiondMiddleware,
    device_labels,
    get_session,
    require_csrf_token,
)

numbers = count()


@pytest.fixture
def app(server):
    app = FastAPI()
    options = {"address": server.address, "namespace": f"fastapi-{next(numbers)}", "timeout": 10}
    app.add_middleware(SessiondMiddleware, labels=device_labels, **options)

    @app.get("/visits")
    async def visits(session: CurrentSession) -> int:
        session["visits"] = session.get("visits", 0) + 1
        return session["visits"]

    @app.get("/blocking")
    def blocking(session: Annotated[Session, Depends(get_session)]) -> dict[str, int]:
        return dict(session)

    @app.get("/old-style")
    def old_style(session: Session = Depends(get_session)) -> bool:  # noqa: B008
        return session.is_new

    @app.post("/log-in/{name}")
    def log_in(name: str, session: CurrentSession) -> None:
        session.principal = name

    @app.post("/log-out")
    def log_out(session: CurrentSession) -> None:
        session.end()

    @app.get("/me")
    def me(principal: CurrentPrincipal) -> str:
        return principal

    @app.get("/devices")
    async def devices(session: CurrentSession) -> list[dict[str, str]]:
        return [device.labels for device in await session.devices()]

    @app.get("/token")
    async def token(session: CurrentSession) -> str:
        return await session.csrf_token()

    @app.get("/protected", dependencies=[Depends(require_csrf_token)])
    def read() -> str:
        return "read"

    @app.post("/protected", dependencies=[Depends(require_csrf_token)])
    def write() -> str:
        return "written"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_json(session.get("visits"))
        await websocket.close()

    return app


@pytest.fixture
def browser(app):
    with TestClient(app) as browser:
        yield browser


def test_session_of_every_kind_of_endpoint(browser):
    assert browser.get("/old-style").json() is True
    assert [browser.get("/visits").json() for _ in range(2)] == [1, 2]
    assert browser.get("/blocking").json() == {"visits": 2}
    assert browser.get("/old-style").json() is False
    with browser.websocket_connect("/socket") as websocket:
        assert websocket.receive_json() == 2


def test_log_in_and_log_out(browser):
    assert browser.get("/me").status_code == 401
    browser.get("/visits")
    before = browser.cookies["session"]
    browser.post("/log-in/ada", headers={"User-Agent": "Firefox"})
    assert browser.get("/me").json() == "ada" and browser.cookies["session"] != before
    assert browser.get("/devices").json() == [{"device": "Firefox", "address": "testclient"}]
    browser.post("/log-out")
    assert browser.get("/me").status_code == 401 and "session" not in browser.cookies


def test_csrf_token(app, browser):
    assert browser.get("/protected").status_code == 200
    assert browser.post("/protected").status_code == 403
    token = browser.get("/token").json()
    assert browser.post("/protected", headers={"X-CSRF-Token": token}).status_code == 200
    assert browser.post("/protected", headers={"X-CSRF-Token": token + "x"}).status_code == 403
    stranger = TestClient(app)
    stranger.portal = browser.portal
    stranger.get("/visits")
    assert stranger.post("/protected", headers={"X-CSRF-Token": token}).status_code == 403


def test_openapi_is_not_disturbed(app, browser):
    description = browser.get("/openapi.json").json()
    assert "securitySchemes" not in description.get("components", {})
    for path, operations in description["paths"].items():
        for operation in operations.values():
            names = [parameter["name"] for parameter in operation.get("parameters", [])]
            assert names == (["name"] if "{name}" in path else []), path
            assert "requestBody" not in operation


def test_without_the_middleware():
    app = FastAPI()

    @app.get("/")
    def page(session: CurrentSession) -> None: ...

    with pytest.raises(RuntimeError, match="add_middleware"):
        TestClient(app).get("/")


def test_store_that_is_away(own_server):
    app = FastAPI()
    app.add_middleware(SessiondMiddleware, address=own_server.address, timeout=1)

    @app.get("/")
    async def page(session: CurrentSession) -> int:
        session["a"] = 1
        return await session.end_others()

    @app.exception_handler(sessiond.StoreUnavailable)
    async def away(request, error):
        raise AssertionError("the answer of the middleware is the one")

    with TestClient(app) as browser:
        assert browser.get("/").status_code == 200
        own_server.kill()
        response = browser.get("/")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_handlers_of_the_site_see_what_endpoints_raise(own_server):
    app = FastAPI()
    app.add_middleware(SessiondMiddleware, address=own_server.address, timeout=1)

    @app.get("/")
    async def page(session: CurrentSession) -> str:
        return await session.csrf_token()

    @app.exception_handler(sessiond.StoreUnavailable)
    async def away(request, error):
        return PlainTextResponse("handled by the site", 503)

    with TestClient(app) as browser:
        own_server.kill()
        assert browser.get("/").text == "handled by the site"
