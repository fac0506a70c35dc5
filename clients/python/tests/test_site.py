"""The example site over HTTP: gunicorn processes, real cookies, a real server that is killed."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
import sites
from server import Server, free_port

import sessiond

SITE = sites.PYTHON_CLIENT / "example_site"


class Browser:
    """Keeps cookies, follows redirects, fills in forms with their CSRF token."""

    def __init__(self, base: str):
        self.base = base
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.status = 0
        self.set_cookies: list[str] = []

    def get(self, path: str) -> str:
        return self._open(urllib.request.Request(self.base + path))

    def post(self, path: str, *, form_at: str | None = None, **fields: str) -> str:
        page = self.get(form_at or path)
        fields["csrfmiddlewaretoken"] = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        return self.forge(path, **fields)

    def forge(self, path: str, **fields: str) -> str:
        """A post without asking for the form first."""
        return self._open(urllib.request.Request(self.base + path, urllib.parse.urlencode(fields).encode()))

    def session_cookie(self):
        return next((cookie for cookie in self.jar if cookie.name == "sessionid"), None)

    def copy(self) -> "Browser":
        twin = Browser(self.base)
        for cookie in self.jar:
            twin.jar.set_cookie(cookie)
        return twin

    def _open(self, request: urllib.request.Request) -> str:
        try:
            response = self.opener.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            self.status = response.status
            self.set_cookies = response.headers.get_all("Set-Cookie") or []
            return response.read().decode()


@contextmanager
def site(server: Server, folder, **env: str):
    """The site at its own port; `env` are its settings."""
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SESSION", "DJANGO_"))},
        "SESSIOND_ADDR": server.address,
        "SESSIOND_NAMESPACE": "example-site",
        "DATABASE": str(folder / "users.sqlite3"),
        "SESSIOND_TIMEOUT": "10",
        "DEBUG": "0",
        **env,
    }
    migrate(env)
    # --preload loads the site before gunicorn forks its workers.
    options = ["--preload", "--no-control-socket", "--workers=2", "--threads=4", f"--bind=127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", *options, "demo.wsgi"]
    with open(folder / "site.log", "ab") as log:
        process = subprocess.Popen(command, cwd=SITE, env=env, stdout=log, stderr=log)
    try:
        await_site(f"http://127.0.0.1:{port}", process, folder / "site.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


_empty_database: Path | None = None


def migrate(env: dict[str, str]) -> None:
    """Makes the site's database, anew only the first time."""
    global _empty_database
    if _empty_database is None:
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=SITE, env=env, check=True)
        _empty_database = Path(env["DATABASE"]).with_name("empty.sqlite3")
        shutil.copyfile(env["DATABASE"], _empty_database)
    else:
        shutil.copyfile(_empty_database, env["DATABASE"])


def await_site(base: str, process: subprocess.Popen, log) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            return urllib.request.urlopen(f"{base}/log-in/", timeout=120).close()
        except urllib.error.URLError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def base(server, tmp_path_factory):
    with site(server, tmp_path_factory.mktemp("site")) as running:
        yield running


PASSWORD = "correct horse battery"


def sign_up(base: str, name: str) -> Browser:
    browser = Browser(base)
    page = browser.post("/sign-up/", username=name, password1=PASSWORD, password2=PASSWORD, usable_password="true")
    assert f"Hello, {name}" in page
    return browser


def log_in(base: str, name: str, remember: str = "default") -> Browser:
    browser = Browser(base)
    assert f"Hello, {name}" in browser.post("/log-in/", username=name, password=PASSWORD, remember=remember)
    return browser


def test_log_in_survives_a_killed_store_and_log_out_is_final(tmp_path):
    server = Server(tmp_path / "data").start()
    with site(server, tmp_path) as base:
        browser = sign_up(base, "ada")
        server.kill()
        server.start()
        with sessiond.Client(server.address, timeout=10) as client, pytest.raises(sessiond.SessionNotFound):
            client.get("the-store-is-back-again")
        browser = until_logged_in(browser, "ada")
        stolen = browser.copy()
        assert "Hello, visitor" in browser.post("/log-out/", form_at="/")
        assert "Hello, visitor" in stolen.get("/")
        assert stolen.session_cookie().value != browser.session_cookie().value
    server.kill()


