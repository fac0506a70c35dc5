import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from sessiond.v1 import session_calls_pb2 as _session_calls_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExchangeRequest(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    def __init__(self, calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("tag", "timeout", "create", "get", "update", "touch", "rotate", "delete", "trace_context")
    TAG_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    ROTATE_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    TRACE_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    tag: int
    timeout: _duration_pb2.Duration
    create: _session_calls_pb2.CreateSessionRequest
    get: _session_calls_pb2.GetSessionRequest
    update: _session_calls_pb2.UpdateSessionRequest
    touch: _session_calls_pb2.TouchSessionRequest
    rotate: _session_calls_pb2.RotateSessionRequest
    delete: _session_calls_pb2.DeleteSessionRequest
    trace_context: TraceContext
    def __init__(self, tag: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., create: _Optional[_Union[_session_calls_pb2.CreateSessionRequest, _Mapping]] = ..., get: _Optional[_Union[_session_calls_pb2.GetSessionRequest, _Mapping]] = ..., update: _Optional[_Union[_session_calls_pb2.UpdateSessionRequest, _Mapping]] = ..., touch: _Optional[_Union[_session_calls_pb2.TouchSessionRequest, _Mapping]] = ..., rotate: _Optional[_Union[_session_calls_pb2.RotateSessionRequest, _Mapping]] = ..., delete: _Optional[_Union[_session_calls_pb2.DeleteSessionRequest, _Mapping]] = ..., trace_context: _Optional[_Union[TraceContext, _Mapping]] = ...) -> None: ...

class TraceContext(_message.Message):
    __slots__ = ("traceparent", "tracestate")
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    traceparent: str
    tracestate: str
    def __init__(self, traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class ExchangeResponse(_message.Message):
    __slots__ = ("replies",)
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    replies: _containers.RepeatedCompositeFieldContainer[Reply]
    def __init__(self, replies: _Optional[_Iterable[_Union[Reply, _Mapping]]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("tag", "error", "create", "get", "update", "touch", "rotate", "delete")
    TAG_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    ROTATE_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    tag: int
    error: CallError
    create: _session_calls_pb2.CreateSessionResponse
    get: _session_calls_pb2.GetSessionResponse
    update: _session_calls_pb2.UpdateSessionResponse
    touch: _session_calls_pb2.TouchSessionResponse
    rotate: _session_calls_pb2.RotateSessionResponse
    delete: _session_calls_pb2.DeleteSessionResponse
    def __init__(self, tag: _Optional[int] = ..., error: _Optional[_Union[CallError, _Mapping]] = ..., create: _Optional[_Union[_session_calls_pb2.CreateSessionResponse, _Mapping]] = ..., get: _Optional[_Union[_session_calls_pb2.GetSessionResponse, _Mapping]] = ..., update: _Optional[_Union[_session_calls_pb2.UpdateSessionResponse, _Mapping]] = ..., touch: _Optional[_Union[_session_calls_pb2.TouchSessionResponse, _Mapping]] = ..., rotate: _Optional[_Union[_session_calls_pb2.RotateSessionResponse, _Mapping]] = ..., delete: _Optional[_Union[_session_calls_pb2.DeleteSessionResponse, _Mapping]] = ...) -> None: ...

class CallError(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: bytes
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[bytes] = ...) -> None: ...
