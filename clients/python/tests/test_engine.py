"""The Django engine beyond what Django's own tests ask: merging, races, expiry, principals, failures."""

import asyncio
import json
import logging
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone

import pytest
from calls import noted
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth import login as auth_login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from server import Server, free_port

import sessiond
from sessiond.django import SessionStore, conf
from sessiond.django.moving import SessionStore as MovingStore


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


def saved(**data) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def reloaded(session: SessionStore) -> SessionStore:
    return SessionStore(session.session_key)


def request_with(session: SessionStore):
    request = RequestFactory().get("/")
    request.COOKIES[settings.SESSION_COOKIE_NAME] = session.session_key
    return request


# Parallel requests


def test_changes_of_different_keys_both_survive():
    first = saved(a=1, b=1, c={"x": [1]})
    second = reloaded(first)
    second["b"] = 2
    second.pop("a")
    first["c"]["x"].append(2)
    first["d"] = 4
    first.save()
    second.save()
    assert dict(reloaded(first).items()) == {"b": 2, "c": {"x": [1, 2]}, "d": 4}


def test_parallel_requests_through_the_middleware():
    session = saved(start=True)
    loaded = threading.Barrier(8)

    def handle(n: int) -> None:
        def view(request):
            request.session.get("start")
            loaded.wait(10)
            request.session[f"k{n}"] = n
            return HttpResponse()

        SessionMiddleware(view)(request_with(session))

    threads = [threading.Thread(target=handle, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(reloaded(session).items()) == {"start": True, **{f"k{n}": n for n in range(8)}}


def test_unchanged_keys_are_not_sent(client):
    session = saved(a=(1, 2), b={"y": 1, "x": 2})
    before = client.get(session.session_key, touch=False)
    reloaded(session).save()
    session.save()
    after = client.get(session.session_key, touch=False)
    assert after.version == before.version
    assert after.attributes == {"a": [1, 2], "b": {"x": 2, "y": 1}}


def test_dictionaries_keep_their_order():
    session = saved(a={"z": 1, "b": {"y": [{"x": 1, "w": 2}], "c": 3}, 10: 4, 9: 5})
    expected = '{"z": 1, "b": {"y": [{"x": 1, "w": 2}], "c": 3}, "10": 4, "9": 5}'
    again = reloaded(session)
    assert json.dumps(again["a"]) == expected
    again["a"]["z"] = again["a"].pop("z")
    again.save()
    assert json.dumps(reloaded(session)["a"]) == '{"b": {"y": [{"x": 1, "w": 2}], "c": 3}, "10": 4, "9": 5, "z": 1}'


def test_what_python_can_not_hold_exactly_stays_as_it_was_stored(client):
    session = saved(a=1)
    # A Value of one second and 123,456,789 nanoseconds after 1970, as it is on the wire.
    exact = bytes.fromhex("3a07 0801 10959aef3a")
    request = {"session_id": session.session_key, "change": {"set_attributes": {"at": exact}}}
    client.plain("UpdateSession", request)
    again = reloaded(session)
    assert again["at"] == datetime(1970, 1, 1, 0, 0, 1, 123456, timezone.utc)
    again["a"] = 2
    again.save()
    read = client.plain("GetSession", {"session_id": session.session_key})["session"]
    assert read["attributes"]["at"] == exact


def test_save_slides_the_idle_timeout_and_load_does_not(client):
    session = saved(a=1)
    before = client.get(session.session_key, touch=False)
    while datetime.now(timezone.utc) < before.last_access_time + timedelta(milliseconds=1):
        pass
    reloaded(session).get("a")
    assert client.get(session.session_key, touch=False).last_access_time == before.last_access_time
    reloaded(session).save()
    assert client.get(session.session_key, touch=False).last_access_time > before.last_access_time


def test_clear_replaces_everything():
    first = saved(a=1)
    second = reloaded(first)
    second["b"] = 2
    second.save()
    first.clear()
    first["c"] = 3
    first.save()
    assert dict(reloaded(first).items()) == {"c": 3}


def test_clear_without_loading():
    first = reloaded(saved(a=1, **{SESSION_KEY: "1"}))
    first.clear()
    first["c"] = 3
    first.save()
    assert dict(reloaded(first).items()) == {"c": 3}


def test_load_beside_the_cache_does_not_disturb_the_difference():
    first = saved(a=1, b=1)
    second = reloaded(first)
    second["b"] = 2
    second.save()
    assert first.load() == {"a": 1, "b": 2}
    first["a"] = 3
    first.save()
    assert dict(reloaded(first).items()) == {"a": 3, "b": 2}


# Log out, key changes


def test_logout_racing_a_save_interrupts_it():
    session = saved(a=1)

    def view(request):
        request.session["a"] = 2
        reloaded(session).flush()
        return HttpResponse()

    with pytest.raises(SessionInterrupted):
        SessionMiddleware(view)(request_with(session))
    assert not session.exists(session.session_key)


def test_save_after_another_request_cycled_the_key():
    first = saved(a=1)
    second = reloaded(first)
    second["a"] = 2
    first.cycle_key()
    with pytest.raises(UpdateError):
        second.save()
    assert reloaded(first)["a"] == 1


def test_cycle_key_is_one_step_with_pending_changes(client):
    session = saved(a=1, b=1)
    before = client.get(session.session_key, touch=False)
    old_key = session.session_key
    parallel = reloaded(session)
    parallel["c"] = 3
    parallel.save()
    session["a"] = 2
    del session["b"]
    session[SESSION_KEY] = "7"
    session.modified = False
    session.cycle_key()
    assert session.modified
    assert not session.exists(old_key)
    after = client.get(session.session_key, touch=False)
    assert after.handle == before.handle
    assert after.principal == "7"
    assert after.attributes == {"a": 2, "c": 3, SESSION_KEY: "7"}
    assert after.create_time == before.create_time


def test_cycle_key_of_a_new_session():
    session = SessionStore()
    session["a"] = 1
    session.cycle_key()
    assert reloaded(session)["a"] == 1


def test_cycle_key_does_not_revive_a_logged_out_session():
    session = saved(**{SESSION_KEY: "7"})
    reloaded(session).flush()
    with pytest.raises(SessionInterrupted):
        session.cycle_key()


def test_two_log_ins_at_once_both_work():
    """A double click: the second finds the anonymous session gone, and goes on with a new one."""
    first = saved(cart=[1])
    second = reloaded(first)
    assert second["cart"] == [1]
    first.cycle_key()
    second.cycle_key()
    assert first.session_key != second.session_key
    assert reloaded(first)["cart"] == reloaded(second)["cart"] == [1]


def test_cycle_key_with_a_key_that_no_server_knows():
    session = SessionStore("short-key")
    session.clear()
    session["a"] = 1
    session.cycle_key()
    assert session.session_key != "short-key"
    assert reloaded(session)["a"] == 1


def test_must_create_with_a_chosen_key():
    session = SessionStore("chosen-key-" * 3)
    session["a"] = 1
    assert session.session_key is None, "setting an item loads, and there is no such session"
    session._session_key = "chosen-key-" * 3
    session.save(must_create=True)
    assert session.session_key == "chosen-key-" * 3
    assert reloaded(session)["a"] == 1
    with pytest.raises(CreateError):
        reloaded(session).save(must_create=True)
    session.delete()


def test_session_that_is_emptied_is_saved():
    """Twin of Django's test_empty_session_saved, which reads the database engine's table."""
    session = saved(foo="bar")

    def view(request):
        del request.session["foo"]
        return HttpResponse()

    response = SessionMiddleware(view)(request_with(session))
    assert response.cookies[settings.SESSION_COOKIE_NAME].value == session.session_key
    assert reloaded(session).load() == {}
    assert session.exists(session.session_key)


# Expiry


def test_default_expiry_is_the_cookie_age(client):
    read = client.get(saved(a=1).session_key, touch=False)
    assert read.idle_timeout == timedelta(seconds=settings.SESSION_COOKIE_AGE)
    assert read.absolute_expire_time is None


def test_seconds_are_an_idle_timeout(client):
    session = SessionStore()
    session.set_expiry(300)
    session.save()
    assert client.get(session.session_key, touch=False).idle_timeout == timedelta(seconds=300)
    session.set_expiry(None)
    session.save()
    assert client.get(session.session_key, touch=False).idle_timeout.total_seconds() == settings.SESSION_COOKIE_AGE


def test_browser_close_keeps_the_cookie_age_in_the_store(client):
    session = SessionStore()
    session.set_expiry(0)
    session.save()
    assert session.get_expire_at_browser_close()
    assert client.get(session.session_key, touch=False).idle_timeout.total_seconds() == settings.SESSION_COOKIE_AGE


@override_settings(USE_TZ=True)
@pytest.mark.parametrize("days", [1, 30, 20_000])
def test_moments_are_absolute(client, days):
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)
    session = SessionStore()
    session.set_expiry(end)
    session.save()
    read = client.get(session.session_key, touch=False)
    if days > 3650:
        assert timedelta(days=3649) < read.absolute_expire_time - read.create_time <= timedelta(days=3650)
    else:
        assert read.expire_time == read.absolute_expire_time == end
    # Saved again, it ends at the same moment, and nothing is rewritten.
    again = reloaded(session)
    again.modified = True
    again.save()
    assert client.get(session.session_key, touch=False).version == read.version


def test_timedelta_without_time_zones(client):
    session = SessionStore()
    session.set_expiry(timedelta(hours=2))
    session.save()
    left = client.get(session.session_key, touch=False).expire_time - datetime.now(timezone.utc)
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)


