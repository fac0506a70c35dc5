"""A bound for the repetitions of all calls of a client together."""

import threading

# Counted in tenths of a token.
_TOKEN = 10
# The reserve: a thousand tokens.
_FULL = 1_000 * _TOKEN


class RetryBudget:
    """How much more a server that is reached, but can't be used, gets to do by repetitions.

    Each answer UNAVAILABLE takes a token before its call is repeated, and each call that succeeds gives a tenth of one
    back: in the long run, repetitions are at most a tenth of the calls that succeed. A server that is not there has
    nothing to bear, so its absence takes none; one that starts or stops (NOT_READY) soon ends or serves, refuses at
    little cost, and asks for the repetition.
    """

    def __init__(self) -> None:
        self._tenths = _FULL
        self.forget()

    def forget(self) -> None:
        """Starts anew in a process that was forked: a thread that is not here any more may hold the lock."""
        self._lock = threading.Lock()

    def note_success(self) -> None:
        # Calls of all threads come by here; while nothing is missing they need no lock.
        if self._tenths < _FULL:
            with self._lock:
                self._tenths = min(self._tenths + 1, _FULL)

    def take(self) -> bool:
        """Whether there was a token, which is taken."""
        with self._lock:
            if self._tenths < _TOKEN:
                return False
            self._tenths -= _TOKEN
            return True
