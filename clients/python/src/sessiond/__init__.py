"""Client of the sessiond session store.

    from sessiond import Client

    client = Client("127.0.0.1:50051")
    created = client.create({"theme": "dark"}, idle_timeout=timedelta(minutes=30))
    client.get(created.session_id).attributes["theme"]

AsyncClient has the same methods for coroutines. `sessiond.django` is a session engine for Django.
"""

from sessiond.async_client import AsyncClient
from sessiond.client import Client
from sessiond.errors import (
    BatchTooLarge,
    Code,
    EventsGone,
    HandoffInvalid,
    InternalError,
    InvalidArgument,
    LockHeld,
    LockLost,
    MessageTooLarge,
    NotReady,
    PermissionDenied,
    SessionCorrupt,
    SessiondError,
    SessionIdRetired,
    SessionIdTaken,
    SessionLimitReached,
    SessionNotFound,
    SessionTooLarge,
    StorageFull,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnknownMethod,
    UnsupportedValue,
    VersionMismatch,
    WatcherTooSlow,
)
from sessiond.ids import mapped_id
from sessiond.locks import AsyncLock, Lock
from sessiond.session import Created, Handoff, Page, Session, Touched
from sessiond.statistics import Statistics
from sessiond.tls import Tls
from sessiond.values import Opaque
from sessiond.watch import AsyncWatch, Event, EventKind, Watch

__all__ = [
    "AsyncClient",
    "AsyncLock",
    "AsyncWatch",
    "BatchTooLarge",
    "Client",
    "Code",
    "Created",
    "Event",
    "EventKind",
    "EventsGone",
    "Handoff",
    "HandoffInvalid",
    "InternalError",
    "InvalidArgument",
    "Lock",
    "LockHeld",
    "LockLost",
    "MessageTooLarge",
    "NotReady",
    "Opaque",
    "Page",
    "PermissionDenied",
    "Session",
    "SessionCorrupt",
    "SessionIdRetired",
    "SessionIdTaken",
    "SessionLimitReached",
    "SessionNotFound",
    "SessionTooLarge",
    "SessiondError",
    "Statistics",
    "StorageFull",
    "StoreUnavailable",
    "Tls",
    "TooManyRequests",
    "Touched",
    "Unauthenticated",
    "UnknownMethod",
    "UnsupportedValue",
    "VersionMismatch",
    "Watch",
    "WatcherTooSlow",
    "mapped_id",
]
