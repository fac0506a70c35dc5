"""Both transports for the tests that ask for one: with the fixture `transport` a test runs over each of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sessiond import transport as transports
from sessiond import values

NAMES = {"native": "native", "grpc": "grpcio"}


def codec(choice: str) -> Any:
    """The functions of sessiond.values, of one transport."""
    return _loaded(choice).codec


@pytest.fixture(params=list(NAMES))
def transport(request, monkeypatch) -> str:
    """Its name; clients that are made in the test use it."""
    codec = _loaded(request.param).codec
    monkeypatch.setenv(transports.ENVIRONMENT, request.param)
    for function in ("encode", "decode", "encode_all", "decode_all"):
        monkeypatch.setattr(values, function, getattr(codec, function))
    return NAMES[request.param]


def run(main: Callable[[], Any], limit: float = 60.0) -> Any:
    """Runs a coroutine function in an event loop of its own, and sees to it that no task is left over."""

    async def guarded() -> Any:
        result = await asyncio.wait_for(main(), limit)
        # A task that was cancelled needs a turn to end.
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left over: {left}"
        return result

    return asyncio.run(guarded())


def _loaded(choice: str) -> Any:
    try:
        return transports.load(choice)
    except ImportError as error:
        pytest.skip(f"the transport {choice} can't be imported: {error}")
