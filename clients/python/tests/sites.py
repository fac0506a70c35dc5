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
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "sessiond.django",
            "sessions_tests",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "sessiond.django.middleware.LabelsMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ],
                },
            },
        ],
        ROOT_URLCONF="site_urls",
        STATIC_URL="static/",
        LOGIN_URL="/log-in/",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=False,
    )
    django.setup()
