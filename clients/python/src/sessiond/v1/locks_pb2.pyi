import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sessiond.v1 import session_pb2 as _session_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LockSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "lease", "wait", "lock_token", "include_session")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    LOCK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SESSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    lease: _duration_pb2.Duration
    wait: _duration_pb2.Duration
    lock_token: str
    include_session: bool
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lock_token: _Optional[str] = ..., include_session: _Optional[bool] = ...) -> None: ...

class LockSessionResponse(_message.Message):
    __slots__ = ("lock_token", "expire_time", "session")
    LOCK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    lock_token: str
    expire_time: _timestamp_pb2.Timestamp
    session: _session_pb2.Session
    def __init__(self, lock_token: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class UnlockSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "lock_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LOCK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    lock_token: str
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., lock_token: _Optional[str] = ...) -> None: ...

class UnlockSessionResponse(_message.Message):
    __slots__ = ("released",)
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    released: bool
    def __init__(self, released: _Optional[bool] = ...) -> None: ...
