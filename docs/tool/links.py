"""Checks the links of the pages as the repository's own view shows them: each leads to a file, and a heading in it."""

from collections.abc import Iterator
from urllib.parse import unquote

from pages import DOCS, ROOT, all_pages, chapters, read


def faults() -> Iterator[str]:
    for path in all_pages():
        for line, target in read(path).links:
            problem = problem_of(path, target)
            if problem:
                yield f"{path}:{line}: the link {target} {problem}"
    listed = chapters()
    for path in sorted(str(file.relative_to(ROOT)) for file in DOCS.rglob("*.md")):
        if path not in listed and path != "docs/SUMMARY.md":
            yield f"{path}: is not in docs/SUMMARY.md, so that the site does not have it"
    for path in {path for path in listed if listed.count(path) > 1}:
        yield f"docs/SUMMARY.md: has {path} twice"


def problem_of(path: str, target: str) -> str | None:
    if target.startswith(("https://", "http://", "mailto:")):
        return None
    name, _, anchor = unquote(target).partition("#")
    file = (read(path).folder / name).resolve() if name else ROOT / path
    if not file.exists():
        return "leads to no file"
    if not file.is_relative_to(ROOT):
        return "leads out of the repository"
    if anchor and (file.suffix != ".md" or anchor not in read(str(file.relative_to(ROOT))).anchors):
        return "leads to a heading that is not there"
    return None
