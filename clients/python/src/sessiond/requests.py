"""The arguments of the clients' methods as plain requests, without the namespace, which every client fills in.

A field at its default is left out. Raises InvalidArgument and UnsupportedValue for what can't be sent.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sessiond import fields, values

Plain = dict[str, Any]

_TOUCH, _PEEK = 1, 2
_BASIC, _FULL = 1, 2


def create(
    attributes: Mapping[str, Any] | None,
    session_id: str,
    principal: str,
    labels: Mapping[str, str] | None,
    idle_timeout: timedelta | None,
    absolute: timedelta | datetime | None,
    create_time: datetime | None,
    last_access_time: datetime | None,
) -> Plain:
    request: Plain = {
        "session_id": fields.text("session_id", session_id),
        "attributes": _attributes("attributes", attributes),
        "principal": fields.text("principal", principal),
        "labels": fields.text_map("labels", labels),
    }
    _put_timeouts(request, idle_timeout, absolute)
    _put_moment(request, "create_time", create_time)
    _put_moment(request, "last_access_time", last_access_time)
    return request


def get(session_id: str, touch: bool, if_version_not: int | None, omit_attributes: bool) -> Plain:
    request: Plain = {"session_id": fields.text("session_id", session_id), "access": _TOUCH if touch else _PEEK}
    if if_version_not is not None:
        request["if_version_not"] = fields.version("if_version_not", if_version_not)
    if omit_attributes:
        request["omit_attributes"] = True
    return request


def update(
    session_id: str, expected_version: int | None, upsert: bool, lock_token: str, unlock: bool, change: Plain
) -> Plain:
    request: Plain = {"session_id": fields.text("session_id", session_id), "change": change}
    _put_version(request, expected_version)
    if upsert:
        request["upsert"] = True
    if lock_token:
        request["lock_token"] = fields.text("lock_token", lock_token)
    if unlock:
        request["unlock"] = True
    return request


def change(
    set_attributes: Mapping[str, Any] | None,
    remove_attributes: Iterable[str],
    clear_attributes: bool,
    principal: str | None,
    set_labels: Mapping[str, str] | None,
    remove_labels: Iterable[str],
    idle_timeout: timedelta | None,
    absolute: timedelta | datetime | None,
) -> Plain:
    """The part of update() and rotate() that they have in common."""
    change: Plain = {
        "set_attributes": _attributes("set_attributes", set_attributes),
        "remove_attributes": fields.texts("remove_attributes", remove_attributes),
        "clear_attributes": bool(clear_attributes),
        "set_labels": fields.text_map("set_labels", set_labels),
        "remove_labels": fields.texts("remove_labels", remove_labels),
    }
    if principal is not None:
        change["principal"] = fields.text("principal", principal)
    _put_timeouts(change, idle_timeout, absolute)
    return change


def touch(session_id: str) -> Plain:
    return {"session_id": fields.text("session_id", session_id)}


def rotate(
    session_id: str, new_session_id: str, grace: timedelta | None, expected_version: int | None, change: Plain
) -> Plain:
    request: Plain = {
        "session_id": fields.text("session_id", session_id),
        "new_session_id": fields.text("new_session_id", new_session_id),
        "change": change,
    }
    _put_version(request, expected_version)
    _put_duration(request, "grace", grace)
    return request


def delete(session_id: str, handle: str, allow_missing: bool) -> Plain:
    request: Plain = {"allow_missing": bool(allow_missing)}
    if handle:
        request["handle"] = fields.text("handle", handle)
    else:
        request["session_id"] = fields.text("session_id", session_id)
    return request


def get_many(session_ids: Iterable[str], touch: bool) -> Plain:
    return {"session_ids": fields.texts("session_ids", session_ids), "access": _TOUCH if touch else _PEEK}


def delete_many(session_ids: Iterable[str]) -> Plain:
    return {"session_ids": fields.texts("session_ids", session_ids)}


def list_page(principal: str, page_size: int, page_token: str, with_attributes: bool, handles: Iterable[str]) -> Plain:
    return {
        "principal": fields.text("principal", principal),
        "page_size": fields.size("page_size", page_size),
        "page_token": fields.text("page_token", page_token),
        "view": _FULL if with_attributes else _BASIC,
        "handles": fields.texts("handles", handles),
    }


def count(principal: str) -> Plain:
    return {"principal": fields.text("principal", principal)}


def revoke(principal: str, except_session_id: str) -> Plain:
    return {
        "principal": {
            "principal": fields.text("principal", principal),
            "except_session_id": fields.text("except_session_id", except_session_id),
        }
    }


def revoke_handles(handles: Iterable[str]) -> Plain:
    return {"handles": {"handles": fields.texts("handles", handles)}}


def revoke_namespace() -> Plain:
    return {"whole_namespace": {}}


def watch(
    kinds: Iterable[int],
    principal: str,
    all_namespaces: bool,
    include_attributes: bool,
    checkpoint_interval: timedelta | None,
    resume_token: str,
) -> Plain:
    request: Plain = {
        "all_namespaces": bool(all_namespaces),
        "principal": fields.text("principal", principal),
        "kinds": fields.sizes("kinds", kinds),
        "include_attributes": bool(include_attributes),
        "resume_token": fields.text("resume_token", resume_token),
    }
    _put_duration(request, "checkpoint_interval", checkpoint_interval)
    return request


def lock(
    session_id: str, lease: timedelta | None, wait: timedelta | None, with_session: bool, lock_token: str = ""
) -> Plain:
    request: Plain = {
        "session_id": fields.text("session_id", session_id),
        "lock_token": fields.text("lock_token", lock_token),
        "include_session": bool(with_session),
    }
    _put_duration(request, "lease", lease)
    _put_duration(request, "wait", wait)
    return request


def unlock(session_id: str, lock_token: str) -> Plain:
    return {"session_id": fields.text("session_id", session_id), "lock_token": fields.text("lock_token", lock_token)}


def issue_handoff(session_id: str, audience: str, lifetime: timedelta | None) -> Plain:
    request: Plain = {
        "session_id": fields.text("session_id", session_id),
        "audience": fields.text("audience", audience),
    }
    _put_duration(request, "lifetime", lifetime)
    return request


def redeem_handoff(ticket: str, audience: str, new_session_id: str) -> Plain:
    return {
        "ticket": fields.text("ticket", ticket),
        "audience": fields.text("audience", audience),
        "new_session_id": fields.text("new_session_id", new_session_id),
    }


def issue_csrf_token(session_id: str) -> Plain:
    return {"session_id": fields.text("session_id", session_id)}


def verify_csrf_token(session_id: str, token: str) -> Plain:
    return {"session_id": fields.text("session_id", session_id), "token": fields.text("token", token)}


def _attributes(field: str, attributes: Mapping[str, Any] | None) -> dict[str, bytes]:
    return values.encode_all({fields.text(field, name): value for name, value in fields.items(field, attributes)})


def _put_timeouts(request: Plain, idle_timeout: timedelta | None, absolute: timedelta | datetime | None) -> None:
    timeouts: Plain = {}
    _put_duration(timeouts, "idle_timeout", idle_timeout)
    if isinstance(absolute, datetime):
        timeouts["absolute_expire_time"] = fields.moment("absolute", absolute)
    elif absolute is not None:
        timeouts["absolute_timeout"] = fields.duration("absolute", absolute)
    if timeouts:
        request["timeouts"] = timeouts


def _put_version(request: Plain, version: int | None) -> None:
    if version is not None:
        request["expected_version"] = fields.version("expected_version", version)


def _put_duration(request: Plain, field: str, value: timedelta | None) -> None:
    if value is not None:
        request[field] = fields.duration(field, value)


def _put_moment(request: Plain, field: str, value: datetime | None) -> None:
    if value is not None:
        request[field] = fields.moment(field, value)