def test_session_ends_in_the_store_at_its_idle_timeout():
    session = SessionStore()
    session.set_expiry(1)
    session.save()
    assert session.exists(session.session_key)
    deadline = time.monotonic() + 5
    while session.exists(session.session_key):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(UpdateError):
        session.save()


@pytest.mark.parametrize("expiry", [-1, timedelta(seconds=-1)])
def test_past_expiry_is_no_error_and_the_session_is_gone(expiry):
    session = saved(a=1)
    session.set_expiry(expiry)
    session.save()
    assert not session.exists(session.session_key)
    session.save()
    fresh = SessionStore()
    fresh.set_expiry(expiry)
    fresh.save()
    fresh.save()
    assert fresh.session_key
    assert not fresh.exists(fresh.session_key)
    cycled = saved(a=1)
    old_key = cycled.session_key
    cycled.set_expiry(expiry)
    cycled.cycle_key()
    assert not cycled.exists(old_key)
    assert not cycled.exists(cycled.session_key)
    gone = saved(a=1)
    reloaded(gone).delete()
    gone.set_expiry(expiry)
    with pytest.raises(UpdateError):
        gone.save()


def test_expiry_of_a_parallel_request_survives(client):
    first = saved(a=1)
    second = reloaded(first)
    second["b"] = 2
    first.set_expiry(60)
    first.save()
    second.save()
    assert client.get(first.session_key, touch=False).idle_timeout == timedelta(seconds=60)


