"""The mapping of values over protobuf; sessiond.values says what it does."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.errors import UnsupportedValue
from sessiond.v1 import value_pb2 as pb
from sessiond.values import Opaque

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
# How deep the server lets a value nest.
MAX_DEPTH = 30

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def encode(value: Any, name: str, key: Callable[[Any], str] | None = None) -> bytes:
    out = pb.Value()
    _fill(out, value, repr(name), key or _text_key, 1)
    return bytes(out.SerializeToString(deterministic=True))


def decode(data: bytes) -> Any:
    try:
        value = pb.Value.FromString(data)
    except DecodeError:
        value = None
    if value is None:
        raise ValueError("not the bytes of a Value")
    return _read(value)


def encode_all(mapping: Mapping[str, Any], key: Callable[[Any], str] | None = None) -> dict[str, bytes]:
    return {name: encode(value, name, key) for name, value in mapping.items()}


def decode_all(mapping: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: decode(mapping[name]) for name in sorted(mapping)}


def _read(value: pb.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind in ("bool_value", "int_value", "double_value", "string_value", "bytes_value"):
        return getattr(value, kind)
    if kind == "null_value":
        return None
    if kind == "timestamp_value":
        return _EPOCH + timedelta(
            seconds=value.timestamp_value.seconds, microseconds=value.timestamp_value.nanos // 1000
        )
    if kind == "list_value":
        return [_read(item) for item in value.list_value.items]
    if kind == "map_value":
        return {entry.key: _read(entry.value) for entry in value.map_value.entries}
    if kind == "opaque_value":
        return Opaque(value.opaque_value.encoding, value.opaque_value.data)
    raise UnsupportedValue("a value without a known kind")


def _timestamp(moment: datetime) -> Timestamp:
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def _text_key(key: Any) -> str:
    if not isinstance(key, str):
        raise UnsupportedValue(f"dictionary keys must be text, not {type(key).__name__}")
    return key


def _fill(out: pb.Value, value: Any, where: str, key: Callable[[Any], str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsupportedValue(f"attribute {where} nests deeper than {MAX_DEPTH} levels")
    # bool before int: it is a subclass. The conversions turn subclasses (enums, lazy-safe strings) into the plain type.
    if value is None:
        out.null_value = 0
    elif isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, str):
        out.string_value = _text(str.__str__(value), where)
    elif isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise UnsupportedValue(f"attribute {where} holds an int beyond 64 bits")
        out.int_value = int(value)
    elif isinstance(value, float):
        out.double_value = float(value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out.bytes_value = bytes(value)
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise UnsupportedValue(f"attribute {where} holds a datetime without a time zone")
        timestamp = _timestamp(value)
        if not FIRST_SECOND <= timestamp.seconds <= LAST_SECOND:
            raise UnsupportedValue(f"attribute {where} holds a datetime that is outside the years 1 to 9999 in UTC")
        out.timestamp_value.CopyFrom(timestamp)
    elif isinstance(value, Opaque):
        out.opaque_value.encoding = _text(value.encoding, where)
        out.opaque_value.data = value.data
    elif isinstance(value, (list, tuple)):
        out.list_value.SetInParent()
        for index, item in enumerate(value):
            _fill(out.list_value.items.add(), item, f"{where}[{index}]", key, depth + 1)
    elif isinstance(value, Mapping):
        out.map_value.SetInParent()
        # Two keys can have one text (1 and "1"); the last one wins, as when JSON is read.
        items = {_text(key(name), where): item for name, item in value.items()}
        for text, item in items.items():
            entry = out.map_value.entries.add(key=text)
            _fill(entry.value, item, f"{where}[{text!r}]", key, depth + 1)
    else:
        name = type(value).__name__
        article = "an" if name[0] in "AEIOUaeiou" else "a"
        raise UnsupportedValue(f"attribute {where} holds {article} {name}, which no other language can read")


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        # The chained error would carry the text, which is the visitor's data.
        raise UnsupportedValue(f"attribute {where} holds text that is not valid Unicode") from None
    return text
