"""SessionMiddleware under ASGI: the same as Django's, without a thread for what it saves."""

import asyncio
from unittest.mock import patch

import pytest
import sessions_tests.tests as django_tests
from calls import noted
from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangosSessionMiddleware
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, RequestFactory, override_settings

from sessiond.django import SessionStore
from sessiond.django.middleware import SessionMiddleware

OURS = override_settings(
    MIDDLEWARE=[
        "sessiond.django.middleware.SessionMiddleware"
        if path == "django.contrib.sessions.middleware.SessionMiddleware"
        else path
        for path in settings.MIDDLEWARE
    ]
)


class DjangosTestsUnderWsgi(django_tests.SessionMiddlewareTests):
    """Django's tests of its own middleware."""

    def setUp(self):
        patched = patch.object(django_tests, "SessionMiddleware", SessionMiddleware)
        patched.start()
        self.addCleanup(patched.stop)

    test_empty_session_saved = None


def visits(*addresses: str, save_every_request: bool = False) -> tuple[list[str], list]:
    async def run():
        browser = AsyncClient()
        for address in addresses[:-1]:
            await browser.get(address)
        with noted() as calls:
            return calls, await browser.get(addresses[-1])

    with OURS, override_settings(SESSION_SAVE_EVERY_REQUEST=save_every_request):
        calls, response = asyncio.run(run())
    return calls, response


def test_a_new_session_is_one_awaited_call():
    calls, response = visits("/avisit/?seen=1")
    assert calls == ["await CreateSession"]
    assert SessionStore(response.cookies["sessionid"].value)["seen"] == "1"
    assert response.headers["Vary"] == "Cookie"


def test_a_change_is_two_awaited_calls():
    calls, response = visits("/avisit/?seen=1", "/avisit/?seen=2")
    assert calls == ["await GetSession", "await UpdateSession"]
    assert response.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE


def test_reading_is_one_awaited_call():
    calls, response = visits("/avisit/?seen=1", "/avisit/")
    assert calls == ["await GetSession"]
    assert "sessionid" not in response.cookies


def test_saving_at_every_request_is_awaited_too():
    calls, response = visits("/avisit/?seen=1", "/avisit/", save_every_request=True)
    assert calls == ["await GetSession", "await TouchSession"]
    assert "sessionid" in response.cookies


def respond(view, session_key: str | None = None) -> HttpResponse:
    request = AsyncRequestFactory().get("/")
    if session_key:
        request.COOKIES[settings.SESSION_COOKIE_NAME] = session_key
    return asyncio.run(SessionMiddleware(view)(request))


def made() -> str:
    session = SessionStore()
    session["a"] = 1
    session.save()
    return session.session_key


@override_settings(SESSION_SAVE_EVERY_REQUEST=True)
def test_an_unknown_cookie_that_nobody_looks_at_is_answered_with_a_new_session():
    async def view(request):
        return HttpResponse()

    request = RequestFactory().get("/")
    request.COOKIES[settings.SESSION_COOKIE_NAME] = "unknown-key-unknown-key-unknown-"
    djangos = DjangosSessionMiddleware(lambda request: HttpResponse())(request)
    for response in (djangos, respond(view, "unknown-key-unknown-key-unknown-")):
        assert SessionStore().exists(response.cookies["sessionid"].value)


def test_nothing_is_saved_after_a_failure_of_the_site():
    key = made()

    async def view(request):
        await request.session.aset("a", 2)
        return HttpResponse(status=500)

    assert "sessionid" not in respond(view, key).cookies
    assert SessionStore(key)["a"] == 1


def test_a_session_that_was_ended_meanwhile():
    key = made()

    async def view(request):
        await request.session.aset("a", 2)
        SessionStore(key).delete()
        return HttpResponse()

    with pytest.raises(SessionInterrupted):
        respond(view, key)


def test_a_session_that_is_flushed_loses_its_cookie():
    key = made()

    async def view(request):
        await request.session.aflush()
        return HttpResponse()

    assert respond(view, key).cookies["sessionid"]["max-age"] == 0
    assert not SessionStore().exists(key)


def test_a_session_that_ends_at_once():
    async def view(request):
        await request.session.aset_expiry(-1)
        return HttpResponse()

    response = respond(view, made())
    assert not SessionStore().exists(response.cookies["sessionid"].value)


def test_under_wsgi_it_is_djangos():
    def view(request):
        request.session["a"] = 1
        return HttpResponse()

    with noted() as calls:
        response = SessionMiddleware(view)(RequestFactory().get("/"))
    assert calls == ["CreateSession"]
    assert SessionStore(response.cookies["sessionid"].value)["a"] == 1
