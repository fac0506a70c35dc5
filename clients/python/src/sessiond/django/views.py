"""DevicesView: "your devices", and log out there."""

from datetime import datetime, timedelta, timezone
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from sessiond.django.devices import end_one, end_others, sessions_of


class Device:
    """One of a user's sessions, as templates show it."""

    def __init__(self, session: Any, current: str | None):
        self.handle = session.handle
        self.device = session.labels.get("device", "")
        self.address = session.labels.get("address", "")
        self.labels = session.labels
        self.last_active = session.last_access_time
        self.since = session.create_time
        self.expires = session.expire_time
        self.is_current = session.handle == current
        self.is_active_now = self.is_current or datetime.now(timezone.utc) - self.last_active < timedelta(minutes=1)


def devices_of(request: Any) -> list[Device]:
    """The sessions of the request's user: the present one first, then those that were active last."""
    current = getattr(request.session, "handle", None)
    devices = [Device(session, current) for session in sessions_of(request.user)]
    devices.sort(key=lambda device: device.last_active, reverse=True)
    devices.sort(key=lambda device: not device.is_current)
    return devices


@method_decorator(never_cache, name="dispatch")
class DevicesView(LoginRequiredMixin, TemplateView):
    """ "Your devices": the sessions of the user, and buttons to end one or all others.

    A POST has "end" with a handle, or "end_others"; and "next", a page of this site to return to. Sites replace the
    template sessiond/devices.html, or the part of it that is the list, sessiond/device_list.html.
    """

    template_name = "sessiond/devices.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "devices": devices_of(self.request), "action": self.request.path}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        handle = request.POST.get("end")
        if handle and handle == getattr(request.session, "handle", None):
            logout(request)
            return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL or settings.LOGIN_URL))
        if handle:
            if end_one(request.user, handle):
                self._tell(gettext("The device was logged out."))
        elif "end_others" in request.POST:
            ended = end_others(request)
            text = ngettext("%(count)d other device was logged out.", "%(count)d other devices were logged out.", ended)
            self._tell(text % {"count": ended})
        return HttpResponseRedirect(safe_path(request.POST.get("next"), request.path))

    def _tell(self, text: str) -> None:
        messages.success(self.request, text, fail_silently=True)


def safe_path(path: str | None, otherwise: str) -> str:
    """The path, if it leads to a page of this site."""
    if path and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return path
    return otherwise
