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

An attribute is bytes, the serialised Value, and the same value always has the same bytes.
"""

import hashlib
from typing import Any

from django.contrib.sessions.serializers import JSONSerializer

from sessiond.errors import UnsupportedValue
from sessiond.values import Opaque, decode, decode_all, encode, encode_all

MARKER = "sessiond.django"
ENCODING = "django-signed"
_OWN_NAME = f"{MARKER}:"
# The server's bound.
_LONGEST_NAME = 256
# What signed data begins with, as an opaque value and as the map of version 0.1, and what is in it.
_TAGS = (0x52, 0x4A)
_MARKS = (ENCODING.encode(), MARKER.encode())
# What a Value begins with that has no other form: None, bool, int, float, str and bytes.
_SCALARS = (0x08, 0x10, 0x18, 0x21, 0x2A, 0x32)
# Keys that were found to be names, and how many are noted at most.
_names: set[str] = set()
_MOST_NAMES = 1_000


class Undecodable(Exception):
    """Stored data that this site can't read: signed with another SECRET_KEY, or of a class that is gone."""


class Codec:
    """Encodes and decodes for one SessionStore, whose `serializer`, `encode` and `decode` it uses."""

    __slots__ = ("_neutral", "_store")

    def __init__(self, store: Any):
        self._store = store
        self._neutral = store.serializer is JSONSerializer

    def encode_all(self, data: dict[Any, Any]) -> tuple[dict[str, bytes], dict[str, Any]]:
        """The attributes for a session, and the key that each stands for.

        Raises TypeError or ValueError, naming the key, if something can't be stored.
        """
        attributes = self._encode_at_once(data)
        if attributes is not None:
            return attributes, data
        attributes, keys = {}, {}
        for key, value in data.items():
            name, encoded = self.encode(key, value)
            attributes[name] = encoded
            keys[name] = key
        return attributes, keys

    def encode(self, key: Any, value: Any) -> tuple[str, bytes]:
        """The attribute for a session key. Raises TypeError or ValueError, naming the key, if it can't be stored."""
        key = json_key(key) if self._neutral else key
        neutral = self._encode_neutral(key, value)
        if neutral is not None:
            return key, neutral
        try:
            signed = self._store.encode({key: value}).encode()
            return self._name(key), encode(Opaque(ENCODING, signed), MARKER)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"session key {key!r} can't be stored: {error}") from error

    def decode_all(self, attributes: dict[str, bytes]) -> tuple[dict[Any, Any], dict[str, str]]:
        """The session for the attributes, and for each that can't be read what is wrong with it."""
        try:
            data = decode_all(attributes)
        except UnsupportedValue:
            return self._decode_each(attributes)
        for value in data.values():
            if (type(value) is Opaque or type(value) is dict) and _signed_in(value) is not None:
                return self._decode_each(attributes)
        return data, {}

    def decode(self, name: str, attribute: bytes) -> tuple[Any, Any]:
        """The session key and value for an attribute. Raises Undecodable."""
        try:
            value = decode(attribute)
        except UnsupportedValue as error:
            raise Undecodable(str(error)) from None
        signed = _signed_in(value)
        if signed is None:
            return name, value
        # decode() answers {} for whatever it can't read; anything may come out of a foreign serializer.
        data = self._store.decode(signed.decode("latin-1"))
        if not isinstance(data, dict) or len(data) != 1:
            raise Undecodable("not readable with this SECRET_KEY and SESSION_SERIALIZER")
        [(key, item)] = data.items()
        if self._name(key) != name:
            raise Undecodable("data of another key")
        return key, item

    def same(self, name: str, stored: bytes, key: Any, value: Any, encoded: bytes) -> bool:
        """Whether `value`, encoded as `encoded`, is what the attribute `stored` holds although their bytes differ.

        What is stored goes through Python once more, since it may have come from another language (a timestamp with
        nanoseconds), and a signature changes with time.
        """
        if stored[:1] and stored[0] in _SCALARS:
            return False
        is_signed = _is_signed(encoded)
        if _is_signed(stored) != is_signed:
            return False
        try:
            _, before = self.decode(name, stored)
        except Undecodable:
            return False
        if is_signed:
            return self._serialise({key: before}) == self._serialise({key: value})
        return self.encode(key, before)[1] == encoded

    def _encode_at_once(self, data: dict[Any, Any]) -> dict[str, bytes] | None:
        """All attributes, if every one of them is neutral and named as its key."""
        if not self._neutral:
            return None
        # Sites have few names and use them over and over.
        if not data.keys() <= _names and not all(map(_is_noted_name, data)):
            return None
        try:
            attributes = encode_all(data, json_key)
        except UnsupportedValue:
            return None
        for encoded in attributes.values():
            if encoded[0] in _TAGS and _is_signed(encoded):
                return None
        return attributes

    def _encode_neutral(self, key: Any, value: Any) -> bytes | None:
        if not self._neutral or not _is_name(key):
            return None
        try:
            neutral = encode(value, key, json_key)
        except UnsupportedValue:
            return None
        # A dictionary or an opaque value that looks like our own mark.
        return None if _is_signed(neutral) else neutral

    def _decode_each(self, attributes: dict[str, bytes]) -> tuple[dict[Any, Any], dict[str, str]]:
        data, unreadable = {}, {}
        for name in sorted(attributes):
            try:
                key, value = self.decode(name, attributes[name])
            except Undecodable as error:
                unreadable[name] = str(error)
            else:
                data[key] = value
        return data, unreadable

    def _name(self, key: Any) -> str:
        """The key itself, or a digest in place of what can't be a name."""
        if _is_name(key):
            name: str = key
            return name
        return f"{_OWN_NAME}{hashlib.sha256(self._serialise({key: None})).hexdigest()}"

    def _serialise(self, data: dict[Any, Any]) -> bytes:
        serialised: bytes = self._store.serializer().dumps(data)
        return serialised


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
    if type(key) is not str or key.startswith(_OWN_NAME):
        return False
    try:
        return 1 <= len(key.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _is_noted_name(key: Any) -> bool:
    """_is_name(), of which a few answers are kept."""
    if not _is_name(key):
        return False
    if len(_names) < _MOST_NAMES:
        _names.add(key)
    return True


def _is_signed(attribute: bytes) -> bool:
    """Whether an attribute is what this codec makes of data that is not neutral."""
    if not any(mark in attribute for mark in _MARKS):
        return False
    try:
        return _signed_in(decode(attribute)) is not None
    except UnsupportedValue:
        return False


def _signed_in(value: Any) -> bytes | None:
    """The signed data, if the value is what this codec makes; None of any other value."""
    if type(value) is Opaque:
        return value.data if value.encoding == ENCODING else None
    if type(value) is dict and len(value) == 1:
        signed = value.get(MARKER)
        if type(signed) is bytes:
            return signed
    return None
