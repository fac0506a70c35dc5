"""Shell blocks: what can be told of them without running them, and running those that are marked with `run`."""

import itertools
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pages import ROOT, Block

FOLDERS = ("benches/", "clients/", "deploy/", "demo/", "docs/", "proto/", "src/", "tests/")
TIME = 120


def faults(block: Block, sessiond: str) -> Iterator[str]:
    """The syntax, the flags of sessiond's commands, and the files of the repository that are named."""
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    if checked.returncode:
        yield f"bash can't read it: {checked.stderr.strip()}"
        return
    for words in commands(block.text):
        if words[0] == "sessiond":
            yield from unknown_flags(words[1:], sessiond)
        for word in words:
            path = word.removeprefix("./").partition("[")[0]
            if path.startswith(FOLDERS) and not set(path) & set("*$…{") and not (ROOT / path).exists():
                yield f"names {path}, which is not there"


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command, without assignments in front of it."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.commenters = "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("();<>|&"):
                if words:
                    yield words
                words = []
            elif words or not re.match(r"\w+=|\$$", word):
                words.append(word)


def unknown_flags(words: list[str], sessiond: str) -> Iterator[str]:
    path: tuple[str, ...] = ()
    while words and words[0] in subcommands(sessiond, path):
        path, words = (*path, words[0]), words[1:]
    known = re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", help_of(sessiond, path))
    for word in words:
        flag = word.partition("=")[0]
        if word == "--":
            return
        if re.match(r"--?[a-zA-Z]", word) and flag not in known:
            yield f"{' '.join(('sessiond', *path))} has no flag {flag}"


@cache
def help_of(sessiond: str, path: tuple[str, ...]) -> str:
    return subprocess.run([sessiond, *path, "--help"], check=True, capture_output=True, text=True).stdout


@cache
def subcommands(sessiond: str, path: tuple[str, ...]) -> list[str]:
    listed = re.search(r"^Commands:\n((?:  .+\n)+)", help_of(sessiond, path), re.MULTILINE)
    return re.findall(r"^  ([a-z]\S*)", listed[1], re.MULTILINE) if listed else []


def run(blocks: list[Block], sessiond: str) -> Iterator[str]:
    """Runs the blocks of a page one after the other in one shell, beside a server of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="sessiond-docs-") as name,
        serving(Path(name), sessiond) as (environment, _),
    ):
        (Path(name) / "bin").mkdir()
        (Path(name) / "bin/sessiond").symlink_to(Path(sessiond).resolve())
        (Path(name) / "work").mkdir()
        environment["PATH"] = f"{name}/bin:{environment['PATH']}"
        script = "\n".join(block.text for block in blocks)
        bash = ["bash", "-euo", "pipefail", "-x", "-c", script]
        ran = subprocess.run(
            bash, env=environment, cwd=f"{name}/work", capture_output=True, text=True, timeout=TIME, check=False
        )
        if ran.returncode:
            yield f"ends with exit code {ran.returncode}: {ran.stdout[-500:]}{ran.stderr[-1500:]}"


def access_faults(file: Path, sessiond: str) -> Iterator[str]:
    """What a server says that can't use a file of access rules."""
    # This machine does not have the users and groups of the pages; any numbers do.
    number = itertools.count(60001)
    rules = re.sub(r"\b(users|groups) = \[.*?\]", lambda found: f"{found[1]} = [{next(number)}]", file.read_text())
    with tempfile.TemporaryDirectory(prefix="sessiond-docs-") as name:
        (Path(name) / "access.toml").write_text(rules)
        token = [sessiond, "token", "create", "--access-tokens", f"{name}/tokens", "of-nobody"]
        subprocess.run(token, check=True, capture_output=True)
        files = ["--access-file", f"{name}/access.toml", "--access-tokens", f"{name}/tokens"]
        with serving(Path(name), sessiond, *files) as (_, refused):
            if refused:
                yield refused


def is_serving(sessiond: str, environment: dict[str, str]) -> bool:
    health = [sessiond, "health", "--wait", "1s"]
    return subprocess.run(health, env=environment, capture_output=True, check=False).returncode == 0


@contextmanager
def serving(folder: Path, sessiond: str, *flags: str) -> Iterator[tuple[dict[str, str], str]]:
    """A server with its data in a folder; the environment in which to call it, and why it did not start."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SESSIOND_")}
    environment["SESSIOND_ADDR"] = f"unix:{folder}/socket"
    listen = ["--listen", f"unix:{folder}/socket", "--data-dir", f"{folder}/data", "--log", "error"]
    serve = [sessiond, "serve", *listen, *flags]
    said = folder / "said"
    with (
        said.open("w") as output,
        subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL, stderr=output) as server,
    ):
        try:
            while server.poll() is None and not is_serving(sessiond, environment):
                pass
            has_ended = server.poll() is not None
            yield (
                environment,
                f"the server ends with {server.returncode}: {said.read_text().strip()}" if has_ended else "",
            )
        finally:
            server.terminate()