def until_logged_in(browser: Browser, name: str) -> Browser:
    """While the site still connects anew, it answers with a server error, never with a logged-out page."""
    deadline = time.monotonic() + 60
    while f"Hello, {name}" not in browser.get("/"):
        assert browser.status == 500 and time.monotonic() < deadline
        time.sleep(0.05)
    return browser


def test_store_that_is_down_is_a_quick_server_error(tmp_path):
    server = Server(tmp_path / "data").start()
    with site(server, tmp_path, SESSIOND_TIMEOUT="0.5") as base:
        browser = sign_up(base, "ada")
        server.kill()
        start = time.monotonic()
        browser.get("/")
        assert browser.status == 500
        assert time.monotonic() - start < 4
        assert browser.session_cookie().value not in (tmp_path / "site.log").read_text()
        assert "StoreUnavailable" in (tmp_path / "site.log").read_text()


def test_log_in_changes_the_key_and_keeps_the_data(base):
    sign_up(base, "grace")
    browser = Browser(base)
    browser.post("/dictionary/", action="set", key="cart", value='{"sku": "A-1"}')
    before = browser.copy()
    browser.post("/log-in/", username="grace", password=PASSWORD, remember="default")
    assert browser.session_cookie().value != before.session_cookie().value
    assert "A-1" in browser.get("/dictionary/")
    assert "A-1" not in before.get("/dictionary/")


def test_session_belongs_to_the_user(base, server):
    browser = sign_up(base, "owner")
    with sessiond.Client(server.address, namespace="example-site") as client:
        session = client.get(browser.session_cookie().value, touch=False)
        assert session.principal == session.attributes["_auth_user_id"] != ""


def test_wrong_password_and_missing_test_cookie(base):
    browser = Browser(base)
    assert "correct username and password" in browser.post("/log-in/", username="x", password="y", remember="default")
    browser.get("/log-in/")
    browser.post("/forget/", form_at="/")
    page = browser.post("/log-in/", form_at="/", username="x", password="y", remember="default")
    assert "Please enable cookies" in page


def test_new_password_keeps_this_session_and_ends_the_others(base):
    browser = sign_up(base, "edsger")
    other = log_in(base, "edsger")
    new = "another battery staple"
    browser.post("/password/", old_password=PASSWORD, new_password1=new, new_password2=new)
    assert "Hello, edsger" in browser.get("/")
    assert "Hello, visitor" in other.get("/")


@pytest.mark.parametrize(
    ("remember", "seconds"), [("close", None), ("default", 14 * 86400), ("idle", 3600), ("month", 30 * 86400)]
)
def test_remember_me(base, remember, seconds):
    name = f"remembers-{remember}"
    sign_up(base, name)
    cookie = log_in(base, name, remember).session_cookie()
    if seconds is None:
        assert cookie.expires is None and cookie.discard
    else:
        assert abs(cookie.expires - time.time() - seconds) < 10


def test_expiry_page(base):
    browser = Browser(base)
    browser.get("/")
    for choice, seconds in [("browser", None), ("seconds", 300), ("timedelta", 7200), ("datetime", 86400)]:
        browser.post("/expiry/", expiry=choice)
        cookie = browser.session_cookie()
        assert (cookie.expires is None) if seconds is None else abs(cookie.expires - time.time() - seconds) < 10
    browser.post("/expiry/", expiry="default")
    browser.post("/dictionary/", action="set", key="a", value="1")
    before = browser.copy()
    browser.post("/expiry/", expiry="past")
    assert browser.session_cookie().value != before.session_cookie().value
    assert "<td>a</td>" not in before.get("/dictionary/")


def test_browser_close_cookie_has_no_max_age(base):
    browser = Browser(base)
    browser.get("/")
    browser.post("/expiry/", expiry="browser")
    browser.get("/")
    [cookie] = [cookie for cookie in browser.set_cookies if cookie.startswith("sessionid=")]
    assert "Max-Age" not in cookie and "expires" not in cookie
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie


