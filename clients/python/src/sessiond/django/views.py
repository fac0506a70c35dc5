"""Views for "your devices" and for single sign-on between two domains."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.generic import TemplateView

from sessiond.django import conf
from sessiond.django.devices import end_one, end_others, sessions_of
from sessiond.django.names import session_id_of
from sessiond.django.store import SessionStore
from sessiond.errors import HandoffInvalid, SessiondError, SessionIdRetired, SessionNotFound, StoreUnavailable


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
        return super().get_context_data(devices=devices_of(self.request), action=self.request.path, **kwargs)

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
        return HttpResponseRedirect(_safe_path(request.POST.get("next"), request.path))

    def _tell(self, text: str) -> None:
        messages.success(self.request, text, fail_silently=True)


class _SecretInAddress(View):
    """For addresses that carry a ticket: they are not kept by caches, nor told to the next site."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response

    def refuse(self, request: HttpRequest, problem: str, status: int) -> HttpResponse:
        return render(request, "sessiond/handoff_refused.html", {"problem": problem}, status=status)


class HandoffIssueView(LoginRequiredMixin, _SecretInAddress):
    """Sends a user who is logged in here on to another domain, which then has the same session.

    GET with "target", a name in SESSIOND["HANDOFF_TARGETS"], and "next", a path there.
    """

    # Else a HEAD would be answered as a GET, and issue a ticket for nobody.
    http_method_names = ["get", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        url = conf.current().handoff_targets.get(request.GET.get("target", ""))
        if url is None:
            return self.refuse(request, gettext("This site does not hand over to that one."), 400)
        try:
            ticket = conf.client().issue_handoff(session_id_of(request.session.session_key), audience_of(url)).ticket
        except (SessionNotFound, SessionIdRetired):
            return self.refuse(request, gettext("Your session was ended meanwhile."), 400)
        query = {"ticket": ticket, "next": request.GET.get("next", "")}
        return HttpResponseRedirect(f"{url}?{urlencode({name: value for name, value in query.items() if value})}")


class HandoffRedeemView(_SecretInAddress):
    """Takes a visitor from another domain, and with them their session.

    GET with "ticket" and "next", a path of this site; LOGIN_REDIRECT_URL without it. Both sites must use the same
    server and namespace; to have the user logged in, also the same users and SECRET_KEY.
    """

    # A HEAD would use the ticket up.
    http_method_names = ["get", "options"]

    @sensitive_variables("ticket")
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        ticket = request.GET.get("ticket", "")
        audience = conf.current().handoff_audience or f"{request.scheme}://{request.get_host()}"
        problem = None
        try:
            session = _redeemed(ticket, audience)
        except HandoffInvalid:
            problem = gettext("This link was used before, or is too old."), 400
        except StoreUnavailable:
            # Caught here, since a report of the error would show the ticket.
            problem = gettext("The store of sessions can't be reached."), 503
        except SessiondError:
            problem = gettext("This link is not valid."), 400
        if problem:
            return self.refuse(request, *problem)
        former = request.session
        if former.session_key and former.get("_auth_user_id") is None and former.handle != session.handle:
            # An anonymous visitor's session, to which no cookie leads any more.
            former.delete()
        request.session = session
        # Has SessionMiddleware set the cookie.
        session.modified = True
        if not settings.CSRF_USE_SESSIONS:
            rotate_token(request)
        return HttpResponseRedirect(_safe_path(request.GET.get("next"), resolve_url(settings.LOGIN_REDIRECT_URL)))


def audience_of(url: str) -> str:
    """Who may redeem a ticket for this address: its origin, as a browser has it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _redeemed(ticket: str, audience: str) -> SessionStore:
    answer = conf.client().plain("RedeemHandoff", {"ticket": ticket, "audience": audience})
    session = SessionStore()
    session.adopt(answer["session_id"], answer["session"])
    return session


def _safe_path(path: str | None, otherwise: str) -> str:
    """The path, if it leads to a page of this site."""
    if path and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return path
    return otherwise
