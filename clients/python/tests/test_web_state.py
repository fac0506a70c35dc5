"""The session of a request without I/O: what it asks of the store, and what it makes of the answers."""

from datetime import timedelta

import pytest

import sessiond
from sessiond.values import encode
from sessiond.web import tokens, users
from sessiond.web.state import Rules, State

SESSION_ID = "a-session-id-of-the-store"
TIME = 1_800_000_000_000_000


def stored(**fields):
    session = {
        "handle": "0190",
        "namespace": "default",
        "version": 1,
        "attributes": {},
        "principal": "",
        "labels": {},
        "create_time": TIME,
        "last_access_time": TIME,
        "update_time": TIME,
        "idle_timeout": 1_000_000,
        "expire_time": TIME + 1_000_000,
    }
    return session | fields


class Script:
    """Plays the store: answers calls in order, or raises."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def play(self, steps):
        try:
            call = next(steps)
            while True:
                self.calls.append(call)
                answer = self.answers.pop(0)
                call = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
        except StopIteration as end:
            assert not self.answers
            return end.value


def loaded(rules=None, **fields):
    state = State(rules or Rules(), dict)
    data = Script({"session": stored(**fields)}).play(state.load(SESSION_ID))
    return state, data


def test_attributes_of_unknown_kind_stay(caplog):
    """They are of a newer version of the contract."""
    unknown = b"\xfa\x07\x01x"
    state, data = loaded(attributes={"a": encode(1, "a"), "new": unknown})
    assert data == {"a": 1}
    assert "'new'" in caplog.text and SESSION_ID not in caplog.text
    assert Script().play(state.save(data)) is False
    # A session that holds something is not deleted, although nothing that can be read is left.
    script = Script({"session": stored()})
    script.play(state.save({}))
    assert script.calls == [("UpdateSession", {"session_id": SESSION_ID, "change": {"remove_attributes": ["a"]}})]


def test_clear_removes_also_what_cant_be_read():
    state, data = loaded(attributes={"new": b"\xfa\x07\x01x"})
    state.clear()
    script = Script({"deleted": True})
    script.play(state.save({}))
    assert [method for method, _ in script.calls] == ["DeleteSession"]
    assert state.removes_cookie


def test_session_that_fails_its_checksum_counts_as_none(caplog):
    state = State(Rules(), dict)
    assert Script(sessiond.SessionCorrupt("corrupt")).play(state.load(SESSION_ID)) == {}
    assert state.is_new and "checksum" in caplog.text


def test_save_that_failed_can_be_repeated():
    state, data = loaded(attributes={"a": encode([1], "a")})
    data["a"].append(2)
    state.principal = "ada"
    with pytest.raises(sessiond.StoreUnavailable):
        Script(sessiond.StoreUnavailable("away")).play(state.save(data))
    script = Script({"session_id": "another-id-of-the-store", "session": stored(principal="ada")})
    script.play(state.save(data))
    [(method, request)] = script.calls
    assert method == "RotateSession" and request["session_id"] == SESSION_ID
    assert request["change"] == {"set_attributes": {"a": encode([1, 2], "a")}, "principal": "ada"}
    assert state.sets_cookie and state.session_id == "another-id-of-the-store"


def test_end_that_failed_is_repeated():
    state, data = loaded()
    state.end()
    with pytest.raises(sessiond.StoreUnavailable):
        Script(sessiond.StoreUnavailable("away")).play(state.save({}))
    assert not state.removes_cookie
    script = Script({"deleted": True})
    assert script.play(state.save({})) is True
    assert script.calls == [("DeleteSession", {"session_id": SESSION_ID, "allow_missing": True})]
    assert Script().play(state.save({})) is False and state.removes_cookie


def test_clear_takes_what_others_set_meanwhile_with_it():
    state, data = loaded(attributes={"a": encode(1, "a")}, principal="ada")
    state.clear()
    script = Script({"session_id": "another-id-of-the-store", "session": stored()})
    script.play(state.save({"b": 2}))
    [(_, request)] = script.calls
    assert request["change"] == {
        "set_attributes": {"b": encode(2, "b")},
        "clear_attributes": True,
        "principal": "",
    }


def test_principal_of_another_service_is_left_alone():
    state, data = loaded(Rules(principal_key="user"), attributes={"user": encode(7, "user")}, principal="ada")
    data["a"] = 1
    script = Script({"session": stored(principal="ada")})
    script.play(state.save(data))
    assert script.calls[0][1]["change"] == {"set_attributes": {"a": encode(1, "a")}}
    assert state.principal == "ada"


def test_principal_follows_its_key_after_a_clear():
    """The same user logs in again."""
    fields = {"attributes": {"user": encode("ada", "user")}, "principal": "ada"}
    state, data = loaded(Rules(principal_key="user"), **fields)
    state.clear()
    script = Script({"session_id": "another-id-of-the-store", "session": stored(principal="ada")})
    script.play(state.save({"user": "ada"}))
    assert "principal" not in script.calls[0][1]["change"]
    assert state.principal == "ada"


@pytest.mark.parametrize(
    ("act", "grace"),
    [
        (lambda state: state.rotate(), 30_000_000),
        (lambda state: setattr(state, "principal", "ada"), 0),
        (lambda state: state.clear(), 0),
    ],
)
def test_grace_is_for_rotations_that_are_no_log_in(act, grace):
    """Whoever gave the visitor the ID, in order to share the session with a user, must not read it afterwards."""
    state, data = loaded(Rules(grace=timedelta(seconds=30)), attributes={"a": encode(1, "a")})
    act(state)
    script = Script({"session_id": "another-id-of-the-store", "session": stored()})
    script.play(state.save(data))
    [(method, request)] = script.calls
    assert (method, request["grace"]) == ("RotateSession", grace)


def test_session_that_gave_a_token_is_not_empty():
    """The form would be refused."""
    state, data = loaded(attributes={"flash": encode("saved", "flash")})
    del data["flash"]
    assert Script({"token": "token"}).play(tokens.csrf_token(state, data)) == "token"
    script = Script({"session": stored()})
    script.play(state.save(data))
    change = {"set_attributes": {"_csrf": encode(True, "_csrf")}, "remove_attributes": ["flash"]}
    assert script.calls == [("UpdateSession", {"session_id": SESSION_ID, "change": change})]
    assert Script({"token": "token"}).play(tokens.csrf_token(state, data)) == "token"
    assert Script().play(state.save(data)) is False


def test_token_that_fails_leaves_no_trace():
    state, data = State(Rules(), dict), {}
    with pytest.raises(sessiond.StoreUnavailable):
        Script(sessiond.StoreUnavailable("away")).play(tokens.csrf_token(state, data))
    assert data == {} and Script().play(state.save(data)) is False


def test_list_of_devices_reads_every_page():
    state, data = loaded(principal="ada")
    script = Script(
        {"sessions": [stored(handle="2")], "next_page_token": "more"},
        {"sessions": [], "next_page_token": "and more"},
        {"sessions": [stored()], "next_page_token": ""},
    )
    devices = script.play(users.devices(state, data))
    assert [(device.handle, device.is_current) for device in devices] == [("2", False), ("0190", True)]
    assert [request["page_token"] for _, request in script.calls] == ["", "more", "and more"]


def test_labels_that_cant_be_sent():
    state = State(Rules(), lambda: {"device": 5})
    with pytest.raises(sessiond.InvalidArgument, match="labels"):
        Script().play(state.save({"a": 1}))
