"""Which page is where."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView, PasswordChangeView
from django.urls import include, path, reverse_lazy

from demo import account, pages

urlpatterns = [
    path("", pages.home, name="home"),
    path("sign-up/", account.sign_up, name="sign-up"),
    path("log-in/", account.log_in, name="login"),
    path("log-out/", LogoutView.as_view(), name="logout"),
    path(
        "password/",
        PasswordChangeView.as_view(template_name="demo/form.html", success_url=reverse_lazy("home")),
        name="password",
    ),
    path("account/", include("sessiond.django.urls")),
    path("admin/", admin.site.urls),
    path("new-key/", account.new_key, name="new-key"),
    path("forget/", account.forget, name="forget"),
    path("preferences/", pages.preferences, name="preferences"),
    path("dictionary/", pages.dictionary, name="dictionary"),
    path("guestbook/", pages.guestbook, name="guestbook"),
    path("expiry/", pages.expiry, name="expiry"),
    path("async/", pages.counter, name="counter"),
    path("error/", pages.error, name="error"),
]
