"""A user's sessions: functions, "your devices" as a page and as a tag, and the labels that tell devices apart."""

import asyncio
import gc
import re
import weakref
from importlib import import_module

import pytest
from calls import noted
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse
from django.test import AsyncClient as AsyncBrowser
from django.test import Client, RequestFactory, override_settings

import sessiond
from sessiond.django import (
    SessionStore,
    aend_all,
    aend_one,
    aend_others,
    asessions_of,
    end_all,
    end_one,
    end_others,
    labels,
    sessions_of,
)
from sessiond.django.middleware import LabelsMiddleware

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


@pytest.fixture
def ada():
    yield from user("ada")


@pytest.fixture
def eve():
    yield from user("eve")


def user(name: str):
    made = User.objects.create_user(name, password="pw")
    end_all(made)
    yield made
    end_all(made)
    made.delete()


def logged_in(name: str, agent: str = FIREFOX, **options) -> Client:
    browser = Client(headers={"user-agent": agent}, REMOTE_ADDR="192.0.2.7", **options)
    page = browser.post("/log-in/", {"username": name, "password": "pw"})
    assert page.status_code == 302
    return browser


def is_logged_in(browser: Client) -> bool:
    return browser.get("/account/devices/").status_code == 200


def request_of(browser: Client):
    request = RequestFactory().get("/")
    request.session = SessionStore(browser.cookies["sessionid"].value)
    return request


def handle_of(browser: Client) -> str:
    session = SessionStore(browser.cookies["sessionid"].value)
    session.load()
    session.get("x")
    return session.handle


# Functions


def test_sessions_of_a_user(ada, eve):
    browsers = [logged_in("ada"), logged_in("ada", IPHONE)]
    logged_in("eve")
    found = sessions_of(ada)
    assert [session.handle for session in found] == [handle_of(browser) for browser in reversed(browsers)]
    assert sessions_of(ada.pk) == found == asyncio.run(asessions_of(ada))
    assert sessions_of(AnonymousUser()) == sessions_of(None) == []


def test_end_others(ada, eve):
    mine, others, hers = logged_in("ada"), [logged_in("ada") for _ in range(3)], logged_in("eve")
    assert end_others(request_of(mine)) == 3
    assert is_logged_in(mine) and is_logged_in(hers)
    assert not any(map(is_logged_in, others))


def test_end_others_from_a_session_that_was_ended(ada):
    mine, other = logged_in("ada"), logged_in("ada")
    request = request_of(mine)
    request.session.get("x")
    SessionStore(request.session.session_key).delete()
    with pytest.raises(SessionInterrupted):
        end_others(request)
    assert is_logged_in(other)


def test_end_others_of_nobody():
    request = RequestFactory().get("/")
    request.session = SessionStore()
    assert end_others(request) == 0
    assert end_all(None) == end_all(AnonymousUser()) == 0


def test_end_all(ada, eve):
    browsers, hers = [logged_in("ada") for _ in range(3)], logged_in("eve")
    assert end_all(ada) == 3
    assert not any(map(is_logged_in, browsers))
    assert is_logged_in(hers)


def test_end_one_only_if_it_is_theirs(ada, eve):
    hers, mine = logged_in("eve"), logged_in("ada")
    assert end_one(ada, handle_of(hers)) is False
    assert end_one(ada, "no-handle") is False
    assert end_one(ada, "01890000-0000-7000-8000-000000000000") is False
    assert end_one(None, handle_of(hers)) is False
    assert is_logged_in(hers)
    assert end_one(ada, handle_of(mine)) is True
    assert not is_logged_in(mine)


def test_the_async_twins(ada):
    mine, others = logged_in("ada"), [logged_in("ada") for _ in range(2)]
    handle = handle_of(others[0])

    async def run():
        assert await aend_one(ada, "no-handle") is False
        assert await aend_one(ada, handle) is True
        assert await aend_others(request_of(mine)) == 1
        assert await aend_all(ada) == 1
        assert await aend_all(None) == 0

    asyncio.run(run())


