"""Work that consists of calls, written once for blocking and for awaited clients.

A generator yields (method, request in plain form) and is sent the answer, or is thrown the error. Whoever runs it makes
the calls.
"""

from collections.abc import Generator
from typing import Any, TypeVar

from sessiond.async_client import AsyncClient
from sessiond.client import Client
from sessiond.errors import SessiondError

T = TypeVar("T")
Steps = Generator[tuple[str, dict[str, Any]], dict[str, Any], T]


def run(client: Client, steps: Steps[T]) -> T:
    """Carries out the steps with a blocking client, and answers what they answer."""
    try:
        call = next(steps)
        while True:
            try:
                answer = client.plain(*call)
            except SessiondError as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(client: AsyncClient, steps: Steps[T]) -> T:
    """Carries out the steps with an async client, and answers what they answer."""
    try:
        call = next(steps)
        while True:
            try:
                answer = await client.plain(*call)
            except SessiondError as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
