"""The pages of the site that the tests of the Django app run against."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.urls import include, path


def visit(request):
    """Reads the session, or changes it with ?name=value."""
    for name, value in request.GET.items():
        request.session[name] = value
    return JsonResponse({"seen": request.session.get("seen")})


async def avisit(request):
    for name, value in request.GET.items():
        await request.session.aset(name, value)
    return JsonResponse({"seen": await request.session.aget("seen")})


def with_tag(request):
    return HttpResponse(Template("{% load sessiond %}{% sessiond_devices %}").render(RequestContext(request)))


urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("sessiond.django.urls")),
    path("visit/", visit),
    path("avisit/", avisit),
    path("tag/", with_tag),
    path("log-in/", LoginView.as_view(template_name="sessiond/base.html")),
    path("log-out/", LogoutView.as_view()),
    path("password/", PasswordChangeView.as_view(template_name="sessiond/base.html", success_url="/visit/")),
]