@override_settings(SESSION_COOKIE_AGE=10**10)
def test_cookie_age_beyond_the_bound_of_the_store(client):
    assert client.get(saved(a=1).session_key, touch=False).idle_timeout == timedelta(days=3650)


# Principal


def test_principal_follows_the_user(client):
    session = saved(a=1)
    assert client.get(session.session_key, touch=False).principal == ""
    session[SESSION_KEY] = "42"
    session.save()
    assert client.get(session.session_key, touch=False).principal == "42"
    session["b"] = 1
    session.save()
    assert client.get(session.session_key, touch=False).principal == "42"
    del session[SESSION_KEY]
    session.save()
    assert client.get(session.session_key, touch=False).principal == ""


def test_principal_of_another_application_is_left_alone(client):
    session = saved(a=1)
    client.update(session.session_key, principal="from-express")
    session["b"] = 1
    session.save()
    assert client.get(session.session_key, touch=False).principal == "from-express"


def test_log_in_of_django_auth(client):
    user = User.objects.create_user("ada", password="pw")
    request = RequestFactory().get("/")
    request.session = saved(cart=[1])
    old_key = request.session.session_key
    auth_login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    read = client.get(request.session.session_key, touch=False)
    assert read.principal == str(user.pk)
    assert read.attributes["cart"] == [1]
    assert not request.session.exists(old_key)
    user.delete()


# Failures


@override_settings(SESSIOND_TIMEOUT=0.3)
def test_dead_and_hanging_store_are_told_quickly(own_server):
    with override_settings(SESSIOND_ADDR=own_server.address):
        session = saved(a=1)
        own_server.pause()
        assert_unavailable_quickly(session)
        own_server.resume()
        own_server.kill()
        assert_unavailable_quickly(session)


def assert_unavailable_quickly(session: SessionStore) -> None:
    for call in (session.save, session.cycle_key, session.flush, reloaded(session).load, SessionStore().create):
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable):
            call()
        assert time.monotonic() - start < 3


def test_session_survives_a_killed_server(tmp_path):
    server = Server(tmp_path / "data", f"127.0.0.1:{free_port()}").start()
    with override_settings(SESSIOND_ADDR=server.address, SESSIOND_TIMEOUT=5):
        session = saved(a=1)
        server.kill()
        server.start()
        with sessiond.Client(server.address, timeout=5) as client:
            assert client.get(session.session_key).attributes == {"a": 1}
    server.kill()


def test_namespace_setting(client):
    with override_settings(SESSIOND_NAMESPACE="shop"):
        session = saved(a=1)
        assert reloaded(session).load() == {"a": 1}
    assert reloaded(session).load() == {}


