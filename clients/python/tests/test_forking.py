"""A process that has made calls can fork: while threads are inside calls, with a watch open, or with an event loop."""

import os
import subprocess
import sys
import textwrap

import pytest
import transports

PROGRAMS = {
    "threads": """
        client = Client(address, timeout=10)
        created = client.create({"a": 1})
        stop = threading.Event()

        def keep_calling():
            while not stop.is_set():
                client.get(created.session_id)

        threads = [threading.Thread(target=keep_calling) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            fork(lambda: [client.get(created.session_id).attributes for _ in range(3)] == [{"a": 1}] * 3)
            assert client.get(created.session_id).attributes == {"a": 1}
        stop.set()
        for thread in threads:
            thread.join()
    """,
    "quiet": """
        client = Client(address, timeout=10)
        created = client.create({"a": 1})
        for _ in range(5):
            fork(lambda: client.get(created.session_id).attributes == {"a": 1})
            assert client.get(created.session_id).attributes == {"a": 1}
    """,
    "before the first call": """
        client, shared = Client(address, timeout=10), AsyncClient(address, timeout=10)
        fork(lambda: client.create().session.version == 1)
        fork(lambda: asyncio.run(shared.create()).session.version == 1)
        assert client.create().session.version == 1
    """,
    "child of a child": """
        client = Client(address, timeout=10)
        created = client.create({"a": 1})

        def in_child():
            client.get(created.session_id)
            fork(lambda: client.get(created.session_id).attributes == {"a": 1})
            return client.get(created.session_id).attributes == {"a": 1}

        fork(in_child)
    """,
    "coroutines": """
        client = AsyncClient(address, timeout=10)
        created = asyncio.run(client.create({"a": 1}))

        async def main():
            return (await client.get(created.session_id)).attributes

        for _ in range(5):
            fork(lambda: asyncio.run(main()) == {"a": 1})
            assert asyncio.run(main()) == {"a": 1}
    """,
    "in a loop with calls under way": """
        client = AsyncClient(address, timeout=10)

        async def read(session_id):
            return (await client.get(session_id)).attributes

        def in_child(session_id):
            found = []
            # A loop runs in this thread, also in the child.
            thread = threading.Thread(target=lambda: found.append(asyncio.run(read(session_id))))
            thread.start()
            thread.join()
            return found == [{"a": 1}]

        async def main():
            session_id = (await client.create({"a": 1})).session_id
            for _ in range(3):
                calls = [asyncio.ensure_future(read(session_id)) for _ in range(20)]
                await asyncio.sleep(0)
                fork(lambda: in_child(session_id))
                assert await asyncio.gather(*calls) == [{"a": 1}] * 20

        asyncio.run(main())
    """,
    "with a watch": """
        client = Client(address, timeout=10)
        seen, ready = [], threading.Event()

        def follow():
            with client.watch() as watch:
                ready.set()
                for event in watch:
                    seen.append(event.session.handle)
                    if len(seen) == 4:
                        return

        reader = threading.Thread(target=follow)
        reader.start()
        ready.wait(10)
        made = [client.create().session.handle]
        for _ in range(3):
            fork(lambda: client.create().session.version == 1 and client.count() > 0)
            client.create()
        reader.join(20)
        assert len(seen) == 4 and seen[0] == made[0], seen
    """,
}
FRAME = """
import asyncio, faulthandler, os, signal, sys, threading, time
from sessiond import AsyncClient, Client

address = sys.argv[1]

def fork(check):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 30
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGABRT)
            os.waitpid(child, 0)
            print("the child hangs", file=sys.stderr, flush=True)
            os._exit(1)
        time.sleep(0.005)
    assert status == 0, status

def main():
    # These tell where it hangs, if it does.
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(90)
BODY
    print("done")

main()
"""


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("choice", transports.NAMES)
def test_fork(server, choice, name):
    if (choice, name) == ("grpc", "with a watch"):
        pytest.skip("gRPC leaves a child alone, which may hang then, if another thread is inside it at that moment")
    transports.codec(choice)
    program = FRAME.replace("BODY", textwrap.indent(textwrap.dedent(PROGRAMS[name]), "    "))
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, server.address],
        capture_output=True,
        text=True,
        timeout=120,
        env=env | {"SESSIOND_TRANSPORT": choice},
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr
