"""The calls that there are: their names, messages, and whether twice is the same as once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from sessiond.transport.grpcio.messages import message_class
from sessiond.v1 import admin_pb2, session_store_pb2

# Reads and touches: a call that may have been carried out can be repeated.
_IDEMPOTENT = {
    "GetSession",
    "TouchSession",
    "BatchGetSessions",
    "ListSessions",
    "CountSessions",
    "IssueCsrfToken",
    "VerifyCsrfToken",
    "GetStatistics",
    "CheckHealth",
}


@dataclass(frozen=True)
class Method:
    path: str
    request: type[Message]
    serialize: Callable[[Any], bytes]
    deserialize: Callable[[bytes], Message]
    is_idempotent: bool


def _method(name: str, found: MethodDescriptor) -> Method:
    request = message_class(found.input_type)
    return Method(
        path=f"/{found.containing_service.full_name}/{found.name}",
        request=request,
        serialize=request.SerializeToString,
        deserialize=message_class(found.output_type).FromString,
        is_idempotent=name in _IDEMPOTENT,
    )


def _health_check() -> MethodDescriptor:
    """The method of grpc.health.v1, described here, since its package is one more to install. The pool is its own, so
    that that package, where it is installed, doesn't meet a second description.
    """
    file = FileDescriptorProto(name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3")
    text = FieldDescriptorProto(name="service", number=1, type=FieldDescriptorProto.TYPE_STRING)
    status = FieldDescriptorProto(name="status", number=1, type=FieldDescriptorProto.TYPE_INT32)
    file.message_type.add(name="HealthCheckRequest", field=[text])
    # It is an enum, which looks the same on the wire.
    file.message_type.add(name="HealthCheckResponse", field=[status])
    file.service.add(name="Health").method.add(
        name="Check",
        input_type=".grpc.health.v1.HealthCheckRequest",
        output_type=".grpc.health.v1.HealthCheckResponse",
    )
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMethodByName("grpc.health.v1.Health.Check")


def _all() -> dict[str, Method]:
    services: list[ServiceDescriptor] = [
        session_store_pb2.DESCRIPTOR.services_by_name["SessionStore"],
        admin_pb2.DESCRIPTOR.services_by_name["Admin"],
    ]
    found = {
        method.name: _method(method.name, method)
        for service in services
        for method in service.methods
        if not (method.client_streaming or method.server_streaming)
    }
    found["CheckHealth"] = _method("CheckHealth", _health_check())
    return found


UNARY = _all()
WATCH = _method(
    "WatchSessions", session_store_pb2.DESCRIPTOR.services_by_name["SessionStore"].methods_by_name["WatchSessions"]
)
