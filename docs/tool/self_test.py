"""That the checks find faults: one that finds none would let every page pass."""

from collections.abc import Iterator

import links
import shell
from blocks import Checks
from pages import Block

# What is wrong with each block: its language and marks, and its text. They are taken to stand in a page of docs.
WRONG = (
    ("", "no language"),
    ("cobol", "a language that nothing checks"),
    ("sh once", "true"),
    ("python run", "a = 1"),
    ("sh", "if true"),
    ("sh", "sessiond create --colour red"),
    ("sh", "id=$(sessiond handoff issue --lifetime 1m --audience a --for-ever)"),
    ("sh", "tests/does-not-exist"),
    ("toml", "idle-timeout = "),
    ("toml", 'idle-timeout = "soon"'),
    ("toml", "[caller.shop]\nallow = [{ namespaces = ['shop'], may = ['everything'] }]"),
    ("json", "{'a': 1}"),
    ("yaml", "a: [1"),
    ("xml", "<a>"),
    ("ini", "nothing = of a section"),
    ("properties", "no property"),
    ("python", "def f(:"),
    ("js", "const = 1;"),
    ("go", "func {"),
    ("rust", "let = 1;"),
    ("rust,no_run", "fn main() {}"),
)
RIGHT = (
    ("cobol excerpt", "MOVE 1 TO A."),
    ("text", "anything"),
    ("sh", "id=$(sessiond create --quiet theme=dark) # tests/does-not-exist"),
    ("toml", 'idle-timeout = "30m"'),
    ("toml", "[caller.shop]\nusers = ['nobody-here']\nallow = [{ namespaces = ['shop'], may = ['application'] }]"),
    ("python", "await nothing()"),
    ("rust", "let a = b?;"),
)
LINKS = (
    "missing.md",
    "semantics.md#no-such-heading",
    "../../elsewhere.md",
    "#no-such-heading",
    "settings.md#settings-1",
)


def faults(sessiond: str) -> Iterator[str]:
    checks = Checks(sessiond)
    for info, text in WRONG:
        before = checks.missing.total()
        if not list(checks.one(block(info, text))) and checks.missing.total() == before:
            yield f"the check of blocks finds nothing wrong with {info}: {text}"
    for info, text in RIGHT:
        yield from (f"the check of blocks refuses {info}: {text}: {said}" for said in checks.one(block(info, text)))
    yield from (f"the check of links takes {link}" for link in LINKS if not links.problem_of("docs/README.md", link))
    if not list(shell.run([block("sh run", "sessiond get 0123456789abcdef")], sessiond)):
        yield "the check does not notice that a block fails when it is run"


def block(info: str, text: str) -> Block:
    language, *marks = info.replace(",", " ").split() or [""]
    return Block("docs/a-page.md", 1, language, frozenset(marks), text)
