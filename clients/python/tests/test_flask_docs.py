"""The page docs/flask.md: its code, as it stands there, as one application in a process of its own."""

import re
import urllib.parse

import pytest
from websites import PYTHON_CLIENT, Browser, code_blocks, running

import sessiond

PAGE = "flask.md"
NAMESPACE = "flask-page"


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flask-page")
    (folder / "app.py").write_text("\n".join(code_blocks(PAGE, "python")))
    command = ("flask", "--app", "app", "run", "--port", "PORT")
    with running(server, folder, *command, cwd=folder, namespace=NAMESPACE) as site:
        yield site


def test_quick_start_stands_alone(server, tmp_path):
    [quick_start] = [block for block in code_blocks(PAGE, "python") if block.startswith("# app.py")]
    (tmp_path / "app.py").write_text(quick_start)
    [shell] = code_blocks(PAGE, "sh")
    command = shell.splitlines()[1].split()
    with running(server, tmp_path, *command, "--port", "PORT", cwd=tmp_path, namespace=NAMESPACE) as site:
        browser = Browser(site)
        assert [browser.get("/") for _ in range(2)] == ["visit 1", "visit 2"]
        before = browser.session_id()
        assert browser.post("/log-in", "") == "welcome"
        assert browser.session_id() != before and browser.get("/") == "visit 3"
        with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as client:
            assert client.get(browser.session_id()).principal == "user-42"
        assert browser.post("/log-out", "") == "bye"
        assert browser.cookie() is None and browser.get("/") == "visit 1"


def test_devices(site):
    first, second = Browser(site), Browser(site)
    for browser in (first, second):
        browser.post("/log-in", "")
    page = first.get("/devices")
    [other] = re.findall(r'"current":\s*false,\s*"handle":\s*"([^"]+)"', page)
    first.post("/devices/end", "", handle=other)
    assert second.get("/devices").strip() == "[]"
    second.post("/log-in", "")
    assert first.post("/devices/end-others", "") == "1 ended"


def test_another_domain(site):
    accounts, shop = Browser(site, follow=False), Browser(site, follow=False)
    accounts.post("/log-in", "")
    accounts.post("/devices/end-others", "")
    shop.get("/enter")
    state = query_of(shop)["state"]
    accounts.get(f"/hand-over?state={state}")
    assert accounts.headers["cache-control"] == "no-store" and accounts.headers["referrer-policy"] == "no-referrer"
    parameters = query_of(accounts)
    stranger = Browser(site, follow=False)
    stranger.get(f"/arrive?{urllib.parse.urlencode(parameters)}")
    assert stranger.status == 403
    shop.get(f"/arrive?{urllib.parse.urlencode(parameters)}")
    assert shop.status == 302
    assert len(re.findall("handle", shop.get("/devices"))) == 1
    accounts.post("/log-out", "")
    assert shop.get("/devices").strip() == "[]"


def query_of(browser):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.headers["location"]).query))


def test_files_that_the_page_names_are_there():
    text = (PYTHON_CLIENT / "docs" / PAGE).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (PYTHON_CLIENT / "docs" / target).exists(), target
