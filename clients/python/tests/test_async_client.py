"""The client for coroutines: the same calls as the blocking one, and what only coroutines do."""

import asyncio
import gc
import inspect
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from datetime import timedelta

import pytest
import transports
from server import Server

import sessiond
from sessiond import AsyncClient, Client, Code

UNKNOWN = "an-unknown-session-id"


def test_it_has_the_methods_of_the_blocking_client_with_the_same_arguments():
    def signatures(kind):
        return {
            name: str(inspect.signature(member)).split(" -> ")[0]
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert signatures(AsyncClient) == signatures(Client)


def test_life_of_a_session(server, transport):
    async def main():
        async with AsyncClient(server.address, namespace=f"async-{transport}", timeout=10) as client:
            assert client.transport == transport
            created = await client.create({"n": 1}, principal="user-1", idle_timeout=timedelta(minutes=5))
            assert (await client.get(created.session_id)).attributes == {"n": 1}
            assert (await client.update(created.session_id, set_attributes={"n": 2})).version == 2
            assert (await client.touch(created.session_id)).version == 2
            rotated = await client.rotate(created.session_id, principal="user-2")
            with pytest.raises(sessiond.SessionNotFound) as caught:
                await client.get(created.session_id)
            assert caught.value.__context__ is None and caught.value.code is Code.NOT_FOUND
            assert created.session_id not in repr(client) + repr(created)
            assert await client.delete(rotated.session_id) is True
            assert await client.delete(rotated.session_id, allow_missing=True) is False

    transports.run(main)


def test_everything_else(server, transport):
    async def main():
        async with AsyncClient(server.address, namespace=f"async-more-{transport}", timeout=10) as client:
            ids = [(await client.create({"n": n}, principal="user")).session_id for n in range(5)]
            found = await client.get_many([ids[0], UNKNOWN])
            assert found[0].attributes == {"n": 0} and isinstance(found[1], sessiond.SessionNotFound)
            assert await client.get_many([]) == await client.delete_many([]) == []
            listed = [session async for session in client.list("user", page_size=2, with_attributes=True)]
            assert sorted(session.attributes["n"] for session in listed) == list(range(5))
            assert len((await client.list_page(page_size=3)).sessions) == 3
            assert await client.count("user") == 5
            token = await client.issue_csrf_token(ids[0])
            assert await client.verify_csrf_token(ids[0], token)
            ticket = (await client.issue_handoff(ids[0], "shop")).ticket
            assert (await client.redeem_handoff(ticket, "shop")).session.attributes == {"n": 0}
            assert await client.delete_many([ids[0], UNKNOWN]) == [True, False]
            assert await client.revoke_handles([listed[1].handle]) == 1
            assert await client.revoke("user", except_session_id=ids[1]) in (2, 3)
            assert await client.revoke_namespace() == await client.count() + 1
            assert await client.health() is True
            assert await client.health("no-such-service") is False
            assert (await client.statistics()).sessions >= 0
            other = client.with_namespace("x").with_timeout(2)
            assert (other.namespace, other.timeout) == ("x", 2)
            assert (await other.plain("CountSessions", {}))["count"] == 0

    transports.run(main)


def test_locks(server, transport):
    async def main():
        async with AsyncClient(server.address, timeout=10) as client:
            session_id = (await client.create({"n": 1})).session_id
            async with client.lock(session_id, with_session=True) as lock:
                assert lock.session.attributes == {"n": 1}
                assert lock.token not in repr(lock)
                with pytest.raises(sessiond.LockHeld):
                    await client.lock(session_id)
                waiting = asyncio.ensure_future(take(client, session_id))
                await lock.renew(timedelta(seconds=5))
            second = await waiting
            assert await second.unlock() is True
            assert await second.unlock() is False
            async with await client.lock(session_id) as third:
                assert third.session is None

    async def take(client, session_id):
        return await client.with_timeout(0.5).lock(session_id, wait=timedelta(seconds=10))

    transports.run(main)


def test_calls_go_on_beside_each_other(server, transport):
    """Each task reads its own session, and finds its own value."""

    async def main():
        async with AsyncClient(server.address, namespace=f"beside-{transport}", timeout=30) as client:
            ids = await asyncio.gather(*(make(client, n) for n in range(200)))
            read = await asyncio.gather(*(client.get(session_id) for session_id in ids * 5))
            assert [session.attributes["n"] for session in read] == list(range(200)) * 5

    async def make(client, n):
        return (await client.create({"n": n})).session_id

    transports.run(main)


def test_cancelled_calls_leave_no_trace(server, transport):
    """Calls are given up at every moment while others go on: nobody gets another's answer, and no task is left."""

    async def main():
        async with AsyncClient(server.address, namespace=f"cancel-{transport}", timeout=30) as client:
            ids = [(await client.create({"n": n})).session_id for n in range(50)]
            cancelled = 0

            async def hurried(n):
                nonlocal cancelled
                try:
                    session = await asyncio.wait_for(client.get(ids[n % 50]), timeout=n * 0.00002)
                    assert session.attributes["n"] == n % 50
                except asyncio.TimeoutError:
                    cancelled += 1

            async def patient(n):
                for turn in range(20):
                    session = await client.get(ids[(n + turn) % 50])
                    assert session.attributes["n"] == (n + turn) % 50

            await asyncio.gather(*(hurried(n) for n in range(400)), *(patient(n) for n in range(20)))
            assert cancelled > 0
            task = asyncio.ensure_future(client.get(ids[0]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.get(ids[7])).attributes["n"] == 7

    transports.run(main)


def test_one_loop_after_another(server, transport):
    client = AsyncClient(server.address, timeout=10)
    created = transports.run(lambda: client.create({"a": 1}))
    for _ in range(3):
        assert transports.run(lambda: client.get(created.session_id)).attributes == {"a": 1}
    transports.run(client.close)
    assert transports.run(lambda: client.get(created.session_id)).attributes == {"a": 1}
    transports.run(client.close)


def test_several_loops_at_a_time(server, transport):
    client = AsyncClient(server.address, timeout=30)
    ids = transports.run(lambda: all_created(client, 8))
    wrong = []

    async def read(n):
        for _ in range(50):
            session = await client.get(ids[n])
            if session.attributes["n"] != n:
                wrong.append(n)

    threads = [threading.Thread(target=transports.run, args=[lambda n=n: read(n)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    transports.run(client.close)


async def all_created(client, count):
    return [(await client.create({"n": n})).session_id for n in range(count)]


MANY_LOOPS = """
import asyncio, faulthandler, sys, threading
from sessiond import AsyncClient

# Says where it hangs, if it does.
faulthandler.dump_traceback_later(60, exit=True)
# Threads take turns after every few steps, within calls too.
sys.setswitchinterval(1e-6)
client = AsyncClient(sys.argv[1], timeout=30)

async def main():
    session_id = (await client.create()).session_id
    for _ in range(150):
        await asyncio.gather(*(client.get(session_id) for _ in range(5)))

threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


@pytest.mark.parametrize("choice", transports.NAMES)
def test_loops_of_threads_that_take_turns_within_calls(server, choice):
    transports.codec(choice)
    run = subprocess.run(
        [sys.executable, "-c", MANY_LOOPS, server.address],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SESSIOND_TRANSPORT": choice},
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr


def test_a_loop_that_ends_before_the_answer_harms_nobody(own_server, transport):
    client = AsyncClient(own_server.address, timeout=3)
    session_id = transports.run(lambda: client.create({"a": 1})).session_id
    own_server.pause()

    async def leave():
        task = asyncio.ensure_future(client.get(session_id))
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()

    asyncio.run(leave())
    own_server.resume()
    assert transports.run(lambda: client.get(session_id)).attributes == {"a": 1}
    transports.run(client.close)


def test_a_hanging_server_ends_at_the_deadline_and_holds_up_no_loop(own_server, transport):
    async def main():
        async with AsyncClient(own_server.address, timeout=20) as client:
            session_id = (await client.create()).session_id
            own_server.pause()
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.ensure_future(tick())
            start = time.monotonic()
            with pytest.raises(sessiond.StoreUnavailable) as caught:
                await client.with_timeout(1).get(session_id)
            assert 0.9 < time.monotonic() - start < 10
            assert caught.value.reason == "DEADLINE_EXCEEDED"
            ticking.cancel()
            assert ticks > 10
            own_server.resume()
            assert (await client.get(session_id)).version == 1

    transports.run(main)


def test_a_dead_server_is_told_quickly_and_found_again(own_server, transport):
    async def main():
        async with AsyncClient(own_server.address, timeout=2) as client:
            session_id = (await client.create({"a": 1})).session_id
            own_server.kill()
            start = time.monotonic()
            with pytest.raises(sessiond.StoreUnavailable):
                await client.get(session_id)
            assert time.monotonic() - start < 7
            await asyncio.to_thread(own_server.start)
            deadline = time.monotonic() + 10
            while True:
                try:
                    assert (await client.get(session_id)).attributes == {"a": 1}
                    break
                except sessiond.StoreUnavailable:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)

    transports.run(main)


def test_a_peer_that_never_speaks(transport):
    async def main():
        async with AsyncClient(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.3) as client:
            start = time.monotonic()
            with pytest.raises(sessiond.StoreUnavailable):
                await client.create()
            assert time.monotonic() - start < 3

    with socket.create_server(("127.0.0.1", 0)) as silent:
        transports.run(main)


def test_the_next_address_is_used_while_the_first_is_away(tmp_path, transport):
    server = Server(tmp_path / "data").start()

    async def main():
        async with AsyncClient(f"127.0.0.1:1,{server.address}", timeout=5) as client:
            created = await client.create({"a": 1})
            assert (await client.get(created.session_id)).attributes == {"a": 1}

    try:
        transports.run(main)
    finally:
        server.kill()


def test_refused_input_is_told_at_the_call(server, transport):
    async def main():
        async with AsyncClient(server.address) as client:
            with pytest.raises(sessiond.InvalidArgument, match="session_id"):
                await client.get(7)
            with pytest.raises(sessiond.UnsupportedValue, match="'cart'"):
                await client.create({"cart": object()})
            with pytest.raises(sessiond.InvalidArgument) as caught:
                await client.get("short")
            assert [field for field, _ in caught.value.violations] == ["session_id"]
            request = {"session_id": "short"}
            with pytest.raises(sessiond.InvalidArgument):
                await client.plain("GetSession", request)
            assert request == {}

    transports.run(main)


def test_nothing_is_left_that_was_not_awaited(server, transport):
    async def main():
        async with AsyncClient(server.address) as client:
            await asyncio.gather(*(client.create() for _ in range(50)))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transports.run(main)
        gc.collect()