def test_the_handle_names_the_session_for_its_whole_life():
    session = SessionStore()
    assert session.handle is None
    session["a"] = 1
    session.save()
    handle = session.handle
    session.cycle_key()
    again = SessionStore(session.session_key)
    assert again.handle is None, "nothing was loaded yet"
    again.get("a")
    assert again.handle == session.handle == handle
    again.flush()
    assert again.handle is None


# Labels


def test_labels_are_stored_with_the_log_in_and_cost_no_call(ada):
    browser = Client(headers={"user-agent": FIREFOX}, REMOTE_ADDR="192.0.2.7")
    browser.get("/visit/?seen=1")
    with noted() as calls:
        browser.post("/log-in/", {"username": "ada", "password": "pw"})
    assert calls == ["GetSession", "RotateSession", "UpdateSession"]
    assert sessions_of(ada)[0].labels == {"device": "Firefox on Linux", "address": "192.0.2.7"}


def test_labels_follow_the_device_that_logs_in(ada):
    browser = Client(headers={"user-agent": FIREFOX})
    browser.get("/visit/?seen=1")
    browser.post("/log-in/", {"username": "ada", "password": "pw"}, headers={"user-agent": IPHONE})
    assert sessions_of(ada)[0].labels["device"] == "Safari on iPhone"


def test_an_anonymous_session_has_labels_too(client):
    browser = Client(headers={"user-agent": IPHONE})
    browser.get("/visit/?seen=1")
    assert client.get(browser.cookies["sessionid"].value).labels == {
        "device": "Safari on iPhone",
        "address": "127.0.0.1",
    }


def test_other_requests_change_no_labels(client):
    browser = Client(headers={"user-agent": IPHONE})
    browser.get("/visit/?seen=1")
    browser.get("/visit/?seen=2", headers={"user-agent": FIREFOX})
    assert client.get(browser.cookies["sessionid"].value).labels["device"] == "Safari on iPhone"


def real_address(request):
    return request.headers.get("X-Real-IP")


def broken(request):
    raise ValueError("broken")


def test_labels_of_the_site(client, caplog):
    chosen = {"address": f"{__name__}.real_address", "device": None, "shop": lambda request: "ü" * 200, "bad": broken}
    with override_settings(SESSIOND={"LABELS": chosen}):
        browser = Client(headers={"user-agent": IPHONE, "X-Real-IP": "203.0.113.9"})
        browser.get("/visit/?seen=1")
    assert client.get(browser.cookies["sessionid"].value).labels == {"address": "203.0.113.9", "shop": "ü" * 128}
    assert "'bad' could not be computed" in caplog.text


def test_a_request_is_not_kept_alive_by_its_labels():
    seen = []

    def view(request):
        seen.append(weakref.ref(request))
        return HttpResponse()

    gc.disable()
    try:
        request = RequestFactory().get("/")
        request.session = SessionStore()
        LabelsMiddleware(view)(request)
        del request
        assert seen[0]() is None
    finally:
        gc.enable()


def test_labels_in_async_requests(ada):
    async def run():
        log_in = {"username": "ada", "password": "pw"}
        await AsyncBrowser().post("/log-in/", log_in, headers={"user-agent": FIREFOX})

    asyncio.run(run())
    assert sessions_of(ada)[0].labels["device"] == "Firefox on Linux"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            "Safari/537.36 Edg/126.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            "Safari/537.36",
            "Chrome on macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 "
            "Chrome/121.0.0.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 "
            "Mobile/15E148 Safari/604.1",
            "Chrome on iPad",
        ),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32", "Python"),
        ("MyApp/3.1 (build 7)", "MyApp"),
        ("", ""),
        ("/", ""),
    ],
)
def test_names_of_devices(agent, name):
    assert labels.device(RequestFactory().get("/", headers={"user-agent": agent})) == name


# The page


