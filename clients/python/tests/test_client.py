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
from server import Server, free_port

import sessiond
from sessiond import Client, Code
from sessiond.transport.grpcio import failures
from sessiond.v1.admin_pb2 import RestoreRequest
from sessiond.v1.admin_pb2_grpc import AdminStub

UNKNOWN = "an-unknown-session-id"
WRITES = {
    "create": lambda client: client.create(),
    "update": lambda client: client.update(UNKNOWN),
    "rotate": lambda client: client.rotate(UNKNOWN),
    "delete": lambda client: client.delete(UNKNOWN),
    "lock": lambda client: client.lock(UNKNOWN),
    "redeem": lambda client: client.redeem_handoff("ticket", "audience"),
}
READS = {
    "get": lambda client: client.get(UNKNOWN),
    "touch": lambda client: client.touch(UNKNOWN),
    "count": lambda client: client.count(),
    "verify": lambda client: client.verify_csrf_token(UNKNOWN, "token"),
}


@pytest.fixture
def client(server, transport):
    with Client(server.address, namespace=f"client-tests-{transport}", timeout=10) as running:
        assert running.transport == transport
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
    assert client.touch(created.session_id).version == 2
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


def test_the_largest_session_is_read(tmp_path, transport):
    """An answer with it is larger than what gRPC takes by default."""
    server = Server(tmp_path / "data", settings=("--max-session-size", "4MiB", "--max-message-size", "8MiB")).start()
    try:
        with Client(server.address, timeout=10) as client:
            data = b"x" * (4 * 1024 * 1024 - 30)
            assert client.get(client.create({"a": data}).session_id).attributes == {"a": data}
    finally:
        server.kill()


def test_unix_socket(tmp_path, transport):
    server = Server(tmp_path / "data", f"unix:{tmp_path}/s.sock").start()
    try:
        with Client(server.address) as client:
            assert client.get(client.create({"a": 1}).session_id).attributes == {"a": 1}
    finally:
        server.kill()


def test_address_from_the_environment(server, monkeypatch, transport):
    monkeypatch.setenv("SESSIOND_ADDR", server.address)
    assert Client().create().session.version == 1


def test_threads_share_a_client(client):
    created = client.create({"n": 0})

    def put(n: int) -> None:
        client.update(created.session_id, set_attributes={f"k{n}": n})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(100)))
    assert client.get(created.session_id).attributes == {"n": 0, **{f"k{n}": n for n in range(100)}}


def test_dead_server_is_told_quickly(own_server, transport):
    with Client(own_server.address) as client:
        created = client.create()
        own_server.kill()
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable):
            client.get(created.session_id)
        assert time.monotonic() - start < 3


def test_hanging_server_ends_at_the_deadline(own_server, transport):
    with Client(own_server.address, timeout=20) as client:
        created = client.create()
        own_server.pause()
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable) as caught:
            client.with_timeout(0.3).get(created.session_id)
        assert 0.25 < time.monotonic() - start < 10
        assert caught.value.reason == "DEADLINE_EXCEEDED"
        own_server.resume()
        assert client.get(created.session_id).version == 1


