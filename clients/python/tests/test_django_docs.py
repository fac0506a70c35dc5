"""The quick starts of docs/django.md work as they stand there."""

import io
import re
from datetime import timedelta

import pytest
import sites
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.http import HttpRequest
from django.test import Client, override_settings

import sessiond
from sessiond.django import SessionStore, end_all, sessions_of, signals

PAGE = (sites.PYTHON_CLIENT / "docs" / "django.md").read_text()
BASE_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin", "django.contrib.messages"]


def section(title: str) -> str:
    found = re.search(rf"^##+ {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def blocks(title: str, language: str, first_line: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n({re.escape(first_line)}.*?)^```", section(title), re.MULTILINE | re.DOTALL)


def setting(code: str) -> dict:
    """What settings.py has after a block."""
    names = {
        "INSTALLED_APPS": list(BASE_APPS),
        "MIDDLEWARE": [path for path in settings.MIDDLEWARE if not path.startswith("sessiond")],
    }
    exec(code, names)
    return {name: value for name, value in names.items() if name.isupper()}


class Urls:
    """A module urls.py that has a log in, and what a block adds."""

    def __init__(self, code: str):
        import site_urls

        names = {"urlpatterns": [path for path in site_urls.urlpatterns if "account" not in str(path.pattern)]}
        exec(code, names)
        self.urlpatterns = names["urlpatterns"]


def site(title: str, number: int = 0):
    """The settings of a section's site."""
    changed = setting(blocks(title, "python", "# settings.py")[number])
    urls = blocks(title, "python", "# urls.py")
    if urls:
        changed["ROOT_URLCONF"] = Urls(urls[number])
    return override_settings(**changed)


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", password="pw")
    yield user
    end_all(user)
    user.delete()


def log_in(**options) -> Client:
    browser = Client(**options)
    browser.post("/log-in/", {"username": "ada", "password": "pw"}, secure=True)
    return browser


def test_quick_start():
    with site("Quick start"):
        browser = Client()
        browser.get("/visit/?seen=1")
        assert browser.get("/visit/").json() == {"seen": "1"}
        assert run_checks(tags=["sessiond"]) == []


def test_settings_name_every_key():
    from sessiond.django import conf

    documented = set(re.findall(r"`([A-Z_]+)`", section("Settings")))
    assert set(conf._READERS) <= documented
    with override_settings(**setting(blocks("Settings", "python", "# settings.py")[0])):
        assert conf.client().namespace == "shop"


def test_shared_log_in(server, ada):
    with site("Shared log in"), sessiond.Client(server.address, timeout=10) as store:
        made = store.create({}, principal=str(ada.pk), idle_timeout=timedelta(hours=1))
        browser = Client()
        browser.cookies["sessionid"] = made.session_id
        browser.post("/password/", {"old_password": "pw", "new_password1": "a new one!", "new_password2": "a new one!"})
        ada.refresh_from_db()
        assert ada.check_password("a new one!")
        assert run_checks(tags=["sessiond"]) == []


def test_every_check_is_described():
    source = (sites.PYTHON_CLIENT / "src/sessiond/django/checks.py").read_text()
    assert set(re.findall(r"sessiond\.[EW]\d+", source)) == set(re.findall(r"sessiond\.[EW]\d+", section("Checks")))


def test_reads_that_slide():
    with site("Settings", 1):
        browser = Client()
        browser.get("/visit/?seen=1")
        assert "sessionid" in browser.get("/visit/").cookies


def test_tls(asking_server, certificates):
    code = blocks("Settings", "python", "# settings.py")[2]
    code = code.replace("https://sessions.internal:50051", asking_server.address).replace("sessiond-ca.pem", "ca.pem")
    with override_settings(**setting(code.replace("/etc/shop", str(certificates.folder)))):
        browser = Client()
        browser.get("/visit/?seen=1")
        assert browser.get("/visit/").json() == {"seen": "1"}


