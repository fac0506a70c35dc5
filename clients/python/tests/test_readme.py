"""The quick starts of README.md work as they stand there."""

import re
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def block(name: str) -> str:
    found = re.search(rf"<!-- quick start: {name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no quick start {name}"
    return found.group(1)


@pytest.fixture
def run(server, monkeypatch):
    """Runs a quick start as a module; what it defines."""
    monkeypatch.setenv("SESSIOND_ADDR", server.address)

    def run(name: str) -> dict:
        module = type(sys)(name)
        exec(compile(block(name), f"README.md, {name}", "exec"), module.__dict__)
        return module.__dict__

    return run


def test_client(run, capsys):
    run("client")
    assert capsys.readouterr().out.splitlines()[-1] in ("EventKind.DELETED", "4")


def test_tls(asking_server, certificates):
    code = block("tls").replace("https://sessions.internal:50051", asking_server.address)
    for here, there in (("sessiond-ca.pem", "ca.pem"), ("client.pem", "client.pem"), ("client-key.pem",) * 2):
        code = code.replace(f"/etc/shop/{here}", str(certificates.file(there)))
    names: dict = {}
    exec(code, names)
    with names["client"].with_timeout(10) as client:
        assert client.health()


def test_flask(run):
    client = run("flask")["app"].test_client()
    assert [client.get("/").json for _ in range(2)] == [{"visits": 1}, {"visits": 2}]


def test_fastapi(run):
    from fastapi.testclient import TestClient

    with TestClient(run("fastapi")["app"]) as client:
        assert [client.get("/").json() for _ in range(2)] == [{"visits": 1}, {"visits": 2}]
