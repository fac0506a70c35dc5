"""Settings for Django's own test suites with this engine, or with $DJANGO_ENGINE, for the whole project."""

import os

SECRET_KEY = "only-for-tests"
SESSION_ENGINE = os.environ.get("DJANGO_ENGINE", "sessiond.django")
SESSIOND = {"ADDRESS": os.environ["SESSIOND_ADDR"], "TIMEOUT": 30}
DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
