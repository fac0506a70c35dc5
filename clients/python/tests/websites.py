"""Web sites in processes of their own, a browser for them, and quick starts from pages of the documentation."""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import Cookie, CookieJar
from pathlib import Path

from server import Server, free_port

PYTHON_CLIENT = Path(__file__).resolve().parent.parent
EXAMPLES = PYTHON_CLIENT / "examples"


class Site:
    """The address of a running site, and what it has written."""

    def __init__(self, base: str, log: Path):
        self.base = base
        self._log = log

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def running(
    server: Server, folder: Path, module: str, *options: str, cwd: Path, namespace: str, **env: str
) -> Iterator[Site]:
    """`python -m module …` as a site whose sessions `server` keeps; PORT in an option stands for its port."""
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SESSIOND_A")},
        "SESSIOND_ADDR": server.address,
        "SESSIOND_NAMESPACE": namespace,
        "SESSIOND_TIMEOUT": "10",
        **env,
    }
    log_path = folder / "site.log"
    with open(log_path, "ab") as log:
        command = [sys.executable, "-m", module, *(option.replace("PORT", str(port)) for option in options)]
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log)
    site = Site(f"http://127.0.0.1:{port}", log_path)
    try:
        deadline = time.monotonic() + 30
        while Browser(site).try_get("/no-such-page") == 0:
            assert process.poll() is None and time.monotonic() < deadline, site.log()
            time.sleep(0.05)
        yield site
    finally:
        process.terminate()
        process.wait()


class Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirects."""

    def redirect_request(self, *_: object) -> None:
        return None


class Browser:
    """Keeps cookies, follows redirects, sends forms or JSON with the token of the page before."""

    def __init__(self, site: Site, *, follow: bool = True):
        self._site = site
        self.jar = CookieJar()
        handlers = [urllib.request.HTTPCookieProcessor(self.jar)] + ([] if follow else [Unmoved()])
        self._opener = urllib.request.build_opener(*handlers)
        self.status = 0
        self.headers: dict[str, str] = {}

    def try_get(self, path: str) -> int:
        """The status; 0 while nobody listens."""
        try:
            self.get(path)
        except (urllib.error.URLError, ConnectionError):
            return 0
        return self.status

    def get(self, path: str) -> str:
        return self._open(urllib.request.Request(self._site.base + path))

    def post(self, path: str, token: str, **fields: str) -> str:
        """Sends a form."""
        data = urllib.parse.urlencode({"csrf_token": token, **fields}).encode()
        return self._open(urllib.request.Request(self._site.base + path, data))

    def post_json(self, path: str, token: str, **fields: str) -> str:
        request = urllib.request.Request(self._site.base + path, json.dumps(fields).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("X-CSRF-Token", token)
        return self._open(request)

    def cookie(self, name: str = "session") -> Cookie | None:
        return next((cookie for cookie in self.jar if cookie.name == name), None)

    def session_id(self) -> str:
        cookie = self.cookie()
        assert cookie is not None and cookie.value is not None
        return cookie.value

    def copy(self, site: Site | None = None) -> "Browser":
        """Another one with the same cookies, as a thief of them has it, or as the browser is at another site."""
        twin = Browser(site or self._site)
        for cookie in self.jar:
            twin.jar.set_cookie(cookie)
        return twin

    def _open(self, request: urllib.request.Request) -> str:
        request.add_header("User-Agent", "Test browser")
        try:
            response = self._opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            self.status = response.status
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            return response.read().decode()


def token_in(page: str) -> str:
    """The token of the first form on a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


class FormShop:
    """The example shop with pages and forms, as one browser uses it."""

    def __init__(self, browser: Browser):
        self.browser = browser

    def twin(self) -> "FormShop":
        return FormShop(self.browser.copy())

    def page(self) -> str:
        return self.browser.get("/")

    def token(self) -> str:
        return token_in(self.page())

    def principal(self) -> str | None:
        found = re.search(r"<h1>Hello, (.*)</h1>", self.page())
        assert found, (self.browser.status, self.browser.get("/"))
        return None if found[1] == "visitor" else found[1]

    def cart(self) -> list[str]:
        return [item for item in re.findall(r"<li>(.*?)</li>", self.page()) if item != "nothing yet"]

    def act(self, path: str, **fields: str) -> int:
        self.browser.post(path, self.token(), **fields)
        return self.browser.status

    def act_with(self, token: str, path: str, **fields: str) -> int:
        self.browser.post(path, token, **fields)
        return self.browser.status

    def other_handles(self) -> list[str]:
        return re.findall(r'name="handle" value="([^"]+)"', self.browser.get("/devices"))

    def device_count(self) -> int:
        page = self.browser.get("/devices")
        assert "Test browser" in page and page.count("this one") == 1
        return page.count("last active")


class JsonShop(FormShop):
    """The example shop as an API."""

    def twin(self) -> "JsonShop":
        return JsonShop(self.browser.copy())

    def token(self) -> str:
        return json.loads(self.browser.get("/csrf-token"))

    def principal(self) -> str | None:
        return json.loads(self.page())["principal"]

    def cart(self) -> list[str]:
        return json.loads(self.page())["cart"]

    def act(self, path: str, **fields: str) -> int:
        return self.act_with(self.token(), path, **fields)

    def act_with(self, token: str, path: str, **fields: str) -> int:
        self.browser.post_json(path, token, **fields)
        return self.browser.status

    def _devices(self) -> list[dict]:
        devices = json.loads(self.browser.get("/devices"))
        assert all(device["labels"]["device"] == "Test browser" for device in devices)
        return devices

    def other_handles(self) -> list[str]:
        return [device["handle"] for device in self._devices() if not device["is_current"]]

    def device_count(self) -> int:
        return len(self._devices())


def in_parallel(count: int, act) -> list:
    """What `act(0)` … `act(count - 1)` answer, each in a thread of its own."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def code_blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page of clients/python/docs, in order."""
    text = (PYTHON_CLIENT / "docs" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
