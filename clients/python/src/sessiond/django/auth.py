"""request.user by the session's principal: who logged in at a service of another framework is logged in here too.

AuthenticationMiddleware stands in the place of Django's own.
"""

from functools import partial
from typing import Any

from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangosAuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.utils.functional import SimpleLazyObject

from sessiond.django.names import principal_of


class AuthenticationMiddleware(DjangosAuthenticationMiddleware):
    """Django's, but the user is the one to whom the session belongs in the store.

    While that is the user who logged in at this site, everything is as Django has it. A session that another service
    has given to somebody since belongs to that user here too, and one that another service has taken from its user
    belongs to nobody. The principal is the user's primary key as text.
    """

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user(request))
        request.auser = partial(_auser, request)


def _user(request: Any) -> Any:
    if not hasattr(request, "_cached_user"):
        own = request.session.get(auth.SESSION_KEY)
        principal = request.session.principal
        if principal_of(own) == principal:
            request._cached_user = auth.get_user(request)
        else:
            request._cached_user = _known(principal) or AnonymousUser()
    return request._cached_user


async def _auser(request: Any) -> Any:
    if not hasattr(request, "_acached_user"):
        own = await request.session.aget(auth.SESSION_KEY)
        principal = request.session.principal
        if principal_of(own) == principal:
            request._acached_user = await auth.aget_user(request)
        else:
            request._acached_user = await _aknown(principal) or AnonymousUser()
    return request._acached_user


def _known(principal: str) -> Any:
    """The user whom the first backend that knows the principal has; None if there is none."""
    key = _key(principal)
    if key is None:
        return None
    return next((user for backend in auth.get_backends() if (user := backend.get_user(key)) is not None), None)


async def _aknown(principal: str) -> Any:
    key = _key(principal)
    if key is not None:
        for backend in auth.get_backends():
            user = await backend.aget_user(key)
            if user is not None:
                return user
    return None


def _key(principal: str) -> Any:
    """The primary key of which the principal is the text; None if there is none such."""
    if not principal:
        return None
    try:
        key = auth.get_user_model()._meta.pk.to_python(principal)
    except ValidationError:
        return None
    # " 7" and "007" are other principals than "7".
    return key if principal_of(key) == principal else None
