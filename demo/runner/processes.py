"""The programs of the demo: started, awaited, ended."""

import http.client
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

# How long a site may take to answer for the first time, in seconds.
PATIENCE = 90.0


def clean_environment() -> dict[str, str]:
    """The environment without the settings of another sessiond."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SESSIOND_")}


class Process:
    """A site. Of its commands the last one serves it, and those before make it ready."""

    def __init__(
        self,
        name: str,
        commands: list[list[str]],
        folder: Path,
        environment: dict[str, str],
        log: Path,
        origin: str,
    ):
        self.name = name
        self.log = log
        self._commands = commands
        self._folder = folder
        self._environment = environment
        self._host = origin.removeprefix("http://")
        self._port = int(self._host.rpartition(":")[2])
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told = False

    def start(self) -> None:
        if not is_closed(self._port):
            raise OSError(f"port {self._port} is taken")
        with self.log.open("ab") as log:
            settings = {
                "cwd": self._folder,
                "env": self._environment,
                "stdin": subprocess.DEVNULL,
                "stdout": log,
                "stderr": log,
            }
            for command in self._commands[:-1]:
                subprocess.run(command, check=False, **settings)
            self._process = subprocess.Popen(self._commands[-1], **settings)

    def await_ready(self, stop: threading.Event) -> str | None:
        """Why the site does not answer; None if it does."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not stop.is_set():
            if self._process is None or self._process.poll() is not None:
                self._is_told = True
                return f"it has ended by itself: see {self.log}"
            if self._answers():
                return None
            time.sleep(0.1)
        return f"it does not answer: see {self.log}"

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            # A cookie that leads nowhere has the site ask the store: it is ready when both are.
            headers = {"Host": self._host, "Cookie": "session=is-the-store-there"}
            connection.request("GET", "/", headers=headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def has_ended_by_itself(self) -> bool:
        """Once true when the program is found to have ended."""
        if self._is_told or self._process is None or self._process.poll() is None:
            return False
        self._is_told = True
        return True

    def stop(self) -> None:
        end(self._process)


class Server:
    """sessiond. It keeps its data folder and its port when it is killed and started again."""

    name = "sessiond"

    def __init__(self, binary: str, work: Path, port: int):
        self.port = port
        self.log = work / "logs/sessiond.log"
        self._command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", str(work / "data")]
        self._process: subprocess.Popen[bytes] | None = None
        # The control page is served by several threads.
        self._changing = threading.Lock()

    def start(self) -> None:
        with self._changing:
            if self.is_running():
                return
            if not is_closed(self.port):
                raise OSError(f"port {self.port} is taken")
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            deadline = time.monotonic() + PATIENCE
            while is_closed(self.port):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise OSError(f"sessiond does not start: see {self.log}")
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as a crash: there is no chance to write anything."""
        with self._changing:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        end(self._process)


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def end(process: "subprocess.Popen[bytes] | None") -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
