"""Certificates for the tests of TLS, which clients/conformance/tls/generate makes anew for each run."""

import subprocess
from pathlib import Path

import pytest

from sessiond import Tls

GENERATE = Path(__file__).resolve().parents[2] / "conformance" / "tls" / "generate"


class Certificates:
    """Names the files in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def ca(self) -> Path:
        return self.file("ca.pem")

    def client(self, name: str = "client") -> Tls:
        """How a client with this certificate calls a server of the CA."""
        return Tls(ca_file=self.ca, certificate_file=self.file(f"{name}.pem"), key_file=self.file(f"{name}-key.pem"))

    def server(self, name: str = "server", *, asks_clients: bool = False) -> tuple[str, ...]:
        """The settings of a server with this certificate."""
        settings = ("--tls-certificate", str(self.file(f"{name}.pem")), "--tls-key", str(self.file(f"{name}-key.pem")))
        return (*settings, "--tls-client-ca", str(self.ca)) if asks_clients else settings


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([GENERATE, folder], check=True, timeout=60)
    return Certificates(folder)
