"""System checks, tag "sessiond": they need the app in INSTALLED_APPS."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from sessiond.django import conf
from sessiond.errors import PermissionDenied, SessiondError, SessionNotFound, Unauthenticated

ENGINES = ("sessiond.django", "sessiond.django.moving")

_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
_LABELS = "sessiond.django.middleware.LabelsMiddleware"

# A check must not hold up whoever runs a command, in seconds.
_PATIENCE = 0.5
# A session that is not there: reading it costs the server what reading one does, and changes nothing.
_NO_SESSION = "sessiond-check-no-session"


def check_settings(**_: Any) -> list[CheckMessage]:
    """SESSIOND has known keys with values that can be used."""
    problems = conf.read()[1]
    return [
        Error(f"{problem.setting} {problem.text}.", hint=problem.hint or None, id="sessiond.E001")
        for problem in problems
    ]


def check_engine(**_: Any) -> list[CheckMessage]:
    """The engine is ours, and has what it needs."""
    found: list[CheckMessage] = []
    if not _is_ours(settings.SESSION_ENGINE):
        found.append(
            Warning(
                f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}: sessions are not kept in sessiond.",
                hint='Set SESSION_ENGINE = "sessiond.django".',
                id="sessiond.W002",
            )
        )
    configured = conf.read()[0]
    is_moving = settings.SESSION_ENGINE == "sessiond.django.moving"
    raw = getattr(settings, "SESSIOND", None) or {}
    if is_moving and configured.fallback_engine is None and "FALLBACK_ENGINE" not in raw:
        found.append(
            Error(
                'The engine "sessiond.django.moving" needs SESSIOND["FALLBACK_ENGINE"].',
                hint="Name the engine that the site had before, such as django.contrib.sessions.backends.db.",
                id="sessiond.E003",
            )
        )
    elif configured.fallback_engine is not None and not is_moving:
        found.append(
            Warning(
                'SESSIOND["FALLBACK_ENGINE"] is set, but the engine does not look there.',
                hint='Set SESSION_ENGINE = "sessiond.django.moving", or remove it.',
                id="sessiond.W003",
            )
        )
    return found


def check_middleware(**_: Any) -> list[CheckMessage]:
    """SessionMiddleware comes before what needs the session."""
    names = [_names(path) for path in settings.MIDDLEWARE]
    found: list[CheckMessage] = []
    sessions = _place(names, _SESSIONS)
    for path in (_AUTH, _LABELS):
        place = _place(names, path)
        if place is not None and (sessions is None or place < sessions):
            name = path.rpartition(".")[2]
            found.append(
                Error(
                    f"{name} must come after SessionMiddleware in MIDDLEWARE.",
                    hint=f"Put {_SESSIONS!r} before {path!r}.",
                    id="sessiond.E004",
                )
            )
    return found


def check_server(**_: Any) -> list[CheckMessage]:
    """The server answers, and lets the site work."""
    configured, problems = conf.read()
    if problems or not _is_ours(settings.SESSION_ENGINE):
        return []
    client = conf.client()
    patient = client.with_timeout(min(_PATIENCE, configured.timeout))
    try:
        if patient.health():
            # Health is answered to everybody.
            patient.get(_NO_SESSION, touch=False)
        problem = "says that it is not ready"
    except SessionNotFound:
        return []
    except (Unauthenticated, PermissionDenied) as error:
        return [
            Warning(
                f"The session store at {client.address} does not let the site in ({error}).",
                hint='Set SESSIOND["TOKEN_FILE"] to a file with a valid token, or have the access file allow it.',
                id="sessiond.W006",
            )
        ]
    except SessiondError as error:
        problem = f"does not answer ({error})"
    settings_of_it = 'SESSIOND["ADDRESS"] and SESSIOND["TLS"]' if client.tls else 'SESSIOND["ADDRESS"]'
    return [
        Warning(
            f"The session store at {client.address} {problem}.",
            hint=f'Start it with "sessiond serve", or set {settings_of_it} to where and how it listens.',
            id="sessiond.W005",
        )
    ]


def _is_ours(engine: str) -> bool:
    if engine in ENGINES:
        return True
    from sessiond.django.store import SessionStore

    try:
        store = import_string(f"{engine}.SessionStore")
    except ImportError:
        return False
    return isinstance(store, type) and issubclass(store, SessionStore)


def _names(path: str) -> set[str]:
    """The paths of the middleware and of what it is a subclass of, so that a site's own is known as what it is."""
    try:
        kinds = getattr(import_string(path), "__mro__", ())
    except ImportError:
        kinds = ()
    return {path, *(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)}


def _place(names: list[set[str]], path: str) -> int | None:
    """Where the middleware comes first."""
    return next((place for place, paths in enumerate(names) if path in paths), None)
