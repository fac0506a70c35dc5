"""The calls of the server as blocking methods."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sessiond import answers, requests, statistics, transport
from sessiond.base import DEFAULT_TIMEOUT, Base
from sessiond.errors import Code, SessiondError
from sessiond.locks import Lock
from sessiond.session import Created, Handoff, Page, Session, Touched
from sessiond.statistics import Statistics
from sessiond.tls import File, Tls
from sessiond.token import Token
from sessiond.traces import TraceContext
from sessiond.watch import EventKind, Watch


class Client(Base):
    """Sessions of one namespace at one server.

    `address` is "HOST:PORT", "http://HOST:PORT", "https://HOST:PORT" or "unix:PATH", or several of them with commas
    between, of which the first is used that can be reached; left out, SESSIOND_ADDR and then 127.0.0.1:50051. `timeout`
    is the deadline of a call in seconds, repetitions included. `tls` says how addresses with https:// are called.
    `token_file` is the file whose first line is the token by which the server knows this caller; it is read again when
    it has changed. `token` is the token itself, in its place. Left out, they are SESSIOND_TOKEN_FILE and
    SESSIOND_TOKEN. Each raises ValueError if it can't be used. `trace_context` tells the trace of the caller's span,
    which each call then carries (see sessiond.tracing); watching is not traced. Nothing is connected before the first
    call.

    Make one and share it: it is safe between threads, and across a fork. Every method makes one call, unless it says
    otherwise, and repeats it only if the store is unavailable and the call was not carried out for certain, or if twice
    is the same as once. It raises a SessiondError: StoreUnavailable if there was no answer in time, InvalidArgument for
    input out of bounds, UnsupportedValue for a value that Value can't hold, Unauthenticated and PermissionDenied where
    the server has access rules, and those named at each method.
    """

    _transport: transport.Transport

    def __init__(
        self,
        address: str | None = None,
        *,
        namespace: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        tls: Tls | None = None,
        token_file: File | None = None,
        token: str | None = None,
        trace_context: TraceContext | None = None,
    ):
        given = Token(file=token_file, text=token)
        # Pages that show the local variables of a traceback would show it.
        del token
        super().__init__(address, namespace, timeout, tls, given, trace_context)

    def _open(self, addresses: list[str]) -> transport.Transport:
        return transport.open(addresses, self._timeout, self._tls, self._token)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drops the connection, also for the clients that share it; the next call makes a new one."""
        self._transport.close()

    def plain(self, method: str, request: dict[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """One call in plain form (see sessiond.transport), such as plain("TouchSession", {"session_id": …}).

        The client's namespace is filled in unless the request names one. The request belongs to the call: it is emptied
        if the call fails. What is no request of the method raises TypeError, ValueError or OverflowError.
        """
        return self._transport.call(method, self._named(method, request), timeout or self._timeout, self._trace())

    def create(
        self,
        attributes: Mapping[str, Any] | None = None,
        *,
        session_id: str = "",
        principal: str = "",
        labels: Mapping[str, str] | None = None,
        idle_timeout: timedelta | None = None,
        absolute: timedelta | datetime | None = None,
        create_time: datetime | None = None,
        last_access_time: datetime | None = None,
    ) -> Created:
        """Makes a session, under an ID of the server unless `session_id` is given. Never overwrites one.

        `absolute` is its longest life, or the moment at which it ends; both timeouts are 1 ms to 3,660 days, and the
        namespace's default where they are left out. `create_time` and `last_access_time` are for a session that is
        older than this call: both timeouts count from them. Raises SessionIdTaken, SessionTooLarge,
        SessionLimitReached, StorageFull.
        """
        request = requests.create(
            attributes, session_id, principal, labels, idle_timeout, absolute, create_time, last_access_time
        )
        return answers.created(self.plain("CreateSession", request))

    def get(
        self,
        session_id: str,
        *,
        touch: bool = True,
        if_version_not: int | None = None,
        omit_attributes: bool = False,
    ) -> Session:
        """Reads a session and, with `touch`, slides its idle timeout.

        If the session's version is `if_version_not`, or with `omit_attributes`, it comes without attributes (None).
        Raises SessionNotFound, SessionCorrupt.
        """
        request = requests.get(session_id, touch, if_version_not, omit_attributes)
        return answers.read(self.plain("GetSession", request), omit_attributes)

    def update(
        self,
        session_id: str,
        *,
        expected_version: int | None = None,
        upsert: bool = False,
        lock_token: str = "",
        unlock: bool = False,
        set_attributes: Mapping[str, Any] | None = None,
        remove_attributes: Iterable[str] = (),
        clear_attributes: bool = False,
        principal: str | None = None,
        set_labels: Mapping[str, str] | None = None,
        remove_labels: Iterable[str] = (),
        idle_timeout: timedelta | None = None,
        absolute: timedelta | datetime | None = None,
    ) -> Session:
        """Changes a session in one atomic step, and slides its idle timeout. What is not named stays as it is.

        `clear_attributes` removes all of them before others are set. A `principal` of "" removes it. Either timeout
        replaces both: the other returns to the default of the namespace. With `expected_version` the change is made
        only if the session has it, with `lock_token` only if that lock holds; `unlock` releases it in the same step.
        `upsert` makes a session if there is none, and can revive one that was ended meanwhile.

        Answers the session without its attributes. Raises SessionNotFound, SessionIdRetired, VersionMismatch, LockLost,
        SessionTooLarge, StorageFull.
        """
        change = requests.change(
            set_attributes,
            remove_attributes,
            clear_attributes,
            principal,
            set_labels,
            remove_labels,
            idle_timeout,
            absolute,
        )
        request = requests.update(session_id, expected_version, upsert, lock_token, unlock, change)
        return answers.session(self.plain("UpdateSession", request))

    def touch(self, session_id: str) -> Touched:
        """Slides the idle timeout. Raises SessionNotFound."""
        return answers.touched(self.plain("TouchSession", requests.touch(session_id)))

    def rotate(
        self,
        session_id: str,
        *,
        new_session_id: str = "",
        grace: timedelta | None = None,
        expected_version: int | None = None,
        set_attributes: Mapping[str, Any] | None = None,
        remove_attributes: Iterable[str] = (),
        clear_attributes: bool = False,
        principal: str | None = None,
        set_labels: Mapping[str, str] | None = None,
        remove_labels: Iterable[str] = (),
        idle_timeout: timedelta | None = None,
        absolute: timedelta | datetime | None = None,
    ) -> Created:
        """Gives the session a new ID, and makes a change as in update() in the same step: for log in.

        The old ID can still read for `grace`, at most 60 s. Raises SessionNotFound, SessionIdRetired, SessionIdTaken,
        VersionMismatch, SessionTooLarge, StorageFull.
        """
        change = requests.change(
            set_attributes,
            remove_attributes,
            clear_attributes,
            principal,
            set_labels,
            remove_labels,
            idle_timeout,
            absolute,
        )
        request = requests.rotate(session_id, new_session_id, grace, expected_version, change)
        return answers.created(self.plain("RotateSession", request))

    def delete(self, session_id: str = "", *, handle: str = "", allow_missing: bool = False) -> bool:
        """Ends a session, named by its ID or its handle; True if there was one.

        Raises SessionNotFound unless `allow_missing`.
        """
        return answers.deleted(self.plain("DeleteSession", requests.delete(session_id, handle, allow_missing)))

    def get_many(self, session_ids: Iterable[str], *, touch: bool = True) -> list[Session | SessiondError]:
        """Reads at most 1,000 sessions: one result for each ID in their order, a Session or why there is none."""
        request = requests.get_many(session_ids, touch)
        return answers.many_read(self.plain("BatchGetSessions", request)) if request["session_ids"] else []

    def delete_many(self, session_ids: Iterable[str]) -> list[bool | SessiondError]:
        """Ends at most 1,000 sessions in one atomic step: for each ID in their order whether there was one, or why
        not.
        """
        request = requests.delete_many(session_ids)
        return answers.many_deleted(self.plain("BatchDeleteSessions", request)) if request["session_ids"] else []

    def list(self, principal: str = "", *, page_size: int = 0, with_attributes: bool = False) -> Iterator[Session]:
        """The live sessions of a principal, or of the namespace, newest first; one call for each page as it is needed.

        `page_size` is 1 to 1,000; 0 means 100. One that is made meanwhile may be missing; none comes twice.
        """
        token = ""
        while True:
            page = self.list_page(principal, page_size=page_size, page_token=token, with_attributes=with_attributes)
            yield from page.sessions
            token = page.next_page_token
            if not token:
                return

    def list_page(
        self,
        principal: str = "",
        *,
        page_size: int = 0,
        page_token: str = "",
        with_attributes: bool = False,
        handles: Iterable[str] = (),
    ) -> Page:
        """One page of list(): the first, or that of `page_token`, the next_page_token of the page before.

        With `handles`, at most 1,000, only those sessions; this can't be combined with `principal` or `page_size`.
        """
        request = requests.list_page(principal, page_size, page_token, with_attributes, handles)
        return answers.page(self.plain("ListSessions", request), with_attributes)

    def count(self, principal: str = "") -> int:
        """How many live sessions a principal, or the namespace, has. About a second for thirty thousand: see
        with_timeout.
        """
        return answers.number(self.plain("CountSessions", requests.count(principal)), "count")

    def revoke(self, principal: str, *, except_session_id: str = "") -> int:
        """Ends the sessions of a principal, but for one; how many there were.

        Raises SessionNotFound, and ends nothing, if `except_session_id` names no session.
        """
        return answers.number(self.plain("RevokeSessions", requests.revoke(principal, except_session_id)), "revoked")

    def revoke_handles(self, handles: Iterable[str]) -> int:
        """Ends the sessions with these handles, 1 to 1,000; how many there were."""
        return answers.number(self.plain("RevokeSessions", requests.revoke_handles(handles)), "revoked")

    def revoke_namespace(self) -> int:
        """Ends every session of the namespace; how many there were."""
        return answers.number(self.plain("RevokeSessions", requests.revoke_namespace()), "revoked")

    def watch(
        self,
        *,
        kinds: Iterable[EventKind] = (),
        principal: str = "",
        all_namespaces: bool = False,
        include_attributes: bool = False,
        checkpoint_interval: timedelta | None = None,
        resume_token: str = "",
    ) -> Watch:
        """Yields what happens to sessions from now on, or since `resume_token`; see Watch.

        Only of these `kinds`, and of sessions of this `principal`. With `include_attributes`, sessions that ended come
        with their last attributes where the namespace keeps them. A checkpoint, 100 ms to 1 h after the last message
        (left out, 10 s), moves the resume token on while nothing happens. The loop raises EventsGone if the events
        since the token are no longer kept: list the sessions then, and watch from now on.
        """
        request = requests.watch(
            kinds, principal, all_namespaces, include_attributes, checkpoint_interval, resume_token
        )
        if not all_namespaces:
            self._named("WatchSessions", request)
        return Watch(self._transport, request)

    def lock(
        self,
        session_id: str,
        *,
        lease: timedelta | None = None,
        wait: timedelta | None = None,
        with_session: bool = False,
    ) -> Lock:
        """Takes an exclusive lock on a session: `with client.lock(id) as lock: client.update(id, lock_token=lock.token,
        …)`.

        It holds for `lease`, 100 ms to 60 s (left out, 10 s), unless it is renewed or released. If another holds it,
        the call waits for `wait`, at most 30 s, beyond its deadline. It binds those who ask for it: an update without a
        token is never held up. `with_session` reads the session under the lock. Raises LockHeld, SessionNotFound,
        SessionIdRetired.
        """
        request = requests.lock(session_id, lease, wait, with_session)
        return Lock(self, session_id, self.plain("LockSession", request, timeout=self._waiting(wait)))

    def issue_handoff(self, session_id: str, audience: str, *, lifetime: timedelta | None = None) -> Handoff:
        """A ticket by which `audience` (1 to 256 bytes), another domain, gets its own ID of the same session.

        It can be redeemed once, for `lifetime`: 1 s to 5 min; left out, 30 s. Raises SessionNotFound, SessionIdRetired,
        StorageFull.
        """
        return answers.handoff(self.plain("IssueHandoff", requests.issue_handoff(session_id, audience, lifetime)))

    def redeem_handoff(self, ticket: str, audience: str, *, new_session_id: str = "") -> Created:
        """Exchanges a ticket for an ID, under which the session comes with its attributes. Another audience than the
        ticket's burns it. Raises HandoffInvalid, SessionIdTaken, StorageFull.
        """
        return answers.redeemed(self.plain("RedeemHandoff", requests.redeem_handoff(ticket, audience, new_session_id)))

    def issue_csrf_token(self, session_id: str) -> str:
        """A token against cross-site request forgery, valid until the session ends or rotates; another text each time.

        Raises SessionNotFound.
        """
        return str(self.plain("IssueCsrfToken", requests.issue_csrf_token(session_id))["token"])

    def verify_csrf_token(self, session_id: str, token: str) -> bool:
        """Whether a token, which may be any text, was issued for this session under this ID. Raises SessionNotFound."""
        return bool(self.plain("VerifyCsrfToken", requests.verify_csrf_token(session_id, token))["valid"])

    def health(self, service: str = "") -> bool:
        """Whether the server serves; with the service "sessiond.writes", whether it takes writes.

        False also for a service that it does not know.
        """
        try:
            return answers.health(self.plain("CheckHealth", {"service": service}))
        except SessiondError as error:
            if error.code is Code.NOT_FOUND:
                return False
            raise

    def statistics(self) -> Statistics:
        """What the server holds and does."""
        return statistics.from_plain(self.plain("GetStatistics", {}))
