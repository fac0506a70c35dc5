"""The pages of the Django site."""

from urllib.parse import urlencode

import django
import sessiond
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.decorators import login_required
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from sessiond.django import conf, end_all, end_one, end_others, sessions_of

from shop.models import Customer

USERS = {"ada": "Ada Lovelace", "grace": "Grace Hopper", "alan": "Alan Turing"}
PRODUCTS = ["Teapot", "Cup", "Green tea"]

members_only = login_required(login_url="/", redirect_field_name=None)


def common(request):
    """What every template shows."""
    return {
        "site": settings.SITE,
        "framework": f"Django {django.get_version()}",
        "sites": settings.SITES,
        "portal": settings.PORTAL,
        "forum": settings.FORUM,
    }


def name_of_site(request):
    """A label of the session: where its user logged in."""
    return settings.SITE


@require_GET
@never_cache
def home(request):
    principal = request.user.get_username()
    device = next((one for one in sessions_of(request.user) if one.handle == request.session.handle), None)
    context = {
        "principal": principal,
        "name": request.session.get("user", {}).get("name", principal),
        "cart": request.session.get("cart", []),
        "handle": request.session.handle,
        "device": device,
        "users": USERS.items(),
        "products": PRODUCTS,
    }
    return render(request, "home.html", context)


@require_POST
def log_in(request):
    name = USERS.get(request.POST.get("user"))
    if name and not request.user.is_authenticated:
        user, _ = Customer.objects.get_or_create(username=request.POST["user"])
        auth.login(request, user)
        request.session["user"] = {"name": name}
    return redirect("/")


@require_POST
def log_out(request):
    auth.logout(request)
    return redirect("/")


@require_POST
def add_to_cart(request):
    product = request.POST.get("product")
    if product in PRODUCTS:
        request.session["cart"] = [*request.session.get("cart", []), {"product": product, "site": settings.SITE}]
    return redirect("/")


@require_GET
@never_cache
@members_only
def devices(request):
    found = [(one, one.handle == request.session.handle) for one in sessions_of(request.user)]
    return render(request, "devices.html", {"devices": found})


@require_POST
@members_only
def end_device(request):
    end_one(request.user, request.POST.get("handle", ""))
    return redirect("/devices")


@require_POST
@members_only
def end_other_devices(request):
    end_others(request)
    return redirect("/devices")


@require_POST
@members_only
def end_all_devices(request):
    end_all(request.user)
    auth.logout(request)
    return redirect("/")


@require_GET
@never_cache
@members_only
def hand_off(request):
    """Hands the session to the forum, which is on another domain: a ticket for it alone, good once and for 30 s."""
    if not settings.FORUM:
        return redirect("/")
    ticket = conf.client().issue_handoff(request.session.session_key, settings.FORUM).ticket
    query = urlencode({"ticket": ticket, "state": request.GET.get("state", "")})
    response = HttpResponseRedirect(f"{settings.FORUM}/return?{query}")
    response["Referrer-Policy"] = "no-referrer"
    return response


class Unavailable:
    """Says so while the store of sessions is away."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if isinstance(error, sessiond.StoreUnavailable):
            response = render(request, "unavailable.html", status=503)
            response["Retry-After"] = "1"
            return response
        return None
