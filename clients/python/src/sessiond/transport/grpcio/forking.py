"""Makes a fork harmless: gRPC can fork only while no thread is inside a call, and channels don't survive one.

Importing this module, before grpc, switches gRPC's own fork support on; without it a process that was forked after a
call hangs at its first one. That support gives up if another thread is inside a call at that moment, and the child
hangs again. So calls pass a gate here, which a fork closes: it waits for the calls under way, which end within their
deadlines.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")

# A fork does not wait longer than this for calls under way, in seconds.
_LONGEST_WAIT = 5.0


class _Forgetful(Protocol):
    def forget(self) -> None:
        """Drops what belongs to the parent process."""


class _Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._calls = 0
        self._closed = False

    def enter(self) -> None:
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._calls += 1

    def leave(self) -> None:
        with self._changed:
            self._calls -= 1
            if self._closed and not self._calls:
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._calls, timeout=_LONGEST_WAIT)

    def open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()


_gate = _Gate()
_forgetful: "weakref.WeakSet[_Forgetful]" = weakref.WeakSet()


@contextmanager
def call() -> Iterator[None]:
    """Holds off forks while a gRPC call is under way."""
    gate = _gate
    gate.enter()
    try:
        yield
    finally:
        gate.leave()


def forget_in_child(thing: _Forgetful) -> None:
    """Has `thing.forget()` called in every process that is forked from now on."""
    _forgetful.add(thing)


def _in_child() -> None:
    # Made anew, since a thread that is not here any more may hold the lock.
    global _gate
    _gate = _Gate()
    for thing in list(_forgetful):
        thing.forget()


os.register_at_fork(
    before=lambda: _gate.close(),
    after_in_parent=lambda: _gate.open(),
    after_in_child=_in_child,
)
