"""Session engine for Django: SESSION_ENGINE = "sessiond.django".

Settings, each with the environment variable of the same name as fallback:

    SESSIOND_ADDR        "HOST:PORT", "http://HOST:PORT" or "unix:PATH" of the server; default "127.0.0.1:50051"
    SESSIOND_NAMESPACE   the namespace that the sessions live in; default "default"
    SESSIOND_TIMEOUT     deadline of one call in seconds, retries included; default 1.0

Django's own SESSION_* settings mean what they always do. What the engine keeps, and where it differs from the database
engine, stands in the README of this package.
"""

from sessiond.django.store import SessionStore, principal_of

__all__ = ["SessionStore", "principal_of"]
