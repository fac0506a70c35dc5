"""The token of calls, and its file, which is read again when it has changed."""

import os
import re
import threading
import time

from sessiond.tls import File
from sessiond.token import CHARACTERS, Token, TokenError
from sessiond.transport.grpcio import forking

# How old what is known of the file may be when a call is made, in seconds.
_LOOK_AFTER = 2.0
# How much of a file is read, in bytes: its first line, with the white space around the token.
_LONGEST_FILE = 4096

_TOKEN = re.compile(r"[!-~]{1,256}")

Metadata = tuple[tuple[str, str], ...]


class Tokens:
    """What calls carry: nothing if there is no token. Raises TokenError if it can't be used."""

    # No __dict__ that would show the token where somebody prints it.
    __slots__ = ("_file", "_lock", "_metadata", "_next_look", "__weakref__")

    def __init__(self, token: Token | None):
        self._file = token.file if token else None
        self._metadata: Metadata = ()
        problem = None
        if self._file:
            self._metadata, problem = _of_file(self._file)
        elif token:
            self._metadata, problem = _of_text(token.text or "", "the token that is set can't be used")
        if problem:
            raise TokenError(problem)
        self.forget()
        forking.forget_in_child(self)

    def forget(self) -> None:
        """Starts anew in a process that was forked: another thread may have held the lock."""
        self._lock = threading.Lock()
        self._next_look = time.monotonic() + _LOOK_AFTER

    def metadata(self) -> Metadata:
        """What the next call carries. Looks at the file if the last look is too old."""
        if self._file and time.monotonic() >= self._next_look:
            self._look()
        return self._metadata

    def has_another_than(self, refused: Metadata) -> bool:
        """Whether there is another token than the one that was refused. Looks at the file at once."""
        if self._file and self._metadata == refused:
            self._look()
        return self._metadata != refused

    def _look(self) -> None:
        with self._lock:
            self._next_look = time.monotonic() + _LOOK_AFTER
            # A pipe could be read once, and would now keep us waiting.
            if self._file and os.path.isfile(self._file):
                # What can't be used leaves the token before.
                self._metadata = _of_file(self._file)[0] or self._metadata


# Nothing is raised where the token is a local variable, since pages show those of a traceback.


def _of_file(file: File) -> tuple[Metadata, str | None]:
    """What calls carry, or what is wrong."""
    named = f"the token file {file}"
    try:
        with open(file, "rb") as opened:
            text = opened.read(_LONGEST_FILE)
    except OSError as error:
        return (), f"{named} can't be read ({error.strerror})"
    if not text.strip():
        return (), f"{named} is empty: write the token into its first line"
    line = text.split(b"\n", 1)[0].strip().decode("ascii", "replace")
    return _of_text(line, f"{named} holds no token in its first line")


def _of_text(token: str, problem: str) -> tuple[Metadata, str | None]:
    if _TOKEN.fullmatch(token):
        return (("authorization", f"Bearer {token}"),), None
    return (), f"{problem}: {CHARACTERS}"
