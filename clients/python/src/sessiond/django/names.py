"""Names of Django as names of the store: session keys as IDs, users as principals."""

import hashlib
from typing import Any

from sessiond.ids import LONGEST, SHORTEST, mapped_id

# The server's bound, in bytes.
_LONGEST_PRINCIPAL = 256
_DIGEST = "sha256:"


def session_id_of(session_key: Any) -> str:
    """The session ID for a key, which may come from a cookie and be anything; "" for none: the server mints one.

    Django's cache engine takes keys with lone surrogates, which have no place in UTF-8; they are escaped.
    """
    if not session_key:
        return ""
    text = str(session_key)
    # The keys of every day are IDs as they are.
    if text.isascii() and text.isprintable() and " " not in text and SHORTEST <= len(text) <= LONGEST:
        return text
    return mapped_id(text.encode("utf-8", "backslashreplace").decode()) or ""


def principal_of(user: Any) -> str:
    """The principal for a user ID, as lists and revocations take it; "" for nobody.

    It is the ID as text. One that the server would not take, since it has more than 256 bytes, stands for "sha256:" and
    the SHA-256 of its UTF-8 in hexadecimal digits; so does one that looks like that itself.
    """
    if user is None:
        return ""
    text = str(user)
    encoded = text.encode("utf-8", "surrogatepass")
    is_text = encoded.decode("utf-8", "replace") == text
    if is_text and len(encoded) <= _LONGEST_PRINCIPAL and not text.startswith(_DIGEST):
        return text
    return _DIGEST + hashlib.sha256(encoded).hexdigest()
