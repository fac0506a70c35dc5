"""The servers that are compared, each in a fresh folder and on core 0."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FIRST_CORE, SECOND_CORE = "0", "1"


def pinned(core: str, *command: str, **options) -> subprocess.Popen:
    return subprocess.Popen(["taskset", "--cpu-list", core, *command], **options)


class Server:
    """It stands still until its turn comes, so that the other has the core for itself."""

    def __init__(self, kind: str):
        self.folder = tempfile.mkdtemp(prefix="sessiond-bench-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        port, folder = str(self.port), self.folder
        # Both write to disk, and promise to lose about a second at most.
        commands = {
            "redis": ["redis-server", "--port", port, "--dir", folder, "--save", "", "--appendonly", "yes"],
            "sessiond": [os.environ["SESSIOND_BIN"], "serve", "--listen", f"127.0.0.1:{port}", "--data-dir"]
            + [folder, "--durability", "interval", "--workers", "1"],
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = pinned(FIRST_CORE, *commands[kind], **quiet)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.02)
        else:
            raise SystemExit(f"{kind} did not start")

    def __enter__(self) -> "Server":
        self.process.send_signal(signal.SIGCONT)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)
