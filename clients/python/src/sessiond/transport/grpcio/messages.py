"""Messages of the contract in plain form to protobuf's and back, by their descriptors; sessiond.transport describes the
form.

What to do with each field is looked up once for each kind of message, and kept.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.v1.value_pb2 import Value

_MICROS = 1_000_000

Writer = Callable[[Message, Any, str], None]
Reader = Callable[[Message, dict[str, Any]], None]


def to_message(kind: type[Message], plain: dict[str, Any]) -> Message:
    """The message for its plain form.

    Raises TypeError or ValueError, which names the field, for what the message can't hold; `plain` is then emptied.
    """
    message = kind()
    try:
        _fill(message, plain, "")
        return message
    except _Misfit as misfit:
        problem, text = misfit.args
    plain.clear()
    # Out here, since the frames of the chained error would show the value.
    raise problem(text)


def to_plain(message: Message) -> dict[str, Any]:
    """The plain form of a message."""
    plain: dict[str, Any] = {}
    for read in _readers(message.DESCRIPTOR):
        read(message, plain)
    return plain


class _Misfit(Exception):
    """TypeError or ValueError, and its text."""


def _fill(message: Message, plain: dict[str, Any], path: str) -> None:
    writers = _writers(message.DESCRIPTOR)
    for name, value in plain.items():
        write = writers.get(name)
        if write is None:
            raise _Misfit(ValueError, f"{path}{name} is no field of {message.DESCRIPTOR.name}")
        try:
            write(message, value, path + name)
        except (ValueError, DecodeError):
            raise _Misfit(ValueError, f"{path}{name} can't hold this {type(value).__name__}") from None
        except (TypeError, AttributeError):
            raise _Misfit(TypeError, f"{path}{name} can't be of type {type(value).__name__}") from None


@cache
def _writers(descriptor: Descriptor) -> dict[str, Writer]:
    return {field.name: _writer(field) for field in descriptor.fields}


def _writer(field: FieldDescriptor) -> Writer:
    name = field.name
    if _is_map(field):
        return _map_writer(name, field.message_type.fields_by_name["value"])
    if field.is_repeated:
        if field.message_type is None:
            return lambda message, value, path: getattr(message, name).extend(value)

        def write_all(message: Message, values: Any, path: str) -> None:
            items = getattr(message, name)
            for value in values:
                _fill(items.add(), value, f"{path}.")

        return write_all
    if field.message_type is None:
        return lambda message, value, path: setattr(message, name, value)
    if field.message_type is Duration.DESCRIPTOR:
        return lambda message, value, path: _set_duration(getattr(message, name), value)
    if field.message_type is Timestamp.DESCRIPTOR:
        return lambda message, value, path: _set_timestamp(getattr(message, name), value)
    if field.message_type is Value.DESCRIPTOR:
        return lambda message, value, path: getattr(message, name).ParseFromString(value)

    def write(message: Message, value: Any, path: str) -> None:
        inner = getattr(message, name)
        inner.SetInParent()
        _fill(inner, value, f"{path}.")

    return write


def _map_writer(name: str, value_field: FieldDescriptor) -> Writer:
    if value_field.message_type is Value.DESCRIPTOR:

        def write(message: Message, values: Any, path: str) -> None:
            items = getattr(message, name)
            for key, data in values.items():
                items[key].ParseFromString(data)

        return write
    return lambda message, values, path: getattr(message, name).update(values)


@cache
def _readers(descriptor: Descriptor) -> tuple[Reader, ...]:
    return tuple(_reader(field) for field in descriptor.fields)


def _reader(field: FieldDescriptor) -> Reader:
    name = field.name
    if _is_map(field):
        if field.message_type.fields_by_name["value"].message_type is Value.DESCRIPTOR:
            return lambda message, plain: plain.__setitem__(
                name, {key: _bytes(value) for key, value in getattr(message, name).items()}
            )
        return lambda message, plain: plain.__setitem__(name, dict(getattr(message, name)))
    if field.is_repeated:
        if field.message_type is None:
            return lambda message, plain: plain.__setitem__(name, list(getattr(message, name)))
        return lambda message, plain: plain.__setitem__(name, [to_plain(item) for item in getattr(message, name)])
    convert = _converter(field)
    if not field.has_presence:
        return lambda message, plain: plain.__setitem__(name, getattr(message, name))

    def read(message: Message, plain: dict[str, Any]) -> None:
        if message.HasField(name):
            value = getattr(message, name)
            plain[name] = convert(value) if convert else value

    return read


def _converter(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    if field.message_type is None:
        return None
    if field.message_type is Duration.DESCRIPTOR:
        return _duration_micros
    if field.message_type is Timestamp.DESCRIPTOR:
        return _timestamp_micros
    if field.message_type is Value.DESCRIPTOR:
        return _bytes
    return to_plain


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _bytes(value: Message) -> bytes:
    return bytes(value.SerializeToString(deterministic=True))


def _set_duration(duration: Duration, micros: int) -> None:
    # Both parts have the sign of the whole.
    seconds, rest = divmod(abs(micros), _MICROS)
    sign = -1 if micros < 0 else 1
    duration.seconds = sign * seconds
    duration.nanos = sign * rest * 1000
    duration.SetInParent()


def _set_timestamp(timestamp: Timestamp, micros: int) -> None:
    seconds, rest = divmod(micros, _MICROS)
    timestamp.seconds = seconds
    timestamp.nanos = rest * 1000
    timestamp.SetInParent()


def _duration_micros(duration: Duration) -> int:
    sign = -1 if duration.nanos < 0 else 1
    return int(duration.seconds * _MICROS + sign * (abs(duration.nanos) // 1000))


def _timestamp_micros(timestamp: Timestamp) -> int:
    return int(timestamp.seconds * _MICROS + timestamp.nanos // 1000)


def message_class(descriptor: Descriptor) -> type[Message]:
    """The class of a message."""
    kind: type[Message] = GetMessageClass(descriptor)
    return kind
