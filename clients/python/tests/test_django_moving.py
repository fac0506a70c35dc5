"""Moving from Django's other engines: the engine that falls through to the one before, and the command that copies."""

import asyncio
import io
import threading
import time
from datetime import datetime, timedelta, timezone
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache as cache_engine
from django.contrib.sessions.backends import cached_db as cached_db_engine
from django.contrib.sessions.backends import db as db_engine
from django.contrib.sessions.backends import file as file_engine
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

import sessiond
from sessiond.django import SessionStore, end_all, migrate
from sessiond.django.moving import SessionStore as MovingStore

ENGINES = {
    "db": "django.contrib.sessions.backends.db",
    "cached_db": "django.contrib.sessions.backends.cached_db",
    "cache": "django.contrib.sessions.backends.cache",
    "file": "django.contrib.sessions.backends.file",
}


@pytest.fixture
def client(server):
    with sessiond.Client(server.address, timeout=10) as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """Of the file engine, which remembers its folder."""
    with override_settings(SESSION_FILE_PATH=str(tmp_path)):
        vars(file_engine.SessionStore).get("_storage_path") and delattr(file_engine.SessionStore, "_storage_path")
        yield tmp_path
    vars(file_engine.SessionStore).get("_storage_path") and delattr(file_engine.SessionStore, "_storage_path")
    Session.objects.all().delete()


@pytest.fixture(params=ENGINES)
def engine(request):
    with override_settings(SESSIOND={"FALLBACK_ENGINE": ENGINES[request.param]}):
        yield ENGINES[request.param]


def old(engine: str, **data):
    session = import_module(engine).SessionStore()
    session.update(data)
    session.save()
    return session


def is_there(engine: str, key: str) -> bool:
    return import_module(engine).SessionStore().exists(key)


# The engine that falls through


def test_a_session_is_moved_at_its_first_use(client, engine):
    key = old(engine, cart=[1], _auth_user_id="7").session_key
    session = MovingStore(key)
    assert session["cart"] == [1]
    assert session.session_key == key
    assert not is_there(engine, key)
    stored = client.get(key, touch=False)
    assert stored.attributes == {"_auth_user_id": "7", "cart": [1]} and stored.principal == "7"
    session["cart"].append(2)
    session.save()
    assert SessionStore(key)["cart"] == MovingStore(key)["cart"] == [1, 2]


def test_the_same_in_async_code(engine):
    key = old(engine, cart=[1]).session_key

    async def run():
        session = MovingStore(key)
        assert await session.aexists(key)
        assert await session.aget("cart") == [1]
        await session.aset("b", 1)
        await session.asave()
        await session.acycle_key()
        assert not await MovingStore().aexists(key)
        await session.aflush()

    asyncio.run(run())
    assert not is_there(engine, key)


def test_a_session_that_nobody_knows(engine):
    session = MovingStore("unknown-key-unknown-key-unknown-")
    assert session.load() == {}
    assert session.session_key is None
    assert MovingStore().exists("unknown-key-unknown-key-unknown-") is False
    with pytest.raises(UpdateError):
        blind = MovingStore("unknown-key-unknown-key-unknown-")
        blind.clear()
        blind.save()


def test_a_log_out_is_final(engine):
    key = old(engine, a=1).session_key
    session = MovingStore(key)
    session.get("a")
    session.flush()
    assert MovingStore(key).load() == {}


def test_a_log_out_before_the_move_is_final(engine):
    key = old(engine, a=1).session_key
    MovingStore(key).flush()
    assert MovingStore(key).load() == {}
    assert not is_there(engine, key)


def test_cleared_without_being_loaded(engine):
    key = old(engine, a=1, b=2).session_key
    session = MovingStore(key)
    session.clear()
    session["c"] = 3
    session.save()
    assert MovingStore(key).load() == {"c": 3}
    other = old(engine, a=1).session_key
    session = MovingStore(other)
    session.clear()
    session.cycle_key()
    assert MovingStore(other).load() == {}


def test_cycle_key(engine):
    key = old(engine, a=1).session_key
    session = MovingStore(key)
    session.cycle_key()
    assert session.session_key != key
    assert MovingStore(key).load() == {}
    assert MovingStore(session.session_key).load() == {"a": 1}


