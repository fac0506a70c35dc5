"""Session keys to attributes and back: one attribute for each top-level key.

With Django's JSONSerializer an attribute is a language-neutral Value, so that other languages can read it, and what a
Django user knows of JSON holds: keys become text, tuples become lists. Bytes and aware datetimes are kept too, though
JSON could not.

All else is opaque: what Value can't hold (an int beyond 64 bits, say), keys that can't be an attribute's name, and
everything under another SESSION_SERIALIZER, whose reason may be that it encrypts. Opaque data is an opaque value with
the encoding "django-signed": what SessionBase.encode makes of {key: value}, serialised by the configured serializer and
signed with SECRET_KEY. The signature matters with pickle: whoever can write to the store can't have code run here. The
key inside keeps signed data from being moved to another key. Version 0.1 stored the same data as the map
{"sessiond.django": bytes}, which is still read.

Another language's opaque value is a sessiond.Opaque here, and is stored as it came.
"""

import hashlib
from typing import Any

from django.contrib.sessions.serializers import JSONSerializer

from sessiond.errors import UnsupportedValue
from sessiond.v1 import value_pb2
from sessiond.values import Opaque, from_value, to_value

MARKER = "sessiond.django"
ENCODING = "django-signed"
# The server's bound.
_LONGEST_NAME = 256


class Undecodable(Exception):
    """Stored data that this site can't read: signed with another SECRET_KEY, or of a class that is gone."""


class Codec:
    """Encodes and decodes for one SessionStore, whose `serializer`, `encode` and `decode` it uses."""

    def __init__(self, store: Any):
        self._store = store
        self._native = store.serializer is JSONSerializer

    def encode(self, key: Any, value: Any) -> tuple[str, value_pb2.Value]:
        """The attribute for a session key. Raises TypeError or ValueError, naming the key, if it can't be stored."""
        key = json_key(key) if self._native else key
        native = self._to_native(key, value)
        if native is not None:
            return key, native
        try:
            signed = self._store.encode({key: value}).encode()
            return self._name(key), to_value(Opaque(ENCODING, signed), MARKER)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"session key {key!r} can't be stored: {error}") from error

    def decode(self, name: str, value: value_pb2.Value) -> tuple[Any, Any]:
        """The session key and value for an attribute. Raises Undecodable."""
        signed = _signed(value)
        if signed is None:
            try:
                return name, from_value(value)
            except UnsupportedValue as error:
                raise Undecodable(str(error)) from None
        # decode() answers {} for whatever it can't read; anything may come out of a foreign serializer.
        data = self._store.decode(signed.decode("latin-1"))
        if not isinstance(data, dict) or len(data) != 1:
            raise Undecodable("not readable with this SECRET_KEY and SESSION_SERIALIZER")
        [(key, item)] = data.items()
        if self._name(key) != name:
            raise Undecodable("data of another key")
        return key, item

    def same(self, name: str, stored: value_pb2.Value, key: Any, value: Any, encoded: value_pb2.Value) -> bool:
        """Whether `value`, encoded as `encoded`, is what the attribute `stored` holds.

        What is stored goes through Python once more, since it may have come from another language (a timestamp with
        nanoseconds), and a signature changes with time.
        """
        if _bytes(stored) == _bytes(encoded):
            return True
        if (_signed(stored) is None) != (_signed(encoded) is None):
            return False
        try:
            _, before = self.decode(name, stored)
        except Undecodable:
            return False
        if _signed(encoded) is not None:
            return self._serialise({key: before}) == self._serialise({key: value})
        return _bytes(self.encode(key, before)[1]) == _bytes(encoded)

    def _to_native(self, key: Any, value: Any) -> value_pb2.Value | None:
        if not self._native or not _is_name(key):
            return None
        try:
            native = to_value(value, key, json_key)
        except UnsupportedValue:
            return None
        # A dictionary or an opaque value that looks like our own mark.
        return None if _signed(native) is not None else native

    def _name(self, key: Any) -> str:
        """The key itself, or a digest in place of what can't be a name."""
        if _is_name(key):
            return key
        return f"{MARKER}:{hashlib.sha256(self._serialise({key: None})).hexdigest()}"

    def _serialise(self, data: dict[Any, Any]) -> bytes:
        return self._store.serializer().dumps(data)


def json_key(key: Any) -> str:
    """A dictionary key as JSON has it."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    raise UnsupportedValue(f"session keys must be str, int, float, bool or None, not {type(key).__name__}")


def _is_name(key: Any) -> bool:
    if type(key) is not str or key.startswith(f"{MARKER}:"):
        return False
    try:
        return 1 <= len(key.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _signed(value: value_pb2.Value) -> bytes | None:
    """The signed data, if the value is what this codec makes; None of any other value."""
    if value.opaque_value.encoding == ENCODING:
        return value.opaque_value.data
    entries = value.map_value.entries
    if len(entries) == 1 and entries[0].key == MARKER and entries[0].value.WhichOneof("kind") == "bytes_value":
        return entries[0].value.bytes_value
    return None


def _bytes(value: value_pb2.Value) -> bytes:
    return value.SerializeToString(deterministic=True)
