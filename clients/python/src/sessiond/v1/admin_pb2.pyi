import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatisticsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NamespaceStatistics(_message.Message):
    __slots__ = ("namespace", "sessions")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    sessions: int
    def __init__(self, namespace: _Optional[str] = ..., sessions: _Optional[int] = ...) -> None: ...

class GetStatisticsResponse(_message.Message):
    __slots__ = ("sessions", "namespaces", "created", "expired", "created_per_second", "expired_per_second", "disk_bytes", "memory_bytes", "sweeper_lag", "groups", "grouped_transactions", "largest_group", "start_time", "watchers", "cpu_time", "refused_for_space", "met_damage", "storage_stalls", "resume_token", "events_kept", "clock_steps", "clock_ahead", "current_time", "encryption")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    CREATED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SWEEPER_LAG_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUPED_TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    LARGEST_GROUP_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    WATCHERS_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FOR_SPACE_FIELD_NUMBER: _ClassVar[int]
    MET_DAMAGE_FIELD_NUMBER: _ClassVar[int]
    STORAGE_STALLS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EVENTS_KEPT_FIELD_NUMBER: _ClassVar[int]
    CLOCK_STEPS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_AHEAD_FIELD_NUMBER: _ClassVar[int]
    CURRENT_TIME_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    namespaces: _containers.RepeatedCompositeFieldContainer[NamespaceStatistics]
    created: int
    expired: int
    created_per_second: float
    expired_per_second: float
    disk_bytes: int
    memory_bytes: int
    sweeper_lag: _duration_pb2.Duration
    groups: int
    grouped_transactions: int
    largest_group: int
    start_time: _timestamp_pb2.Timestamp
    watchers: int
    cpu_time: _duration_pb2.Duration
    refused_for_space: int
    met_damage: int
    storage_stalls: int
    resume_token: str
    events_kept: int
    clock_steps: int
    clock_ahead: _duration_pb2.Duration
    current_time: _timestamp_pb2.Timestamp
    encryption: EncryptionStatistics
    def __init__(self, sessions: _Optional[int] = ..., namespaces: _Optional[_Iterable[_Union[NamespaceStatistics, _Mapping]]] = ..., created: _Optional[int] = ..., expired: _Optional[int] = ..., created_per_second: _Optional[float] = ..., expired_per_second: _Optional[float] = ..., disk_bytes: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., sweeper_lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., groups: _Optional[int] = ..., grouped_transactions: _Optional[int] = ..., largest_group: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., watchers: _Optional[int] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., refused_for_space: _Optional[int] = ..., met_damage: _Optional[int] = ..., storage_stalls: _Optional[int] = ..., resume_token: _Optional[str] = ..., events_kept: _Optional[int] = ..., clock_steps: _Optional[int] = ..., clock_ahead: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., current_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., encryption: _Optional[_Union[EncryptionStatistics, _Mapping]] = ...) -> None: ...

class EncryptionStatistics(_message.Message):
    __slots__ = ("key", "older_keys", "partly_plain", "sessions_checked", "sessions_expected")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OLDER_KEYS_FIELD_NUMBER: _ClassVar[int]
    PARTLY_PLAIN_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_CHECKED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    key: str
    older_keys: _containers.RepeatedScalarFieldContainer[str]
    partly_plain: bool
    sessions_checked: int
    sessions_expected: int
    def __init__(self, key: _Optional[str] = ..., older_keys: _Optional[_Iterable[str]] = ..., partly_plain: _Optional[bool] = ..., sessions_checked: _Optional[int] = ..., sessions_expected: _Optional[int] = ...) -> None: ...

class SweepNowRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SweepNowResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: int
    def __init__(self, removed: _Optional[int] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifySummary(_message.Message):
    __slots__ = ("begin_time", "end_time", "sessions", "damaged_sessions", "damaged_handles", "unindexed_sessions", "unindexed_handles", "damaged_pages", "events", "damaged_events")
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_HANDLES_FIELD_NUMBER: _ClassVar[int]
    UNINDEXED_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    UNINDEXED_HANDLES_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_PAGES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    begin_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    sessions: int
    damaged_sessions: int
    damaged_handles: _containers.RepeatedScalarFieldContainer[str]
    unindexed_sessions: int
    unindexed_handles: _containers.RepeatedScalarFieldContainer[str]
    damaged_pages: int
    events: int
    damaged_events: int
    def __init__(self, begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sessions: _Optional[int] = ..., damaged_sessions: _Optional[int] = ..., damaged_handles: _Optional[_Iterable[str]] = ..., unindexed_sessions: _Optional[int] = ..., unindexed_handles: _Optional[_Iterable[str]] = ..., damaged_pages: _Optional[int] = ..., events: _Optional[int] = ..., damaged_events: _Optional[int] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("sessions_checked", "sessions_expected", "events_checked", "events_expected", "summary")
    SESSIONS_CHECKED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_CHECKED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    sessions_checked: int
    sessions_expected: int
    events_checked: int
    events_expected: int
    summary: VerifySummary
    def __init__(self, sessions_checked: _Optional[int] = ..., sessions_expected: _Optional[int] = ..., events_checked: _Optional[int] = ..., events_expected: _Optional[int] = ..., summary: _Optional[_Union[VerifySummary, _Mapping]] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupSummary(_message.Message):
    __slots__ = ("format_version", "server_version", "begin_time", "backup_time", "sessions", "events", "size_bytes", "damaged_sessions", "damaged_handles", "events_damaged", "resume_token")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    BACKUP_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_HANDLES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_DAMAGED_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    server_version: str
    begin_time: _timestamp_pb2.Timestamp
    backup_time: _timestamp_pb2.Timestamp
    sessions: int
    events: int
    size_bytes: int
    damaged_sessions: int
    damaged_handles: _containers.RepeatedScalarFieldContainer[str]
    events_damaged: bool
    resume_token: str
    def __init__(self, format_version: _Optional[int] = ..., server_version: _Optional[str] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., backup_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sessions: _Optional[int] = ..., events: _Optional[int] = ..., size_bytes: _Optional[int] = ..., damaged_sessions: _Optional[int] = ..., damaged_handles: _Optional[_Iterable[str]] = ..., events_damaged: _Optional[bool] = ..., resume_token: _Optional[str] = ...) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ("data", "sessions_sent", "sessions_expected", "summary")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_SENT_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    sessions_sent: int
    sessions_expected: int
    summary: BackupSummary
    def __init__(self, data: _Optional[bytes] = ..., sessions_sent: _Optional[int] = ..., sessions_expected: _Optional[int] = ..., summary: _Optional[_Union[BackupSummary, _Mapping]] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class RestoreResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: BackupSummary
    def __init__(self, summary: _Optional[_Union[BackupSummary, _Mapping]] = ...) -> None: ...
