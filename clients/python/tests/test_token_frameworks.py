"""Tokens in the settings of the frameworks, and what doctor and the system checks say of them."""

import asyncio
import io

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import override_settings
from flask import Flask
from flask import session as flask_session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from test_doctor import doctor, lines, problem

from sessiond import AsyncClient
from sessiond.django import SessionStore, checks, conf
from sessiond.flask import SessiondSession
from sessiond.starlette import SessiondMiddleware, StarsessionsStore


@pytest.fixture(autouse=True)
def patient_checks(monkeypatch):
    """A busy machine is no failure."""
    monkeypatch.setattr(checks, "_PATIENCE", 10.0)


@pytest.fixture(params=["file", "text"])
def settings_of(request, guarded, token) -> dict:
    """As arguments of a client."""
    return {"token": token} if request.param == "text" else {"token_file": guarded.write(token, "of-a-framework")}


def messages() -> list[tuple[str, str]]:
    return [(message.id, f"{message.msg} {message.hint}") for message in run_checks(tags=["sessiond"])]


def test_django(guarded, token, settings_of):
    setting = {"ADDRESS": guarded.address, "NAMESPACE": "shop", "TIMEOUT": 10}
    setting |= {name.upper(): value for name, value in settings_of.items()}
    with override_settings(SESSIOND=setting):
        assert messages() == []
        session = SessionStore()
        session["a"] = 1
        session.save()
        assert SessionStore(session.session_key).load() == {"a": 1}
        assert asyncio.run(SessionStore(session.session_key).aload()) == {"a": 1}
        output = io.StringIO()
        call_command("sessiond", "status", stdout=output)
        where = "not shown" if "token" in settings_of else str(settings_of["token_file"])
        assert where in output.getvalue() and token not in output.getvalue()
        # That takes the permission of an operator.
        assert "not told to this site (PERMISSION_DENIED" in output.getvalue()
        assert token not in repr(conf.current())


@pytest.mark.parametrize(
    ("setting", "named", "says"),
    [
        ({"TOKEN_FILE": 1}, 'SESSIOND["TOKEN_FILE"]', "must be text or a path, not int"),
        ({"TOKEN": 1}, 'SESSIOND["TOKEN"]', "must be text, not int"),
        ({"TOKEN_FILE": "/none"}, 'SESSIOND["TOKEN_FILE"]', "the token file /none can't be read"),
        ({"TOKEN": "two secrets"}, 'SESSIOND["TOKEN"]', "can't be used"),
        ({"TOKEN": "secret", "TOKEN_FILE": "/none"}, 'SESSIOND["TOKEN_FILE"]', "are both set; use one"),
    ],
)
def test_what_is_wrong_in_django_is_named(setting, named, says):
    with override_settings(SESSIOND={"ADDRESS": "127.0.0.1:1"} | setting):
        [(check, text)] = messages()
        assert check == "sessiond.E001" and named in text and says in text and "secret" not in text
        with pytest.raises(ImproperlyConfigured) as caught:
            SessionStore().create()
        assert named in str(caught.value)


def test_the_environment_of_django(guarded, token, monkeypatch):
    monkeypatch.setenv("SESSIOND_TOKEN", token)
    with override_settings(SESSIOND={"ADDRESS": guarded.address, "TIMEOUT": 10}):
        conf._client.cache_clear()
        assert messages() == []
        SessionStore().create()
    monkeypatch.setenv("SESSIOND_TOKEN", "two secrets")
    with override_settings(SESSIOND={"ADDRESS": guarded.address, "TIMEOUT": 10}):
        conf._client.cache_clear()
        [(check, text)] = messages()
        assert check == "sessiond.E001" and "environment" in text and "secret" not in text
    conf._client.cache_clear()


def test_django_without_a_token(guarded):
    with override_settings(SESSIOND={"ADDRESS": guarded.address, "TIMEOUT": 10}):
        [(check, text)] = messages()
        assert check == "sessiond.W006" and "UNAUTHENTICATED" in text and 'SESSIOND["TOKEN_FILE"]' in text


def visits_of_flask(**config) -> list[dict]:
    app = Flask(__name__)
    app.config.update(SESSIOND_TIMEOUT=10, **config)
    SessiondSession(app)

    @app.get("/")
    def visits():
        flask_session["visits"] = flask_session.get("visits", 0) + 1
        return {"visits": flask_session["visits"]}

    browser = app.test_client()
    return [browser.get("/").json for _ in range(2)]


def test_flask(guarded, settings_of, monkeypatch):
    config = {f"SESSIOND_{name.upper()}": value for name, value in settings_of.items()}
    both = [{"visits": 1}, {"visits": 2}]
    assert visits_of_flask(SESSIOND_ADDR=guarded.address, **config) == both
    for name, value in config.items():
        monkeypatch.setenv(name, str(value))
    assert visits_of_flask(SESSIOND_ADDR=guarded.address) == both
    with pytest.raises(ValueError, match="are both set; use one"):
        visits_of_flask(SESSIOND_ADDR=guarded.address, SESSIOND_TOKEN="a", SESSIOND_TOKEN_FILE="b")


def test_starlette(guarded, settings_of):
    async def visits(request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session["visits"])

    options = {"address": guarded.address, "timeout": 10.0, **settings_of}
    app = Starlette(routes=[Route("/", visits)], middleware=[Middleware(SessiondMiddleware, **options)])
    with TestClient(app) as browser:
        assert [browser.get("/").json() for _ in range(2)] == [1, 2]


def test_starsessions(guarded, settings_of):
    async def main():
        store = StarsessionsStore(address=guarded.address, timeout=10.0, **settings_of)
        await store.write("0123456789abcdef", b"{}", lifetime=60, ttl=60)
        assert await store.read("0123456789abcdef", lifetime=60) == b"{}"

    asyncio.run(main())


@pytest.mark.parametrize("name", ["token", "token_file"])
def test_a_client_that_is_given_has_its_token(name):
    with pytest.raises(ValueError, match="give a client, or"):
        StarsessionsStore(AsyncClient("127.0.0.1:1"), **{name: "a"})


@pytest.mark.parametrize("choice", ["native", "grpc"])
def test_doctor(guarded, token, choice):
    file = guarded.write(token, "of-doctor")
    run = doctor("--address", guarded.address, "--token-file", str(file), SESSIOND_TRANSPORT=choice)
    found = lines(run)
    assert (run.returncode, found["verdict"]) == (0, "all is well"), run.stdout + run.stderr
    assert found["token"] == f"in {file}"
    assert "not told to this client" in found["statistics"]
    run = doctor(SESSIOND_ADDR=guarded.address, SESSIOND_TOKEN=token, SESSIOND_TRANSPORT=choice)
    assert (run.returncode, lines(run)["token"]) == (0, "set; not shown"), run.stdout + run.stderr
    assert token not in run.stdout + run.stderr


def test_doctor_says_what_is_wrong(guarded):
    assert "can't be read" in problem(doctor("--address", guarded.address, "--token-file", "/none"))
    unknown = problem(doctor("--address", guarded.address, SESSIOND_TOKEN="sdt_aaaaaaaa_unknown"))
    assert "UNAUTHENTICATED" in unknown and "--token-file" in unknown and "aaaaaaaa" not in unknown
    blog = guarded.write(guarded.token("blog"), "of-blog")
    denied = problem(doctor("--address", guarded.address, "--token-file", str(blog)))
    assert "PERMISSION_DENIED" in denied and "access file" in denied
