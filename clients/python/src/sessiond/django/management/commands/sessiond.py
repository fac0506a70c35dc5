"""manage.py sessiond status | list | end | migrate | watch"""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessiond.django import conf, migrate, signals
from sessiond.django.calls import run
from sessiond.django.devices import principal_of_user
from sessiond.django.moving import SessionStore as MovingStore
from sessiond.django.store import SessionStore
from sessiond.errors import PermissionDenied, SessiondError
from sessiond.tls import described

# Sessions that are moved at the same time: enough to share the server's syncs.
_AT_ONCE = 16

# What becomes of a session.
_COPIED, _THERE = "copied", "there already or ended"
_UNREADABLE, _NOT_STORABLE = "unreadable or empty", "not storable"


class Command(BaseCommand):
    help = "Looks after the sessions that sessiond keeps."
    # "sessiond status" must be able to say what the checks would stop at.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        commands.add_parser("status", help="is the store there, and how many sessions does it hold")

        listing = commands.add_parser("list", help="list sessions, newest first")
        _whose(listing)
        listing.add_argument("--limit", type=int, default=50, help="at most so many; 0 for all (default: 50)")
        listing.add_argument("--json", action="store_true", help="one line of JSON for each")

        ending = commands.add_parser("end", help="end sessions")
        ending.add_argument("handle", nargs="*", help="handles of sessions, as they are listed")
        _whose(ending)
        ending.add_argument(
            "--all", action="store_true", help="every session of the namespace: everybody is logged out"
        )
        ending.add_argument("--yes", action="store_true", help="with --all, don't ask")

        migrating = commands.add_parser("migrate", help="copy the sessions of another engine")
        migrating.add_argument(
            "--from", dest="engine", required=True, help="the engine, such as django.contrib.sessions.backends.db"
        )
        migrating.add_argument("--dry-run", action="store_true", help="only count what would be copied")
        migrating.add_argument("--move", action="store_true", help="delete each session where it was once it is copied")

        watching = commands.add_parser("watch", help="send Django's signals for what happens to sessions")
        watching.add_argument("--token-file", help='where to keep the place (default: SESSIOND["WATCH_TOKEN_FILE"])')

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['command']}")(options)
        except SessiondError as error:
            raise CommandError(f"{conf.client().address}: {error}") from None

    def _status(self, options: dict[str, Any]) -> None:
        client = conf.client()
        start = time.perf_counter()
        is_healthy = client.health()
        took = (time.perf_counter() - start) * 1000
        self._line("engine", settings.SESSION_ENGINE)
        self._line("store", f"{client.address} ({'serving' if is_healthy else 'not ready'}, answers in {took:.1f} ms)")
        self._line("TLS", described(client.tls))
        self._line("token", client.token_source)
        self._line("transport", client.transport)
        self._line("namespace", client.namespace or "default")
        if not is_healthy:
            raise CommandError("The store says that it is not ready.")
        try:
            # Counting looks at each session, which takes a while for many.
            sessions = str(client.with_timeout(max(60.0, client.timeout)).count())
        except PermissionDenied as error:
            # A site needs no such permission for its work.
            sessions = f"not told to this site ({error})"
        self._line("sessions", sessions)

    def _list(self, options: dict[str, Any]) -> None:
        limit = options["limit"]
        sessions = conf.client().list(_principal(options))
        for session in islice(sessions, limit) if limit > 0 else sessions:
            if options["json"]:
                self.stdout.write(json.dumps(_as_json(session)))
                continue
            device = " ".join(filter(None, (session.labels.get("device"), session.labels.get("address"))))
            active = f"{session.last_access_time:%Y-%m-%d %H:%M:%S}"
            ends = f"{session.expire_time:%Y-%m-%d %H:%M:%S}"
            self.stdout.write(f"{session.handle}  active {active}  ends {ends}  {session.principal or '-'}  {device}")

    def _end(self, options: dict[str, Any]) -> None:
        client = conf.client()
        principal = _principal(options)
        given = [
            name
            for name, value in (("handle", options["handle"]), ("user", principal), ("all", options["all"]))
            if value
        ]
        if len(given) != 1:
            raise CommandError("Say which: handles, --user, --principal, or --all.")
        if options["all"]:
            if not options["yes"] and input("End every session of the site? [y/N] ").strip().lower() not in (
                "y",
                "yes",
            ):
                raise CommandError("Nothing was ended.")
            ended = client.with_timeout(max(60.0, client.timeout)).revoke_namespace()
        elif principal:
            ended = client.revoke(principal)
        else:
            ended = client.revoke_handles(options["handle"])
        self.stdout.write(f"{ended} ended")

    def _migrate(self, options: dict[str, Any]) -> None:
        engine = options["engine"]
        try:
            kind = migrate.store_class(engine)
            if issubclass(kind, SessionStore):
                raise CommandError("These sessions are in the store already.")
            sessions = migrate.old_sessions(engine)
        except (ImportError, AttributeError) as error:
            raise CommandError(f"{engine} is no session engine: {error}") from None
        except migrate.CanNotList as error:
            raise CommandError(str(error)) from None
        tally = _Tally(migrate.count(engine))
        is_dry = options["dry_run"]
        is_move = not is_dry and (options["move"] or _is_moving_engine())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while batch := list(islice(sessions, migrate.BATCH)):
                for old, outcome in zip(batch, pool.map(_would_copy if is_dry else _copy, batch), strict=True):
                    tally.add(outcome)
                    # Here rather than in the pool, whose threads would each open a connection to the database.
                    if is_move and old is not None and outcome in (_COPIED, _THERE):
                        _forget(kind, old, is_ours=outcome == _COPIED)
                self.stderr.write(f"\r{tally.progress()}", ending="")
                self.stderr.flush()
        self.stderr.write("")
        self.stdout.write(tally.summary(is_dry))

    def _watch(self, options: dict[str, Any]) -> None:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        # In a thread: a handler of a signal runs only when this one is not inside a call.
        dispatcher = signals.start_dispatcher(options["token_file"])
        self.stderr.write(f"Watching sessions of {conf.client().address}; end with Ctrl-C.")
        ended.wait()
        dispatcher.stop()

    def _line(self, name: str, value: str) -> None:
        self.stdout.write(f"{name + ':':<12}{value}")


