"""Makes docs/reference/settings.md from what the server says of its settings, and checks docs/settings.md by it."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from pages import DOCS

PAGE = DOCS / "reference/settings.md"
SHORT = DOCS / "settings.md"
GROUP = re.compile(r"^# ---- (.+) ----$")
VALUE = re.compile(r"^(?:# ?)?([a-z][a-z-]*) = .+$")
LAST = re.compile(r"^Default: (?P<default>.*)\. Environment: (?P<variable>SESSIOND_[A-Z_]+)\.$")

INTRODUCTION = """# Each setting explained

What `sessiond config --example` says of every setting; `docs/generate` makes this page from it. The short table,
what wins over what, and policies for single namespaces are described under [settings](../settings.md).
"""


@dataclass(frozen=True)
class Setting:
    group: str
    name: str
    default: str
    variable: str
    text: list[str]


def settings(sessiond: str) -> Iterator[Setting]:
    command = [sessiond, "config", "--example"]
    example = subprocess.run(command, check=True, capture_output=True, text=True, env={}).stdout
    group, said = "", list[str]()
    for line in example.splitlines():
        if found := GROUP.match(line):
            group = found[1]
        elif (found := VALUE.match(line)) and said and (last := LAST.match(said[-1])):
            yield Setting(group, found[1], last["default"], last["variable"], said[:-1])
        elif line.startswith("#"):
            said.append(line.removeprefix("#").removeprefix(" "))
        if not line.startswith("#") or GROUP.match(line):
            said = []


def text(sessiond: str) -> str:
    lines, group = [INTRODUCTION], ""
    for setting in settings(sessiond):
        if setting.group != group:
            group = setting.group
            lines += [f"## {group}", ""]
        lines += [f"### {setting.name}", "", *map(escaped, setting.text), ""]
        lines += [f"Default: `{setting.default}`. Environment: `{setting.variable}`.", ""]
    return "\n".join(lines).rstrip() + "\n"


def escaped(line: str) -> str:
    return line.replace("<", "&lt;").replace("*", "\\*")


def faults(sessiond: str) -> Iterator[str]:
    """Settings that the short table lacks, or knows with another default."""
    known: dict[str, str] = {}
    for row in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", SHORT.read_text(), re.MULTILINE):
        names, defaults = (re.findall(r"`([^`]+)`", column) for column in row)
        known |= dict(zip(names, defaults if len(defaults) == len(names) else defaults * len(names), strict=True))
    for setting in settings(sessiond):
        if setting.name not in known:
            yield f"docs/settings.md: lacks the setting {setting.name}"
        elif known.pop(setting.name) != setting.default:
            yield f"docs/settings.md: the default of {setting.name} is {setting.default}"
    yield from (f"docs/settings.md: there is no setting {name}" for name in known)
