"""{% load sessiond %}{% sessiond_devices %}: the user's devices within any page."""

from typing import Any

from django import template
from django.urls import reverse

from sessiond.django.views import devices_of

register = template.Library()


@register.inclusion_tag("sessiond/device_list.html", takes_context=True)
def sessiond_devices(context: Any, action: str = "") -> dict[str, Any]:
    """The list of DevicesView, whose address is `action`; left out, that of sessiond.django.urls."""
    request = context["request"]
    if not request.user.is_authenticated:
        return {"devices": []}
    return {
        "devices": devices_of(request),
        "action": action or reverse("sessiond:devices"),
        "next": request.get_full_path(),
        "csrf_token": context.get("csrf_token"),
        "request": request,
    }
