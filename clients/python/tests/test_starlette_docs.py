"""The page docs/asgi.md: its code, as it stands there, as applications in processes of their own."""

import json
import re

import pytest
from websites import PYTHON_CLIENT, Browser, code_blocks, running

import sessiond

PAGE = "asgi.md"
NAMESPACE = "asgi-page"
PYTHON = code_blocks(PAGE, "python")
STARLETTE, FASTAPI = (block for block in PYTHON if block.startswith("# app.py"))


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    """FastAPI's quick start and what follows it."""
    folder = tmp_path_factory.mktemp("asgi-page")
    (folder / "app.py").write_text("\n".join(PYTHON[PYTHON.index(FASTAPI) :]))
    with running(server, folder, "uvicorn", "app:app", "--port", "PORT", cwd=folder, namespace=NAMESPACE) as site:
        yield site


@pytest.mark.parametrize("index", [0, 1])
def test_quick_starts_stand_alone(server, tmp_path, index):
    (tmp_path / "app.py").write_text((STARLETTE, FASTAPI)[index])
    command = code_blocks(PAGE, "sh")[index].splitlines()[1].split()
    with running(server, tmp_path, *command, "--port", "PORT", cwd=tmp_path, namespace=NAMESPACE) as site:
        browser = Browser(site)
        assert [browser.get("/").strip('"') for _ in range(2)] == ["visit 1", "visit 2"]
        before = browser.session_id()
        assert browser.post("/log-in", "").strip('"') == "welcome"
        assert browser.session_id() != before and browser.get("/").strip('"') == "visit 3"
        with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as client:
            assert client.get(browser.session_id()).principal == "user-42"
        assert browser.post("/log-out", "").strip('"') == "bye"
        assert browser.cookie() is None and browser.get("/").strip('"') == "visit 1"


def test_devices(site):
    first, second = Browser(site), Browser(site)
    for browser in (first, second):
        browser.post("/log-in", "")
    first.post("/devices/end-others", "")
    second.post("/log-in", "")
    assert second.get("/me") == '"user-42"'
    [other] = [device["handle"] for device in json.loads(first.get("/devices")) if not device["current"]]
    assert first.post(f"/devices/{other}/end", "") == "true"
    second.get("/me")
    assert second.status == 401
    assert first.post("/devices/end-others", "") == "0"


def test_forms_and_scripts(site):
    browser = Browser(site)
    browser.post_json("/order", "")
    assert browser.status == 403
    assert browser.post_json("/order", json.loads(browser.get("/token"))) == '"ordered"'


def test_files_that_the_page_names_are_there():
    text = (PYTHON_CLIENT / "docs" / PAGE).read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (PYTHON_CLIENT / "docs" / target).exists(), target
