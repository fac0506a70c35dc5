"""The setting SESSIOND, and what the system checks say of it and of the site."""

import os
import subprocess
import sys

import pytest
import sites
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

import sessiond
from sessiond.django import SessionStore, conf


def checked() -> list[str]:
    return [message.id for message in run_checks(tags=["sessiond"])]


def texts() -> str:
    return "\n".join(f"{message.msg} {message.hint}" for message in run_checks(tags=["sessiond"]))


def test_nothing_is_wrong_with_this_site():
    assert checked() == []


def test_one_setting_in_place_of_the_older_ones(server):
    with override_settings(
        SESSIOND={"ADDRESS": server.address, "NAMESPACE": "one-setting", "TIMEOUT": 7},
        SESSIOND_ADDR="127.0.0.1:1",
        SESSIOND_TIMEOUT=3,
        SESSIOND_NAMESPACE="older",
    ):
        assert conf.client().timeout == 7
        session = SessionStore()
        session["a"] = 1
        session.save()
    with sessiond.Client(server.address, namespace="one-setting", timeout=10) as client:
        assert client.get(session.session_key).attributes == {"a": 1}


def test_the_older_settings_hold_where_the_new_one_is_silent():
    with override_settings(SESSIOND={"NAMESPACE": "x"}, SESSIOND_TIMEOUT=3):
        assert conf.client().timeout == 3
        assert conf.client().namespace == "x"


def test_settings_are_read_once_until_they_change():
    assert conf.current() is conf.current()
    before = conf.current()
    with override_settings(SESSIOND={}):
        assert conf.current() is not before


@pytest.mark.parametrize(
    ("setting", "named", "says"),
    [
        ("text", "SESSIOND", "must be a dictionary, not str"),
        ({"ADRESS": "x"}, "SESSIOND", "unknown key 'ADRESS'"),
        ({"ADDRESS": 50051}, 'SESSIOND["ADDRESS"]', "must be text, not int"),
        ({"ADDRESS": "nonsense"}, 'SESSIOND["ADDRESS"]', ""),
        ({"NAMESPACE": ["a"]}, 'SESSIOND["NAMESPACE"]', "must be text, not list"),
        ({"TIMEOUT": "soon"}, 'SESSIOND["TIMEOUT"]', "must be a number of seconds above 0"),
        ({"TIMEOUT": 0}, 'SESSIOND["TIMEOUT"]', "above 0"),
        ({"TIMEOUT": True}, 'SESSIOND["TIMEOUT"]', "above 0"),
        ({"SLIDE_ON_READ": 1}, 'SESSIOND["SLIDE_ON_READ"]', "must be True or False, not int"),
        ({"LABELS": ["device"]}, 'SESSIOND["LABELS"]', "must be a dictionary, not list"),
        ({"LABELS": {"device": 7}}, 'SESSIOND["LABELS"]', "'device' must be a callable"),
        ({"LABELS": {"device": "no.such.thing"}}, 'SESSIOND["LABELS"]', "'device' can't be imported"),
        ({"LABELS": {"x" * 65: str}}, 'SESSIOND["LABELS"]', "1 to 64 bytes"),
        ({"LABELS": {f"l{n}": str for n in range(17)}}, 'SESSIOND["LABELS"]', "at most 16"),
        ({"HANDOFF_TARGETS": "https://a"}, 'SESSIOND["HANDOFF_TARGETS"]', "must be a dictionary"),
        ({"HANDOFF_TARGETS": {"a": "/path"}}, 'SESSIOND["HANDOFF_TARGETS"]', "'a' must be an address like https://"),
        ({"HANDOFF_TARGETS": {"a": "javascript:x"}}, 'SESSIOND["HANDOFF_TARGETS"]', "must be an address"),
        ({"FALLBACK_ENGINE": "no.such"}, 'SESSIOND["FALLBACK_ENGINE"]', "can't be imported"),
        ({"FALLBACK_ENGINE": "sessiond.django"}, 'SESSIOND["FALLBACK_ENGINE"]', "engine that the site had before"),
        (
            {"FALLBACK_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
            'SESSIOND["FALLBACK_ENGINE"]',
            "would come back",
        ),
    ],
)
def test_what_is_wrong_is_named(setting, named, says):
    with override_settings(SESSIOND=setting):
        assert "sessiond.E001" in checked()
        assert named in texts() and says in texts()
        with pytest.raises(ImproperlyConfigured) as caught:
            SessionStore().create()
        assert named in str(caught.value) and says in str(caught.value)


def test_an_unknown_key_is_answered_with_those_that_there_are():
    with override_settings(SESSIOND={"SLIDE": True}):
        assert "SLIDE_ON_READ" in texts()


def test_several_mistakes_are_told_at_once():
    with override_settings(SESSIOND={"TIMEOUT": -1, "NAMESPACE": 5, "X": 1}):
        assert checked() == ["sessiond.E001"] * 3


def test_a_server_that_is_away():
    with override_settings(SESSIOND={"ADDRESS": "127.0.0.1:1"}):
        assert checked() == ["sessiond.W005"]
        assert "127.0.0.1:1" in texts() and "sessiond serve" in texts()


def test_another_engine():
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"):
        assert checked() == ["sessiond.W002"]


def test_an_engine_of_the_site_that_extends_ours():
    with override_settings(SESSION_ENGINE=__name__):
        assert checked() == []


def test_the_moving_engine_needs_a_fallback():
    with override_settings(SESSION_ENGINE="sessiond.django.moving"):
        assert checked() == ["sessiond.E003"]
    with override_settings(SESSIOND={"FALLBACK_ENGINE": "django.contrib.sessions.backends.db"}):
        assert checked() == ["sessiond.W003"]


@pytest.mark.parametrize(
    ("middleware", "ids"),
    [
        (["auth", "sessions"], ["sessiond.E004"]),
        (["labels", "sessions", "auth"], ["sessiond.E004"]),
        (["auth", "labels"], ["sessiond.E004", "sessiond.E004"]),
        (["sessions", "labels", "auth"], []),
        (["own", "auth"], []),
        (["no.such.Middleware", "sessions"], []),
    ],
)
def test_order_of_middleware(middleware, ids):
    names = {
        "auth": "django.contrib.auth.middleware.AuthenticationMiddleware",
        "labels": "sessiond.django.middleware.LabelsMiddleware",
        "own": f"{__name__}.OwnSessionMiddleware",
        "sessions": "django.contrib.sessions.middleware.SessionMiddleware",
    }
    with override_settings(MIDDLEWARE=[names.get(name, name) for name in middleware]):
        assert checked() == ids


from django.contrib.sessions.middleware import SessionMiddleware  # noqa: E402


class OwnSessionMiddleware(SessionMiddleware):
    """What a site may have in place of Django's."""


def test_checks_of_the_example_site_in_a_process_of_its_own(server):
    """The engine works as an app, and as an engine alone."""
    env = {**os.environ, "SESSIOND_ADDR": server.address}
    command = [sys.executable, "manage.py", "check", "--tag", "sessiond"]
    result = subprocess.run(command, cwd=sites.PYTHON_CLIENT / "example_site", env=env, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "System check identified no issues (0 silenced).\n"), result.stderr
