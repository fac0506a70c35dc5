"""The pages that use the session as a dictionary and set its expiry."""

import json
from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone

EXPIRY = {
    "browser": lambda: 0,
    "seconds": lambda: 300,
    "timedelta": lambda: timedelta(hours=2),
    "datetime": lambda: timezone.now() + timedelta(days=1),
    "past": lambda: -1,
    "default": lambda: None,
}


def home(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    session = request.session
    return render(
        request,
        "demo/home.html",
        {
            "items": [(key, value) for key, value in session.items() if not key.startswith("_")],
            "age": session.get_expiry_age(),
            "end": session.get_expiry_date(),
            "at_close": session.get_expire_at_browser_close(),
        },
    )


class PreferencesForm(forms.Form):
    theme = forms.ChoiceField(choices=[("light", "Light"), ("dark", "Dark")])
    language = forms.ChoiceField(choices=[("en", "English"), ("de", "Deutsch"), ("fr", "Français")])
    compact = forms.BooleanField(required=False)


def preferences(request):
    """A dictionary within the session: changing it in place needs `modified`."""
    stored = request.session.setdefault("preferences", {"theme": "light", "language": "en", "compact": False})
    form = PreferencesForm(request.POST or None, initial=stored)
    if request.method == "POST" and form.is_valid():
        stored.update(form.cleaned_data)
        request.session.modified = True
        messages.success(request, "Saved.")
        return redirect("preferences")
    return render(request, "demo/form.html", {"form": form, "title": "Preferences"})


class DictionaryForm(forms.Form):
    action = forms.ChoiceField(
        choices=[
            (name, name) for name in ("set", "get", "del", "pop", "setdefault", "update", "has_key", "nest", "clear")
        ]
    )
    key = forms.CharField(max_length=100, required=False)
    value = forms.JSONField(required=False, label="Value (JSON)")


def dictionary(request):
    """Every method of the session's dictionary; the result is shown as a message."""
    form = DictionaryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        messages.info(request, json.dumps(act(request.session, **form.cleaned_data)))
        return redirect("dictionary")
    items = [(key, value) for key, value in request.session.items() if not key.startswith("_")]
    return render(request, "demo/form.html", {"form": form, "title": "Dictionary", "items": items})


def act(session, action: str, key: str, value):
    match action:
        case "set":
            session[key] = value
        case "get":
            return session.get(key, "nothing")
        case "del":
            try:
                del session[key]
            except KeyError:
                return "no such key"
        case "pop":
            return session.pop(key, "nothing")
        case "setdefault":
            return session.setdefault(key, value)
        case "update":
            session.update(value if isinstance(value, dict) else {key: value})
        case "has_key":
            return session.has_key(key) and key in session and key in session.keys()
        case "nest":
            session.setdefault("nested", {}).setdefault("list", []).append(value)
            session.modified = True
        case "clear":
            session.clear()
    return "done"


class GuestbookForm(forms.Form):
    text = forms.CharField(max_length=200)


def guestbook(request):
    """One entry for each visitor."""
    form = GuestbookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if request.session.get("has_commented", False):
            messages.warning(request, "You have signed already.")
        else:
            request.session["has_commented"] = True
            messages.success(request, f"Thanks for “{form.cleaned_data['text']}”.")
        return redirect("guestbook")
    return render(request, "demo/form.html", {"form": form, "title": "Guestbook"})


class ExpiryForm(forms.Form):
    expiry = forms.ChoiceField(choices=[(name, name) for name in EXPIRY])


def expiry(request):
    form = ExpiryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        request.session.set_expiry(EXPIRY[form.cleaned_data["expiry"]]())
        return redirect("home")
    return render(request, "demo/form.html", {"form": form, "title": "Expiry"})


async def counter(request):
    """An async view: the session has an async twin of every method that may touch the store."""
    count = await request.session.aget("async_visits", 0) + 1
    await request.session.aset("async_visits", count)
    return JsonResponse({"async_visits": count})


def error(request):
    """Nothing is saved when the answer is a server error."""
    request.session["saved_in_spite_of_an_error"] = True
    return render(request, "demo/form.html", {"title": "A server error"}, status=500)
