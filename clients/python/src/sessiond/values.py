"""Python values to the language-neutral Value of the contract and back.

    None, bool, str, bytes   as they are (bytearray and memoryview become bytes)
    int                      int_value; beyond 64 bits: UnsupportedValue
    float                    double_value, NaN and the infinities included; 1 and 1.0 stay different
    datetime                 timestamp_value; must be aware, comes back in UTC, cut to microseconds
    list, tuple              list_value, comes back as a list
    dict with str keys       map_value, in the same order
    Opaque                   opaque_value: what only those can read who know its encoding

Anything else is refused with UnsupportedValue. A Value is bytes here, its form on the wire; the same value always has
the same bytes, so two of them can be compared.

    encode(value, name, key=None) -> bytes
        The Value of `value`, which is to be the attribute `name`. `key` turns a dictionary key into text; without it
        only str keys are taken. Raises UnsupportedValue, which names the attribute and the place in it.
    decode(data) -> Any
        The Python value of a Value. Raises UnsupportedValue for a kind that this version does not know; bytes that are
        no Value, which no server sends, are a ValueError.
    encode_all(mapping, key=None) -> dict[str, bytes]
        encode() for each attribute; the names must be str.
    decode_all(mapping) -> dict[str, Any]
        decode() for each attribute, sorted by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

__all__ = ["Opaque", "decode", "decode_all", "encode", "encode_all"]


@dataclass(frozen=True)
class Opaque:
    """Data in an encoding that is not language-neutral, such as what a Go service stored.

    `encoding` is its name: 1 to 64 of the characters a-z, 0-9, "-", "_", ".", "/" and "+", beginning with a letter or
    digit. It can be stored again as it is.
    """

    encoding: str
    data: bytes = field(default=b"", repr=False)


if TYPE_CHECKING:

    def encode(value: Any, name: str, key: Callable[[Any], str] | None = None) -> bytes: ...

    def decode(data: bytes) -> Any: ...

    def encode_all(mapping: Mapping[str, Any], key: Callable[[Any], str] | None = None) -> dict[str, bytes]: ...

    def decode_all(mapping: Mapping[str, bytes]) -> dict[str, Any]: ...

else:

    def __getattr__(name: str) -> Any:
        """The functions come with the transport, which is chosen when one is first needed."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from sessiond import transport

        codec = transport.codec()
        for function in ("encode", "decode", "encode_all", "decode_all"):
            globals()[function] = getattr(codec, function)
        return globals()[name]
