"""The client against real servers: every RPC, every way in which a server can be missing, and no ID where it leaks."""

import concurrent.futures
import logging
import socket
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from server import Server

import sessiond
from sessiond import Client
from sessiond.errors import from_rpc_error
from sessiond.v1.admin_pb2 import RestoreRequest
from sessiond.v1.admin_pb2_grpc import AdminStub


@pytest.fixture
def client(server):
    with Client(server.address, namespace="client-tests", timeout=10) as running:
        yield running


def test_life_of_a_session(client):
    created = client.create({"theme": "dark", "n": 1}, principal="user-1", labels={"device": "phone"})
    assert created.session.version == 1
    assert created.session.attributes is None
    read = client.get(created.session_id)
    assert read.attributes == {"n": 1, "theme": "dark"}
    assert (read.handle, read.principal, read.labels) == (created.session.handle, "user-1", {"device": "phone"})
    changed = client.update(
        created.session_id,
        set_attributes={"n": 2},
        remove_attributes=["theme"],
        principal="",
        set_labels={"city": "Bonn"},
    )
    assert (changed.version, changed.principal) == (2, "")
    assert client.get(created.session_id).attributes == {"n": 2}
    client.touch(created.session_id)
    rotated = client.rotate(created.session_id, set_attributes={"n": 3}, principal="user-2")
    assert rotated.session.handle == created.session.handle
    with pytest.raises(sessiond.SessionNotFound):
        client.get(created.session_id)
    assert client.get(rotated.session_id).attributes == {"n": 3}
    assert client.delete(rotated.session_id) is True
    assert client.delete(rotated.session_id, allow_missing=True) is False
    with pytest.raises(sessiond.SessionNotFound):
        client.delete(handle=created.session.handle)


def test_namespaces_are_apart(server, client):
    created = client.create()
    with Client(server.address, namespace="another") as other, pytest.raises(sessiond.SessionNotFound):
        other.get(created.session_id)


def test_timeouts(client):
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=3)
    session = client.create(idle_timeout=timedelta(minutes=30), absolute=end).session
    assert session.idle_timeout == timedelta(minutes=30)
    assert session.absolute_expire_time == end
    session = client.create(absolute=timedelta(hours=1)).session
    assert session.absolute_expire_time == session.create_time + timedelta(hours=1)


def test_peek_does_not_slide_and_touch_does(client):
    created = client.create()
    assert client.get(created.session_id, touch=False).last_access_time == created.session.last_access_time
    wait_for_next_millisecond(created.session.last_access_time)
    client.touch(created.session_id)
    assert client.get(created.session_id, touch=False).last_access_time > created.session.last_access_time


def test_conditional_read(client):
    created = client.create({"a": 1})
    assert client.get(created.session_id, if_version_not=1).attributes is None
    assert client.get(created.session_id, if_version_not=2).attributes == {"a": 1}


def test_grace_of_a_rotation(client):
    created = client.create({"a": 1})
    client.rotate(created.session_id, grace=timedelta(seconds=30))
    assert client.get(created.session_id).attributes == {"a": 1}
    with pytest.raises(sessiond.SessionIdRetired) as caught:
        client.update(created.session_id, set_attributes={"a": 2})
    assert caught.value.reason == "SESSION_ID_RETIRED"


def test_version_mismatch_tells_the_current_version(client):
    created = client.create()
    client.update(created.session_id, set_attributes={"a": 1})
    with pytest.raises(sessiond.VersionMismatch) as caught:
        client.update(created.session_id, expected_version=1, set_attributes={"a": 2})
    assert caught.value.current_version == 2


def test_taken_id(client):
    with pytest.raises(sessiond.SessionIdTaken):
        client.create(session_id=client.create().session_id)


def test_update_never_creates_unless_told(client):
    with pytest.raises(sessiond.SessionNotFound):
        client.update("unknown-" * 4, set_attributes={"a": 1})
    client.update("upserted-" * 4, upsert=True, set_attributes={"a": 1})
    assert client.get("upserted-" * 4).attributes == {"a": 1}
    client.delete("upserted-" * 4)


def test_invalid_argument_names_the_field(client):
    with pytest.raises(sessiond.InvalidArgument) as caught:
        client.get("short")
    assert [field for field, _ in caught.value.violations] == ["session_id"]


def test_too_large(client):
    with pytest.raises(sessiond.SessionTooLarge) as caught:
        client.create({"a": b"x" * 3_000_000})
    assert int(caught.value.metadata["actual"]) > int(caught.value.metadata["limit"])


