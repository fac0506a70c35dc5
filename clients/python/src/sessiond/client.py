"""The RPCs of sessiond.v1.SessionStore as Python methods."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sessiond import fields
from sessiond.connection import DEFAULT_TIMEOUT, Connection
from sessiond.session import Session, from_message, to_timeouts
from sessiond.v1 import access_pb2, session_calls_pb2, session_pb2
from sessiond.values import to_value


@dataclass(frozen=True)
class Created:
    """A session and the ID that leads to it. The ID is a bearer secret: it is left out of the text form."""

    session_id: str = field(repr=False)
    session: Session


class Client:
    """Sessions of one namespace at one server.

    Safe to share between threads, and across a fork. Every method makes one call, ends within `timeout` seconds,
    repeats it only if the store is unavailable, and raises a SessiondError: StoreUnavailable if there was no answer in
    time, InvalidArgument for input out of bounds, UnsupportedValue for a value that Value can't hold, and those named
    at each method.

    There are no async methods: asyncio.to_thread(client.get, …) does well, since a call waits outside the interpreter
    lock.
    """

    def __init__(self, address: str | None = None, *, namespace: str = "", timeout: float = DEFAULT_TIMEOUT):
        self._connection = Connection(address, timeout=timeout)
        self.namespace = namespace

    def __repr__(self) -> str:
        return f"<sessiond.Client of namespace {self.namespace or 'default'!r} at {self._connection.address}>"

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drops the connection; the next call makes a new one."""
        self._connection.close()

    def create(
        self,
        attributes: Mapping[str, Any] | None = None,
        *,
        session_id: str = "",
        principal: str = "",
        labels: Mapping[str, str] | None = None,
        idle_timeout: timedelta | None = None,
        absolute: timedelta | datetime | None = None,
    ) -> Created:
        """Makes a session, under an ID of the server unless `session_id` is given.

        `absolute` is its longest life, or the moment at which it ends. Raises SessionIdTaken, SessionTooLarge,
        StorageFull.
        """
        response = self._connection.call(
            "CreateSession",
            session_calls_pb2.CreateSessionRequest(
                namespace=fields.text("namespace", self.namespace),
                session_id=fields.text("session_id", session_id),
                attributes=_values("attributes", attributes),
                principal=fields.text("principal", principal),
                labels=fields.text_map("labels", labels),
                timeouts=to_timeouts(idle_timeout, absolute),
            ),
        )
        return Created(response.session_id, from_message(response.session, with_attributes=False))

    def get(self, session_id: str, *, touch: bool = True, if_version_not: int | None = None) -> Session:
        """Reads a session and, with `touch`, slides its idle timeout.

        If the session's version is `if_version_not`, it comes without attributes (None). Raises SessionNotFound,
        SessionCorrupt.
        """
        access = access_pb2.ACCESS_TOUCH if touch else access_pb2.ACCESS_PEEK
        response = self._connection.call(
            "GetSession",
            session_calls_pb2.GetSessionRequest(
                namespace=fields.text("namespace", self.namespace),
                session_id=fields.text("session_id", session_id),
                access=access,
                if_version_not=fields.version("if_version_not", if_version_not),
            ),
        )
        return from_message(response.session, with_attributes=not response.not_modified)

    def update(
        self, session_id: str, *, expected_version: int | None = None, upsert: bool = False, **change: Any
    ) -> Session:
        """Changes a session in one atomic step; `change` takes the arguments of `_change` below.

        Answers the session without its attributes. Raises SessionNotFound, SessionIdRetired, VersionMismatch,
        SessionTooLarge, StorageFull.
        """
        response = self._connection.call(
            "UpdateSession",
            session_calls_pb2.UpdateSessionRequest(
                namespace=fields.text("namespace", self.namespace),
                session_id=fields.text("session_id", session_id),
                change=_change(**change),
                expected_version=fields.version("expected_version", expected_version),
                upsert=bool(upsert),
            ),
        )
        return from_message(response.session, with_attributes=False)

    def touch(self, session_id: str) -> None:
        """Slides the idle timeout. Raises SessionNotFound."""
        self._connection.call(
            "TouchSession",
            session_calls_pb2.TouchSessionRequest(
                namespace=fields.text("namespace", self.namespace), session_id=fields.text("session_id", session_id)
            ),
        )

    def rotate(
        self,
        session_id: str,
        *,
        new_session_id: str = "",
        grace: timedelta | None = None,
        expected_version: int | None = None,
        **change: Any,
    ) -> Created:
        """Gives the session a new ID; `change` takes the arguments of `_change` below, carried out in the same step.

        The old ID can still read for `grace`, at most 60 s. Raises SessionNotFound, SessionIdRetired, SessionIdTaken,
        VersionMismatch, SessionTooLarge, StorageFull.
        """
        response = self._connection.call(
            "RotateSession",
            session_calls_pb2.RotateSessionRequest(
                namespace=fields.text("namespace", self.namespace),
                session_id=fields.text("session_id", session_id),
                new_session_id=fields.text("new_session_id", new_session_id),
                grace=fields.duration("grace", grace),
                change=_change(**change),
                expected_version=fields.version("expected_version", expected_version),
            ),
        )
        return Created(response.session_id, from_message(response.session, with_attributes=False))

    def delete(self, session_id: str = "", *, handle: str = "", allow_missing: bool = False) -> bool:
        """Ends a session, named by its ID or its handle; True if there was one.

        Raises SessionNotFound unless `allow_missing`.
        """
        target = (
            {"handle": fields.text("handle", handle)}
            if handle
            else {"session_id": fields.text("session_id", session_id)}
        )
        request = session_calls_pb2.DeleteSessionRequest(
            namespace=fields.text("namespace", self.namespace), allow_missing=bool(allow_missing), **target
        )
        return self._connection.call("DeleteSession", request).deleted


def _values(field: str, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {fields.text(field, name): to_value(value, name) for name, value in fields.items(field, attributes)}


def _change(
    *,
    set_attributes: Mapping[str, Any] | None = None,
    remove_attributes: Iterable[str] = (),
    clear_attributes: bool = False,
    principal: str | None = None,
    set_labels: Mapping[str, str] | None = None,
    remove_labels: Iterable[str] = (),
    idle_timeout: timedelta | None = None,
    absolute: timedelta | datetime | None = None,
) -> session_pb2.SessionChange:
    """See sessiond.v1.SessionChange; `principal` "" removes it, and either timeout given replaces both."""
    return session_pb2.SessionChange(
        set_attributes=_values("set_attributes", set_attributes),
        remove_attributes=fields.texts("remove_attributes", remove_attributes),
        clear_attributes=bool(clear_attributes),
        principal=None if principal is None else fields.text("principal", principal),
        set_labels=fields.text_map("set_labels", set_labels),
        remove_labels=fields.texts("remove_labels", remove_labels),
        timeouts=to_timeouts(idle_timeout, absolute),
    )
