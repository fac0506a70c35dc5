import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sessiond.v1 import access_pb2 as _access_pb2
from sessiond.v1 import session_pb2 as _session_pb2
from sessiond.v1 import value_pb2 as _value_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "attributes", "principal", "labels", "timeouts", "create_time", "last_access_time")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _value_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_ACCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    attributes: _containers.MessageMap[str, _value_pb2.Value]
    principal: str
    labels: _containers.ScalarMap[str, str]
    timeouts: _session_pb2.Timeouts
    create_time: _timestamp_pb2.Timestamp
    last_access_time: _timestamp_pb2.Timestamp
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., attributes: _Optional[_Mapping[str, _value_pb2.Value]] = ..., principal: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., timeouts: _Optional[_Union[_session_pb2.Timeouts, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_access_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ("session_id", "session")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session: _session_pb2.Session
    def __init__(self, session_id: _Optional[str] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "access", "if_version_not", "omit_attributes")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_NOT_FIELD_NUMBER: _ClassVar[int]
    OMIT_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    access: _access_pb2.Access
    if_version_not: int
    omit_attributes: bool
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., access: _Optional[_Union[_access_pb2.Access, str]] = ..., if_version_not: _Optional[int] = ..., omit_attributes: _Optional[bool] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session", "not_modified")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    NOT_MODIFIED_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    not_modified: bool
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., not_modified: _Optional[bool] = ...) -> None: ...

class UpdateSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "change", "expected_version", "upsert", "lock_token", "unlock")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPSERT_FIELD_NUMBER: _ClassVar[int]
    LOCK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNLOCK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    change: _session_pb2.SessionChange
    expected_version: int
    upsert: bool
    lock_token: str
    unlock: bool
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., change: _Optional[_Union[_session_pb2.SessionChange, _Mapping]] = ..., expected_version: _Optional[int] = ..., upsert: _Optional[bool] = ..., lock_token: _Optional[str] = ..., unlock: _Optional[bool] = ...) -> None: ...

class UpdateSessionResponse(_message.Message):
    __slots__ = ("session", "created")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    created: bool
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class TouchSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class TouchSessionResponse(_message.Message):
    __slots__ = ("expire_time", "version")
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    expire_time: _timestamp_pb2.Timestamp
    version: int
    def __init__(self, expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class RotateSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "new_session_id", "grace", "change", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    new_session_id: str
    grace: _duration_pb2.Duration
    change: _session_pb2.SessionChange
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., new_session_id: _Optional[str] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., change: _Optional[_Union[_session_pb2.SessionChange, _Mapping]] = ..., expected_version: _Optional[int] = ...) -> None: ...

class RotateSessionResponse(_message.Message):
    __slots__ = ("session_id", "session")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session: _session_pb2.Session
    def __init__(self, session_id: _Optional[str] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("namespace", "session_id", "handle", "allow_missing")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_id: str
    handle: str
    allow_missing: bool
    def __init__(self, namespace: _Optional[str] = ..., session_id: _Optional[str] = ..., handle: _Optional[str] = ..., allow_missing: _Optional[bool] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: _Optional[bool] = ...) -> None: ...
