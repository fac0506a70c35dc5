"""The admin page: which sessions are there, whose they are, and a way to end them.

A superuser may use it, and whoever has the permissions sessiond.view_session and, to end sessions,
sessiond.delete_session.
"""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext, ngettext

from sessiond.django import conf
from sessiond.django.devices import principal_of_user
from sessiond.django.models import Session
from sessiond.errors import InvalidArgument, SessiondError

PAGE = 100


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):
    """Lists what the store holds; the database is not asked, but for the names of users."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="sessiond_session_changelist")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._end(request)
        request.current_app = self.admin_site.name
        query = request.GET.get("q", "").strip()
        rows: list[dict[str, Any]] = []
        next_page = ""
        try:
            sessions, next_page = _find(query, request.GET.get("page", ""))
            rows = _rows(sessions, getattr(request.session, "handle", None))
        except InvalidArgument:
            messages.error(request, gettext("There is no such page."))
        except SessiondError as error:
            messages.error(
                request, gettext("The session store does not answer: %(reason)s.") % {"reason": error.reason}
            )
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Sessions"),
            "opts": self.opts,
            "rows": rows,
            "query": query,
            "next_page": next_page,
            "is_first_page": not request.GET.get("page"),
            "may_end": self.has_delete_permission(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/sessiond/session/change_list.html", context)

    def _end(self, request: HttpRequest) -> HttpResponse:
        if not self.has_delete_permission(request):
            raise PermissionDenied
        handles = request.POST.getlist("handle")[:PAGE]
        if handles:
            try:
                ended = conf.client().revoke_handles(handles)
            except SessiondError as error:
                messages.error(request, gettext("No session was ended: %(reason)s.") % {"reason": error.reason})
            else:
                LogEntry.objects.log_actions(
                    user_id=request.user.pk,
                    queryset=[Session(handle=handle) for handle in handles],
                    action_flag=DELETION,
                    change_message=gettext("Ended."),
                )
                text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", ended)
                messages.success(request, text % {"count": ended})
        return HttpResponseRedirect(request.get_full_path())


def _find(query: str, page: str) -> tuple[list[Any], str]:
    """The sessions that the query names, and the next page."""
    client = conf.client()
    if not query:
        found = client.list_page(page_size=PAGE, page_token=page)
        return found.sessions, found.next_page_token
    if _is_handle(query) and not page:
        found = client.list_page(handles=[query])
        if found.sessions:
            return found.sessions, ""
    found = client.list_page(_principal(query), page_size=PAGE, page_token=page)
    return found.sessions, found.next_page_token


def _principal(query: str) -> str:
    """The principal that a query means: that of the user of this name, or the text itself."""
    users = get_user_model()
    try:
        user = users._default_manager.get_by_natural_key(query)
    except (users.DoesNotExist, AttributeError, ValueError):
        return query
    return principal_of_user(user)


def _rows(sessions: list[Any], current: str | None) -> list[dict[str, Any]]:
    users = _users({session.principal for session in sessions if session.principal})
    return [
        {
            "session": session,
            "user": users.get(session.principal),
            "device": session.labels.get("device", ""),
            "address": session.labels.get("address", ""),
            "is_current": session.handle == current,
        }
        for session in sessions
    ]


def _users(principals: set[str]) -> dict[str, Any]:
    """The users that principals stand for."""
    users = get_user_model()
    keys = {}
    for principal in principals:
        try:
            keys[users._meta.pk.to_python(principal)] = principal
        except (ValidationError, ValueError, TypeError):
            # Of another application.
            continue
    try:
        found = users._default_manager.in_bulk(list(keys))
    except (OverflowError, ValueError):
        return {}
    return {keys[key]: user for key, user in found.items() if principal_of_user(user) == keys[key]}


def _is_handle(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
