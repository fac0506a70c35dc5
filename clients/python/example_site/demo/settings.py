"""Settings of the example site. Everything about sessions can be set by an environment variable of the same name.

SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT are read from the environment by the engine itself.
"""

import json
import os
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent


def flag(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).lower() in ("1", "true", "yes", "on")


SECRET_KEY = os.environ.get("SECRET_KEY", "not-secret-set-SECRET_KEY-beyond-your-own-machine")
DEBUG = flag("DEBUG", True)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

SESSION_ENGINE = os.environ.get("SESSION_ENGINE", "sessiond.django")
# In the environment it is JSON.
SESSIOND = {"END_OTHERS_ON_PASSWORD_CHANGE": True, **json.loads(os.environ.get("SESSIOND", "{}"))}
SESSION_COOKIE_NAME = os.environ.get("SESSION_COOKIE_NAME", "sessionid")
SESSION_COOKIE_AGE = int(os.environ.get("SESSION_COOKIE_AGE", 14 * 24 * 3600))
SESSION_COOKIE_DOMAIN = os.environ.get("SESSION_COOKIE_DOMAIN") or None
SESSION_COOKIE_PATH = os.environ.get("SESSION_COOKIE_PATH", "/")
SESSION_COOKIE_SECURE = flag("SESSION_COOKIE_SECURE", False)
SESSION_COOKIE_HTTPONLY = flag("SESSION_COOKIE_HTTPONLY", True)
SESSION_COOKIE_SAMESITE = os.environ.get("SESSION_COOKIE_SAMESITE", "Lax")
SESSION_EXPIRE_AT_BROWSER_CLOSE = flag("SESSION_EXPIRE_AT_BROWSER_CLOSE", False)
SESSION_SAVE_EVERY_REQUEST = flag("SESSION_SAVE_EVERY_REQUEST", False)
SESSION_SERIALIZER = os.environ.get("SESSION_SERIALIZER", "django.contrib.sessions.serializers.JSONSerializer")

CSRF_USE_SESSIONS = flag("CSRF_USE_SESSIONS", False)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
# "session", "cookie" or "fallback" (cookie first, then session).
MESSAGE_STORAGE = {
    "session": "django.contrib.messages.storage.session.SessionStorage",
    "cookie": "django.contrib.messages.storage.cookie.CookieStorage",
    "fallback": "django.contrib.messages.storage.fallback.FallbackStorage",
}[os.environ.get("MESSAGE_STORAGE", "session")]

# django.contrib.sessions brings the clearsessions command; its table stays empty.
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "sessiond.django",
    "demo",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    os.environ.get("SESSION_MIDDLEWARE", "django.contrib.sessions.middleware.SessionMiddleware"),
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "sessiond.django.middleware.LabelsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "demo.urls"
STATIC_URL = "static/"
WSGI_APPLICATION = "demo.wsgi.application"

# Only the users; sessions are in sessiond.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", Path(tempfile.gettempdir()) / "sessiond-example-site.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

# Errors go to the console, whatever DEBUG is.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
