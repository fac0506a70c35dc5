"""The pages of the documentation, as they stand in the repository, and what is in them."""

import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SUMMARY = DOCS / "SUMMARY.md"
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block: its place, the language, what else its first line says, and its text."""

    page: str
    line: int
    language: str
    marks: frozenset[str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass
class Page:
    """A page: its path from the root of the repository, and what was found in it."""

    path: str
    text: str
    title: str = ""
    blocks: list[Block] = field(default_factory=list)
    links: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        return (ROOT / self.path).parent


@cache
def read(path: str) -> Page:
    page = Page(path, (ROOT / path).read_text())
    tokens = MARKDOWN.parse(page.text)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            language, *marks = re.split(r"[\s,]+", token.info.strip())
            page.blocks.append(Block(path, line, language, frozenset(marks), token.content))
        elif token.type == "heading_open" and after is not None:
            heading = text_of(after)
            page.title = page.title or heading
            page.anchors.add(free_anchor(heading, page.anchors))
        elif token.type == "inline":
            page.links += [(line, target) for target in targets(token)]
    return page


def targets(token: Token) -> list[str]:
    attributes = [child.attrGet("href") or child.attrGet("src") for child in token.children or []]
    return [str(target) for target in attributes if target]


def text_of(token: Token) -> str:
    return "".join(child.content for child in token.children or [])


def free_anchor(heading: str, taken: set[str]) -> str:
    """The anchor of a heading, as code hosts and mdBook make it."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    number, free = 0, anchor
    while free in taken:
        number += 1
        free = f"{anchor}-{number}"
    return free


@cache
def all_pages() -> tuple[str, ...]:
    """Every Markdown file of the repository that is not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return tuple(sorted(path for path in listed if (ROOT / path).exists()))


def chapters() -> list[str]:
    """The pages of the site, in their order."""
    return [str((DOCS / target).resolve().relative_to(ROOT)) for _, target in read("docs/SUMMARY.md").links]
