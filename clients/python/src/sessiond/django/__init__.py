"""Session engine for Django: SESSION_ENGINE = "sessiond.django".

With "sessiond.django" in INSTALLED_APPS too there are system checks, an admin page, "your devices", hand-off between
domains, signals and commands. docs/django.md describes all of it, and the settings.
"""

from sessiond.django.devices import (
    aend_all,
    aend_one,
    aend_others,
    asessions_of,
    end_all,
    end_one,
    end_others,
    sessions_of,
)
from sessiond.django.names import principal_of
from sessiond.django.store import SessionStore

__all__ = [
    "SessionStore",
    "aend_all",
    "aend_one",
    "aend_others",
    "asessions_of",
    "end_all",
    "end_one",
    "end_others",
    "principal_of",
    "sessions_of",
]
