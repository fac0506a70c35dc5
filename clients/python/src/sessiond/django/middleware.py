"""Middleware: Django's own for sessions without its threads, and labels that tell which device a session is on."""

import logging
import weakref
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangosSessionMiddleware

from sessiond.django import conf
from sessiond.django.labels import fitting
from sessiond.django.store import SessionStore

logger = logging.getLogger("sessiond.django")


class SessionMiddleware(DjangosSessionMiddleware):
    """Does what Django's own does, and under ASGI saves with a call that is awaited where Django's saves in a thread.

    Under WSGI the two are the same. It is for this engine, and for engines that extend it.
    """

    async def __acall__(self, request: Any) -> Any:
        # It makes the session object, and does nothing that waits.
        self.process_request(request)
        response = await self.get_response(request)
        session: SessionStore = request.session
        is_due = (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty()
        # As Django has it: nothing is saved after a failure of the site.
        if is_due and response.status_code < 500:
            # Loaded first, since an unknown cookie gets a new session then, and not a failure.
            await session.aget_expire_at_browser_close()
            try:
                await session.asave_ahead()
            except UpdateError:
                raise SessionInterrupted("The request's session was ended before the request completed.") from None
        return self.process_response(request, response)


class LabelsMiddleware:
    """Has the labels of SESSIOND["LABELS"] stored when a session is made or somebody logs in.

    They go along with the call that makes or changes the session: it costs no call of its own, and a request that makes
    no session and logs nobody in does not even compute them. It comes after SessionMiddleware.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]):
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        session = request.session
        session.labeller = _Labeller(request)
        return self.get_response(request)


class _Labeller:
    """The labels of a request, computed once."""

    def __init__(self, request: Any):
        # Weak, since the request holds the session, which holds this.
        self._request = weakref.ref(request)
        self._labels: dict[str, str] | None = None

    def __call__(self) -> dict[str, str]:
        request = self._request()
        if self._labels is None and request is not None:
            self._labels = {}
            for name, source in conf.current().labels.items():
                try:
                    text = fitting(source(request) or "")
                except Exception:
                    # Nobody should be kept from logging in by a label.
                    logger.exception("The label %r could not be computed", name)
                    continue
                if text:
                    self._labels[name] = text
        return dict(self._labels or {})
