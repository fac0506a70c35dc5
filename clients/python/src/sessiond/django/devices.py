"""A user's sessions: list them, end the others, end all."""

from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.exceptions import SessionInterrupted

from sessiond import Session
from sessiond.django import conf
from sessiond.django.names import principal_of, session_id_of
from sessiond.errors import InvalidArgument, SessionNotFound


def principal_of_user(user: Any) -> str:
    """The principal of a user, or of a user's primary key; "" for nobody."""
    if user is None or getattr(user, "is_anonymous", False):
        return ""
    # What log in stores in the session.
    return principal_of(user._meta.pk.value_to_string(user) if hasattr(user, "_meta") else user)


def sessions_of(user: Any) -> list[Session]:
    """The user's live sessions, newest first. `user` is a user or a primary key."""
    principal = principal_of_user(user)
    return list(conf.client().list(principal)) if principal else []


async def asessions_of(user: Any) -> list[Session]:
    """See sessions_of()."""
    principal = principal_of_user(user)
    return [session async for session in conf.async_client().list(principal)] if principal else []


def end_others(request: Any) -> int:
    """Ends every session of the request's user but the request's own; answers how many.

    Raises SessionInterrupted if the request's own session was ended meanwhile: nothing else is ended then.
    """
    scope = _others(request.session.get(USER_KEY), request.session)
    if scope is None:
        return 0
    try:
        return conf.client().revoke(**scope)
    except SessionNotFound:
        raise SessionInterrupted("The session was ended by another request.") from None


async def aend_others(request: Any) -> int:
    """See end_others()."""
    scope = _others(await request.session.aget(USER_KEY), request.session)
    if scope is None:
        return 0
    try:
        return await conf.async_client().revoke(**scope)
    except SessionNotFound:
        raise SessionInterrupted("The session was ended by another request.") from None


def end_all(user: Any) -> int:
    """Ends every session of the user, on all devices; answers how many. `user` is a user or a primary key."""
    principal = principal_of_user(user)
    return conf.client().revoke(principal) if principal else 0


async def aend_all(user: Any) -> int:
    """See end_all()."""
    principal = principal_of_user(user)
    return await conf.async_client().revoke(principal) if principal else 0


def end_one(user: Any, handle: str) -> bool:
    """Ends the session of the user that has this handle; False if the user has none such."""
    client = conf.client()
    principal = principal_of_user(user)
    try:
        # A handle is no secret: that the session is the user's must be looked up.
        if not principal or not _is_theirs(client.list_page(handles=[handle]), principal):
            return False
        return client.delete(handle=handle, allow_missing=True)
    except InvalidArgument:
        return False


async def aend_one(user: Any, handle: str) -> bool:
    """See end_one()."""
    client = conf.async_client()
    principal = principal_of_user(user)
    try:
        if not principal or not _is_theirs(await client.list_page(handles=[handle]), principal):
            return False
        return await client.delete(handle=handle, allow_missing=True)
    except InvalidArgument:
        return False


def _others(user: Any, session: Any) -> dict[str, str] | None:
    principal = principal_of(user)
    if not principal:
        return None
    return {"principal": principal, "except_session_id": session_id_of(session.session_key)}


def _is_theirs(page: Any, principal: str) -> bool:
    return [session.principal for session in page.sessions] == [principal]
