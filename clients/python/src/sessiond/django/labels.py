"""Labels: short texts about the visitor's device, for lists of sessions."""

import re
from typing import Any

# Of a label's value, in bytes of UTF-8.
LONGEST = 256

# The first that is found counts: many browsers call themselves by the names of others, too.
_BROWSERS = [
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Vivaldi", r"Vivaldi/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
    ("Internet Explorer", r"MSIE |Trident/"),
    ("curl", r"^curl/"),
    ("Python", r"^python-|^Python"),
]
_SYSTEMS = [
    ("iPhone", r"iPhone|iPod"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
]
_BROWSERS_FOUND = [(name, re.compile(pattern)) for name, pattern in _BROWSERS]
_SYSTEMS_FOUND = [(name, re.compile(pattern)) for name, pattern in _SYSTEMS]


def device(request: Any) -> str:
    """A short name from the header User-Agent, such as "Firefox on Linux"; "" without one."""
    agent = request.META.get("HTTP_USER_AGENT", "")
    browser = _find(agent, _BROWSERS_FOUND)
    system = _find(agent, _SYSTEMS_FOUND)
    if browser and system:
        return f"{browser} on {system}"
    # The name that a program gives itself comes first.
    return browser or system or agent.partition("/")[0].partition(" ")[0][:40]


def address(request: Any) -> str:
    """The visitor's network address as the server sees it. Behind a proxy, name a callable of your own."""
    return str(request.META.get("REMOTE_ADDR", ""))


def fitting(text: Any) -> str:
    """The text, cut to what a label can hold."""
    return str(text).encode(errors="replace")[:LONGEST].decode(errors="ignore")


def _find(agent: str, names: list[tuple[str, re.Pattern[str]]]) -> str:
    return next((name for name, pattern in names if pattern.search(agent)), "")
