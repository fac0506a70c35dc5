"""LabelsMiddleware: notes with each session which device it is on."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from sessiond.django import conf
from sessiond.django.labels import fitting

logger = logging.getLogger("sessiond.django")


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
        self._request = request
        self._labels: dict[str, str] | None = None

    def __call__(self) -> dict[str, str]:
        if self._labels is None:
            self._labels = {}
            for name, source in conf.current().labels.items():
                try:
                    text = fitting(source(self._request) or "")
                except Exception:
                    # Nobody should be kept from logging in by a label.
                    logger.exception("The label %r could not be computed", name)
                    continue
                if text:
                    self._labels[name] = text
        return dict(self._labels)
