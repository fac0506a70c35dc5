"""Tokens against cross-site request forgery, and tickets by which a session goes to another domain."""

from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from typing import Any

from sessiond import fields
from sessiond.errors import HandoffInvalid, InvalidArgument, SessionIdRetired, SessionNotFound
from sessiond.web.errors import SessionInterrupted
from sessiond.web.state import MICROSECOND, State
from sessiond.web.steps import Steps

# A session that has given a token must not count as empty, and be deleted.
_CSRF = "_csrf"


def csrf_token(state: State, data: MutableMapping[str, Any]) -> Steps[str]:
    """A token for a form of this session, which is stored now if it is not yet."""
    request = {"session_id": (yield from state.stored_id({**data, _CSRF: True}))}
    try:
        answer = yield "IssueCsrfToken", request
    except (SessionNotFound, SessionIdRetired):
        raise SessionInterrupted from None
    data.setdefault(_CSRF, True)
    return str(answer["token"])


def verify_csrf_token(state: State, token: object) -> Steps[bool]:
    """Whether a token was issued for this session under its present ID."""
    if state.is_new or not isinstance(token, str) or not token:
        return False
    try:
        request = {"session_id": state.session_id, "token": fields.text("token", token)}
        del token
        answer = yield "VerifyCsrfToken", request
    except (SessionNotFound, SessionIdRetired, InvalidArgument):
        return False
    return bool(answer["valid"])


def issue_handoff(state: State, audience: str, lifetime: timedelta | None, data: Mapping[str, Any]) -> Steps[str]:
    """A ticket by which another domain gets this session, which is stored now if it is not yet."""
    request: dict[str, Any] = {"audience": fields.text("audience", audience)}
    if lifetime is not None:
        request["lifetime"] = lifetime // MICROSECOND
    request["session_id"] = yield from state.stored_id(data)
    try:
        answer = yield "IssueHandoff", request
    except (SessionNotFound, SessionIdRetired):
        raise SessionInterrupted from None
    return str(answer["ticket"])


def redeem_handoff(state: State, ticket: str, audience: str) -> Steps[dict[str, Any]]:
    """The data of the session that a ticket opens, which is this one from now on. The one until now ends."""
    try:
        request = {"ticket": fields.text("ticket", ticket), "audience": fields.text("audience", audience)}
        del ticket
        answer = yield "RedeemHandoff", request
    except InvalidArgument:
        raise HandoffInvalid("the ticket is not valid") from None
    # The visitor may have this session already, under another ID: ending that would end both.
    if answer["session"]["handle"] != state.handle:
        state.end()
    data = state.take(answer["session_id"], answer["session"])
    state.sets_cookie, state.removes_cookie = True, False
    return data
