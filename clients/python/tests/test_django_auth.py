"""Users by the session's principal: who logs in at another service is logged in at the site too."""

import asyncio
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.http import JsonResponse
from django.test import AsyncClient as AsyncBrowser
from django.test import Client, override_settings
from django.urls import path
from site_urls import urlpatterns as pages

import sessiond
from sessiond.django import SessionStore, end_all

MIDDLEWARE = [
    "sessiond.django.auth.AuthenticationMiddleware"
    if path == "django.contrib.auth.middleware.AuthenticationMiddleware"
    else path
    for path in settings.MIDDLEWARE
]


def who(request):
    return JsonResponse({"user": request.user.get_username(), "principal": request.session.principal})


async def awho(request):
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


class Urls:
    urlpatterns = [*pages, path("who/", who), path("awho/", awho)]


@pytest.fixture(autouse=True)
def shared():
    with override_settings(MIDDLEWARE=MIDDLEWARE, ROOT_URLCONF=Urls):
        yield


@pytest.fixture
def store(server):
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
    yield made
    end_all(made)
    made.delete()


def at(session_id: str) -> Client:
    browser = Client()
    browser.cookies["sessionid"] = session_id
    return browser


def seen(browser: Client) -> str:
    name = browser.get("/who/").json()["user"]

    async def aseen() -> str:
        other = AsyncBrowser()
        other.cookies["sessionid"] = browser.cookies["sessionid"].value
        return (await other.get("/awho/")).json()["user"]

    assert asyncio.run(aseen()) == name
    return name


def made_elsewhere(store: sessiond.Client, principal: str = "") -> str:
    timeout = timedelta(hours=1)
    return store.create({"cart": ["cup"]}, principal=principal, idle_timeout=timeout).session_id


def test_who_logged_in_elsewhere_is_logged_in_here(store, ada):
    session_id = made_elsewhere(store, str(ada.pk))
    browser = at(session_id)
    assert seen(browser) == "ada"
    assert browser.get("/account/devices/").status_code == 200
    # A change of the session's data leaves the principal alone.
    browser.get("/visit/?seen=1")
    assert store.get(session_id).principal == str(ada.pk)
    assert seen(browser) == "ada"


def test_nobody_is_logged_in_by_a_principal_that_is_no_user(store, ada):
    for principal in ("", "ada", "0", f" {ada.pk}", f"0{ada.pk}", "9" * 30, "sha256:" + "0" * 64):
        assert seen(at(made_elsewhere(store, principal))) == "", principal


def test_an_inactive_user_is_nobody(store, ada):
    browser = at(made_elsewhere(store, str(ada.pk)))
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert seen(browser) == ""


def test_a_log_in_here_is_the_principal_and_django_s_own(store, ada):
    browser = Client()
    browser.post("/log-in/", {"username": "ada", "password": "pw"})
    assert browser.get("/who/").json() == {"user": "ada", "principal": str(ada.pk)}
    # Django's hash of the password still counts.
    ada.set_password("another")
    ada.save()
    assert seen(browser) == ""


def test_a_log_in_elsewhere_replaces_the_user_who_logged_in_here(store, ada, eve):
    browser = Client()
    browser.post("/log-in/", {"username": "ada", "password": "pw"})
    rotated = store.rotate(browser.cookies["sessionid"].value, principal=str(eve.pk))
    assert seen(at(rotated.session_id)) == "eve"


def test_a_session_without_its_principal_is_nobody_s(store, ada):
    browser = Client()
    browser.post("/log-in/", {"username": "ada", "password": "pw"})
    store.update(browser.cookies["sessionid"].value, principal="")
    assert seen(browser) == ""


def test_a_log_in_here_keeps_the_visitor_s_session(store, ada):
    browser = at(made_elsewhere(store))
    browser.post("/log-in/", {"username": "ada", "password": "pw"})
    found = store.get(browser.cookies["sessionid"].value)
    assert (found.principal, found.attributes["cart"]) == (str(ada.pk), ["cup"])


def test_a_log_out_here_ends_the_session_of_all(store, ada):
    session_id = made_elsewhere(store, str(ada.pk))
    browser = at(session_id)
    browser.post("/log-out/")
    with pytest.raises(sessiond.SessionNotFound):
        store.get(session_id)


def test_the_principal_is_known_once_the_session_is_loaded(store, ada):
    session = SessionStore(made_elsewhere(store, "someone"))
    assert session.principal == ""
    assert session["cart"] == ["cup"]
    assert session.principal == "someone"
    session.flush()
    assert session.principal == ""


def test_the_check_of_the_order_knows_it():
    with override_settings(MIDDLEWARE=[MIDDLEWARE[2], *MIDDLEWARE[:2], *MIDDLEWARE[3:]]):
        assert "sessiond.E004" in [problem.id for problem in run_checks(tags=["sessiond"])]
    assert run_checks(tags=["sessiond"]) == []
