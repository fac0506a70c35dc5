"""No call fails when the server is restarted under load with the socket that it had."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from server import BINARY

from sessiond import Client

RESTARTS = Path(__file__).resolve().parents[2] / "conformance/restarts"
CALLERS = 16


# In memory it has nothing to open, so calls meet the server that goes and the one that comes.
@pytest.mark.parametrize("flags", [(), ("--engine", "memory")], ids=["on disk", "in memory"])
def test_no_call_fails_while_the_server_is_restarted(tmp_path, transport, flags):
    supervisor = subprocess.Popen(
        [RESTARTS, tmp_path, *flags],
        env={**os.environ, "SESSIOND_BIN": BINARY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    counts, failures = [0] * CALLERS, []
    stop = threading.Event()

    def call(number: int) -> None:
        while not stop.is_set():
            try:
                client.create({"number": number})
            except Exception as error:
                failures.append(error)
            counts[number] += 1

    def every_caller_goes_on() -> None:
        deadline = time.monotonic() + 60
        for number, count in enumerate(list(counts)):
            while counts[number] < count + 10:
                assert time.monotonic() < deadline, "a caller does not go on"
                time.sleep(0.001)

    threads = [threading.Thread(target=call, args=[number]) for number in range(CALLERS)]
    with supervisor, Client(supervisor.stdout.readline().strip(), timeout=60) as client:
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                every_caller_goes_on()
                supervisor.stdin.write("\n")
                supervisor.stdin.flush()
                assert supervisor.stdout.readline().strip().isdigit(), "the server does not serve again"
            every_caller_goes_on()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            supervisor.stdin.close()
    assert supervisor.returncode == 0
    assert failures == []
