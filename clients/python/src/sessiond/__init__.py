"""Client of the sessiond session store.

    from sessiond import Client

    client = Client("127.0.0.1:50051")
    created = client.create({"theme": "dark"}, idle_timeout=timedelta(minutes=30))
    client.get(created.session_id).attributes["theme"]

`sessiond.django` is a session engine for Django; `sessiond.v1` holds the generated gRPC stubs.
"""

# Before grpc, which reads the switch that this sets when it is first imported.
from sessiond import forking  # noqa: F401  # isort: split
from sessiond.client import Client, Created
from sessiond.connection import Connection
from sessiond.errors import (
    InternalError,
    InvalidArgument,
    MessageTooLarge,
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
    UnsupportedValue,
    VersionMismatch,
)
from sessiond.ids import mapped_id
from sessiond.session import Session
from sessiond.values import Opaque, from_value, to_value

__all__ = [
    "Client",
    "Connection",
    "Created",
    "InternalError",
    "InvalidArgument",
    "MessageTooLarge",
    "Opaque",
    "Session",
    "SessionCorrupt",
    "SessionIdRetired",
    "SessionIdTaken",
    "SessionLimitReached",
    "SessionNotFound",
    "SessionTooLarge",
    "SessiondError",
    "StorageFull",
    "StoreUnavailable",
    "TooManyRequests",
    "UnsupportedValue",
    "VersionMismatch",
    "from_value",
    "mapped_id",
    "to_value",
]