def test_the_page_shows_the_devices_and_marks_this_one(ada, eve):
    mine = logged_in("ada")
    logged_in("ada", IPHONE)
    logged_in("eve", "curl/8.5")
    page = mine.get("/account/devices/")
    text = page.content.decode()
    assert text.count("<li") == 2 and text.count("This device") == 1
    assert text.index("Firefox on Linux") < text.index("Safari on iPhone") and "curl" not in text
    assert "192.0.2.7" in text and "Log out all other devices" in text
    assert 'aria-current="true"' in text and 'lang="en-us"' in text
    assert mine.cookies["sessionid"].value not in text
    assert "no-store" in page.headers["Cache-Control"]


def test_a_single_device_has_no_button_for_others(ada):
    assert "Log out all other devices" not in logged_in("ada").get("/account/devices/").content.decode()


def test_the_page_needs_a_log_in():
    for call in (Client().get, Client().post):
        assert call("/account/devices/")["Location"] == "/log-in/?next=/account/devices/"


def test_end_one_on_the_page(ada):
    mine, other = logged_in("ada"), logged_in("ada", IPHONE)
    page = mine.post("/account/devices/", {"end": handle_of(other)}, follow=True)
    assert "The device was logged out." in page.content.decode()
    assert not is_logged_in(other) and is_logged_in(mine)


def test_end_the_others_on_the_page(ada):
    mine, others = logged_in("ada"), [logged_in("ada") for _ in range(2)]
    page = mine.post("/account/devices/", {"end_others": "1"}, follow=True)
    assert "2 other devices were logged out." in page.content.decode()
    assert not any(map(is_logged_in, others)) and is_logged_in(mine)


def test_end_this_one_on_the_page_is_a_log_out(ada):
    mine = logged_in("ada")
    response = mine.post("/account/devices/", {"end": handle_of(mine)})
    assert response["Location"] == "/log-in/"
    assert mine.cookies["sessionid"].value == ""
    assert sessions_of(ada) == []


def test_nobody_ends_the_session_of_another(ada, eve):
    mine, hers = logged_in("ada"), logged_in("eve")
    mine.post("/account/devices/", {"end": handle_of(hers)})
    assert is_logged_in(hers)


def test_a_post_needs_the_token(ada):
    mine, other = logged_in("ada", enforce_csrf_checks=False), logged_in("ada")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = mine.cookies
    assert strict.post("/account/devices/", {"end": handle_of(other)}).status_code == 403
    assert is_logged_in(other)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', strict.get("/account/devices/").content.decode())[1]
    strict.post("/account/devices/", {"end": handle_of(other), "csrfmiddlewaretoken": token})
    assert not is_logged_in(other)


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"])
def test_next_stays_on_the_site(ada, path):
    mine = logged_in("ada")
    assert mine.post("/account/devices/", {"next": path})["Location"] == "/account/devices/"
    assert mine.post("/account/devices/", {"next": "/visit/?x"})["Location"] == "/visit/?x"


def test_labels_are_escaped(ada):
    mine = logged_in("ada", "<script>alert(1)</script>")
    text = mine.get("/account/devices/").content.decode()
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_the_tag(ada):
    mine = logged_in("ada")
    logged_in("ada", IPHONE)
    text = mine.get("/tag/").content.decode()
    assert text.count("<li") == 2 and "This device" in text
    assert 'action="/account/devices/"' in text and 'name="next" value="/tag/"' in text
    assert "csrfmiddlewaretoken" in text
    assert "<li" not in Client().get("/tag/").content.decode()


def test_the_site_can_replace_the_template(ada, tmp_path):
    (tmp_path / "sessiond").mkdir()
    (tmp_path / "sessiond/devices.html").write_text("{% for d in devices %}[{{ d.device }}]{% endfor %}")
    from django.conf import settings

    with override_settings(TEMPLATES=[{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]):
        assert logged_in("ada").get("/account/devices/").content.decode() == "[Firefox on Linux]"


def test_without_the_app_the_engine_is_all_there():
    assert import_module("sessiond.django").SessionStore is SessionStore
