"""Checks every fenced block: its language has a check here, or the block is marked as an excerpt.

What follows the language in the first line of a block: `run` has a shell block run beside a server; `excerpt` says that
nothing but a reader judges the block; `no_run` stands in pages that are the documentation of a crate
too, whose tests compile it.
"""

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import yaml

import shell
from pages import ROOT, Block, all_pages, read

# Tests of a client that take the first such block of a page, for languages that have no check here.
TESTED = {
    ("clients/java/README.md", "java"): "clients/java/client/src/test/java/dev/sessiond/client/ReadmeTest.java",
    ("docs/quickstart/spring.md", "java"): "demo/tests/quickstart.test.mjs",
    ("clients/python/docs/django.md", "html"): "clients/python/tests/test_django_docs.py",
}
COMPILED = {f"clients/{name}/README.md" for name in ("rust", "rust-axum", "rust-tower-sessions")}


class Checks:
    """The checks by language. Each answers the faults of a block; `missing` counts what could not be checked here."""

    def __init__(self, sessiond: str):
        self.sessiond = sessiond
        self.missing: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.by_language: dict[str, Callable[[Block], Iterable[str]]] = {
            "sh": lambda block: shell.faults(block, sessiond),
            "toml": self.toml,
            "json": lambda block: refused(json.loads, block.text),
            "yaml": lambda block: refused(lambda text: list(yaml.safe_load_all(text)), block.text),
            "xml": lambda block: refused(ElementTree.fromstring, f"<all>{block.text}</all>"),
            "ini": lambda block: refused(configparser.ConfigParser(strict=False).read_string, block.text),
            "properties": properties,
            "python": lambda block: refused(python, block.text),
            "js": self.javascript,
            "go": lambda block: self.read_by(["gofmt", "-e"], block.text),
            "rust": self.rust,
            "text": lambda block: (),
        }

    def all(self) -> Iterator[str]:
        for path in all_pages():
            blocks = read(path).blocks
            for block in blocks:
                yield from (f"{block.place}: {said}" for said in self.one(block))
            to_run = [block for block in blocks if "run" in block.marks]
            if to_run:
                yield from (f"{path}: {said}" for said in shell.run(to_run, self.sessiond))

    def one(self, block: Block) -> Iterator[str]:
        if not block.language:
            yield "the block has no language; text is one too"
        elif unknown := block.marks - {"run", "excerpt", "no_run"}:
            yield f"the block has the unknown mark {', '.join(unknown)}"
        elif "run" in block.marks and block.language != "sh":
            yield "only sh can be run"
        elif "excerpt" in block.marks:
            self.done["excerpt"] += 1
        elif (test := TESTED.get((block.page, block.language))) and block == first_like(block):
            self.done[block.language] += 1
            if not (ROOT / test).exists() or Path(block.page).stem not in (ROOT / test).read_text():
                yield f"{test} does not test it any more"
        elif check := self.by_language.get(block.language):
            self.done[block.language] += 1
            yield from check(block)
        else:
            yield f"nothing checks {block.language}; mark it as an excerpt"

    def toml(self, block: Block) -> Iterator[str]:
        try:
            tables = tomllib.loads(block.text)
        except tomllib.TOMLDecodeError as error:
            yield f"can't be read: {error}"
            return
        if not block.page.startswith("docs/"):
            return
        with tempfile.TemporaryDirectory(prefix="sessiond-docs-") as folder:
            file = Path(folder) / "file.toml"
            file.write_text(block.text)
            if "caller" in tables:
                yield from shell.access_faults(file, self.sessiond)
            else:
                yield from self.read_by([self.sessiond, "config", "--config", str(file)], "")

    def javascript(self, block: Block) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="sessiond-docs-") as folder:
            file = Path(folder) / "block.mjs"
            file.write_text(block.text)
            yield from self.read_by(["node", "--check", str(file)], "")

    def rust(self, block: Block) -> Iterator[str]:
        if "no_run" in block.marks:
            if block.page not in COMPILED:
                yield "no test of a crate compiles it"
            return
        is_whole = re.search(r"^(use|fn|async fn|pub)\b", block.text, re.MULTILINE)
        text = block.text if is_whole else f"fn all() {{ {block.text} }}"
        yield from self.read_by(["rustfmt", "--edition", "2024", "--emit", "stdout"], text)

    def read_by(self, command: list[str], text: str) -> Iterator[str]:
        """What a program says that can't read the block."""
        if shutil.which(command[0]) is None:
            self.missing[command[0]] += 1
            return
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SESSIOND_")}
        checked = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
        if checked.returncode:
            yield f"{Path(command[0]).name} can't read it: {checked.stderr.strip()}"


def first_like(block: Block) -> Block:
    return next(other for other in read(block.page).blocks if other.language == block.language)


def refused(reader: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        reader(text)
    except (ValueError, SyntaxError, yaml.YAMLError, configparser.Error) as error:
        yield f"can't be read: {error}"


def python(text: str) -> None:
    compile(text, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def properties(block: Block) -> Iterator[str]:
    for line in block.text.splitlines():
        if not re.fullmatch(r"\s*(#.*|[\w.-]+=.*)?", line):
            yield f"is no property: {line}"
