"""IDs that a framework hands over and that the server would not take."""

import base64
import hashlib

SHORTEST, LONGEST = 16, 256


def mapped_id(session_id: str) -> str | None:
    """The session ID under which a framework's own ID is kept.

    That is the ID itself if the server takes it, 16 to 256 printable ASCII characters without spaces; otherwise "~" and
    the unpadded base64url form of the SHA-256 of its UTF-8 bytes. None for an ID that is empty or not valid Unicode: it
    names no session. Every client maps in the same way; clients/conformance/ids.json has the cases.
    """
    if SHORTEST <= len(session_id) <= LONGEST and all("!" <= character <= "~" for character in session_id):
        return session_id
    try:
        digest = hashlib.sha256(session_id.encode()).digest()
    except UnicodeEncodeError:
        return None
    return "~" + base64.urlsafe_b64encode(digest).decode().rstrip("=") if session_id else None
