"""What happens to sessions, as it happens."""

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from sessiond.errors import Code, SessiondError, Unauthenticated, WatcherTooSlow
from sessiond.session import Session
from sessiond.times import to_datetime
from sessiond.transport import AsyncStream, AsyncTransport, Stream, Transport

logger = logging.getLogger("sessiond")

# The longest pauses before a stream is opened again, in seconds: the first, which doubles, and the bound.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# What an interrupted connection looks like if it isn't UNAVAILABLE; repeated only a few times, as it may be meant.
_ODD = {Code.CANCELLED, Code.UNKNOWN, Code.INTERNAL}
_MOST_ODD = 5


class EventKind(IntEnum):
    """What happened to a session."""

    # It was made.
    CREATED = 1
    # Its data changed.
    UPDATED = 2
    # It got a new ID; perhaps its data changed in the same step.
    ROTATED = 3
    # It was ended by its ID or handle: a log out.
    DELETED = 4
    # It reached the end of a timeout. Sent once, when the server cleans it up, a little later.
    EXPIRED = 5
    # It was ended from outside: by revoke(), or by the limit of sessions per principal.
    REVOKED = 6


@dataclass(frozen=True)
class Event:
    """One event. Those of one session come in the order in which they happened; the order of events of different
    sessions means nothing.

    `time` is when it was carried out. `session` is the session after the event; before it, if the event ended the
    session: then with attributes, if the watch asked for them and the namespace keeps them. `resume_token` resumes a
    watch after this event, also across a restart of the server; it also names the event.
    """

    kind: EventKind
    time: datetime
    session: Session
    resume_token: str


class _Progress:
    """How far a watch has come, and what to do when its stream ends."""

    def __init__(self, request: dict[str, Any]):
        self._request = request
        self._failures = 0
        # The stream has said something since it was opened.
        self._is_open = False

    @property
    def resume_token(self) -> str:
        """Resumes after everything that was seen; "" before the server has answered. Keep it to go on after a
        restart.
        """
        token: str = self._request["resume_token"]
        return token

    def request(self) -> dict[str, Any]:
        return dict(self._request)

    def take(self, message: dict[str, Any]) -> Event | None:
        """The event in a message; None if it has none. The point is kept before the event is handed out, so that it
        does not come twice.
        """
        if self._failures:
            logger.info("A watch goes on")
        self._failures = 0
        self._is_open = True
        found = message.get("event")
        if found is None:
            self._request["resume_token"] = message.get("checkpoint", self._request)["resume_token"]
            return None
        self._request["resume_token"] = found["resume_token"]
        session = Session(found["session"], with_attributes=bool(found["session"]["attributes"]))
        try:
            kind = EventKind(found["kind"])
        except ValueError:
            # Of a server that is newer than this client.
            return None
        return Event(kind, to_datetime(found["event_time"]), session, found["resume_token"])

    def pause(self, error: SessiondError | None) -> float:
        """The seconds to wait before the stream is opened again; raises the error if that would not help. None: the
        stream ended.
        """
        self._failures += 1
        was_open, self._is_open = self._is_open, False
        if error is not None:
            is_odd = error.code in _ODD and self._failures <= _MOST_ODD
            # The token that the stream was opened with may have been replaced meanwhile.
            is_old = isinstance(error, Unauthenticated) and was_open
            if not (error.code is Code.UNAVAILABLE or is_odd or is_old or isinstance(error, WatcherTooSlow)):
                raise error
        if self._failures == 1:
            logger.warning("A watch lost its connection, and tries again: %s", error or "the stream ended")
        longest = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)


class Watch(Iterator[Event]):
    """The events that a client watches, without end.

    `with` opens it and waits until the server has answered: everything that happens from then on comes. Without it,
    that is done by the first next(). A connection that is lost is made again, for as long as it takes, and the watch
    goes on after the last event: none is left out, and none comes twice. It is for one thread, but close() can be
    called from any. Closing the client does not end it: the watch makes a new connection then.
    """

    def __init__(self, transport: Transport, request: dict[str, Any]):
        self._transport = transport
        self._progress = _Progress(request)
        self._stream: Stream | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()

    @property
    def resume_token(self) -> str:
        """Resumes after everything that was seen; "" before the server has answered. Keep it to go on after a
        restart.
        """
        return self._progress.resume_token

    def __enter__(self) -> "Watch":
        if self._stream is None:
            # The first message is a checkpoint.
            message = self._receive()
            if message is not None:
                self._progress.take(message)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Event:
        while (message := self._receive()) is not None:
            event = self._progress.take(message)
            if event is not None:
                return event
        raise StopIteration

    def close(self) -> None:
        """Ends the watch, and the loop over it."""
        with self._lock:
            self._closed.set()
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    def _receive(self) -> dict[str, Any] | None:
        """The next message; None once the watch is closed."""
        while (stream := self._open()) is not None:
            failure = None
            try:
                message = stream.receive()
            except SessiondError as error:
                failure = error
            else:
                if message is not None:
                    return message
            self._drop(stream)
            if self._closed.is_set():
                break
            try:
                pause = self._progress.pause(failure)
            except SessiondError:
                self.close()
                raise
            self._closed.wait(pause)
        return None

    def _open(self) -> Stream | None:
        with self._lock:
            if self._closed.is_set():
                return None
            if self._stream is None:
                self._stream = self._transport.watch(self._progress.request())
            return self._stream

    def _drop(self, stream: Stream) -> None:
        with self._lock:
            if self._stream is stream:
                self._stream = None
        stream.cancel()


class AsyncWatch(AsyncIterator[Event]):
    """As Watch, for coroutines."""

    def __init__(self, transport: AsyncTransport, request: dict[str, Any]):
        self._transport = transport
        self._progress = _Progress(request)
        self._stream: AsyncStream | None = None
        self._is_closed = False
        self._woken: asyncio.Event | None = None

    @property
    def resume_token(self) -> str:
        """Resumes after everything that was seen; "" before the server has answered. Keep it to go on after a
        restart.
        """
        return self._progress.resume_token

    async def __aenter__(self) -> "AsyncWatch":
        if self._stream is None:
            try:
                # The first message is a checkpoint.
                message = await self._receive()
            except BaseException:
                self.close()
                raise
            if message is not None:
                self._progress.take(message)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def __anext__(self) -> Event:
        while (message := await self._receive()) is not None:
            event = self._progress.take(message)
            if event is not None:
                return event
        raise StopAsyncIteration

    def close(self) -> None:
        """Ends the watch, and the loop over it."""
        self._is_closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
        if self._woken is not None:
            self._woken.set()

    async def _receive(self) -> dict[str, Any] | None:
        """The next message; None once the watch is closed."""
        while not self._is_closed:
            stream = self._stream
            if stream is None:
                stream = self._stream = self._transport.watch(self._progress.request())
            failure = None
            try:
                message = await stream.receive()
            except SessiondError as error:
                failure = error
            else:
                if message is not None:
                    return message
            if self._stream is stream:
                self._stream = None
            stream.cancel()
            if self._is_closed:
                break
            try:
                pause = self._progress.pause(failure)
            except SessiondError:
                self.close()
                raise
            await self._sleep(pause)
        return None

    async def _sleep(self, seconds: float) -> None:
        self._woken = asyncio.Event()
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        finally:
            self._woken = None
