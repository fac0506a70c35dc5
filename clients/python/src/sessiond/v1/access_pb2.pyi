from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class Access(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_UNSPECIFIED: _ClassVar[Access]
    ACCESS_TOUCH: _ClassVar[Access]
    ACCESS_PEEK: _ClassVar[Access]
ACCESS_UNSPECIFIED: Access
ACCESS_TOUCH: Access
ACCESS_PEEK: Access
