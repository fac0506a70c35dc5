"""TLS in the settings of the frameworks, and what doctor and the system checks say of it."""

import asyncio
import io
import os
import subprocess
import sys

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

import sessiond
from sessiond import AsyncClient, Tls
from sessiond.django import SessionStore, checks, conf
from sessiond.flask import SessiondSession
from sessiond.starlette import SessiondMiddleware, StarsessionsStore


@pytest.fixture(autouse=True)
def patient_checks(monkeypatch):
    """A busy machine is no failure."""
    monkeypatch.setattr(checks, "_PATIENCE", 10.0)


def of_django(server, tls: Tls, **changed) -> dict:
    settings = {"CA_FILE": tls.ca_file, "CERTIFICATE_FILE": str(tls.certificate_file), "KEY_FILE": tls.key_file}
    return {"ADDRESS": server.address, "TIMEOUT": 10, "TLS": settings | changed}


def messages() -> list[tuple[str, str]]:
    return [(message.id, f"{message.msg} {message.hint}") for message in run_checks(tags=["sessiond"])]


def test_django(asking_server, certificates):
    setting = of_django(asking_server, certificates.client(), SERVER_NAME="sessiond.test")
    with override_settings(SESSIOND=setting):
        assert messages() == []
        session = SessionStore()
        session["a"] = 1
        session.save()
        assert SessionStore(session.session_key).load() == {"a": 1}
        assert asyncio.run(SessionStore(session.session_key).aload()) == {"a": 1}
        output = io.StringIO()
        call_command("sessiond", "status", stdout=output)
        assert f"{certificates.ca} and for the name sessiond.test" in output.getvalue()


def test_django_with_the_environment(asking_server, certificates):
    """In a process of its own, since settings are read once."""
    tls = certificates.client()
    env = {
        **os.environ,
        "SESSIOND_ADDR": asking_server.address,
        "SESSIOND_TIMEOUT": "10",
        "SESSIOND_CA_FILE": str(tls.ca_file),
        "SESSIOND_CERTIFICATE_FILE": str(tls.certificate_file),
        "SESSIOND_KEY_FILE": str(tls.key_file),
    }
    program = """
import sys
from django.conf import settings
settings.configure(SESSION_ENGINE="sessiond.django", INSTALLED_APPS=["sessiond.django"])
import django
django.setup()
from django.core.checks import run_checks
from sessiond.django import checks
checks._PATIENCE = 10
print([f"{message.msg}" for message in run_checks(tags=["sessiond"])])
"""
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert run.stdout == "[]\n", run.stderr
    env["SESSIOND_KEY_FILE"] = "none.pem"
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert "environment" in run.stdout and "none.pem can't be read" in run.stdout, run.stderr


@pytest.mark.parametrize(
    ("tls", "named", "says"),
    [
        ("ca.pem", 'SESSIOND["TLS"]', "must be a dictionary, not str"),
        ({"CA": "ca.pem"}, 'SESSIOND["TLS"]', "unknown key 'CA'"),
        ({"CA": "ca.pem"}, 'SESSIOND["TLS"]', "CA_FILE, CERTIFICATE_FILE, KEY_FILE, SERVER_NAME"),
        ({"CA_FILE": 1}, 'SESSIOND["TLS"]["CA_FILE"]', "must be text or a path, not int"),
        ({"SERVER_NAME": 1}, 'SESSIOND["TLS"]["SERVER_NAME"]', "must be text, not int"),
        ({"SERVER_NAME": "no name"}, 'SESSIOND["TLS"]', '"no name" is not the name of a server'),
        ({"CA_FILE": "/none.pem"}, 'SESSIOND["TLS"]', "/none.pem can't be read"),
        ({"CERTIFICATE_FILE": "/none.pem"}, 'SESSIOND["TLS"]', "a certificate file needs a key file"),
    ],
)
def test_what_is_wrong_in_django_is_named(tls, named, says):
    with override_settings(SESSIOND={"ADDRESS": "https://127.0.0.1:1", "TLS": tls}):
        [(check, text)] = messages()
        assert check == "sessiond.E001" and named in text and says in text
        with pytest.raises(ImproperlyConfigured) as caught:
            SessionStore().create()
        assert named in str(caught.value)


def test_settings_of_django_beside_an_address_without_tls():
    with override_settings(SESSIOND={"ADDRESS": "127.0.0.1:1", "TLS": {"CA_FILE": "ca.pem"}}):
        [(check, text)] = messages()
        assert check == "sessiond.E001" and "TLS settings need an https:// address" in text


def test_a_server_that_can_not_be_trusted(asking_server, certificates):
    tls = certificates.client()
    with override_settings(SESSIOND=of_django(asking_server, tls, CA_FILE=certificates.file("other-ca.pem"))):
        [(check, text)] = messages()
        assert check == "sessiond.W005"
        assert "invalid peer certificate" in text and 'SESSIOND["TLS"]' in text
        assert conf.client().tls is not None


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


