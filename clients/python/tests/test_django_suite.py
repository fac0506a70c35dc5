"""Django's own session tests, unchanged from its source package, over the sessiond engine."""

import unittest

import sessions_tests.tests as django_tests
from django.test import SimpleTestCase, override_settings

from sessiond.django import SessionStore
from sessiond.django.moving import SessionStore as MovingStore


class SessionTests(django_tests.SessionTestsMixin, SimpleTestCase):
    backend = SessionStore


@override_settings(USE_TZ=True)
class SessionWithTimeZoneTests(SessionTests):
    pass


@override_settings(SESSIOND={"FALLBACK_ENGINE": "django.contrib.sessions.backends.cache"})
class MovingSessionTests(SessionTests):
    """The engine for the days of a move."""

    backend = MovingStore


@override_settings(SESSION_ENGINE="sessiond.django")
class SessionMiddlewareTests(django_tests.SessionMiddlewareTests):
    @unittest.skip("reads the table of Django's database engine; test_engine.py has its twin")
    def test_empty_session_saved(self):
        pass


class ClearSessionsCommandTests(SimpleTestCase):
    def test_clearsessions(self):
        """The command runs and has nothing to do: the server sweeps."""
        django_tests.management.call_command("clearsessions")
