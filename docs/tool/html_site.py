"""Makes the site: puts the pages where mdBook reads them, with links that hold there, and checks what it has made.

The site has the pages of docs/ at its root, and those of the clients in folders as in the repository. A link to
anything else of the repository becomes its text and its path, since the site does not have the file.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pages import DOCS, MARKDOWN, ROOT, chapters, read

SOURCE = ROOT / "target/docs/source"
SITE = ROOT / "target/docs/site"
PICTURES = (".svg", ".png")
# What is told on a page, for links to what the site does not have.
INSTEAD = {
    "proto/sessiond/v1": "docs/reference/api.md",
    "proto/sessiond/v1/session_store.proto": "docs/reference/api.md",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def make(mdbook: str) -> None:
    """Builds the site into target/docs/site."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in ["docs/SUMMARY.md", *chapters()]:
        place = SOURCE / in_site(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(rewritten(path))
    subprocess.run([mdbook, "build", str(DOCS)], cwd=ROOT, check=True)


def in_site(path: str) -> str:
    """Where the site has a page of the repository."""
    if path == "README.md":
        return "overview.md"
    # mdBook makes README.md to index.html, and leaves links to README.html alone.
    return re.sub(r"README\.md$", "index.md", path.removeprefix("docs/"))


def rewritten(path: str) -> str:
    """A page with links that hold in the site."""
    text = read(path).text
    lines = text.splitlines(keepends=True)
    code = [token.map for token in MARKDOWN.parse(text) if token.type in ("fence", "code_block") and token.map]
    pieces, end = [], 0
    for start, stop in [*code, [len(lines), len(lines)]]:
        prose = "".join(lines[end:start])
        pieces += [LINK.sub(lambda found: link(path, *found.groups()), prose), *lines[start:stop]]
        end = stop
    return "".join(pieces)


def link(path: str, picture: str, text: str, target: str) -> str:
    text = LINK.sub(lambda found: link(path, *found.groups()), text)
    if ":" in target or target.startswith("#"):
        return f"{picture}[{text}]({target})"
    name, _, anchor = target.partition("#")
    file = (read(path).folder / unquote(name)).resolve()
    goal = page_of(str(file.relative_to(ROOT)))
    if goal is None and file.suffix not in PICTURES:
        said = file.relative_to(ROOT)
        return text if str(said) in text.replace("`", "") else f"{text} (`{said}`)"
    if goal is None:
        goal = str(file.relative_to(ROOT))
        (SOURCE / in_site(goal)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, SOURCE / in_site(goal))
    there = relative(in_site(goal), in_site(path)) + (f"#{anchor}" if anchor else "")
    return f"{picture}[{text}]({there})"


def page_of(path: str) -> str | None:
    listed = chapters()
    candidates = (path, INSTEAD.get(path, ""), f"{path}/README.md")
    return next((candidate for candidate in candidates if candidate in listed), None)


def relative(goal: str, start: str) -> str:
    up = "../" * (len(PurePosixPath(start).parts) - 1)
    return up + goal


class Html(HTMLParser):
    """The links and the anchors of a page that mdBook has made."""

    def __init__(self, file: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name == "id":
                self.anchors.add(value)


def faults() -> Iterator[str]:
    """Links of the site that lead nowhere."""
    found = {file.resolve(): Html(file) for file in SITE.rglob("*.html")}
    for file, page in found.items():
        # Its links begin at the root of a web server.
        if file.name in ("404.html", "toc.html"):
            continue
        for target in page.links:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            goal = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if goal.is_dir():
                goal /= "index.html"
            anchor = unquote(parts.fragment)
            if not goal.exists() or (anchor and goal in found and anchor not in found[goal].anchors):
                yield f"{file.relative_to(SITE.resolve())}: the link {target} leads nowhere in the site"
