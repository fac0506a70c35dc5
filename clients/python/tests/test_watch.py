"""Watches over both transports: what they yield, and how they go on when the server is away."""

import asyncio
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import transports
from server import Server, free_port

import sessiond
from sessiond import AsyncClient, Client, EventKind


@pytest.fixture
def client(server, transport):
    with Client(server.address, namespace=f"watch-{transport}", timeout=10) as running:
        yield running


def test_what_happens_to_a_session(client):
    with client.watch() as watch:
        created = client.create({"a": 1}, principal="user-1")
        client.update(created.session_id, set_attributes={"a": 2})
        rotated = client.rotate(created.session_id)
        client.delete(rotated.session_id)
        client.create(principal="user-2")
        client.revoke("user-2")
        events = [next(watch) for _ in range(6)]
    assert [event.kind for event in events] == [
        EventKind.CREATED,
        EventKind.UPDATED,
        EventKind.ROTATED,
        EventKind.DELETED,
        EventKind.CREATED,
        EventKind.REVOKED,
    ]
    assert {event.session.handle for event in events[:4]} == {created.session.handle}
    assert events[1].session.version == 2
    assert events[0].session.attributes is None
    assert abs(events[0].time - datetime.now(timezone.utc)) < timedelta(seconds=60)
    assert watch.resume_token == events[-1].resume_token
    assert list(watch) == []


def test_only_some_kinds_and_one_principal(client):
    with client.watch(kinds=[EventKind.DELETED, EventKind.CREATED], principal="me") as watch:
        client.create(principal="another")
        mine = client.create(principal="me")
        client.update(mine.session_id, set_attributes={"a": 1})
        client.delete(mine.session_id)
        assert [(next(watch).kind, next(watch).kind)] == [(EventKind.CREATED, EventKind.DELETED)]


def test_all_namespaces(client):
    other = client.with_namespace(f"another-{client.transport}")
    with client.watch(all_namespaces=True) as watch:
        handle = other.create().session.handle
        while (event := next(watch)).session.handle != handle:
            pass
        assert event.session.namespace == other.namespace


def test_it_goes_on_after_a_token(client):
    with client.watch() as watch:
        first = client.create().session.handle
        assert next(watch).session.handle == first
        token = watch.resume_token
    second = client.create().session.handle
    with client.watch(resume_token=token) as watch:
        assert next(watch).session.handle == second


def test_checkpoints_move_the_token_on(client):
    with client.watch(kinds=[EventKind.EXPIRED], checkpoint_interval=timedelta(milliseconds=100)) as watch:
        before = watch.resume_token
        assert before
        client.create()
        deadline = time.monotonic() + 10
        reader = threading.Thread(target=lambda: list(watch), daemon=True)
        reader.start()
        while watch.resume_token == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        watch.close()
        reader.join(10)
        assert not reader.is_alive()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"resume_token": "1041"}, "resume_token"),
        ({"kinds": [7]}, "kinds"),
        ({"checkpoint_interval": timedelta(milliseconds=1)}, "checkpoint_interval"),
        ({"principal": "p" * 257}, "principal"),
    ],
)
def test_what_the_server_refuses_ends_the_watch(client, arguments, field):
    watch = client.watch(**arguments)
    with pytest.raises(sessiond.InvalidArgument) as caught:
        next(watch)
    assert [name for name, _ in caught.value.violations] == [field]
    assert caught.value.__context__ is None
    assert next(watch, None) is None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"resume_token": 7}, "resume_token"),
        ({"kinds": ["created"]}, "kinds"),
        ({"kinds": 7}, "kinds"),
        ({"checkpoint_interval": 10}, "checkpoint_interval"),
    ],
)
def test_what_can_not_be_sent_is_told_at_once(client, arguments, field):
    with pytest.raises(sessiond.InvalidArgument, match=field):
        client.watch(**arguments)


def test_events_that_are_gone_are_told(tmp_path, transport):
    server = Server(tmp_path / "data", settings=("--event-history-count", "1000")).start()
    try:
        with Client(server.address, timeout=10) as client:
            with client.watch() as watch:
                token = watch.resume_token
            while True:
                for _ in range(1000):
                    client.create()
                watch = client.watch(resume_token=token)
                try:
                    next(watch)
                except sessiond.EventsGone as error:
                    assert error.code is sessiond.Code.OUT_OF_RANGE
                    break
                watch.close()
    finally:
        server.kill()


@pytest.mark.parametrize("is_reading", [True, False])
def test_close_from_another_thread_ends_the_loop(client, is_reading):
    watch = client.watch()
    seen, ready = [], threading.Event()

    def read():
        with watch:
            ready.set()
            seen.extend(watch)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert ready.wait(10)
    if is_reading:
        time.sleep(0.1)
    watch.close()
    reader.join(10)
    assert not reader.is_alive()
    assert seen == []
    watch.close()