def test_settings_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("SESSIOND_ADDR", server.address)
    monkeypatch.setenv("SESSIOND_NAMESPACE", "from-env")
    monkeypatch.setenv("SESSIOND_TIMEOUT", "2.5")
    with override_settings(SESSIOND_ADDR=None, SESSIOND_TIMEOUT=None):
        assert conf.client().timeout == 2.5
        session = saved(a=1)
    with sessiond.Client(server.address, namespace="from-env") as client:
        assert client.get(session.session_key).attributes == {"a": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"SESSIOND_ADDR": "nonsense"},
        {"SESSIOND_ADDR": ["a:1", "b:2"]},
        {"SESSIOND_TIMEOUT": "soon"},
        {"SESSIOND_TIMEOUT": -1},
        {"SESSIOND_TIMEOUT": float("nan")},
        {"SESSIOND_TIMEOUT": [1]},
    ],
)
def test_bad_settings_are_named(wrong):
    with override_settings(**wrong), pytest.raises(ImproperlyConfigured, match="SESSIOND_"):
        SessionStore().create()


def test_no_key_in_logs_and_errors(caplog, server):
    caplog.set_level(logging.DEBUG)
    session = saved(a=1)
    key = session.session_key
    reloaded(session).flush()
    session["a"] = 2
    with pytest.raises(UpdateError) as caught:
        session.save()
    assert key not in str(caught.value) + repr(session) + caplog.text + server.log()


@override_settings(SESSIOND_TIMEOUT=0.3)
def test_no_key_in_the_local_variables_of_a_traceback():
    session = saved(a=1)
    key = session.session_key
    calls = [
        session.save,
        session.cycle_key,
        session.flush,
        lambda: SessionStore(key).load(),
        lambda: SessionStore().exists(key),
        lambda: SessionStore().delete(key),
        lambda: SessionStore(key).save(must_create=True),
    ]
    with override_settings(SESSIOND_ADDR="127.0.0.1:1"):
        for call in calls:
            with pytest.raises(sessiond.StoreUnavailable) as caught:
                call()
            stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            frames = [frame for frame in stack if "/sessiond/" in frame.filename]
            assert len(frames) > 1
            assert key not in str([frame.locals for frame in frames])


@override_settings(SESSIOND_TIMEOUT=0.3)
@pytest.mark.parametrize("engine", [SessionStore, MovingStore])
def test_no_key_in_the_local_variables_of_an_async_traceback(engine):
    session = saved(a=1)
    key = session.session_key
    moving = {"FALLBACK_ENGINE": "django.contrib.sessions.backends.cache", "ADDRESS": "127.0.0.1:1"}
    with override_settings(SESSIOND=moving):
        for call in (
            lambda: engine(key).aload(),
            lambda: engine(key).aexists(key),
            lambda: engine(key).adelete(key),
            lambda: engine(key).asave(must_create=True),
            lambda: engine(key).acycle_key(),
        ):
            with pytest.raises(sessiond.StoreUnavailable) as caught:
                asyncio.run(call())
            stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            frames = [frame for frame in stack if "/sessiond/" in frame.filename]
            assert len(frames) > 1
            assert key not in str([frame.locals for frame in frames])


# Async


async def _through_the_async_twins() -> dict:
    session = SessionStore()
    await session.aset("a", 1)
    await session.asave()
    key = session.session_key
    again = SessionStore(key)
    assert await again.aget("a") == 1
    await again.aset(SESSION_KEY, "7")
    await again.acycle_key()
    assert not await again.aexists(key)
    await again.aset_expiry(60)
    await again.asave()
    assert await again.aget_expiry_age() == 60
    kept = await SessionStore(again.session_key).aload()
    await again.aflush()
    assert again.session_key is None
    await again.acreate()
    await again.adelete()
    await SessionStore.aclear_expired()
    return kept


def test_async_twins_in_several_event_loops():
    for _ in range(3):
        assert asyncio.run(_through_the_async_twins()) == {"a": 1, SESSION_KEY: "7", "_session_expiry": 60}


def test_async_twins_await_their_calls():
    with noted() as calls:
        asyncio.run(_through_the_async_twins())
    assert calls and all(call.startswith("await ") for call in calls)


def test_a_load_that_is_cancelled_leaves_others_alone():
    key = saved(a=1).session_key

    async def run() -> list:
        loads = [asyncio.create_task(SessionStore(key).aload()) for _ in range(50)]
        await asyncio.sleep(0)
        for load in loads[::2]:
            load.cancel()
        return await asyncio.gather(*loads, return_exceptions=True)

    results = asyncio.run(run())
    assert results[1::2] == [{"a": 1}] * 25
    assert all(isinstance(result, asyncio.CancelledError) or result == {"a": 1} for result in results[::2])


def test_async_requests_run_side_by_side():
    async def run() -> list[dict]:
        return await asyncio.gather(*(_through_the_async_twins() for _ in range(10)))

    assert len(asyncio.run(run())) == 10
