"""SESSIOND["END_OTHERS_ON_PASSWORD_CHANGE"]: a new password ends the user's other sessions in the store.

Django itself lets them be and turns them away at their next request, since they hold a hash of the old password. That
leaves them in lists of devices, and other services that read the same session don't know of that hash.
"""

import logging
import weakref
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from sessiond.django import conf
from sessiond.django.names import principal_of, session_id_of
from sessiond.errors import SessionNotFound

logger = logging.getLogger("sessiond.django")

# The session that this request has loaded: the one to be spared.
_current: ContextVar[Any] = ContextVar("sessiond.django.current", default=None)


def note_current(session: Any) -> None:
    """Has this session spared by a change of the password in the same request."""
    if conf.current().end_others_on_password_change:
        # Weak, since a thread lives longer than its request.
        _current.set(weakref.ref(session))


def on_user_saved(
    sender: Any, instance: Any, created: bool, raw: bool, using: str, update_fields: Any, **_: Any
) -> None:
    """Receiver of post_save: ends the sessions when the transaction is committed."""
    # Set by set_password(), but not when an old hash is only made anew at a log in.
    is_changed = getattr(instance, "_password", None) is not None
    is_saved = update_fields is None or "password" in update_fields
    if created or raw or not is_changed or not is_saved or not conf.current().end_others_on_password_change:
        return
    # Other models may have passwords too.
    if not isinstance(instance, get_user_model()):
        return
    principal = principal_of(instance._meta.pk.value_to_string(instance))
    # The password is changed whatever becomes of this, and Django's hash still keeps the others out.
    transaction.on_commit(lambda: _end(principal), using=using, robust=True)


def _end(principal: str) -> None:
    reference = _current.get()
    session = None if reference is None else reference()
    # Its key may have been cycled since.
    spared = "" if session is None else session_id_of(session.session_key)
    client = conf.client()
    try:
        client.revoke(principal, except_session_id=spared)
    except SessionNotFound:
        # The session to be spared was ended meanwhile.
        client.revoke(principal)