def test_async():
    with site("Async"):
        assert settings.MIDDLEWARE[0] == "sessiond.django.middleware.SessionMiddleware"
        browser = Client()
        browser.get("/visit/?seen=1")
        assert browser.get("/visit/").json() == {"seen": "1"}


def test_your_devices(ada):
    with site("Your devices"):
        browser = log_in(headers={"user-agent": "curl/8"})
        assert "curl" in browser.get("/account/devices/").content.decode()
        [code] = blocks("Your devices", "python", "from sessiond.django import")
        names: dict = {}
        exec(code, names)
        assert names["is_logged_in"](ada)
        assert names["lock_out"](ada) == 1
        assert not names["is_logged_in"](ada)


def test_labels_of_your_own():
    [code] = [code for code in blocks("Your devices", "python", "# settings.py") if "LABELS" in code]
    assert setting(code)["SESSIOND"]["LABELS"].keys() == {"address", "country"}


def test_the_tag():
    assert blocks("Your devices", "html") == ["{% load sessiond %}\n{% sessiond_devices %}\n"]


def test_every_function_is_described():
    import sessiond.django

    names = {name for name in sessiond.django.__all__ if not name.startswith("a") and name != "SessionStore"}
    assert names == set(re.findall(r"^\| `(\w+)\(", section("Your devices"), re.MULTILINE))


def test_passwords(ada):
    with site("Passwords"):
        log_in()
        ada.set_password("new")
        ada.save()
        assert sessions_of(ada) == []


def test_hand_off(ada):
    title = "Hand-off to another domain"
    hosts = override_settings(ALLOWED_HOSTS=["*"], LOGIN_REDIRECT_URL="/visit/")
    with hosts, site(title, 0):
        accounts = log_in(SERVER_NAME="accounts.example", SERVER_PORT="443")
    shop = Client(SERVER_NAME="shop.example", SERVER_PORT="443")
    with hosts, site(title, 1):
        assert settings.LOGIN_URL == "/handoff/redeem/"
        to_accounts = shop.get("/handoff/redeem/?next=/visit/", secure=True)["Location"]
    with hosts, site(title, 0):
        to_shop = accounts.get(to_accounts.removeprefix("https://accounts.example"), secure=True)["Location"]
    with hosts, site(title, 1):
        assert shop.get(to_shop.removeprefix("https://shop.example"), secure=True)["Location"] == "/visit/"
        request = HttpRequest()
        request.session = SessionStore(shop.cookies["sessionid"].value)
        from django.contrib.auth import get_user

        assert get_user(request) == ada


def test_signals(capsys):
    [code] = blocks("Signals", "python")
    names: dict = {}
    exec(code, names)
    from types import SimpleNamespace

    session = SimpleNamespace(principal="42", labels={"device": "curl"})
    for signal in (signals.session_created, signals.session_ended, signals.session_expired):
        signal.send("default", session=session, time="now", reason="created")
        assert signal.disconnect(names["note"])
    assert capsys.readouterr().out == "now created 42 curl\n" * 3


def test_commands(ada):
    for title in ("Commands", "Moving from another engine", "Signals"):
        for line in "".join(blocks(title, "sh")).splitlines():
            arguments = line.partition("#")[0].split()[2:]
            assert arguments[0] == "sessiond"
            if arguments[1] == "watch":
                continue
            arguments = [{"ENGINE": "django.contrib.sessions.backends.db"}.get(word, word) for word in arguments]
            if "HANDLE" in arguments:
                session = SessionStore()
                session.save()
                arguments[-1] = session.handle
            call_command(*arguments, stdout=io.StringIO(), stderr=io.StringIO())


def test_moving():
    from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

    session = DatabaseStore()
    session["seen"] = "before"
    session.save()
    with site("Moving from another engine"):
        browser = Client()
        browser.cookies["sessionid"] = session.session_key
        assert browser.get("/visit/").json() == {"seen": "before"}
        assert run_checks(tags=["sessiond"]) == []


def test_links_lead_somewhere():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
