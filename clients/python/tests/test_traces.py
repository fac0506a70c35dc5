"""Traces: the server sees the one that the caller's function tells, over each transport and lane."""

import asyncio
import itertools
import json
import time

import pytest
from conformance import cases
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from flask import Flask
from flask import session as flask_session
from opentelemetry import trace as opentelemetry
from server import Server
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from transports import run

from sessiond import AsyncClient, Client, SessionNotFound, tracing
from sessiond.django import SessionStore, conf
from sessiond.flask import SessiondSession
from sessiond.starlette import SessiondMiddleware

PATIENCE = 20
NOWHERE = "no-such-session-0000"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"

_namespaces = itertools.count()


def told() -> dict[str, str]:
    return {"traceparent": PARENT}


@pytest.fixture(scope="module")
def telling_server(tmp_path_factory):
    settings = ("--access-log", "--log-format", "json")
    running = Server(tmp_path_factory.mktemp("traces") / "data", settings=settings).start()
    yield running
    running.kill()


@pytest.fixture
def namespace() -> str:
    return f"traces-{next(_namespaces)}"


def lines(server: Server, namespace: str, count: int = 1) -> list[dict]:
    """The access lines of a namespace, once there are so many."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = [json.loads(line) for line in server.log().splitlines() if f'"namespace":"{namespace}"' in line]
        found = [line for line in found if line["target"] == "sessiond::access"]
        if len(found) >= count:
            return found
        time.sleep(0.005)
    raise AssertionError(f"there are no {count} lines of {namespace}:\n{server.log()}")


@pytest.mark.parametrize("case", cases("traces.json"), ids=lambda case: case["name"])
def test_the_server_sees_the_trace(telling_server, transport, namespace, case):
    carrier = {name: case[name] for name in ("traceparent", "tracestate")}
    settings = {"namespace": namespace, "timeout": PATIENCE, "trace_context": lambda: carrier}

    async def asynchronous():
        async with AsyncClient(telling_server.address, **settings) as client:
            for call in (client.get, client.issue_csrf_token):
                with pytest.raises(SessionNotFound):
                    await call(NOWHERE)

    with Client(telling_server.address, **settings) as client:
        for call in (client.get, client.issue_csrf_token):
            with pytest.raises(SessionNotFound):
                call(NOWHERE)
    run(asynchronous)
    found = lines(telling_server, namespace, 4)
    assert [line.get("trace_id") for line in found] == [case["trace_id"]] * 4
    lane = "stream" if transport == "native" else "unary"
    assert [line["lane"] for line in found] == [lane, "unary"] * 2


def fails() -> dict[str, str]:
    raise RuntimeError("no tracing today")


@pytest.mark.parametrize("tell", [fails, dict, lambda: None, lambda: PARENT, lambda: {"traceparent": 1}])
def test_no_call_fails_for_being_traced(telling_server, transport, namespace, tell):
    with Client(telling_server.address, namespace=namespace, timeout=PATIENCE, trace_context=tell) as client:
        with pytest.raises(SessionNotFound):
            client.get(NOWHERE)
    assert "trace_id" not in lines(telling_server, namespace)[0]


def test_what_is_no_function_is_refused():
    for kind in (Client, AsyncClient):
        with pytest.raises(TypeError, match="trace_context must be a callable, not str"):
            kind("127.0.0.1:1", trace_context=PARENT)


def test_opentelemetry(telling_server, transport, namespace):
    context = opentelemetry.SpanContext(
        int(TRACE_ID, 16), 0xF067AA0BA902B7, is_remote=False, trace_flags=opentelemetry.TraceFlags(1)
    )
    settings = {"namespace": namespace, "timeout": PATIENCE, "trace_context": tracing.current}

    async def asynchronous():
        async with AsyncClient(telling_server.address, **settings) as client:
            # Each task has its own span.
            results = await asyncio.gather(inside(client), client.get(NOWHERE), return_exceptions=True)
            assert [type(result) for result in results] == [SessionNotFound] * 2

    async def inside(client: AsyncClient):
        with opentelemetry.use_span(opentelemetry.NonRecordingSpan(context), record_exception=False):
            await client.get(NOWHERE)

    run(asynchronous)
    assert sorted(line.get("trace_id", "") for line in lines(telling_server, namespace, 2)) == ["", TRACE_ID]


def test_django(telling_server, namespace):
    for setting in (told, "test_traces.told"):
        settings = {
            "ADDRESS": telling_server.address,
            "NAMESPACE": f"{namespace}-{setting == told}".lower(),
            "TIMEOUT": PATIENCE,
            "TRACE_CONTEXT": setting,
        }
        with override_settings(SESSIOND=settings):
            assert SessionStore(NOWHERE).load() == {}
            assert asyncio.run(SessionStore(NOWHERE).aload()) == {}
        found = lines(telling_server, settings["NAMESPACE"], 2)
        assert [line["trace_id"] for line in found] == [TRACE_ID] * 2


@pytest.mark.parametrize(
    ("setting", "says"),
    [("test_traces.missing", "can't be imported"), (1, "must be a callable or the path of one, not int")],
)
def test_django_names_a_wrong_setting(setting, says):
    with override_settings(SESSIOND={"TRACE_CONTEXT": setting}):
        with pytest.raises(ImproperlyConfigured) as raised:
            conf.current()
    assert 'SESSIOND["TRACE_CONTEXT"]' in str(raised.value) and says in str(raised.value)


def test_flask(telling_server, namespace):
    app = Flask(__name__)
    app.config |= {"SESSIOND_ADDR": telling_server.address, "SESSIOND_NAMESPACE": namespace}
    app.config |= {"SESSIOND_TIMEOUT": PATIENCE, "SESSIOND_TRACE_CONTEXT": told}
    SessiondSession(app)

    @app.get("/")
    def page():
        flask_session["a"] = 1
        return "done"

    assert app.test_client().get("/").status_code == 200
    assert lines(telling_server, namespace)[0]["trace_id"] == TRACE_ID


def test_starlette(telling_server, namespace):
    async def page(request):
        request.session["a"] = 1
        return JSONResponse(1)

    settings = {"address": telling_server.address, "namespace": namespace, "timeout": PATIENCE}
    middleware = Middleware(SessiondMiddleware, trace_context=told, **settings)
    with TestClient(Starlette(routes=[Route("/", page)], middleware=[middleware])) as client:
        assert client.get("/").status_code == 200
    assert lines(telling_server, namespace)[0]["trace_id"] == TRACE_ID
    with pytest.raises(ValueError, match="a trace context for one"):
        SessiondMiddleware(page, AsyncClient(telling_server.address), trace_context=told)
