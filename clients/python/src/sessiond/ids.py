"""Keys of frameworks as session IDs, by a rule that is the same in every language: clients/conformance/ids.json."""

import base64
import hashlib

_SHORTEST, _LONGEST = 16, 256


def session_id(key: str) -> str:
    """The session ID for a key that a framework, a site or a visitor's cookie chose.

    A key that the server takes as an ID is one. Any other, be it too short, too long or of odd characters, stands for
    "key." and the SHA-256 of its UTF-8 in base64url.
    """
    if _SHORTEST <= len(key) <= _LONGEST and all("!" <= char <= "~" for char in key):
        return key
    # A lone surrogate, which a cookie can bring along, has no UTF-8; it is encoded as if it had.
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return f"key.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
