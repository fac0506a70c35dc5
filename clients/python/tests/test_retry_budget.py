"""The retry budget: what a server has to bear that answers, but with UNAVAILABLE."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from server import free_port
from transports import run

import sessiond
from sessiond import AsyncClient, Client
from sessiond.transport.grpcio.budget import RetryBudget
from sessiond.v1.session_calls_pb2 import TouchSessionResponse

ID = "no-such-session-0"
RESERVE = 1_000
CALLS = 2_000
TIMEOUT = 300.0


class Overloaded(grpc.GenericRpcHandler):
    """Answers calls with UNAVAILABLE, and counts them, until it is available. It knows no streams."""

    def __init__(self, port: int = 0):
        self.is_available = False
        self._seen = 0
        self._lock = threading.Lock()
        # By itself it cancels calls where many wait.
        bounds = [("grpc.server.max_pending_requests", CALLS), ("grpc.server.max_pending_requests_hard_limit", CALLS)]
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self], options=bounds)
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stop(None).wait()

    def service(self, details):
        if details.method.endswith("/Exchange"):
            return None
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, _request, context):
        with self._lock:
            self._seen += 1
        if not self.is_available:
            context.abort(grpc.StatusCode.UNAVAILABLE, "overloaded")
        return TouchSessionResponse(version=1, expire_time=Timestamp(seconds=1)).SerializeToString()

    def seen(self) -> int:
        """How many calls there were since the last look."""
        with self._lock:
            seen, self._seen = self._seen, 0
        return seen


async def all_fail(client: AsyncClient, calls: int) -> None:
    """Makes so many calls at the same time, all of which fail long before their deadline."""
    start = time.monotonic()
    outcomes = await asyncio.gather(*(client.touch(ID) for _ in range(calls)), return_exceptions=True)
    assert {getattr(outcome, "reason", outcome) for outcome in outcomes} == {"UNAVAILABLE"}
    assert time.monotonic() - start < TIMEOUT / 5


def test_repetitions_of_all_calls_together_are_bounded(transport):
    async def calls():
        with Overloaded() as server:
            async with AsyncClient(server.address, timeout=TIMEOUT) as client:
                await all_fail(client, CALLS)
                assert server.seen() == CALLS + RESERVE
                await all_fail(client, 10)
                assert server.seen() == 10

                server.is_available = True
                for _ in range(100):
                    await client.touch(ID)
                server.is_available = False
                server.seen()
                await all_fail(client, 30)
                assert server.seen() == 30 + 10

    run(calls)


def test_threads_share_the_budget(transport):
    def touch(client):
        with pytest.raises(sessiond.StoreUnavailable):
            client.touch(ID)

    with Overloaded() as server, Client(server.address, timeout=TIMEOUT) as client:
        with ThreadPoolExecutor(100) as threads:
            list(threads.map(touch, [client] * 500))
        assert server.seen() == 500 + RESERVE


def test_the_absence_of_a_server_takes_nothing(transport):
    async def calls():
        port = free_port()
        async with AsyncClient(f"127.0.0.1:{port}", timeout=0.4) as client:
            outcomes = await asyncio.gather(*(client.touch(ID) for _ in range(CALLS)), return_exceptions=True)
            assert all(isinstance(outcome, sessiond.StoreUnavailable) for outcome in outcomes)
            with Overloaded(port) as server:
                await all_fail(client.with_timeout(TIMEOUT), CALLS)
                assert server.seen() == CALLS + RESERVE

    run(calls)


def test_ten_calls_that_succeed_give_a_token_back():
    budget = RetryBudget()
    budget.note_success()
    assert take_all(budget) == RESERVE
    for _ in range(9):
        budget.note_success()
    assert not budget.take()
    budget.note_success()
    assert take_all(budget) == 1
    for _ in range(20 * RESERVE):
        budget.note_success()
    assert take_all(budget) == RESERVE


def take_all(budget: RetryBudget) -> int:
    taken = 0
    while budget.take():
        taken += 1
    return taken
