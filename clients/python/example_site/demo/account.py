"""Signing up, logging in and out, and what concerns the session's key."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm, UserCreationForm
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST


class LogInForm(AuthenticationForm):
    """Django's form, and how long the visitor wants to stay logged in."""

    REMEMBER = {
        "close": ("Until the browser closes", 0),
        "default": ("As the site has it", None),
        "idle": ("Until I am away for an hour", 3600),
        "month": ("For 30 days", timedelta(days=30)),
    }
    remember = forms.ChoiceField(
        label="Stay logged in", choices=[(name, label) for name, (label, _) in REMEMBER.items()], initial="default"
    )

    def expiry(self) -> int | timedelta | None:
        """What set_expiry takes."""
        return self.REMEMBER[self.cleaned_data["remember"]][1]


def sign_up(request):
    form = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        messages.success(request, "Welcome!")
        return redirect("home")
    return render(request, "demo/form.html", {"form": form, "title": "Sign up"})


def log_in(request):
    """Tests with Django's test cookie whether the browser takes cookies before it believes in a log in."""
    form = LogInForm(request, request.POST or None)
    if request.method == "POST":
        if not request.session.test_cookie_worked():
            messages.error(request, "Please enable cookies and try again.")
        elif form.is_valid():
            request.session.delete_test_cookie()
            login(request, form.get_user())
            request.session.set_expiry(form.expiry())
            messages.success(request, f"Hello, {form.get_user()}.")
            return redirect("home")
    request.session.set_test_cookie()
    return render(request, "demo/form.html", {"form": form, "title": "Log in"})


@require_POST
def new_key(request):
    request.session.cycle_key()
    messages.info(request, "The session has a new key and the same data.")
    return redirect("home")


@require_POST
def forget(request):
    request.session.flush()
    return redirect("home")
