from sessiond.v1 import batch_pb2 as _batch_pb2
from sessiond.v1 import csrf_pb2 as _csrf_pb2
from sessiond.v1 import directory_pb2 as _directory_pb2
from sessiond.v1 import events_pb2 as _events_pb2
from sessiond.v1 import exchange_pb2 as _exchange_pb2
from sessiond.v1 import handoff_pb2 as _handoff_pb2
from sessiond.v1 import locks_pb2 as _locks_pb2
from sessiond.v1 import session_calls_pb2 as _session_calls_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
