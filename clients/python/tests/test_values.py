"""Python values and the language-neutral Value, by the table that all clients share and at the edges."""

import base64
import enum
import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from google.protobuf import json_format

from sessiond import Client, Connection, InvalidArgument, UnsupportedValue, from_value, to_value
from sessiond.v1.session_calls_pb2 import CreateSessionRequest
from sessiond.v1.value_pb2 import Value

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "conformance/values.json").read_text())
# Python's datetime ends at microseconds; the Value that remains after a round trip.
CUT = {
    "timestamp nanoseconds": "2024-02-29T12:00:00.123456Z",
    "timestamp latest": "9999-12-31T23:59:59.999999Z",
}


def wire(value: Value) -> bytes:
    return value.SerializeToString(deterministic=True)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_shared_vectors(case):
    value = Value.FromString(base64.b64decode(case["wire"]))
    assert wire(value) == wire(json_format.ParseDict(case["value"], Value()))
    expected = {"timestampValue": CUT[case["name"]]} if case["name"] in CUT else case["value"]
    assert wire(to_value(from_value(value), "a")) == wire(json_format.ParseDict(expected, Value()))


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_shared_vectors_through_the_server(server, case):
    value = from_value(Value.FromString(base64.b64decode(case["wire"])))
    with Client(server.address) as client:
        read = client.get(client.create({"a": value}).session_id).attributes["a"]
    assert type(read) is type(value)
    assert read == value or (math.isnan(read) and math.isnan(value))
    assert wire(to_value(read, "a")) == wire(to_value(value, "a"))


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
def test_what_comes_back_as_another_type(value, read):
    result = from_value(to_value(value, "a"))
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
def test_refusals_name_the_attribute(value, complaint):
    with pytest.raises(UnsupportedValue, match=complaint) as caught:
        to_value({"items": [value]}, "cart")
    assert "'cart'" in str(caught.value) or "keys must be text" in str(caught.value)
    assert caught.value.reason == "UNSUPPORTED_VALUE"


def test_deepest_value_passes_the_server(server):
    """30 levels of maps with a timestamp are the most messages within messages that a value can hold."""
    value = {"end": datetime(2024, 2, 29, tzinfo=timezone.utc)}
    for _ in range(28):
        value = {"next": value}
    with pytest.raises(UnsupportedValue):
        to_value({"next": value}, "deep")
    with Client(server.address) as client:
        assert client.get(client.create({"deep": value}).session_id).attributes == {"deep": value}


def test_dictionaries_keep_their_order(server):
    value = {"b": 1, "a": {"d": [{"z": 1, "y": 2}], "c": 2}, "": 3, **{str(n): n for n in range(20, 0, -1)}}
    with Client(server.address) as client:
        read = client.get(client.create({"ordered": value}).session_id).attributes["ordered"]
    assert read == value
    assert json.dumps(read) == json.dumps(value)


def test_keys_that_become_one_text_are_one_entry():
    value = to_value({1: [1], "a": 2, "1": [3]}, "a", str)
    assert list(from_value(value).items()) == [("1", [3]), ("a", 2)]


def test_a_key_that_stands_twice_is_refused_by_the_server(server):
    value = Value()
    for number in range(2):
        value.map_value.entries.add(key="a").value.int_value = number
    connection = Connection(server.address)
    with pytest.raises(InvalidArgument, match="the same key twice") as caught:
        connection.call("CreateSession", CreateSessionRequest(attributes={"cart": value}))
    assert "cart" in str(caught.value)


def test_unknown_kind_is_refused():
    with pytest.raises(UnsupportedValue):
        from_value(Value())
