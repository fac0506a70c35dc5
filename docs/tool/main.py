"""What docs/build, docs/check and docs/generate call: `main.py build`, `check` or `generate`."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import api
import html_site
import links
import self_test
import settings
from blocks import Checks
from pages import ROOT, all_pages

BUF = str(ROOT / ".tools/bin/buf")
MDBOOK = str(ROOT / ".tools/bin/mdbook")


def generated(sessiond: str) -> dict[Path, str]:
    return {api.PAGE: api.text(BUF), settings.PAGE: settings.text(sessiond)}


def generate(sessiond: str) -> Iterator[str]:
    for page, text in generated(sessiond).items():
        page.parent.mkdir(exist_ok=True)
        page.write_text(text)
    return iter(())


def build() -> Iterator[str]:
    html_site.make(MDBOOK)
    return html_site.faults()


def check(sessiond: str) -> Iterator[str]:
    yield from self_test.faults(sessiond)
    for page, text in generated(sessiond).items():
        if not page.exists() or page.read_text() != text:
            yield f"{page.relative_to(ROOT)}: is not what its sources say; run docs/generate"
    yield from settings.faults(sessiond)
    yield from links.faults()
    checks = Checks(sessiond)
    yield from checks.all()
    for program, count in checks.missing.items():
        said = f"{program} is not installed: {count} blocks are NOT checked"
        if os.environ.get("CI") == "true":
            yield said
        else:
            print(said)
    done = ", ".join(f"{count} {name}" for name, count in checks.done.most_common())
    print(f"{len(all_pages())} pages; blocks: {done}")
    yield from build()


def server() -> str:
    """The server whose settings and commands the pages describe."""
    found = os.environ.get("SESSIOND_BIN") or str(ROOT / "target/debug/sessiond")
    if not shutil.which(found):
        sys.exit(f"there is no server at {found}: name one by SESSIOND_BIN, or build it with cargo build")
    return found


def main(command: str) -> int:
    commands: dict[str, Callable[[], Iterator[str]]] = {
        "build": build,
        "check": lambda: check(server()),
        "generate": lambda: generate(server()),
    }
    found = list(commands[command]())
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
