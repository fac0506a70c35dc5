"""The token by which a server knows the caller."""

import os
import re
from dataclasses import dataclass, field

from sessiond.tls import File

# What sessiond itself makes.
_TOKEN = re.compile(r"sdt_[^/]{36,}")

CHARACTERS = "a token is 1 to 256 of the characters ! to ~"


class TokenError(ValueError):
    """A token, or the file of one, that can't be used. Its text never holds anything of a token."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """Where the token comes from: from the first line of a file, or from text, of which at most one is set. Its repr
    does not show it.
    """

    file: File | None = None
    text: str | None = field(default=None, repr=False)


def settings_for(given: Token) -> Token | None:
    """The settings, those of the environment included; None if there is no token. Raises TokenError."""
    if not isinstance(given.file, (str, os.PathLike, type(None))):
        raise TokenError(f"token_file must be text or a path, not {type(given.file).__name__}")
    if not isinstance(given.text, (str, type(None))):
        raise TokenError(f"token must be text, not {type(given.text).__name__}")
    found = Token(
        file=given.file or os.environ.get("SESSIOND_TOKEN_FILE") or None,
        text=given.text or os.environ.get("SESSIOND_TOKEN") or None,
    )
    if found.file and found.text:
        raise TokenError("a token file and a token are both set; use one")
    if found.file:
        if _TOKEN.fullmatch(os.fspath(found.file)):
            # It is not repeated.
            raise TokenError("a token stands where the path of its file belongs")
        # The process may change its folder before the file is read again.
        return Token(file=os.path.abspath(found.file))
    return found if found.text else None


def described(token: Token | None) -> str:
    """Where a client's token comes from, for people."""
    if token is None:
        return "none"
    return f"in {token.file}" if token.file else "set; not shown"