def test_dictionary(base):
    browser = Browser(base)

    def act(action: str, key: str = "", value: str = "") -> str:
        page = browser.post("/dictionary/", action=action, key=key, value=value)
        return re.search(r'class="message">(.*?)</p>', page)[1].replace("&quot;", '"')

    assert act("get", "a") == '"nothing"'
    act("set", "a", '{"x": [1, 2.5, null, true]}')
    assert act("get", "a") == '{"x": [1, 2.5, null, true]}'
    assert act("has_key", "a") == "true"
    assert act("setdefault", "a", "1") == '{"x": [1, 2.5, null, true]}'
    assert act("setdefault", "b", "18446744073709551616") == "18446744073709551616"
    assert act("pop", "b") == "18446744073709551616"
    assert act("pop", "b") == '"nothing"'
    act("update", "", '{"c": "Grüße", "d": 1}')
    assert act("get", "c") == '"Gr\\u00fc\\u00dfe"'
    act("nest", "", "1")
    act("nest", "", "2")
    assert act("get", "nested") == '{"list": [1, 2]}'
    assert act("del", "d") == '"done"'
    assert act("del", "d") == '"no such key"'
    act("clear")
    assert act("get", "c") == '"nothing"'


def test_preferences_are_nested(base):
    browser = Browser(base)
    browser.post("/preferences/", theme="dark", language="de")
    assert 'data-theme="dark"' in browser.get("/")
    assert '<option value="de" selected>' in browser.get("/preferences/")


def test_messages_appear_once(base):
    browser = Browser(base)
    assert "Thanks for “hi”" in browser.post("/guestbook/", text="hi")
    assert "Thanks for" not in browser.get("/guestbook/")
    assert "signed already" in browser.post("/guestbook/", text="again")


def test_forged_post_is_refused(base):
    browser = Browser(base)
    browser.post("/guestbook/", text="hi")
    browser.forge("/guestbook/", text="forged")
    assert browser.status == 403
    browser.forge("/guestbook/", text="forged", csrfmiddlewaretoken="x" * 64)
    assert browser.status == 403


def test_new_key_and_forget(base):
    browser = Browser(base)
    browser.post("/guestbook/", text="hi")
    before = browser.copy()
    assert "new key and the same data" in browser.post("/new-key/", form_at="/")
    assert "signed already" in browser.post("/guestbook/", text="again")
    assert "Thanks for" in before.post("/guestbook/", text="unknown again")
    browser.post("/forget/", form_at="/")
    assert "Thanks for" in browser.post("/guestbook/", text="fresh")


def test_nothing_is_saved_on_a_server_error(base):
    browser = Browser(base)
    browser.get("/")
    browser.get("/error/")
    assert browser.status == 500
    assert "saved_in_spite" not in browser.get("/dictionary/")


def test_async_view(base):
    browser = Browser(base)
    assert [browser.get("/async/") for _ in range(3)][-1] == '{"async_visits": 3}'


def test_parallel_requests_of_one_visitor_keep_their_own_keys(base):
    browser = Browser(base)
    browser.get("/")

    def put(n: int) -> None:
        browser.copy().post("/dictionary/", action="set", key=f"parallel-{n}", value=str(n))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(16)))
    page = browser.get("/dictionary/")
    assert all(f"<td>parallel-{n}</td>" in page for n in range(16))


def test_unknown_and_illegal_cookies_start_afresh(base):
    for value in ("unknown" * 5, "short", "x" * 300, '"quoted value"'):
        request = urllib.request.Request(f"{base}/", headers={"Cookie": f"sessionid={value}"})
        with urllib.request.urlopen(request, timeout=120) as response:
            assert "Hello, visitor" in response.read().decode()
            assert value not in response.headers["Set-Cookie"]


