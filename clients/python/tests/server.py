"""A sessiond process for tests: real binary, free port or Unix socket, its own data folder."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import sessiond

BINARY = os.environ.get("SESSIOND_BIN") or str(Path(__file__).resolve().parents[3] / "target/debug/sessiond")
START_LIMIT = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Keeps its address and data folder over kill() and start(). With `tls` it speaks TLS, and is called so."""

    def __init__(
        self,
        data_dir: Path,
        address: str | None = None,
        settings: tuple[str, ...] = (),
        tls: sessiond.Tls | None = None,
    ):
        authority = address or f"127.0.0.1:{free_port()}"
        self.address = f"https://{authority}" if tls else authority
        self.tls = tls
        self.data_dir = data_dir
        self.settings = settings
        self.log_path = data_dir.with_suffix(".log")
        self.process: subprocess.Popen | None = None

    def start(self) -> "Server":
        # Settings of the surrounding shell must not reach the server under test.
        env = {name: value for name, value in os.environ.items() if not name.startswith("SESSIOND_")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", self._listens_at(), "--data-dir", str(self.data_dir), *self.settings],
                stdout=log,
                stderr=log,
                env=env,
            )
        self._await_answer()
        return self

    def kill(self) -> None:
        """SIGKILL: no chance to write anything."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """The process hangs: connections stay open, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        # A thread may still answer until every one of them has stopped.
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any(task.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()):
            time.sleep(0.001)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _listens_at(self) -> str:
        return self.address.replace("https://", "tls://")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        with sessiond.Client(self.address, tls=self.tls) as client:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, f"sessiond ended by itself:\n{self.log()}"
                try:
                    client.get("no-such-session-0", touch=False)
                except (sessiond.SessionNotFound, sessiond.Unauthenticated):
                    return
                except sessiond.StoreUnavailable:
                    time.sleep(0.02)
        raise AssertionError(f"sessiond did not answer within {START_LIMIT} s:\n{self.log()}")
