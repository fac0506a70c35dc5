"""A process that has made calls can fork, also while other threads are inside a call."""

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import os, sys, threading
    from sessiond import Client

    client = Client(sys.argv[1], timeout=10)
    created = client.create({"a": 1})
    stop = threading.Event()

    def keep_calling():
        while not stop.is_set():
            client.get(created.session_id)

    threads = [threading.Thread(target=keep_calling) for _ in range(int(sys.argv[2]))]
    for thread in threads:
        thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert all(client.get(created.session_id).attributes == {"a": 1} for _ in range(3))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        assert client.get(created.session_id).attributes == {"a": 1}
    stop.set()
    for thread in threads:
        thread.join()
    print("done")
"""


@pytest.mark.parametrize("threads", [0, 3])
def test_fork(server, threads):
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), server.address, str(threads)],
        capture_output=True,
        text=True,
        timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith("GRPC_")},
    )
    assert run.stdout == "done\n", run.stderr