@pytest.mark.parametrize("storage", ["session", "fallback"])
def test_csrf_token_in_the_session(server, tmp_path, storage):
    with site(server, tmp_path, CSRF_USE_SESSIONS="1", MESSAGE_STORAGE=storage) as base:
        browser = Browser(base)
        assert "Thanks for “hi”" in browser.post("/guestbook/", text="hi")
        assert {cookie.name for cookie in browser.jar} == {"sessionid"}
        assert "Thanks for" not in browser.get("/guestbook/")
        browser.forge("/guestbook/", text="forged")
        assert browser.status == 403
        assert "Hello, kay" in sign_up(base, "kay").get("/")


def test_cookie_settings(server, tmp_path):
    options = {
        "SESSION_COOKIE_SECURE": "1",
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_NAME": "__Host-sid",
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": "1",
    }
    with site(server, tmp_path, **options) as base:
        browser = Browser(base)
        browser.get("/")
        [cookie] = [cookie for cookie in browser.set_cookies if cookie.startswith("__Host-sid=")]
        assert "Secure" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
        assert "Max-Age" not in cookie


def test_save_every_request(server, tmp_path):
    with site(server, tmp_path, SESSION_SAVE_EVERY_REQUEST="1") as base:
        browser = Browser(base)
        browser.get("/")
        with sessiond.Client(server.address, namespace="example-site") as client:
            before = client.get(browser.session_cookie().value, touch=False)
            browser.get("/dictionary/")
            assert any(cookie.startswith("sessionid=") for cookie in browser.set_cookies)
            after = client.get(browser.session_cookie().value, touch=False)
        assert after.last_access_time > before.last_access_time
        assert after.version == before.version


def test_devices_of_a_user(base):
    """Log in on two devices, see both, log out the other."""
    browser = sign_up(base, "barbara")
    other = log_in(base, "barbara")
    page = browser.get("/account/devices/")
    assert page.count("<li") == 2 and page.count("This device") == 1 and "127.0.0.1" in page
    page = browser.post("/account/devices/", end_others="1")
    assert "1 other device was logged out." in page and page.count("<li") == 1
    assert "Hello, visitor" in other.get("/") and "Hello, barbara" in browser.get("/")


def test_a_new_password_ends_the_others_in_the_store(base, server):
    browser = sign_up(base, "john")
    log_in(base, "john")
    with sessiond.Client(server.address, namespace="example-site", timeout=10) as client:
        principal = client.get(browser.session_cookie().value, touch=False).principal
        assert client.count(principal) == 2
        new = "another battery staple"
        browser.post("/password/", old_password=PASSWORD, new_password1=new, new_password2=new)
        assert client.count(principal) == 1
    assert "Hello, john" in browser.get("/")


@contextmanager
def asgi_site(server: Server, folder, **env: str):
    """The site under uvicorn, with the middleware that awaits."""
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SESSION", "DJANGO_"))},
        "SESSIOND_ADDR": server.address,
        "SESSIOND_NAMESPACE": "asgi-site",
        "SESSIOND_TIMEOUT": "10",
        "DATABASE": str(folder / "users.sqlite3"),
        "DEBUG": "0",
        "SESSION_MIDDLEWARE": "sessiond.django.middleware.SessionMiddleware",
        **env,
    }
    migrate(env)
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "demo.asgi:application"]
    with open(folder / "site.log", "ab") as log:
        process = subprocess.Popen(command, cwd=SITE, env=env, stdout=log, stderr=log)
    try:
        await_site(f"http://127.0.0.1:{port}", process, folder / "site.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_the_site_under_asgi(tmp_path):
    server = Server(tmp_path / "data").start()
    with asgi_site(server, tmp_path) as base:
        browser = sign_up(base, "ada")
        for n in range(3):
            assert browser.get("/async/") == f'{{"async_visits": {n + 1}}}'
        server.kill()
        server.start()
        browser = until_logged_in(browser, "ada")
        assert browser.get("/async/") == '{"async_visits": 4}'

        def put(n: int) -> None:
            browser.copy().post("/dictionary/", action="set", key=f"parallel-{n}", value=str(n))

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(put, range(64)))
        page = browser.get("/dictionary/")
        assert all(f"<td>parallel-{n}</td>" in page for n in range(64))
        stolen = browser.copy()
        browser.post("/log-out/", form_at="/")
        assert "Hello, visitor" in stolen.get("/")
    server.kill()