def _copy(old: migrate.Old | None) -> str:
    """Copies one session; answers what became of it."""
    if old is None:
        return _UNREADABLE
    store = SessionStore()
    try:
        return _COPIED if run(migrate.move(old, store._codec, store.get_session_cookie_age())) else _THERE
    except (TypeError, ValueError):
        return _NOT_STORABLE


def _would_copy(old: migrate.Old | None) -> str:
    """What would become of one session."""
    if old is None:
        return _UNREADABLE
    store = SessionStore()
    try:
        request = migrate.create_request(old, store._codec, store.get_session_cookie_age())
    except (TypeError, ValueError):
        return _NOT_STORABLE
    return _THERE if request is None or store.exists(old.session_key) else _COPIED


def _forget(kind: Any, old: migrate.Old, *, is_ours: bool) -> None:
    """Deletes a session where it was."""
    if not migrate.forget(kind, old.session_key) and is_ours:
        # A visitor's request had moved it before, and it was ended since: what was made here must not live on.
        SessionStore().delete(old.session_key)


class _Tally:
    """How many sessions had which outcome."""

    def __init__(self, total: int | None):
        self._total = total
        self._counts: dict[str, int] = {}

    def add(self, outcome: str) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + 1

    def progress(self) -> str:
        return f"{sum(self._counts.values())}{f' of {self._total}' if self._total is not None else ''} sessions"

    def summary(self, is_dry: bool) -> str:
        copied = self._counts.pop(_COPIED, 0)
        others = "".join(f", {number} {outcome}" for outcome, number in sorted(self._counts.items()))
        return f"{copied} {'to be copied' if is_dry else 'copied'}{others}"


def _whose(parser: CommandParser) -> None:
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--user", help="of the user with this name")
    whose.add_argument("--principal", help="of this principal: a user's primary key, as a rule")


def _principal(options: dict[str, Any]) -> str:
    name: str | None = options["user"]
    if name is None:
        return options["principal"] or ""
    users = get_user_model()
    try:
        return principal_of_user(users._default_manager.get_by_natural_key(name))
    except users.DoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None


def _as_json(session: Any) -> dict[str, Any]:
    return {
        "handle": session.handle,
        "namespace": session.namespace,
        "principal": session.principal,
        "labels": session.labels,
        "create_time": session.create_time.isoformat(),
        "last_access_time": session.last_access_time.isoformat(),
        "expire_time": session.expire_time.isoformat(),
    }


def _is_moving_engine() -> bool:
    """Whether sessions that stay where they were could come back after they were ended."""
    try:
        return issubclass(migrate.store_class(settings.SESSION_ENGINE), MovingStore)
    except (ImportError, AttributeError):
        return False