def test_the_largest_session_is_read(tmp_path):
    """An answer with it is larger than what gRPC takes by default."""
    server = Server(tmp_path / "data", settings=("--max-session-size", "4MiB", "--max-message-size", "8MiB")).start()
    try:
        with Client(server.address, timeout=10) as client:
            data = b"x" * (4 * 1024 * 1024 - 30)
            assert client.get(client.create({"a": data}).session_id).attributes == {"a": data}
    finally:
        server.kill()


def test_unix_socket(tmp_path):
    server = Server(tmp_path / "data", f"unix:{tmp_path}/s.sock").start()
    try:
        with Client(server.address) as client:
            assert client.get(client.create({"a": 1}).session_id).attributes == {"a": 1}
    finally:
        server.kill()


def test_address_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("SESSIOND_ADDR", server.address)
    assert Client().create().session.version == 1


def test_threads_share_a_client(client):
    created = client.create({"n": 0})

    def put(n: int) -> None:
        client.update(created.session_id, set_attributes={f"k{n}": n})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(100)))
    assert client.get(created.session_id).attributes == {"n": 0, **{f"k{n}": n for n in range(100)}}


def test_dead_server_is_told_quickly(own_server):
    with Client(own_server.address) as client:
        created = client.create()
        own_server.kill()
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable):
            client.get(created.session_id)
        assert time.monotonic() - start < 3


def test_hanging_server_ends_at_the_deadline(own_server):
    with Client(own_server.address, timeout=0.3) as client:
        created = client.create()
        own_server.pause()
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable) as caught:
            client.get(created.session_id)
        assert 0.25 < time.monotonic() - start < 3
        assert caught.value.reason == "DEADLINE_EXCEEDED"
        own_server.resume()
        assert client.get(created.session_id).version == 1


def test_peer_that_never_speaks():
    """Connected, but no HTTP/2: a port that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.3) as client:
            start = time.monotonic()
            with pytest.raises(sessiond.StoreUnavailable):
                client.create()
            assert time.monotonic() - start < 3


def test_connects_lazily_and_finds_a_restarted_server(tmp_path):
    server = Server(tmp_path / "data")
    with Client(server.address) as client:
        with pytest.raises(sessiond.StoreUnavailable):
            client.create()
        server.start()
        created = until_available(lambda: client.create({"a": 1}))
        server.kill()
        server.start()
        assert until_available(lambda: client.get(created.session_id)).attributes == {"a": 1}
    server.kill()


def test_repeats_a_call_when_the_connection_breaks():
    """The first connection is cut after the request; the repeated call reaches a second one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def serve() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                connections.append(peer)
                # The HTTP/2 preface and settings both ways, then the end: UNAVAILABLE.
                peer.recv(24)
                peer.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
                peer.recv(1000)
                peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Client(f"127.0.0.1:{listener.getsockname()[1]}", timeout=2.5) as client:
            with pytest.raises(sessiond.StoreUnavailable):
                client.create()
        thread.join(5)
        assert len(connections) == 2


def test_no_session_id_in_errors_reprs_and_logs(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "very-secret-session-id-0123456789"
    created = client.create(session_id=secret, attributes={"a": 1})
    assert secret not in repr(created) + repr(client) + repr(client._connection)
    failures = [
        lambda: client.create(session_id=secret),
        lambda: client.update(secret, expected_version=9),
        lambda: client.update(secret + "x", set_attributes={"a": 1}),
        lambda: client.get(secret + " "),
        lambda: client.get(secret * 20),
        lambda: Client("127.0.0.1:1", timeout=0.2).get(secret),
    ]
    for failure in failures:
        with pytest.raises(sessiond.SessiondError) as caught:
            failure()
        assert caught.value.__context__ is None
        assert secret not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.metadata)
        last = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[-1]
        assert last.name == "call"
        assert secret not in str(last.locals)
    assert secret not in caplog.text
    assert secret not in server.log()
    client.delete(secret)


def test_a_reason_that_the_client_does_not_know_is_told_as_it_is(server, client):
    """A server may be newer than its clients; here it answers a call that this client has no method for."""
    client.create()
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as refused:
        AdminStub(channel).Restore(iter([RestoreRequest(data=b"no backup")]))
    error = from_rpc_error(refused.value)
    assert type(error) is sessiond.SessiondError
    assert (error.reason, error.code) == ("NOT_EMPTY", grpc.StatusCode.FAILED_PRECONDITION)
    assert "already holds sessions or events" in str(error)


def wait_for_next_millisecond(after: datetime) -> None:
    while datetime.now(timezone.utc) < after + timedelta(milliseconds=1):
        pass


def until_available(call, limit: float = 10):
    """The result of `call` as soon as the store answers."""
    deadline = time.monotonic() + limit
    while True:
        try:
            return call()
        except sessiond.StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
