"""The Django site of the demo. What all sites have in common comes as environment variables: see demo/README.md."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent

SITE = os.environ["DEMO_NAME"]
SITES = [pair.split("=", 1) for pair in os.environ["DEMO_SITES"].split()]
PORTAL = os.environ["DEMO_PORTAL"]
FORUM = os.environ.get("DEMO_FORUM", "")

# The shared session: the cookie and the timeout are those of docs/cookies.md, and the user is the session's principal.
SESSION_ENGINE = "sessiond.django"
SESSION_COOKIE_NAME = "session"
SESSION_COOKIE_DOMAIN = os.environ["DEMO_DOMAIN"]
SESSION_COOKIE_AGE = 24 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# True on the Internet, with the name "__Secure-session"; the demo has no TLS.
SESSION_COOKIE_SECURE = False
# A laptop that builds something meanwhile is no outage: calls may take 5 s at all sites of the demo.
SESSIOND = {"TIMEOUT": 5, "LABELS": {"site": "shop.views.name_of_site"}}
AUTH_USER_MODEL = "shop.Customer"

SECRET_KEY = os.environ["DEMO_SECRET"]
ALLOWED_HOSTS = [".shop.localhost"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "sessiond.django", "shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessiond.django.auth.AuthenticationMiddleware",
    "sessiond.django.middleware.LabelsMiddleware",
    "shop.views.Unavailable",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request", "shop.views.common"]},
    }
]
ROOT_URLCONF = "shop.urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["DEMO_WORK"]) / "django.sqlite3"}
}
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
