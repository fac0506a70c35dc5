"""The settings of the engine. docs/django.md describes each.

    SESSIOND = {"ADDRESS": "127.0.0.1:50051", "NAMESPACE": "shop", …}

The older settings SESSIOND_ADDR, SESSIOND_NAMESPACE and SESSIOND_TIMEOUT, and environment variables of these names,
hold where SESSIOND does not say otherwise. Everything is read once for each process, and again after Django's signal
setting_changed, which override_settings sends.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from sessiond import AsyncClient, Client, Tls
from sessiond.address import AddressError, parse_list
from sessiond.tls import TlsError
from sessiond.token import Token, TokenError
from sessiond.traces import TraceContext

DEFAULT_TIMEOUT = 1.0
_SETTING = "SESSIOND"
_BOUND_OF_LABELS = 16

Label = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Conf:
    """What the settings say. `address` is None for the client's own default; `namespace` "" is the server's."""

    address: str | None
    # None where the settings say nothing of it; the client then looks into the environment.
    tls: Tls | None
    token_file: str | None
    # Its repr does not show it.
    token: Token
    namespace: str
    timeout: float
    slide_on_read: bool
    end_others_on_password_change: bool
    fallback_engine: str | None
    # Label name to what makes its text from a request.
    labels: dict[str, Label]
    # Name of a target to the address of its HandoffRedeemView.
    handoff_targets: dict[str, str]
    handoff_audience: str | None
    # The address of the HandoffIssueView that this site is sent visitors by.
    handoff_issuer: str | None
    watch_token_file: str | None
    # Tells the trace that calls carry.
    trace_context: TraceContext | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting. `setting` is its name as the site wrote it."""

    setting: str
    text: str
    hint: str = ""


