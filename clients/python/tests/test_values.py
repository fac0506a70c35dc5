"""Python values and the language-neutral Value, by the table that all clients share and at the edges."""

import base64
import enum
import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import transports
from google.protobuf import json_format

from sessiond import Client, InvalidArgument, Opaque, UnsupportedValue, values
from sessiond.v1.value_pb2 import Value

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "conformance/values.json").read_text())
# Python's datetime ends at microseconds; the Value that remains after a round trip.
CUT = {
    "timestamp nanoseconds": "2024-02-29T12:00:00.123456Z",
    "timestamp latest": "9999-12-31T23:59:59.999999Z",
}


@pytest.fixture(params=list(transports.NAMES))
def codec(request) -> Any:
    return transports.codec(request.param)


def wire(value: Value) -> bytes:
    return value.SerializeToString(deterministic=True)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_shared_vectors(codec, case):
    value = Value.FromString(base64.b64decode(case["wire"]))
    assert wire(value) == wire(json_format.ParseDict(case["value"], Value()))
    expected = {"timestampValue": CUT[case["name"]]} if case["name"] in CUT else case["value"]
    encoded = codec.encode(codec.decode(base64.b64decode(case["wire"])), "a")
    assert encoded == wire(json_format.ParseDict(expected, Value()))
    assert codec.encode_all(codec.decode_all({"b": encoded, "a": encoded})) == {"a": encoded, "b": encoded}


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_shared_vectors_through_the_server(server, transport, case):
    value = values.decode(base64.b64decode(case["wire"]))
    with Client(server.address) as client:
        read = client.get(client.create({"a": value}).session_id).attributes["a"]
    assert type(read) is type(value)
    assert read == value or (math.isnan(read) and math.isnan(value))
    assert values.encode(read, "a") == values.encode(value, "a")


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ((1, (2,)), [1, [2]]),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (Colour.RED, "red"),
        (enum.IntEnum("Size", {"L": 3}).L, 3),
        (
            datetime(2024, 2, 29, 13, 0, 0, 5, timezone(timedelta(hours=1))),
            datetime(2024, 2, 29, 12, 0, 0, 5, timezone.utc),
        ),
    ],
)
def test_what_comes_back_as_another_type(codec, value, read):
    result = codec.decode(codec.encode(value, "a"))
    assert result == read
    assert type(result) is type(read)


def nested(levels: int) -> list:
    return [] if levels == 1 else [nested(levels - 1)]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (2**63, r"'cart'\['items'\]\[0\] holds an int beyond 64 bits"),
        (-(2**63) - 1, "beyond 64 bits"),
        (datetime(2024, 2, 29), "without a time zone"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "outside the years 1 to 9999"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "outside the years 1 to 9999"),
        ("\ud800", "not valid Unicode"),
        ({"\ud800": 1}, "not valid Unicode"),
        ({1: 2}, "keys must be text, not int"),
        ({1, 2}, "holds a set"),
        (object(), "holds an object"),
        (nested(29), "nests deeper than 30 levels"),
    ],
)
def test_refusals_name_the_attribute(codec, value, complaint):
    with pytest.raises(UnsupportedValue, match=complaint) as caught:
        codec.encode({"items": [value]}, "cart")
    assert "'cart'" in str(caught.value) or "keys must be text" in str(caught.value)
    assert caught.value.reason == "UNSUPPORTED_VALUE"
    assert type(caught.value) is UnsupportedValue
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(UnsupportedValue, match=complaint):
        codec.encode_all({"cart": {"items": [value]}})


def test_deepest_value_passes_the_server(server, transport):
    """30 levels of maps with a timestamp are the most messages within messages that a value can hold."""
    value = {"end": datetime(2024, 2, 29, tzinfo=timezone.utc)}
    for _ in range(28):
        value = {"next": value}
    with pytest.raises(UnsupportedValue):
        values.encode({"next": value}, "deep")
    with Client(server.address) as client:
        assert client.get(client.create({"deep": value}).session_id).attributes == {"deep": value}


def test_dictionaries_keep_their_order(server, transport):
    value = {"b": 1, "a": {"d": [{"z": 1, "y": 2}], "c": 2}, "": 3, **{str(n): n for n in range(20, 0, -1)}}
    with Client(server.address) as client:
        read = client.get(client.create({"ordered": value}).session_id).attributes["ordered"]
    assert read == value
    assert json.dumps(read) == json.dumps(value)


def test_keys_that_become_one_text_are_one_entry(codec):
    value = codec.encode({1: [1], "a": 2, "1": [3]}, "a", str)
    assert list(codec.decode(value).items()) == [("1", [3]), ("a", 2)]
    assert codec.encode_all({"x": {1: 2}}, str) == {"x": codec.encode({"1": 2}, "x")}


def test_a_key_function_may_refuse(codec):
    def refuse(key):
        raise KeyError("no")

    with pytest.raises(KeyError):
        codec.encode({1: 2}, "a", refuse)


def test_a_key_that_stands_twice_is_refused_by_the_server(server, transport):
    value = Value()
    for number in range(2):
        value.map_value.entries.add(key="a").value.int_value = number
    with Client(server.address) as client, pytest.raises(InvalidArgument, match="the same key twice") as caught:
        client.plain("CreateSession", {"attributes": {"cart": wire(value)}})
    assert "cart" in str(caught.value)


@pytest.mark.parametrize("data", [b"", wire(Value())])
def test_an_unknown_kind_is_refused(codec, data):
    with pytest.raises(UnsupportedValue, match="known kind"):
        codec.decode(data)


@pytest.mark.parametrize("data", [b"\xff", b"\x2a\x05a", b"\x2a\x01\xff"])
def test_bytes_that_are_no_value_are_refused(codec, data):
    with pytest.raises(ValueError, match="not the bytes of a Value") as caught:
        codec.decode(data)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_all_are_sorted_by_name(codec):
    names = ["é", "b", "Z", "a", "\U0001f600", "\uffff", "aa", ""]
    encoded = codec.encode_all({name: name for name in names})
    assert list(codec.decode_all(encoded)) == sorted(names)


def test_both_transports_write_the_same_bytes():
    value = {
        "": None,
        "list": [True, -1, 1.5, float("nan"), "text", b"bytes", [], {}, Opaque("go-gob", b"x"), Opaque("a")],
        "map": {"z": datetime(1, 1, 1, tzinfo=timezone.utc), "a": datetime(1969, 12, 31, 23, 59, 59, 5, timezone.utc)},
    }
    first, second = (transports.codec(name) for name in transports.NAMES)
    assert first.encode(value, "a") == second.encode(value, "a")
    assert repr(first.decode(second.encode(value, "a"))) == repr(second.decode(first.encode(value, "a")))