def test_peer_that_never_speaks(transport):
    """Connected, but no HTTP/2: a port that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.3) as client:
            start = time.monotonic()
            with pytest.raises(sessiond.StoreUnavailable):
                client.create()
            assert time.monotonic() - start < 3


def test_connects_lazily_and_finds_a_restarted_server(tmp_path, transport):
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


@pytest.mark.parametrize("name", WRITES)
def test_no_call_is_repeated_that_may_have_been_carried_out(transport, name):
    """Each connection is cut when a request has come."""
    with Cutting() as cutting, Client(cutting.address, timeout=5) as client:
        with pytest.raises(sessiond.StoreUnavailable) as caught:
            WRITES[name](client)
        assert (caught.value.reason, caught.value.code) == ("UNAVAILABLE", Code.UNAVAILABLE)
        assert cutting.requests == 1


@pytest.mark.parametrize("name", READS)
def test_reads_are_repeated_a_few_times(transport, name):
    with Cutting() as cutting, Client(cutting.address, timeout=30) as client:
        with pytest.raises(sessiond.StoreUnavailable) as caught:
            READS[name](client)
        assert (caught.value.reason, caught.value.code) == ("UNAVAILABLE", Code.UNAVAILABLE)
        # Of a connection that is cut at once, the native core may see no more than that.
        assert cutting.requests in ((20,) if transport == "grpcio" else range(1, 21))


class Cutting:
    """A server that takes requests and answers none: it cuts the connection instead."""

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._cut, args=[peer], daemon=True).start()

    def _cut(self, peer):
        with peer:
            # The HTTP/2 preface, then settings both ways, then frames until one of a request has all of it.
            received = peer.recv(24, socket.MSG_WAITALL)
            peer.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            while len(head := peer.recv(9, socket.MSG_WAITALL)) == 9:
                length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                received = peer.recv(length, socket.MSG_WAITALL)
                if kind == 4 and not flags & 1:
                    peer.sendall(b"\x00\x00\x00\x04\x01\x00\x00\x00\x00")
                if kind == 0 and received:
                    self.requests += 1
                    return


def test_no_session_id_in_errors_reprs_and_logs(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    secret = f"very-secret-session-id-0123456789-{client.transport}"
    created = client.create(session_id=secret, attributes={"a": 1})
    assert secret not in repr(created) + repr(created.session) + repr(client)
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
        assert secret not in str((last.locals or {}).get("request"))
        assert last.name in ("call", "plain")
    assert secret not in caplog.text
    assert secret not in server.log()
    client.delete(secret)


def test_a_reason_that_the_client_does_not_know_is_told_as_it_is(server, client):
    """A server may be newer than its clients; here it answers a call that this client has no method for."""
    client.create()
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as refused:
        AdminStub(channel).Restore(iter([RestoreRequest(data=b"no backup")]))
    error = failures.from_call(refused.value).error
    assert type(error) is sessiond.SessiondError
    assert (error.reason, error.code) == ("NOT_EMPTY", Code.FAILED_PRECONDITION)
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


def test_the_first_times_of_a_session_can_be_told(client):
    now = datetime.now(timezone.utc).replace(microsecond=0)
    created = client.create(
        create_time=now - timedelta(hours=2), last_access_time=now - timedelta(hours=1), absolute=timedelta(hours=3)
    )
    session = client.get(created.session_id, touch=False)
    assert session.create_time == now - timedelta(hours=2)
    assert session.last_access_time == now - timedelta(hours=1)
    assert session.absolute_expire_time == now + timedelta(hours=1)


def test_attributes_can_be_left_out_of_a_read(client):
    session_id = client.create({"a": 1}, principal="user").session_id
    session = client.get(session_id, omit_attributes=True)
    assert (session.attributes, session.stored, session.principal) == (None, None, "user")


def test_sessions_are_equal_if_all_that_is_known_is(client):
    session_id = client.create({"a": 1, "b": None}, labels={"device": "phone"}).session_id
    session = client.get(session_id, touch=False)
    assert session == client.get(session_id, touch=False)
    assert session != client.get(session_id, touch=False, omit_attributes=True)
    assert list(session.stored) == ["a", "b"] or set(session.stored) == {"a", "b"}
    changed = client.update(session_id, set_attributes={"a": 2})
    assert session != changed and session != "something else"
    with pytest.raises(TypeError):
        hash(session)
    with pytest.raises(AttributeError):
        session.version = 2


def test_the_text_form_shows_names_and_no_values(client):
    created = client.create({"password": "very-secret"}, principal="user-1")
    session = client.get(created.session_id)
    assert "very-secret" not in repr(session)
    assert all(part in repr(session) for part in (session.handle, "password", "user-1", "version 1"))
    assert created.session_id not in repr(created)


def test_many_at_once(client):
    ids = [client.create({"n": n}).session_id for n in range(3)]
    found = client.get_many([ids[2], UNKNOWN, ids[0], "short"], touch=False)
    assert [found[0].attributes, found[2].attributes] == [{"n": 2}, {"n": 0}]
    assert isinstance(found[1], sessiond.SessionNotFound) and found[1].code is Code.NOT_FOUND
    assert isinstance(found[3], sessiond.InvalidArgument) and found[3].code is Code.INVALID_ARGUMENT
    deleted = client.delete_many([ids[0], UNKNOWN, "short", ids[1]])
    assert [deleted[0], deleted[1], deleted[3]] == [True, False, True]
    assert isinstance(deleted[2], sessiond.InvalidArgument)
    assert client.get_many([]) == client.delete_many(iter([])) == []
    with pytest.raises(sessiond.InvalidArgument):
        client.get_many("abc")


def test_lists_counts_and_revocations(client):
    made = []
    for n in range(5):
        made.append(client.create({"n": n}, principal="lister"))
        # Newest first is by the millisecond.
        wait_for_next_millisecond(made[-1].session.create_time)
    others = client.with_namespace("another-of-the-list")
    assert [session.handle for session in client.list("lister", page_size=2)] == [
        created.session.handle for created in reversed(made)
    ]
    assert [session.attributes for session in client.list("lister", with_attributes=True)][0] == {"n": 4}
    assert next(client.list("lister")).attributes is None
    page = client.list_page("lister", page_size=3)
    assert len(page.sessions) == 3 and page.next_page_token
    rest = client.list_page("lister", page_size=3, page_token=page.next_page_token)
    assert len(rest.sessions) == 2 and not rest.next_page_token
    handles = [made[0].session.handle, made[3].session.handle]
    assert {session.handle for session in client.list_page(handles=handles).sessions} == set(handles)
    assert (client.count("lister"), client.count("nobody"), list(others.list())) == (5, 0, [])
    assert client.revoke_handles(handles) == 2
    assert client.revoke("lister", except_session_id=made[4].session_id) == 2
    with pytest.raises(sessiond.SessionNotFound):
        client.revoke("lister", except_session_id=UNKNOWN)
    assert client.revoke("lister") == 1
    others.create()
    assert (others.count(), others.revoke_namespace(), others.count()) == (1, 1, 0)


def test_csrf_tokens(client):
    first, second = client.create().session_id, client.create().session_id
    token = client.issue_csrf_token(first)
    assert token != client.issue_csrf_token(first)
    assert client.verify_csrf_token(first, token)
    assert not client.verify_csrf_token(second, token)
    assert not client.verify_csrf_token(first, "")
    with pytest.raises(sessiond.SessionNotFound):
        client.verify_csrf_token(UNKNOWN, token)


def test_hand_off(client):
    created = client.create({"cart": [1]}, principal="user-1")
    handoff = client.issue_handoff(created.session_id, "https://shop.example", lifetime=timedelta(seconds=60))
    assert handoff.ticket not in repr(handoff)
    assert handoff.expire_time > datetime.now(timezone.utc) + timedelta(seconds=30)
    redeemed = client.redeem_handoff(handoff.ticket, "https://shop.example")
    assert redeemed.session_id != created.session_id
    assert (redeemed.session.handle, redeemed.session.attributes) == (created.session.handle, {"cart": [1]})
    with pytest.raises(sessiond.HandoffInvalid) as caught:
        client.redeem_handoff(handoff.ticket, "https://shop.example")
    assert caught.value.code is Code.NOT_FOUND
    assert handoff.ticket not in str(caught.value)
    chosen = f"chosen-by-the-domain-{client.transport}"
    ticket = client.issue_handoff(created.session_id, "shop").ticket
    assert client.redeem_handoff(ticket, "shop", new_session_id=chosen).session_id == chosen


def test_locks(client):
    session_id = client.create({"n": 1}).session_id
    with client.lock(session_id, lease=timedelta(seconds=30), with_session=True) as lock:
        assert lock.session.attributes == {"n": 1}
        assert lock.token not in repr(lock) and session_id not in repr(lock)
        with pytest.raises(sessiond.LockHeld) as held:
            client.lock(session_id)
        assert int(held.value.metadata["ends_in_ms"]) > 0
        client.update(session_id, lock_token=lock.token, set_attributes={"n": 2})
        before = lock.expire_time
        lock.renew(timedelta(seconds=60))
        assert lock.expire_time > before
        assert lock.session is not None
    with pytest.raises(sessiond.LockLost):
        client.update(session_id, lock_token=lock.token, set_attributes={"n": 3})
    with pytest.raises(sessiond.LockLost):
        lock.renew()
    assert lock.unlock() is False
    second = client.lock(session_id)
    assert second.session is None
    client.update(session_id, lock_token=second.token, unlock=True, set_attributes={"n": 4})
    assert second.unlock() is False
    with pytest.raises(ZeroDivisionError), client.lock(session_id):
        raise ZeroDivisionError
    assert client.lock(session_id).unlock() is True


def test_a_lock_holds_over_a_rotation(client):
    session_id = client.create().session_id
    with client.lock(session_id) as lock:
        new_id = client.rotate(session_id).session_id
        lock.moved(new_id)
        lock.renew()
    assert client.lock(new_id).unlock() is True


def test_a_lock_is_waited_for_beyond_the_deadline(client):
    session_id = client.create().session_id
    quick = client.with_timeout(0.5)
    lock = client.lock(session_id)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        waiting = pool.submit(quick.lock, session_id, wait=timedelta(seconds=10))
        time.sleep(1.0)
        assert lock.unlock()
        assert waiting.result(10).unlock()
    assert time.monotonic() - start > 0.9


def test_the_end_of_a_lock_block_outlives_the_server(own_server, transport):
    with Client(own_server.address, timeout=0.5) as client:
        session_id = client.create().session_id
        with client.lock(session_id):
            own_server.kill()


def test_clients_that_share_a_connection(client):
    other = client.with_namespace("another").with_timeout(3)
    assert (other.namespace, other.timeout, other.address) == ("another", 3, client.address)
    assert other._transport is client._transport
    session_id = other.create().session_id
    with pytest.raises(sessiond.SessionNotFound):
        client.get(session_id)
    client.close()
    assert other.get(session_id).version == 1
    for timeout in (0, -1, None):
        with pytest.raises(ValueError, match="timeout must be"):
            client.with_timeout(timeout)


def test_plain_calls(client):
    request = {"attributes": {"a": b"\x18\x02"}, "timeouts": {"idle_timeout": 60_000_000}}
    answer = client.plain("CreateSession", request)
    session = answer["session"]
    assert (session["idle_timeout"], session["version"], session["labels"]) == (60_000_000, 1, {})
    assert session["namespace"] == client.namespace
    assert abs(session["create_time"] / 1e6 - time.time()) < 60
    assert "absolute_expire_time" not in session
    read = client.plain("GetSession", {"session_id": answer["session_id"], "access": 2})
    assert read["session"]["attributes"] == {"a": b"\x18\x02"}
    assert read["not_modified"] is False
    with pytest.raises(sessiond.SessionNotFound):
        client.plain("GetSession", {"session_id": answer["session_id"], "namespace": "another"})
    failing = {"session_id": UNKNOWN}
    with pytest.raises(sessiond.SessionNotFound):
        client.plain("GetSession", failing, timeout=5)
    assert failing == {}


def test_health_and_statistics(client):
    assert client.health() is True
    assert client.health("sessiond.writes") is True
    assert client.health("no-such-service") is False
    client.create()
    statistics = client.statistics()
    assert statistics.sessions >= statistics.namespaces[client.namespace] > 0
    assert statistics.created > 0 and statistics.memory_bytes > 0
    assert abs(statistics.current_time - datetime.now(timezone.utc)) < timedelta(seconds=60)
    assert statistics.start_time < statistics.current_time
    assert statistics.cpu_time > timedelta(0)
    assert client.plain("SweepNow", {})["removed"] >= 0


def test_the_next_address_is_used_while_the_first_is_away(tmp_path, transport):
    port = free_port()
    second = Server(tmp_path / "second").start()
    first = Server(tmp_path / "first", f"127.0.0.1:{port}")
    try:
        with Client(f"127.0.0.1:{port},{second.address}", timeout=5) as client:
            session_id = client.create({"at": "second"}).session_id
            assert client.get(session_id).attributes == {"at": "second"}
            first.start()
            # What is in use stays in use.
            assert client.get(session_id).attributes == {"at": "second"}
            second.kill()
            at_first = until_available(lambda: client.create({"at": "first"}))
            assert client.get(at_first.session_id).attributes == {"at": "first"}
            assert client.statistics().sessions == 1
    finally:
        first.kill()
        second.kill()


def test_all_addresses_away_is_told_quickly(transport):
    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(3))
    with Client(addresses, timeout=2) as client:
        start = time.monotonic()
        with pytest.raises(sessiond.StoreUnavailable) as caught:
            client.create()
        assert time.monotonic() - start < 7
        assert caught.value.reason == "UNAVAILABLE"
