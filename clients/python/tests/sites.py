"""Configures Django for the tests of the engine: the session engine, Django's own session tests, an sqlite database."""

from pathlib import Path

import django
from django.conf import settings

PYTHON_CLIENT = Path(__file__).resolve().parent.parent


def configure() -> None:
    """Sets Django up for this process; the address of the server follows when it runs."""
    settings.configure(
        SECRET_KEY="only-for-tests",
        SESSION_ENGINE="sessiond.django",
        # A busy machine is no failure; the tests of deadlines set their own.
        SESSIOND_TIMEOUT=10,
        # Django's test settings have MD5 here too: hashing passwords slowly is not what is tested.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "sessions_tests",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=False,
    )
    django.setup()
