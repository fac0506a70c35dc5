"""Makes docs/reference/api.md from the proto files: what their comments say of each method, message and field."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from pages import DOCS, ROOT

PAGE = DOCS / "reference/api.md"
PACKAGE = ".sessiond.v1."
# The numbers of fields in descriptor.proto, of which the paths of comments consist.
MESSAGE, ENUM, SERVICE = 4, 5, 6
IN_SERVICE, IN_ENUM, IN_MESSAGE, ONEOF = 2, 2, 2, 8

INTRODUCTION = """# API

The contract `sessiond.v1` of gRPC: every method, message and field, with bounds, defaults and errors. The page is
made from [the proto files](../../proto/sessiond/v1) by `docs/generate`. What holds across calls is described under
[semantics](../semantics.md), and every bound under [limits](../limits.md).
"""


def text(buf: str) -> str:
    files = [file for file in descriptors(buf) if file["name"].startswith("sessiond/")]
    # Those of services first, the store before the rest.
    files.sort(key=lambda file: (file["name"] != "sessiond/v1/session_store.proto", file["name"]))
    services = [line for file in files for line in services_of(file)]
    types = sorted((entry for file in files for entry in types_of(file)), key=lambda entry: entry[0])
    lines = [
        INTRODUCTION,
        *services,
        "## Messages and enumerations",
        "",
        *(line for _, entry in types for line in entry),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def descriptors(buf: str) -> list[dict[str, Any]]:
    command = [buf, "build", "proto", "--as-file-descriptor-set", "-o", "-#format=json"]
    built = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return list(json.loads(built.stdout)["file"])


class Comments:
    """What is written above each element of a file, by its path."""

    def __init__(self, file: dict[str, Any]):
        locations = file["sourceCodeInfo"]["location"]
        self.by_path = {tuple(place.get("path", ())): place.get("leadingComments", "") for place in locations}

    def of(self, *path: int) -> str:
        lines = self.by_path.get(path, "").splitlines()
        return "\n".join(line.removeprefix(" ").rstrip() for line in lines)


def services_of(file: dict[str, Any]) -> Iterator[str]:
    comments = Comments(file)
    for index, service in enumerate(file.get("service", ())):
        yield from (f"## {service['name']}", "", prose(comments.of(SERVICE, index)), "")
        for number, method in enumerate(service["method"]):
            asked, answered = link(method["inputType"]), link(method["outputType"])
            asked = "stream of " * method.get("clientStreaming", False) + asked
            answered = "stream of " * method.get("serverStreaming", False) + answered
            yield from (f"### {method['name']}", "", f"{asked} → {answered}", "")
            yield from (prose(comments.of(SERVICE, index, IN_SERVICE, number)), "")


def types_of(file: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    comments = Comments(file)
    for index, message in enumerate(file.get("messageType", ())):
        lines = [f"### {message['name']}", "", prose(comments.of(MESSAGE, index)), ""]
        fields = message.get("field", [])
        if fields:
            lines += ["| field | type | |", "|---|---|---|"]
        maps = {nested["name"]: nested for nested in message.get("nestedType", ()) if nested["options"].get("mapEntry")}
        for number, field in enumerate(fields):
            said = cell(comments.of(MESSAGE, index, IN_MESSAGE, number))
            if "oneofIndex" in field and not field.get("proto3Optional"):
                said = f"One of `{message['oneofDecl'][field['oneofIndex']]['name']}`. {said}"
            lines.append(f"| `{field['name']}` = {field['number']} | {type_of(field, maps)} | {said} |")
        for number, one in enumerate(message.get("oneofDecl", ())):
            if said := comments.of(MESSAGE, index, ONEOF, number):
                lines += ["", f"`{one['name']}`: {cell(said)}"]
        yield message["name"], [*lines, ""]
    for index, enum in enumerate(file.get("enumType", ())):
        lines = [f"### {enum['name']}", "", prose(comments.of(ENUM, index)), "", "| value | |", "|---|---|"]
        for number, value in enumerate(enum["value"]):
            said = cell(comments.of(ENUM, index, IN_ENUM, number))
            lines.append(f"| `{value['name']}` = {value.get('number', 0)} | {said} |")
        yield enum["name"], [*lines, ""]


def type_of(field: dict[str, Any], maps: dict[str, Any]) -> str:
    name = field.get("typeName", "")
    if entry := maps.get(name.rpartition(".")[2]):
        key, value = entry["field"]
        return f"map of {type_of(key, {})} to {type_of(value, {})}"
    said = link(name) if name else field["type"].removeprefix("TYPE_").lower()
    if field.get("proto3Optional"):
        return f"optional {said}"
    return f"list of {said}" if field["label"] == "LABEL_REPEATED" else said


def link(name: str) -> str:
    if name.startswith(PACKAGE):
        short = name.removeprefix(PACKAGE)
        return f"[{short}](#{short.lower()})"
    return f"`{name.removeprefix('.')}`"


def cell(comment: str) -> str:
    return safe(" ".join(comment.split())).replace("|", "\\|")


def safe(comment: str) -> str:
    """Plain text as Markdown: names with underscores are code, and no sign means anything."""
    code = r"\{\".*\}|\b[A-Z]+(?:_[A-Z]+)+\b|\b[a-z]+(?:_[a-z]+)+(?:\.[a-z_]+)*\b|(?<=\()[a-z]+://\S+(?=\))"
    return re.sub(code, lambda found: f"`{found[0]}`", comment.replace("<", "&lt;").replace("*", "\\*"))


def prose(comment: str) -> str:
    """A comment as Markdown: tables of errors and lists of names as tables, examples as JSON."""
    parts = []
    for paragraph in comment.split("\n\n"):
        lines = paragraph.split("\n")
        words = [line for line in lines if not line.startswith("  ")]
        if words:
            parts.append(safe("\n".join(words)))
        if len(words) < len(lines):
            parts.append(table([line for line in lines if line.startswith("  ")]))
    return "\n\n".join(parts).replace("\nErrors:", "\n**Errors:**").replace("\nExample", "  \n**Example**")


def table(lines: list[str]) -> str:
    """Columns that are set apart by two spaces; a line that begins further right goes on with the last one."""
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith(" " * 12) and rows:
            rows[-1][-1] += " " + line.strip()
        else:
            rows.append(re.split(r" {2,}", line.strip(), maxsplit=2))
    width = max(len(row) for row in rows)
    if rows[0][0] == "code":
        head, *rows = rows
    else:
        head = [""] * width
    said = [[named(word) if place < width - 1 else cell(word) for place, word in enumerate(row)] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * width, *said])


def named(word: str) -> str:
    return f"`{word}`"
