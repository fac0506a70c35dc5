"""The sessions of the user that is logged in: "your devices", and "log out everywhere"."""

from collections.abc import Mapping
from typing import Any

from sessiond import fields
from sessiond.errors import InvalidArgument, SessionNotFound
from sessiond.web.devices import Device
from sessiond.web.errors import SessionInterrupted
from sessiond.web.state import State
from sessiond.web.steps import Steps

Data = Mapping[str, Any]


def devices(state: State, data: Data) -> Steps[list[Device]]:
    """The user's sessions, newest first; none while nobody is logged in."""
    principal = yield from state.stored_user(data)
    found: list[Device] = []
    token = ""
    while principal:
        answer = yield "ListSessions", {"principal": principal, "page_token": token}
        found += (Device.of(session, state.handle) for session in answer["sessions"])
        token = answer["next_page_token"]
        if not token:
            break
    return found


def end_device(state: State, handle: str, data: Data) -> Steps[bool]:
    """Ends one of the user's sessions. False if this user has none of that handle."""
    principal = yield from state.stored_user(data)
    if principal is None:
        return False
    try:
        answer = yield "ListSessions", {"handles": [fields.text("handle", handle)]}
    except InvalidArgument:
        return False
    if not any(session["principal"] == principal for session in answer["sessions"]):
        return False
    answer = yield "DeleteSession", {"handle": handle, "allow_missing": True}
    if handle == state.handle:
        state.end()
    return bool(answer["deleted"])


def end_others(state: State, data: Data) -> Steps[int]:
    """Ends the user's sessions but this one; how many."""
    principal = yield from state.stored_user(data)
    if principal is None:
        return 0
    request = {"principal": {"principal": principal, "except_session_id": state.session_id or ""}}
    try:
        answer = yield "RevokeSessions", request
    except SessionNotFound:
        raise SessionInterrupted from None
    return int(answer["revoked"])


def end_all(state: State, data: Data) -> Steps[int]:
    """Ends the user's sessions, this one too; how many."""
    principal = yield from state.stored_user(data)
    if principal is None:
        return 0
    answer = yield "RevokeSessions", {"principal": {"principal": principal}}
    state.end()
    return int(answer["revoked"])
