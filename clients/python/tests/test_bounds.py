"""Every bound, by the list that all clients share, and what the types of a request can't hold."""

import re
import traceback
from datetime import datetime, timedelta, timezone

import conformance
import grpc
import pytest

import sessiond
from sessiond import Client, InvalidArgument
from sessiond.errors import SessiondError
from sessiond.transport.grpcio import failures
from sessiond.transport.grpcio.messages import to_plain

CASES = [
    pytest.param(row, case, id=f"{row['bound']}-{case['method']}-{number}")
    for row in conformance.cases("bounds.json")
    for number, case in enumerate(row.get("refused", []))
]
BY_REASON = {kind.reason: kind for kind in SessiondError.__subclasses__()}
LONE = "lone-surrogate-\ud800"


@pytest.fixture
def client(server, transport):
    with Client(server.address, timeout=10) as running:
        yield running


@pytest.mark.parametrize(("row", "case"), CASES)
def test_every_bound_has_its_error(client, row, case):
    session_id = client.create().session_id
    request = to_plain(conformance.request(case, session_id))
    with pytest.raises(BY_REASON[row["reason"]]) as caught:
        if case["method"] == "WatchSessions":
            client._transport.watch(request).receive()
        else:
            client.plain(case["method"], request)
    assert (caught.value.reason, caught.value.code.name) == (row["reason"], row["code"])
    if "field" in case:
        assert [field for field, _ in caught.value.violations] == [case["field"]]
    else:
        assert int(caught.value.metadata["actual"]) > int(caught.value.metadata["limit"])
    assert caught.value.__context__ is None


def test_a_message_says_what_is_wrong_once(client):
    with pytest.raises(InvalidArgument) as caught:
        client.get("short")
    expected = "INVALID_ARGUMENT: session_id: must be 16 to 256 printable ASCII characters without spaces"
    assert str(caught.value) == expected


ID = "an-unknown-session-id"
FAR = timedelta(days=999_999_999)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("session_id", lambda client: client.get(LONE)),
        ("session_id", lambda client: client.get(b"bytes-are-no-session-id")),
        ("session_id", lambda client: client.get(12)),
        ("session_id", lambda client: client.get(None)),
        ("session_id", lambda client: client.touch(LONE)),
        ("session_id", lambda client: client.update(LONE)),
        ("session_id", lambda client: client.rotate(LONE)),
        ("session_id", lambda client: client.delete(LONE)),
        ("session_id", lambda client: client.create(session_id=LONE)),
        ("new_session_id", lambda client: client.rotate(ID, new_session_id=LONE)),
        ("handle", lambda client: client.delete(handle=LONE)),
        ("handle", lambda client: client.delete(handle=7)),
        ("attributes", lambda client: client.create({LONE: 1})),
        ("attributes", lambda client: client.create({7: 1})),
        ("attributes", lambda client: client.create({None: 1})),
        ("attributes", lambda client: client.create({b"a": 1})),
        ("attributes", lambda client: client.create([("a", 1)])),
        ("set_attributes", lambda client: client.update(ID, set_attributes={LONE: 1})),
        ("set_attributes", lambda client: client.rotate(ID, set_attributes={7: 1})),
        ("remove_attributes", lambda client: client.update(ID, remove_attributes=[LONE])),
        ("remove_attributes", lambda client: client.update(ID, remove_attributes=[7])),
        ("remove_attributes", lambda client: client.update(ID, remove_attributes="theme")),
        ("remove_attributes", lambda client: client.update(ID, remove_attributes=7)),
        ("principal", lambda client: client.create(principal=LONE)),
        ("principal", lambda client: client.create(principal=42)),
        ("principal", lambda client: client.update(ID, principal=42)),
        ("labels", lambda client: client.create(labels={"device": 1})),
        ("labels", lambda client: client.create(labels={1: "phone"})),
        ("labels", lambda client: client.create(labels={"device": LONE})),
        ("set_labels", lambda client: client.update(ID, set_labels={LONE: ""})),
        ("remove_labels", lambda client: client.update(ID, remove_labels=[None, 7])),
        ("idle_timeout", lambda client: client.create(idle_timeout=60)),
        ("idle_timeout", lambda client: client.create(idle_timeout=FAR)),
        ("idle_timeout", lambda client: client.create(idle_timeout=-FAR)),
        ("absolute", lambda client: client.create(absolute=60)),
        ("absolute", lambda client: client.create(absolute=FAR)),
        ("absolute", lambda client: client.create(absolute=datetime.max)),
        (
            "timeouts.absolute_expire_time",
            lambda client: client.create(absolute=datetime.max.replace(tzinfo=timezone.utc)),
        ),
        (
            "timeouts.absolute_expire_time",
            lambda client: client.create(absolute=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))),
        ),
        ("grace", lambda client: client.rotate(ID, grace=10)),
        ("grace", lambda client: client.rotate(ID, grace=FAR)),
        ("expected_version", lambda client: client.update(ID, expected_version=-1)),
        ("expected_version", lambda client: client.update(ID, expected_version=2**64)),
        ("expected_version", lambda client: client.update(ID, expected_version="1")),
        ("if_version_not", lambda client: client.get(ID, if_version_not=1.5)),
    ],
)
def test_odd_values_are_invalid_arguments(client, field, call):
    with pytest.raises(InvalidArgument) as caught:
        call(client)
    assert [name for name, _ in caught.value.violations] == [field]
    assert str(caught.value).startswith(f"INVALID_ARGUMENT: {field}: ")
    assert caught.value.__context__ is None
    str(caught.value).encode()


@pytest.mark.parametrize("namespace", [LONE, 7, b"shop"])
def test_an_odd_namespace_is_an_invalid_argument(server, transport, namespace):
    with Client(server.address, namespace=namespace) as client, pytest.raises(InvalidArgument, match="namespace"):
        client.create()


def test_an_id_that_can_not_be_sent_stands_in_no_error(client):
    with pytest.raises(InvalidArgument) as caught:
        client.get(LONE)
    assert "lone-surrogate" not in "".join(traceback.format_exception_only(caught.value))
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert (stack[-1].name, "lone-surrogate" in str(stack[-1].locals)) == ("text", False)


def test_a_session_limit_has_its_own_error():
    assert BY_REASON["SESSION_LIMIT_REACHED"] is sessiond.SessionLimitReached


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1", None])
def test_an_odd_timeout_is_refused(timeout):
    with pytest.raises(ValueError, match=re.escape("timeout must be a number of seconds above 0")):
        Client("127.0.0.1:1", timeout=timeout)


class FromAProxy:
    def code(self):
        return grpc.StatusCode.UNAVAILABLE

    def details(self):
        return ""

    def trailing_metadata(self):
        return (("grpc-status-details-bin", b"\xff\xff\xff"),)


def test_details_that_can_not_be_read_count_as_none():
    error = failures.from_call(FromAProxy()).error
    assert (type(error), str(error)) == (sessiond.StoreUnavailable, "UNAVAILABLE: no details")


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetSession", {"session_id": 7}),
        ("GetSession", {"session_id": ID, "if_version_not": -1}),
        ("CreateSession", {"attributes": {"a": 1}}),
        ("CreateSession", {"attributes": {"a": b"\xff"}}),
        ("CreateSession", {"timeouts": {"idle_timeout": "1s"}}),
        ("ListSessions", {"page_size": 2**32}),
        ("DropSessions", {}),
    ],
)
def test_a_plain_request_that_is_none_is_the_mistake_of_a_program(client, method, request_):
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        client.plain(method, dict(request_))
    assert caught.value.__context__ is None
    client.create()
