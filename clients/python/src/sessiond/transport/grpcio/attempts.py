"""Where the attempts of a call go, how long each may take, and which is the last. The same for blocking calls and
others.
"""

import random
import time

from sessiond import traces
from sessiond.errors import Code, SessiondError
from sessiond.transport.grpcio.failures import Failure
from sessiond.transport.grpcio.servers import Server, Servers
from sessiond.transport.grpcio.tokens import Metadata

# In all, the first included; processes that are away one after the other count as one. With their pauses they last
# longer than a server needs to restart.
_ATTEMPTS = 20
# The longest pause after the first attempt in seconds; it doubles, up to the longest of all. What is taken is random
# between half of it and all of it, so that many clients don't come back at the same moment.
_PAUSE = 0.1
_LONGEST_PAUSE = 0.2


class Attempts:
    def __init__(self, servers: Servers, is_idempotent: bool, timeout: float, trace: traces.Trace | None):
        self._servers = servers
        self._is_idempotent = is_idempotent
        self._end = time.monotonic() + timeout
        self._made = 1
        self._untried = len(servers)
        # Of the processes that were tried since the last pause, whether any has answered.
        self._was_answered = False
        self._turn = servers.turn
        self._unavailable: SessiondError | None = None
        self._token: Metadata = servers.tokens.metadata()
        self._trace = traces.metadata(trace)
        self._is_made_with_another_token = False

    @property
    def metadata(self) -> Metadata:
        """What the next attempt carries."""
        return self._token + self._trace

    @property
    def rest(self) -> float:
        """The time that is left, in seconds."""
        return max(self._end - time.monotonic(), 0.001)

    def server(self) -> Server:
        """The process for the next attempt."""
        self._turn = self._servers.turn
        return self._servers.at(self._turn)

    def pause(self, failure: Failure) -> float | None:
        """The seconds to wait before the next attempt after one that failed; None if it was the last."""
        server = self._servers.at(self._turn)
        if failure.is_absence or failure.is_silence and not server.has_answered:
            self._servers.leave(self._turn)
        elif not failure.is_silence:
            server.has_answered = True
        if failure.error.code is Code.UNAUTHENTICATED:
            return 0.0 if self._takes_another_token() else None
        if not failure.may_be_repeated(self._is_idempotent):
            return None
        self._unavailable = failure.error
        self._was_answered |= failure.was_answered
        self._untried -= 1
        if self._untried > 0:
            return 0.0
        if self._made == _ATTEMPTS:
            return None
        longest = min(_PAUSE * 2 ** (self._made - 1), _LONGEST_PAUSE)
        pause = random.uniform(longest / 2, longest)
        if time.monotonic() + pause >= self._end or self._was_answered and not self._servers.budget.take():
            return None
        self._made += 1
        self._untried = len(self._servers)
        self._was_answered = False
        return pause

    def note_success(self, server: Server) -> None:
        server.has_answered = True
        self._servers.budget.note_success()

    def _takes_another_token(self) -> bool:
        """Whether there is another token than the one that was refused. Such a call is made once more."""
        tokens = self._servers.tokens
        if self._is_made_with_another_token or not tokens.has_another_than(self._token):
            return False
        self._is_made_with_another_token = True
        self._token = tokens.metadata()
        return True

    def verdict(self, failure: Failure) -> SessiondError:
        """The error of the call, after the last attempt."""
        if self._unavailable is not None and failure.is_silence:
            # That the store was unavailable a moment ago says more than that time is up.
            return self._unavailable
        return failure.error
