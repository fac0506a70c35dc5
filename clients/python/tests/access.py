"""A server with access rules, and its tokens."""

import subprocess
import time
from pathlib import Path

import pytest
from server import BINARY, Server

import sessiond
from sessiond import Client, SessionNotFound, Unauthenticated

LONG = 20.0
UNKNOWN = "an-unknown-session-id"
RULES = """
[caller.shop]
allow = [{ namespaces = ["shop", "default"], may = ["application"] }]

[caller.blog]
allow = [{ namespaces = ["blog"], may = ["application"] }]
"""


class Guarded:
    """Its callers are the applications "shop" and "blog"."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.joinpath("access.toml").write_text(RULES)
        self._tokens = folder / "tokens"
        self._tokens.touch()
        settings = ("--access-file", str(folder / "access.toml"), "--access-tokens", str(self._tokens))
        self.server = Server(folder / "data", settings=settings).start()
        self.address = self.server.address

    def token(self, caller: str = "shop") -> str:
        """A new token, which the server knows."""
        token = self._run("create", caller).strip()
        self._await(token, caller, True)
        return token

    def revoke(self, token: str, caller: str = "shop") -> None:
        """Ends a token; the server knows."""
        self._run("revoke", token.split("_")[1])
        self._await(token, caller, False)

    def write(self, token: str, name: str = "client-token") -> Path:
        """The file of a client, which gets this text at once."""
        new = self.folder / "new"
        new.write_text(token)
        return new.rename(self.folder / name)

    def _run(self, command: str, argument: str) -> str:
        line = [BINARY, "token", command, "--access-tokens", str(self._tokens), argument]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout

    def _await(self, token: str, caller: str, is_valid: bool) -> None:
        end = time.monotonic() + LONG
        with Client(self.address, namespace=caller, token=token, timeout=LONG) as client:
            while answers(client) != is_valid:
                assert time.monotonic() < end, "the server does not look at its tokens"
                time.sleep(0.01)


def answers(client: sessiond.Client) -> bool:
    """Whether the server knows the caller."""
    try:
        client.get(UNKNOWN, touch=False)
    except SessionNotFound:
        return True
    except Unauthenticated:
        return False
    raise AssertionError("there is such a session")


@pytest.fixture(scope="session")
def guarded(tmp_path_factory):
    running = Guarded(tmp_path_factory.mktemp("guarded"))
    yield running
    running.server.kill()


@pytest.fixture(scope="session")
def token(guarded) -> str:
    return guarded.token()
