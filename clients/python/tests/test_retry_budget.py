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


def field(number: int, content: bytes) -> bytes:
    """A field of a message of Protobuf that holds bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


INFO = field(1, b"NOT_READY") + field(2, b"sessiond")
# A google.rpc.Status: its code, 14, and an Any with an ErrorInfo.
NOT_READY = b"\x08\x0e" + field(3, field(1, b"type.googleapis.com/google.rpc.ErrorInfo") + field(2, INFO))


class Overloaded(grpc.GenericRpcHandler):
    """Answers calls with UNAVAILABLE, and counts them, until it is available. It knows no streams."""

    def __init__(self, port: int = 0, starts_for: int = 0):
        self.is_available = False
        # So many calls are told that it starts.
        self._starts_for = starts_for
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
            starts = self._seen <= self._starts_for
        if starts:
            context.set_trailing_metadata((("grpc-status-details-bin", NOT_READY),))
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
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


def test_a_server_that_starts_takes_nothing(transport):
    """Its answers ask for the repetition, so that a restart fails no call, however many wait."""

    async def calls():
        with Overloaded(starts_for=2 * CALLS) as server:
            server.is_available = True
            async with AsyncClient(server.address, timeout=TIMEOUT) as client:
                await asyncio.gather(*(client.touch(ID) for _ in range(CALLS)))
            assert server.seen() == 3 * CALLS

    run(calls)


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
