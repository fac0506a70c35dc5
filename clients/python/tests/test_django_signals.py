"""Signals of what happens to sessions: all of it, once, and after a restart from where it was."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from django.test import override_settings
from server import Server

import sessiond
from sessiond.django import SessionStore, conf, end_all, signals

NAMESPACE = "signal-tests"


@pytest.fixture(autouse=True)
def quick():
    with override_settings(SESSIOND_NAMESPACE=NAMESPACE):
        yield


@pytest.fixture
def heard():
    """What the signals said, as (signal, reason, handle)."""
    said = []
    receivers = {}
    for name in ("session_created", "session_ended", "session_expired"):

        def receive(sender, session, time, reason, name=name, **_):
            said.append((name, reason, session.handle))

        receivers[name] = receive
        getattr(signals, name).connect(receive)
    yield said
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(*arguments) -> signals.Dispatcher:
    """A dispatcher that the server has answered: what happens from now on is sent."""
    dispatcher = signals.start_dispatcher(*arguments)
    until(lambda: dispatcher._watch is not None and dispatcher._watch.resume_token)
    return dispatcher


def made(**data) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def test_made_ended_revoked_and_expired(heard):
    dispatcher = started()
    session = made(a=1)
    session["a"] = 2
    session.save()
    session.cycle_key()
    handle = session.handle
    session.flush()
    owned = made(_auth_user_id="42")
    end_all(42)
    short = SessionStore()
    short.set_expiry(0.05)
    short.save()
    until(lambda: len(heard) >= 6)
    dispatcher.stop()
    assert sorted(heard) == sorted(
        [
            ("session_created", "created", handle),
            ("session_ended", "deleted", handle),
            ("session_created", "created", owned.handle),
            ("session_ended", "revoked", owned.handle),
            ("session_created", "created", short.handle),
            ("session_expired", "expired", short.handle),
        ]
    )
    assert heard.index(("session_created", "created", handle)) < heard.index(("session_ended", "deleted", handle))


def test_what_a_receiver_gets():
    got = []

    def receive(**arguments):
        got.append(arguments)

    signals.session_ended.connect(receive)
    dispatcher = started()
    session = made(_auth_user_id="42")
    session.flush()
    until(lambda: got)
    dispatcher.stop()
    signals.session_ended.disconnect(receive)
    assert got[0]["sender"] == NAMESPACE
    assert got[0]["session"].principal == "42" and got[0]["session"].attributes is None
    assert got[0]["time"].tzinfo is not None
    assert got[0]["signal"] is signals.session_ended


def test_a_receiver_that_fails_keeps_nobody_else_from_it(heard, caplog):
    def fail(**_):
        raise ValueError("receiver is broken")

    signals.session_created.connect(fail)
    dispatcher = started()
    made(a=1)
    made(b=1)
    until(lambda: len(heard) == 2)
    dispatcher.stop()
    signals.session_created.disconnect(fail)
    assert "receiver is broken" in caplog.text


def test_it_goes_on_where_it_was(heard, tmp_path):
    file = tmp_path / "place"
    dispatcher = started(str(file))
    first = made(a=1)
    until(lambda: heard)
    dispatcher.stop()
    second = made(a=1)
    dispatcher = started(str(file))
    until(lambda: len(heard) == 2)
    dispatcher.stop()
    dispatcher = started(str(file))
    time.sleep(0.3)
    dispatcher.stop()
    assert [handle for _, _, handle in heard] == [first.handle, second.handle]
    assert list(tmp_path.iterdir()) == [file]


def test_the_place_is_noted_while_others_make_events(heard, tmp_path, monkeypatch):
    monkeypatch.setattr(signals, "_NOTE_QUIET_EVERY", 0.05)
    file = tmp_path / "place"
    dispatcher = started(str(file))
    until(file.exists)
    before = file.read_text()
    session = made(a=1)
    until(lambda: heard)
    until(lambda: file.read_text() != before)
    dispatcher.stop()
    assert session.handle


def test_a_place_that_is_none_is_an_error_in_the_log(heard, tmp_path, caplog):
    file = tmp_path / "place"
    file.write_text("nonsense")
    dispatcher = signals.start_dispatcher(str(file))
    until(lambda: "refused to be watched" in caplog.text)
    dispatcher.stop()


def test_events_that_are_gone_are_an_error_in_the_log_and_it_goes_on(heard, tmp_path, caplog):
    file = tmp_path / "place"
    server = Server(tmp_path / "data", settings=("--event-history-count", "1000", "--sweep-interval", "100ms")).start()
    with override_settings(SESSIOND_ADDR=server.address):
        dispatcher = started(str(file))
        made(a=1)
        until(lambda: heard)
        dispatcher.stop()
        for _ in range(1_500):
            made(a=1)
        # The sweeper forgets the oldest events, not at once.
        until(lambda: made(a=1) and is_gone(file.read_text()))
        heard.clear()
        dispatcher = started(str(file))
        until(lambda: "were missed" in caplog.text)
        until(lambda: made(a=1) and heard)
        dispatcher.stop()
    server.kill()


def is_gone(token: str) -> bool:
    try:
        with conf.client().watch(resume_token=token) as watch:
            next(watch)
    except sessiond.EventsGone:
        return True
    return False


def test_it_survives_a_server_that_is_killed(tmp_path, heard):
    server = Server(tmp_path / "data").start()
    with override_settings(SESSIOND_ADDR=server.address):
        dispatcher = started()
        first = made(a=1)
        until(lambda: len(heard) == 1)
        server.kill()
        server.start()
        second = made(a=1)
        until(lambda: len(heard) == 2)
        dispatcher.stop()
    server.kill()
    assert [handle for _, _, handle in heard] == [first.handle, second.handle]


def test_stop_before_the_server_answers():
    with override_settings(SESSIOND_ADDR="127.0.0.1:1"):
        dispatcher = signals.start_dispatcher()
        time.sleep(0.2)
        start = time.monotonic()
        dispatcher.stop()
        assert time.monotonic() - start < 4
    assert not [thread for thread in threading.enumerate() if thread is dispatcher._thread]


RECEIVER = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="only-for-tests",
    SESSION_ENGINE="sessiond.django",
    SESSIOND={setting!r},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "sessiond.django"],
)
django.setup()
from django.core.management import call_command
from sessiond.django import signals
def receive(session, reason, **_):
    print(reason, session.handle, flush=True)
signals.session_created.connect(receive)
signals.session_ended.connect(receive)
call_command("sessiond", "watch")
"""


def watching(setting: dict) -> subprocess.Popen:
    command = [sys.executable, "-c", RECEIVER.format(setting=setting)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_command_in_a_process_of_its_own(server, tmp_path):
    setting = {"ADDRESS": server.address, "NAMESPACE": NAMESPACE, "WATCH_TOKEN_FILE": str(tmp_path / "place")}
    with sessiond.Client(server.address, timeout=10) as client:
        watchers = client.statistics().watchers
        process = watching(setting)
        assert "Watching sessions of" in process.stderr.readline()
        until(lambda: client.statistics().watchers > watchers)
    session = made(a=1)
    assert process.stdout.readline() == f"created {session.handle}\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    handle = session.handle
    session.flush()
    process = watching(setting)
    assert process.stdout.readline() == f"deleted {handle}\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
