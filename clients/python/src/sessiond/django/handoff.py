"""Single sign-on between two domains: one session, and a cookie of its own for each.

    https://accounts.example   path("handoff/", HandoffIssueView.as_view())
        SESSIOND["HANDOFF_TARGETS"] = {"shop": "https://shop.example/handoff/redeem/"}
    https://shop.example       path("handoff/redeem/", HandoffRedeemView.as_view())
        SESSIOND["HANDOFF_ISSUER"] = "https://accounts.example/handoff/?target=shop"

A visitor of the shop who is sent to its HandoffRedeemView, by LOGIN_URL for instance, goes to the other site, logs in
there if need be, and comes back with a ticket, which can be used once and for half a minute.
"""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import render, resolve_url
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.translation import gettext
from django.views import View
from django.views.decorators.debug import sensitive_variables

from sessiond.django import conf
from sessiond.django.names import session_id_of
from sessiond.django.store import SessionStore
from sessiond.django.views import safe_path
from sessiond.errors import HandoffInvalid, SessiondError, SessionIdRetired, SessionNotFound, StoreUnavailable

# How long a visitor may take to log in at the other site, in seconds.
_STATE_AGE = 15 * 60


class _SecretInAddress(View):
    """For addresses that carry a ticket: they are not kept by caches, nor told to the next site."""

    # Without this a HEAD would be answered as a GET, and issue a ticket for nobody or use one up.
    http_method_names = ["get", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response

    def refuse(self, request: HttpRequest, problem: str, status: int) -> HttpResponse:
        return render(request, "sessiond/handoff_refused.html", {"problem": problem}, status=status)


class HandoffIssueView(LoginRequiredMixin, _SecretInAddress):
    """Sends a user who is logged in here on to another domain, which then has the same session.

    GET with "target", a name in SESSIOND["HANDOFF_TARGETS"]; "next", a path there; and "state", which it gets back.
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        url = conf.current().handoff_targets.get(request.GET.get("target", ""))
        if url is None:
            return self.refuse(request, gettext("This site does not hand over to that one."), 400)
        try:
            ticket = conf.client().issue_handoff(session_id_of(request.session.session_key), audience_of(url)).ticket
        except (SessionNotFound, SessionIdRetired):
            return self.refuse(request, gettext("Your session was ended meanwhile."), 400)
        return HttpResponseRedirect(
            _with_query(url, ticket=ticket, state=request.GET.get("state"), next=request.GET.get("next"))
        )


class HandoffRedeemView(_SecretInAddress):
    """Takes a visitor from another domain, and with them their session.

    GET with "ticket" and "next", a path of this site; LOGIN_REDIRECT_URL without it. Both sites must use the same
    server and namespace; to have the user logged in, also the same users and SECRET_KEY.

    Without "ticket" it sends the visitor to SESSIOND["HANDOFF_ISSUER"] to fetch one. Where that is set, a ticket is
    taken only from a browser that was sent: nobody can log others in as themselves by a link.
    """

    @sensitive_variables("ticket")
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        ticket = request.GET.get("ticket", "")
        configured = conf.current()
        if configured.handoff_issuer is not None:
            if not ticket:
                return _sent_to(configured.handoff_issuer, request)
            state = request.COOKIES.get(_state_cookie(request))
            if not state or not constant_time_compare(state, request.GET.get("state", "")):
                return self.refuse(request, gettext("This link is not of this browser."), 400)
        audience = configured.handoff_audience or f"{request.scheme}://{request.get_host()}"
        try:
            session = _redeemed(ticket, audience)
        except HandoffInvalid:
            problem = gettext("This link was used before, or is too old."), 400
        except StoreUnavailable:
            # Caught here, since a report of the error would show the ticket.
            problem = gettext("The store of sessions can't be reached."), 503
        except SessiondError:
            problem = gettext("This link is not valid."), 400
        else:
            _take(request, session)
            response = HttpResponseRedirect(
                safe_path(request.GET.get("next"), resolve_url(settings.LOGIN_REDIRECT_URL))
            )
            if configured.handoff_issuer is not None:
                response.delete_cookie(_state_cookie(request))
            return response
        return self.refuse(request, *problem)


def audience_of(url: str) -> str:
    """Who may redeem a ticket for this address: its origin, as a browser has it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _state_cookie(request: HttpRequest) -> str:
    """The cookie that says that this browser was sent to the other site. No other domain can set it, under https."""
    return "__Host-sessiond-handoff" if request.is_secure() else "sessiond-handoff"


def _sent_to(issuer: str, request: HttpRequest) -> HttpResponse:
    """The redirect that fetches a ticket. The browser notes that it was sent."""
    # Kept where there is one: the visitor may be on the way in two tabs.
    state = request.COOKIES.get(_state_cookie(request)) or get_random_string(32)
    response = HttpResponseRedirect(_with_query(issuer, state=state, next=request.GET.get("next")))
    response.set_cookie(
        _state_cookie(request),
        state,
        max_age=_STATE_AGE,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


def _redeemed(ticket: str, audience: str) -> SessionStore:
    answer = conf.client().plain("RedeemHandoff", {"ticket": ticket, "audience": audience})
    session = SessionStore()
    session.adopt(answer["session_id"], answer["session"])
    return session


def _take(request: Any, session: SessionStore) -> None:
    """Makes the session that of the request; SessionMiddleware then sets the cookie."""
    former = request.session
    if former.session_key and former.get(USER_KEY) is None and former.handle != session.handle:
        # An anonymous visitor's session, to which no cookie leads any more.
        former.delete()
    request.session = session
    session.modified = True
    if not settings.CSRF_USE_SESSIONS:
        rotate_token(request)


def _with_query(url: str, **query: str | None) -> str:
    given = urlencode({name: value for name, value in query.items() if value})
    return f"{url}{'&' if urlsplit(url).query else '?'}{given}" if given else url
