"""Signals of what happens to sessions, in any service that uses the store, not only in this site.

    session_created   a session was made
    session_ended     it was logged out ("deleted"), or revoked ("revoked")
    session_expired   it reached the end of a timeout

A receiver gets `session` (a sessiond.Session without attributes, as it was when the event happened), `time`, and
`reason`, which is "created", "deleted", "revoked" or "expired". `sender` is the name of the namespace.

They are sent by a dispatcher: `manage.py sessiond watch` in a process of its own, or start_dispatcher() in a thread.
After a restart it goes on where it was, with the place noted in a file. Every event is sent at least once; after a
crash the last few may come again. Where events were missed for so long that the server does not keep them any more, the
dispatcher logs an error and goes on from the present.
"""

import logging
import os
import tempfile
import threading
import time

from django.db import close_old_connections
from django.dispatch import Signal

from sessiond import Event, EventKind, Watch
from sessiond.django import conf
from sessiond.errors import EventsGone, SessiondError

logger = logging.getLogger("sessiond.django")

session_created = Signal()
session_ended = Signal()
session_expired = Signal()

_SIGNALS = {
    EventKind.CREATED: (session_created, "created"),
    EventKind.DELETED: (session_ended, "deleted"),
    EventKind.REVOKED: (session_ended, "revoked"),
    EventKind.EXPIRED: (session_expired, "expired"),
}

# How often the place is noted: while there are events, and while there are none, in seconds.
_NOTE_EVERY, _NOTE_QUIET_EVERY = 0.25, 10.0
# How long to wait before a watch that was refused is asked for again, in seconds.
_PAUSE = 1.0


class Dispatcher:
    """Sends the signals for the events of the site's namespace until it is stopped."""

    def __init__(self, token_file: str | None = None):
        """The place is kept in `token_file`; left out, in SESSIOND["WATCH_TOKEN_FILE"]; without that, nowhere."""
        self._file = token_file or conf.current().watch_token_file
        self._token = self._read()
        self._noted = self._token
        self._noted_at = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watch: Watch | None = None
        # How many events were begun, and whether one is under way.
        self._begun = 0
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Sends signals, in this thread, until stop() is called in another."""
        if self._file is not None:
            threading.Thread(target=self._note_while_quiet, name="sessiond-dispatcher-place", daemon=True).start()
        try:
            while not self._stopped.is_set():
                try:
                    self._follow()
                except EventsGone:
                    logger.error("Events of sessions were missed: the server keeps them no more. Going on from now")
                    self._token = ""
                except SessiondError as error:
                    logger.error("The session store refused to be watched: %s", error)
                    self._stopped.wait(_PAUSE)
        finally:
            self._stopped.set()
            self._note()

    def start(self) -> "Dispatcher":
        """Does run() in a thread that does not keep the process from ending."""
        self._thread = threading.Thread(target=self.run, name="sessiond-dispatcher", daemon=True)
        self._thread.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """Ends it, and waits for the receivers of the present event, at most `timeout` seconds."""
        self._stopped.set()
        if self._watch is not None:
            self._watch.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _follow(self) -> None:
        # It makes a connection that is lost anew by itself.
        watch = conf.client().watch(kinds=list(_SIGNALS), resume_token=self._token)
        self._watch = watch
        # A stop() before this line had no watch to close.
        if self._stopped.is_set():
            return
        with watch:
            for event in watch:
                self._is_busy = True
                self._begun += 1
                self._send(event)
                self._token = event.resume_token
                self._is_busy = False
                if time.monotonic() - self._noted_at >= _NOTE_EVERY:
                    self._note()

    def _send(self, event: Event) -> None:
        signal, reason = _SIGNALS[event.kind]
        # As around a request: the database may have hung up meanwhile.
        close_old_connections()
        try:
            # Errors of receivers are logged by Django, and don't keep the others from being called.
            signal.send_robust(event.session.namespace, session=event.session, time=event.time, reason=reason)
        finally:
            close_old_connections()

    def _note_while_quiet(self) -> None:
        """Notes how far the watch has come past events that are not ours: the server forgets where an old one was."""
        token, begun = "", -1
        while not self._stopped.wait(_NOTE_QUIET_EVERY):
            # The watch has come this far since the last turn at least, and no event was left to be sent meanwhile.
            if token and not self._is_busy and begun == self._begun:
                self._token = token
                self._note()
            token, begun = self._watch.resume_token if self._watch else "", self._begun

    def _read(self) -> str:
        if self._file is None:
            return ""
        try:
            with open(self._file, encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def _note(self) -> None:
        """Writes the place down, whole or not at all."""
        with self._lock:
            token = self._token
            if self._file is None or token == self._noted:
                return
            folder = os.path.dirname(os.path.abspath(self._file))
            with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=folder, delete=False) as file:
                file.write(token)
            os.replace(file.name, self._file)
            self._noted, self._noted_at = token, time.monotonic()


def start_dispatcher(token_file: str | None = None) -> Dispatcher:
    """Sends the signals from a thread of this process; stop() of what it answers ends it.

    Every process that calls it sends every event: a site with several workers runs `manage.py sessiond watch` instead.
    """
    return Dispatcher(token_file).start()
