"""Calls of the store, blocking and awaited, from one description of what is to be done.

A piece of work is a generator: it yields a method and its request in plain form, and gets the answer, or the error
raised where it yielded. run() sends the calls with the blocking client, arun() with the one for asyncio.
"""

from collections.abc import Generator
from typing import Any, TypeVar

from sessiond.django import conf
from sessiond.errors import SessiondError

T = TypeVar("T")
Call = tuple[str, dict[str, Any]]
Steps = Generator[Call, dict[str, Any], T]


def run(steps: Steps[T]) -> T:
    """Does the work with blocking calls."""
    call = conf.client().plain
    try:
        method, request = next(steps)
        while True:
            try:
                answer = call(method, request)
            except SessiondError as error:
                method, request = steps.throw(error)
            else:
                method, request = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


async def arun(steps: Steps[T]) -> T:
    """Does the work with calls that are awaited in the running event loop."""
    call = conf.async_client().plain
    try:
        method, request = next(steps)
        while True:
            try:
                answer = await call(method, request)
            except SessiondError as error:
                method, request = steps.throw(error)
            else:
                method, request = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
