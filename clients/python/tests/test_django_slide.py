"""What a request costs in calls, and what slides a session: saves, or reads too with SLIDE_ON_READ."""

import time

import pytest
from calls import noted
from django.test import AsyncClient as Browser
from django.test import Client, override_settings

import sessiond
from sessiond.django import SessionStore

EVERY = override_settings(SESSION_SAVE_EVERY_REQUEST=True)
SLIDING = override_settings(SESSIOND={"SLIDE_ON_READ": True}, SESSION_SAVE_EVERY_REQUEST=True)


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


@pytest.fixture
def visitor():
    browser = Client()
    browser.get("/visit/?seen=1")
    return browser


def last_access(client, browser):
    time.sleep(0.002)
    return client.get(browser.cookies["sessionid"].value, touch=False).last_access_time


def test_a_request_that_only_reads_is_one_call(visitor):
    with noted() as calls:
        assert visitor.get("/visit/").json() == {"seen": "1"}
    assert calls == ["GetSession"]


def test_a_request_that_changes_something_is_two_calls(visitor):
    with noted() as calls:
        visitor.get("/visit/?seen=2")
    assert calls == ["GetSession", "UpdateSession"]


def test_a_request_without_a_session_is_no_call():
    with noted() as calls:
        Client().get("/visit/")
    assert calls == []


def test_reading_does_not_slide(client, visitor):
    before = last_access(client, visitor)
    visitor.get("/visit/")
    assert last_access(client, visitor) == before


@EVERY
def test_saving_at_every_request_is_one_cheap_call_more(client, visitor):
    before = last_access(client, visitor)
    with noted() as calls:
        visitor.get("/visit/")
    assert calls == ["GetSession", "TouchSession"]
    assert last_access(client, visitor) > before


@SLIDING
def test_with_slide_on_read_the_read_is_enough(client, visitor):
    before = last_access(client, visitor)
    with noted() as calls:
        response = visitor.get("/visit/")
    assert calls == ["GetSession"]
    assert response.cookies["sessionid"]["max-age"] == 1209600
    assert last_access(client, visitor) > before


@SLIDING
def test_with_slide_on_read_changes_are_saved_as_ever(client, visitor):
    with noted() as calls:
        visitor.get("/visit/?seen=2")
    assert calls == ["GetSession", "UpdateSession"]
    assert visitor.get("/visit/").json() == {"seen": "2"}


@SLIDING
def test_one_read_pays_for_one_save(visitor):
    session = SessionStore(visitor.cookies["sessionid"].value)
    with noted() as calls:
        session.get("seen")
        session.save()
        session.save()
        session["seen"] = "3"
        session.save()
        session.save()
    assert calls == ["GetSession", "TouchSession", "UpdateSession", "TouchSession"]


@EVERY
def test_a_touch_of_an_ended_session_interrupts_the_request(visitor):
    session = SessionStore(visitor.cookies["sessionid"].value)
    session.get("seen")
    SessionStore(session.session_key).flush()
    from django.contrib.sessions.backends.base import UpdateError

    with pytest.raises(UpdateError):
        session.save()


def test_async_views_await_their_calls():
    import asyncio

    async def run():
        browser = Browser()
        await browser.get("/visit/?seen=1")
        with noted() as calls:
            response = await browser.get("/avisit/")
        return calls, response.json()

    assert asyncio.run(run()) == (["await GetSession"], {"seen": "1"})
