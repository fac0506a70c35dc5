from sessiond.v1 import access_pb2 as _access_pb2
from sessiond.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ItemError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class BatchGetSessionsRequest(_message.Message):
    __slots__ = ("namespace", "session_ids", "access")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_ids: _containers.RepeatedScalarFieldContainer[str]
    access: _access_pb2.Access
    def __init__(self, namespace: _Optional[str] = ..., session_ids: _Optional[_Iterable[str]] = ..., access: _Optional[_Union[_access_pb2.Access, str]] = ...) -> None: ...

class BatchGetSessionsResult(_message.Message):
    __slots__ = ("session", "error")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    error: ItemError
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class BatchGetSessionsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchGetSessionsResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchGetSessionsResult, _Mapping]]] = ...) -> None: ...

class BatchDeleteSessionsRequest(_message.Message):
    __slots__ = ("namespace", "session_ids")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    session_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., session_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchDeleteSessionsResult(_message.Message):
    __slots__ = ("deleted", "error")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    error: ItemError
    def __init__(self, deleted: _Optional[bool] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class BatchDeleteSessionsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchDeleteSessionsResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchDeleteSessionsResult, _Mapping]]] = ...) -> None: ...