@pytest.mark.parametrize("name", ["file", "cache"])
def test_parallel_requests_all_see_the_session(name):
    """The database of these tests is in memory, where threads don't see it."""
    with override_settings(SESSIOND={"FALLBACK_ENGINE": ENGINES[name]}):
        read_in_parallel(ENGINES[name])


def read_in_parallel(engine: str) -> None:
    for _ in range(10):
        key = old(engine, a=1).session_key
        start = threading.Barrier(6)
        seen = []

        def read(key=key, start=start, seen=seen):
            start.wait(10)
            seen.append(MovingStore(key).load())

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [{"a": 1}] * 6


@pytest.mark.parametrize("ends", [False, True])
def test_a_file_that_is_moved_while_it_is_read(monkeypatch, ends):
    """Another request moves the session, and perhaps logs out, after this one has read the file."""
    engine = ENGINES["file"]
    with override_settings(SESSIOND={"FALLBACK_ENGINE": engine}):
        key = old(engine, a=1).session_key
        load = file_engine.SessionStore.load

        def load_and_wait(session):
            data = load(session)
            monkeypatch.undo()
            fast = MovingStore(key)
            fast.get("a")
            if ends:
                fast.flush()
            return data

        monkeypatch.setattr(file_engine.SessionStore, "load", load_and_wait)
        assert MovingStore(key).load() == ({} if ends else {"a": 1})
        assert not is_there(engine, key)


def test_a_slow_move_does_not_bring_back_what_was_ended(engine, monkeypatch):
    """Another request moves the session and logs out while this one has read the old one and not yet made the new."""
    key = old(engine, a=1).session_key
    slow = MovingStore(key)
    find = slow._find

    def find_and_wait():
        found = find()
        fast = MovingStore(key)
        fast.get("a")
        fast.flush()
        return found

    monkeypatch.setattr(slow, "_find", find_and_wait)
    assert slow.load() == {}
    assert slow.session_key is None
    assert not SessionStore().exists(key)


def test_sessions_that_have_ended_stay_ended(engine):
    session = old(engine, a=1)
    session.set_expiry(-1)
    session.save()
    assert MovingStore(session.session_key).load() == {}


def test_nobody_is_logged_out_by_the_move():
    user = User.objects.create_user("ada", password="pw")
    with override_settings(SESSION_ENGINE=ENGINES["db"]):
        browser = Client()
        browser.post("/log-in/", {"username": "ada", "password": "pw"})
    key = browser.cookies["sessionid"].value
    with override_settings(SESSION_ENGINE="sessiond.django.moving", SESSIOND={"FALLBACK_ENGINE": ENGINES["db"]}):
        assert browser.get("/account/devices/").status_code == 200
        assert browser.cookies["sessionid"].value == key
        browser.post("/log-out/")
        assert browser.get("/account/devices/").status_code == 302
    end_all(user)
    user.delete()


# What is left of a session's time


def test_the_time_that_is_left_is_kept(client):
    session = old(ENGINES["db"], a=1)
    left = timedelta(hours=5)
    Session.objects.filter(session_key=session.session_key).update(expire_date=datetime.now() + left)
    with override_settings(SESSIOND={"FALLBACK_ENGINE": ENGINES["db"]}):
        MovingStore(session.session_key).get("a")
    stored = client.get(session.session_key, touch=False)
    assert stored.idle_timeout == timedelta(days=14)
    assert abs(stored.expire_time - datetime.now(timezone.utc) - left) < timedelta(seconds=10)


@pytest.mark.parametrize("expiry", [300, timedelta(days=3), 0])
def test_chosen_expiries_are_kept(client, expiry):
    session = import_module(ENGINES["db"]).SessionStore()
    session.set_expiry(expiry)
    session.save()
    call_command("sessiond", "migrate", "--from", ENGINES["db"], stdout=io.StringIO(), stderr=io.StringIO())
    stored = client.get(session.session_key, touch=False)
    moved = SessionStore(session.session_key)
    assert moved.get_expire_at_browser_close() is (expiry == 0)
    expected = {300: timedelta(minutes=5), 0: timedelta(days=14)}.get(expiry, expiry)
    assert abs(stored.expire_time - datetime.now(timezone.utc) - expected) < timedelta(seconds=10)
    assert (stored.absolute_expire_time is not None) is isinstance(expiry, timedelta)