def test_close_ends_the_wait_for_a_server_that_is_away(transport):
    with Client(f"127.0.0.1:{free_port()}") as client:
        watch = client.watch()
        reader = threading.Thread(target=lambda: list(watch), daemon=True)
        reader.start()
        time.sleep(0.5)
        assert reader.is_alive()
        watch.close()
        reader.join(10)
        assert not reader.is_alive()


def test_it_goes_on_over_kills_and_restarts_of_the_server(own_server, transport):
    """None is left out, and none comes twice."""
    made = []
    with Client(own_server.address, timeout=5) as client, client.watch(kinds=[EventKind.CREATED]) as watch:
        for turn in range(3):
            made += [client.create().session.handle for _ in range(20)]
            if turn == 1:
                # Some are read before, the others after the restart.
                seen = [next(watch).session.handle for _ in range(10)]
            own_server.kill()
            own_server.start()
            client.statistics()
        seen += [next(watch).session.handle for _ in range(len(made) - len(seen))]
        assert seen == made
        client.create()
        next(watch)


def test_a_watch_begins_when_the_server_does(tmp_path, transport):
    server = Server(tmp_path / "data")
    found = []
    with Client(server.address, timeout=5) as client:
        watch = client.watch()

        def read():
            with watch:
                ready.set()
                found.append(next(watch))

        ready = threading.Event()
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        time.sleep(0.3)
        server.start()
        try:
            assert ready.wait(20)
            handle = client.create().session.handle
            reader.join(20)
            assert [event.session.handle for event in found] == [handle]
        finally:
            server.kill()


def test_coroutines_watch_too(server, transport):
    async def main():
        async with AsyncClient(server.address, namespace=f"async-watch-{transport}", timeout=10) as client:
            async with client.watch(kinds=[EventKind.CREATED]) as watch:
                handles = [(await client.create()).session.handle for _ in range(20)]
                seen = []
                async for event in watch:
                    seen.append(event.session.handle)
                    if len(seen) == 20:
                        break
                assert seen == handles
                assert watch.resume_token
            assert [event async for event in watch] == []
            with pytest.raises(sessiond.InvalidArgument):
                await anext(client.watch(resume_token="1041"))

    transports.run(main)


def test_a_wait_for_an_event_that_is_cancelled_loses_none(server, transport):
    async def main():
        async with AsyncClient(server.address, namespace=f"cancelled-watch-{transport}", timeout=10) as client:
            async with client.watch() as watch:
                made, seen = [], []
                for n in range(30):
                    made.append((await client.create()).session.handle)
                    try:
                        seen.append((await asyncio.wait_for(anext(watch), timeout=n * 0.0001)).session.handle)
                    except asyncio.TimeoutError:
                        pass
                while len(seen) < len(made):
                    seen.append((await anext(watch)).session.handle)
                assert seen == made

    transports.run(main)


def test_a_watch_of_coroutines_is_closed_from_another_task(server, transport):
    async def main():
        async with AsyncClient(server.address, timeout=10) as client:
            async with client.watch(kinds=[EventKind.EXPIRED]) as watch:
                reading = asyncio.ensure_future(collect(watch))
                await asyncio.sleep(0.1)
                assert not reading.done()
                watch.close()
                assert await reading == []
        away = AsyncClient(f"127.0.0.1:{free_port()}").watch()
        reading = asyncio.ensure_future(collect(away))
        await asyncio.sleep(0.3)
        away.close()
        assert await reading == []

    async def collect(watch):
        return [event async for event in watch]

    transports.run(main)


def test_a_watch_of_coroutines_goes_on_over_a_restart(own_server, transport):
    async def main():
        async with AsyncClient(own_server.address, timeout=5) as client:
            async with client.watch(kinds=[EventKind.CREATED]) as watch:
                made = [(await client.create()).session.handle for _ in range(10)]
                seen = [(await anext(watch)).session.handle for _ in range(5)]
                own_server.kill()
                await asyncio.to_thread(own_server.start)
                made.append((await client.create()).session.handle)
                seen += [(await anext(watch)).session.handle for _ in range(6)]
                assert seen == made

    transports.run(main)


def test_last_attributes_come_where_the_namespace_keeps_them(tmp_path, transport):
    settings = tmp_path / "sessiond.toml"
    settings.write_text("[namespaces.kept]\nevent-attributes = true\n")
    server = Server(tmp_path / "data", settings=("--config", str(settings))).start()
    try:
        with Client(server.address, namespace="kept", timeout=10) as client:
            with client.watch(kinds=[EventKind.DELETED], include_attributes=True) as watch:
                client.delete(client.create({"cart": [1]}).session_id)
                assert next(watch).session.attributes == {"cart": [1]}
    finally:
        server.kill()