def test_flask(asking_server, certificates, monkeypatch):
    tls = certificates.client()
    visits = visits_of_flask(
        SESSIOND_ADDR=asking_server.address,
        SESSIOND_CA_FILE=tls.ca_file,
        SESSIOND_CERTIFICATE_FILE=tls.certificate_file,
        SESSIOND_KEY_FILE=tls.key_file,
        SESSIOND_SERVER_NAME="sessiond.test",
    )
    assert visits == [{"visits": 1}, {"visits": 2}]
    with pytest.raises(ValueError, match="TLS settings need an https:// address"):
        visits_of_flask(SESSIOND_ADDR="127.0.0.1:1", SESSIOND_CA_FILE=tls.ca_file)
    with pytest.raises(ValueError, match="none.pem can't be read"):
        visits_of_flask(SESSIOND_ADDR=asking_server.address, SESSIOND_CA_FILE="none.pem")
    for name in ("ca_file", "certificate_file", "key_file"):
        monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(getattr(tls, name)))
    assert visits_of_flask(SESSIOND_ADDR=asking_server.address) == [{"visits": 1}, {"visits": 2}]


def test_flask_leaves_the_environment_aside_without_tls(server, monkeypatch):
    monkeypatch.setenv("SESSIOND_CA_FILE", "none.pem")
    assert visits_of_flask(SESSIOND_ADDR=server.address) == [{"visits": 1}, {"visits": 2}]


def test_starlette(asking_server, certificates):
    async def visits(request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session["visits"])

    options = {"address": asking_server.address, "timeout": 10.0, "tls": certificates.client()}
    app = Starlette(routes=[Route("/", visits)], middleware=[Middleware(SessiondMiddleware, **options)])
    with TestClient(app) as browser:
        assert [browser.get("/").json() for _ in range(2)] == [1, 2]


def test_starsessions(asking_server, certificates):
    async def main():
        store = StarsessionsStore(address=asking_server.address, timeout=10.0, tls=certificates.client())
        await store.write("0123456789abcdef", b"{}", lifetime=60, ttl=60)
        assert await store.read("0123456789abcdef", lifetime=60) == b"{}"

    asyncio.run(main())


def test_a_client_that_is_given_has_its_settings():
    with pytest.raises(ValueError, match="give a client, or"):
        StarsessionsStore(AsyncClient("https://127.0.0.1:1"), tls=Tls())


@pytest.mark.parametrize("choice", ["native", "grpc"])
def test_doctor(asking_server, certificates, choice):
    tls = certificates.client()
    files = ("--certificate-file", str(tls.certificate_file), "--key-file", str(tls.key_file))
    run = doctor("--address", asking_server.address, "--ca-file", str(tls.ca_file), *files, SESSIOND_TRANSPORT=choice)
    found = lines(run)
    assert (run.returncode, found["verdict"]) == (0, "all is well"), run.stdout + run.stderr
    assert found["tls"] == (
        f"used; the server's certificate must be of a CA in {tls.ca_file}; {tls.certificate_file} is shown to it"
    )
    secret = certificates.file("client-key.pem").read_text().splitlines()[1]
    assert secret not in run.stdout + run.stderr


def test_doctor_with_the_environment(tls_server, certificates):
    run = doctor(
        SESSIOND_ADDR=tls_server.address, SESSIOND_CA_FILE=str(certificates.ca), SESSIOND_SERVER_NAME="localhost"
    )
    found = lines(run)
    assert (run.returncode, found["verdict"]) == (0, "all is well"), run.stdout + run.stderr
    assert f"SESSIOND_CA_FILE={certificates.ca}" in found["environment"]
    assert found["tls"].endswith("for the name localhost")


def test_doctor_says_what_is_wrong(tls_server, asking_server, server, certificates):
    ca = ("--ca-file", str(certificates.ca))
    address = tls_server.address
    other = problem(doctor("--address", address, "--ca-file", str(certificates.file("other-ca.pem"))))
    assert "invalid peer certificate" in other and "set --ca-file" in other
    named = problem(doctor("--address", address, *ca, "--server-name", "other.test"))
    assert "invalid peer certificate" in named and "--server-name" in named
    assert "none.pem can't be read" in problem(doctor("--address", address, "--ca-file", "none.pem"))
    assert "--key-file" in problem(doctor("--address", address, *ca, "--certificate-file", str(certificates.ca)))
    assert "need an https:// address" in problem(doctor("--address", server.address, *ca))
    assert "--certificate-file and --key-file" in problem(doctor("--address", asking_server.address, *ca))
    assert "write http://" in problem(doctor("--address", f"https://{server.address}", *ca))
    without = problem(doctor("--address", address.removeprefix("https://")))
    assert "this port takes TLS only; write https:// before the address" in without
    assert "no sessiond" not in without


def test_the_type_is_public():
    assert sessiond.Tls is Tls and "Tls" in sessiond.__all__