# The command


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("sessiond", "migrate", *arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


@pytest.mark.parametrize("name", ["db", "cached_db", "file"])
def test_copy_all(client, name):
    engine = ENGINES[name]
    keys = [old(engine, n=n).session_key for n in range(migrate.BATCH + 20)]
    ended = old(engine, a=1)
    ended.set_expiry(-1)
    ended.save()
    count = len(keys)
    assert run("--from", engine, "--dry-run") == f"{count} to be copied"
    assert not SessionStore().exists(keys[0])
    assert run("--from", engine) == f"{count} copied"
    assert [SessionStore(key)["n"] for key in keys[::50]] == list(range(count))[::50]
    assert all(is_there(engine, key) for key in keys[:5])
    assert not SessionStore().exists(ended.session_key)
    # Once more: nothing is overwritten.
    changed = SessionStore(keys[0])
    changed["n"] = "changed"
    changed.save()
    assert run("--from", engine) == f"0 copied, {count} there already or ended"
    assert run("--from", engine, "--dry-run") == f"0 to be copied, {count} there already or ended"
    assert SessionStore(keys[0])["n"] == "changed"


def test_move_all():
    keys = [old(ENGINES["db"], n=n).session_key for n in range(5)]
    there = SessionStore(keys[0])
    there.clear()
    there._session_key = keys[0]
    there.save(must_create=True)
    assert run("--from", ENGINES["db"], "--move") == "4 copied, 1 there already or ended"
    assert Session.objects.count() == 0
    assert SessionStore(keys[1])["n"] == 1


@override_settings(SESSION_ENGINE="sessiond.django.moving", SESSIOND={"FALLBACK_ENGINE": ENGINES["db"]})
def test_with_the_moving_engine_it_always_moves():
    """What stayed behind could come back after a log out."""
    key = old(ENGINES["db"], a=1).session_key
    run("--from", ENGINES["db"])
    assert Session.objects.count() == 0
    MovingStore(key).flush()
    assert MovingStore(key).load() == {}


def test_what_can_not_be_read_is_counted():
    key = old(ENGINES["db"], a=1).session_key
    Session.objects.filter(session_key=key).update(session_data="nonsense")
    old(ENGINES["db"], a=1)
    assert run("--from", ENGINES["db"]) == "1 copied, 1 unreadable or empty"


def test_progress_is_told():
    for n in range(3):
        old(ENGINES["db"], n=n)
    progress = io.StringIO()
    call_command("sessiond", "migrate", "--from", ENGINES["db"], stdout=io.StringIO(), stderr=progress)
    assert "3 of 3 sessions" in progress.getvalue()


def test_engines_that_can_not_be_copied():
    for engine, says in (
        (ENGINES["cache"], 'FALLBACK_ENGINE"] = "django.contrib.sessions.backends.cache"'),
        ("django.contrib.sessions.backends.signed_cookies", "can't list"),
        ("no.such.engine", "is no session engine"),
        ("json", "is no session engine"),
        ("sessiond.django", "in the store already"),
    ):
        with pytest.raises(CommandError) as caught:
            run("--from", engine)
        assert says in str(caught.value)


def test_the_file_engine_keeps_its_files_in_order(folder):
    old(ENGINES["file"], a=1)
    ended = old(ENGINES["file"], a=1)
    ended.set_expiry(-1)
    ended.save()
    (folder / "sessionid").write_text("")
    (folder / "sessionidbroken").write_text("broken")
    (folder / "other").write_text("x")
    before = sorted(path.name for path in folder.iterdir())
    assert run("--from", ENGINES["file"]) == "1 copied, 1 unreadable or empty"
    assert sorted(path.name for path in folder.iterdir()) == before
    assert ended.session_key


def test_thousands_of_sessions_are_copied_quickly():
    store = db_engine.SessionStore()
    data = store.encode({"cart": [1, 2, 3]})
    end = datetime.now() + timedelta(days=1)
    rows = [Session(session_key=f"{n:032}", session_data=data, expire_date=end) for n in range(2_000)]
    Session.objects.bulk_create(rows)
    start = time.monotonic()
    assert run("--from", ENGINES["db"]) == "2000 copied"
    assert time.monotonic() - start < 60


def test_classes_are_those_of_django():
    assert migrate.store_class(ENGINES["cache"]) is cache_engine.SessionStore
    assert migrate.store_class(ENGINES["cached_db"]) is cached_db_engine.SessionStore