class _Reader:
    """Reads SESSIOND and collects what is wrong with it."""

    def __init__(self, raw: Any):
        self.problems: list[Problem] = []
        if raw is None:
            raw = {}
        if not isinstance(raw, Mapping):
            self.problems.append(Problem(_SETTING, f"must be a dictionary, not {_kind(raw)}"))
            raw = {}
        self._raw = raw
        for key in raw:
            if key not in _READERS:
                allowed = ", ".join(sorted(_READERS))
                self.problems.append(Problem(_SETTING, f"has an unknown key {key!r}", f"The keys are {allowed}."))

    def read(self) -> dict[str, Any]:
        return {name.lower(): reader(self, name) for name, reader in _READERS.items()}

    def wrong(self, name: str, text: str) -> None:
        self.problems.append(Problem(f'{_SETTING}["{name}"]', text))

    def find(self, name: str, older: str | None = None) -> tuple[Any, str]:
        """The value, None if there is none, and what the site called the setting."""
        value = self._raw.get(name)
        if value is not None or older is None:
            return value, f'{_SETTING}["{name}"]'
        value = getattr(settings, older, None)
        # An older setting that is empty counts as not set, as it always did.
        return (value or os.environ.get(older) or None), older

    def text(self, name: str, older: str | None = None) -> str | None:
        value, called = self.find(name, older)
        if value is not None and not isinstance(value, str):
            self.problems.append(Problem(called, f"must be text, not {_kind(value)}"))
            return None
        return value

    def address(self, name: str) -> str | None:
        address = self.text(name, "SESSIOND_ADDR")
        if address:
            try:
                parse_list(address)
            except AddressError as error:
                _, called = self.find(name, "SESSIOND_ADDR")
                self.problems.append(Problem(called, str(error)))
        return address or None

    def tls(self, name: str) -> Tls | None:
        value, called = self.find(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.wrong(name, f"must be a dictionary, not {_kind(value)}")
            return None
        for key in value:
            if key not in _TLS_KEYS:
                allowed = ", ".join(_TLS_KEYS)
                self.problems.append(Problem(called, f"has an unknown key {key!r}", f"The keys are {allowed}."))
        found: dict[str, Any] = {}
        for key, (kinds, described) in _TLS_KEYS.items():
            setting = value.get(key)
            if setting is not None and not isinstance(setting, kinds):
                self.problems.append(Problem(f'{called}["{key}"]', f"must be {described}, not {_kind(setting)}"))
            else:
                found[key.lower()] = setting
        return Tls(**found)

    def path(self, name: str) -> str | None:
        value, _ = self.find(name)
        if value is not None and not isinstance(value, (str, os.PathLike)):
            self.wrong(name, f"must be text or a path, not {_kind(value)}")
            return None
        return None if value is None else str(value)

    def token(self, name: str) -> Token:
        return Token(text=self.text(name))

    def check_client(self, address: str | None, tls: Tls | None, token_file: str | None, token: Token) -> None:
        """Whether the address and the settings of TLS go together, and the files and the token can be used."""
        if self.problems:
            # They are to be put right first.
            return
        try:
            _client(address, tls, token_file, token)
        except TlsError as error:
            called = "The environment's setting of TLS" if tls is None else f'{_SETTING}["TLS"]'
            self.problems.append(Problem(called, f"can't be used: {error}"))
        except TokenError as error:
            called = f'{_SETTING}["TOKEN_FILE"]' if token_file else f'{_SETTING}["TOKEN"]'
            if not token_file and not token.text:
                called = "The environment's setting of the token"
            self.problems.append(Problem(called, f"can't be used: {error}"))

    def namespace(self, name: str) -> str:
        return self.text(name, "SESSIOND_NAMESPACE") or ""

    def timeout(self, name: str) -> float:
        value, called = self.find(name, "SESSIOND_TIMEOUT")
        if value is None:
            return DEFAULT_TIMEOUT
        try:
            if isinstance(value, bool):
                raise TypeError
            timeout = float(value)
        except (TypeError, ValueError):
            timeout = math.nan
        if not 0 < timeout < math.inf:
            self.problems.append(Problem(called, "must be a number of seconds above 0"))
            return DEFAULT_TIMEOUT
        return timeout

    def flag(self, name: str) -> bool:
        value, _ = self.find(name)
        if value is not None and not isinstance(value, bool):
            self.wrong(name, f"must be True or False, not {_kind(value)}")
        return value is True

    def fallback_engine(self, name: str) -> str | None:
        engine = self.text(name)
        if engine is None:
            return None
        if engine == "django.contrib.sessions.backends.signed_cookies":
            # A log out could not be final: the visitor's browser has the session, and could bring it back.
            self.wrong(name, "can't be the engine of signed cookies: sessions that were ended would come back")
            return None
        if engine.startswith("sessiond."):
            self.wrong(name, "must be the engine that the site had before")
            return None
        try:
            import_string(f"{engine}.SessionStore")
        except ImportError as error:
            self.wrong(name, f"can't be imported: {error}")
            return None
        return engine

    def trace_context(self, name: str) -> TraceContext | None:
        value, _ = self.find(name)
        if isinstance(value, str):
            try:
                value = import_string(value)
            except ImportError as error:
                self.wrong(name, f"can't be imported: {error}")
                return None
        if value is not None and not callable(value):
            self.wrong(name, f"must be a callable or the path of one, not {_kind(value)}")
            return None
        found: TraceContext | None = value
        return found

    def labels(self, name: str) -> dict[str, Label]:
        value, _ = self.find(name)
        sources: dict[Any, Any] = {
            "device": "sessiond.django.labels.device",
            "address": "sessiond.django.labels.address",
        }
        if isinstance(value, Mapping):
            sources.update(value)
        elif value is not None:
            self.wrong(name, f"must be a dictionary, not {_kind(value)}")
        labels = {}
        for label, source in sources.items():
            if not isinstance(label, str) or not 1 <= len(label.encode(errors="replace")) <= 64:
                self.wrong(name, "must have names of 1 to 64 bytes")
                continue
            if isinstance(source, str):
                try:
                    source = import_string(source)
                except ImportError as error:
                    self.wrong(name, f"{label!r} can't be imported: {error}")
                    continue
            if source is None:
                continue
            if not callable(source):
                self.wrong(name, f"{label!r} must be a callable, the path of one, or None, not {_kind(source)}")
                continue
            labels[label] = source
        if len(labels) > _BOUND_OF_LABELS:
            self.wrong(name, f"may have at most {_BOUND_OF_LABELS} labels")
        return labels

    def handoff_targets(self, name: str) -> dict[str, str]:
        value, _ = self.find(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(name, f"must be a dictionary, not {_kind(value)}")
            return {}
        targets = {}
        for target, url in value.items():
            if not isinstance(target, str) or not isinstance(url, str):
                self.wrong(name, "must have text as names and addresses")
            elif not _is_web_address(url) or urlsplit(url).query:
                self.wrong(name, f"{target!r} must be an address like https://shop.example/handoff/redeem/")
            else:
                targets[target] = url
        return targets

    def handoff_issuer(self, name: str) -> str | None:
        url = self.text(name)
        if url is not None and not _is_web_address(url):
            self.wrong(name, "must be an address like https://accounts.example/account/handoff/?target=shop")
            return None
        return url


# The keys of SESSIOND["TLS"], with what each may be.
_TLS_KEYS: dict[str, tuple[tuple[type, ...], str]] = {
    "CA_FILE": ((str, os.PathLike), "text or a path"),
    "CERTIFICATE_FILE": ((str, os.PathLike), "text or a path"),
    "KEY_FILE": ((str, os.PathLike), "text or a path"),
    "SERVER_NAME": ((str,), "text"),
}

_READERS: dict[str, Callable[[_Reader, str], Any]] = {
    "ADDRESS": _Reader.address,
    "TLS": _Reader.tls,
    "TOKEN_FILE": _Reader.path,
    "TOKEN": _Reader.token,
    "NAMESPACE": _Reader.namespace,
    "TIMEOUT": _Reader.timeout,
    "SLIDE_ON_READ": _Reader.flag,
    "END_OTHERS_ON_PASSWORD_CHANGE": _Reader.flag,
    "FALLBACK_ENGINE": _Reader.fallback_engine,
    "LABELS": _Reader.labels,
    "HANDOFF_TARGETS": _Reader.handoff_targets,
    "HANDOFF_AUDIENCE": _Reader.text,
    "HANDOFF_ISSUER": _Reader.handoff_issuer,
    "WATCH_TOKEN_FILE": _Reader.text,
    "TRACE_CONTEXT": _Reader.trace_context,
}


def read() -> tuple[Conf, list[Problem]]:
    """What the settings say, and what is wrong with them."""
    reader = _Reader(getattr(settings, _SETTING, None))
    values = reader.read()
    reader.check_client(values["address"], values["tls"], values["token_file"], values["token"])
    return Conf(**values), reader.problems


_current: Conf | None = None
_current_client: Client | None = None
_current_async_client: AsyncClient | None = None


def current() -> Conf:
    """The settings of this process. Raises ImproperlyConfigured, which names the setting that is wrong."""
    global _current
    conf = _current
    if conf is None:
        conf, problems = read()
        if problems:
            raise ImproperlyConfigured("; ".join(f"{problem.setting} {problem.text}" for problem in problems))
        _current = conf
    return conf


def client() -> Client:
    """The client of this process."""
    global _current_client
    found = _current_client
    if found is None:
        conf = current()
        found = (
            _client(conf.address, conf.tls, conf.token_file, conf.token)
            .with_namespace(conf.namespace)
            .with_timeout(conf.timeout)
            .with_trace_context(conf.trace_context)
        )
        _current_client = found
    return found


def async_client() -> AsyncClient:
    """The client of this process for coroutines, in whatever event loop they run."""
    global _current_async_client
    found = _current_async_client
    if found is None:
        conf = current()
        found = (
            _async_client(conf.address, conf.tls, conf.token_file, conf.token)
            .with_namespace(conf.namespace)
            .with_timeout(conf.timeout)
            .with_trace_context(conf.trace_context)
        )
        _current_async_client = found
    return found


@lru_cache(maxsize=16)
def _client(address: str | None, tls: Tls | None, token_file: str | None, token: Token) -> Client:
    return Client(address, tls=tls, token_file=token_file, token=token.text)


@lru_cache(maxsize=16)
def _async_client(address: str | None, tls: Tls | None, token_file: str | None, token: Token) -> AsyncClient:
    return AsyncClient(address, tls=tls, token_file=token_file, token=token.text)


def _forget(*, setting: str, **_: Any) -> None:
    global _current, _current_client, _current_async_client
    if setting.startswith(_SETTING):
        _current = _current_client = _current_async_client = None


setting_changed.connect(_forget, dispatch_uid="sessiond.django.conf")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment
    except ValueError:
        return False


def _kind(value: Any) -> str:
    return type(value).__name__
