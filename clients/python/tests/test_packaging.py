"""What is published installs into an empty environment and works there."""

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
from sessiond import Client

with Client(sys.argv[1]) as client:
    created = client.create({"theme": "dark"})
    print(client.transport, client.get(created.session_id).attributes)
print([name for name in ("grpc", "google.protobuf") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def dist():
    # Not optimized: the tests have compiled most of it.
    subprocess.run(["./build-dist", "--profile", "dev"], cwd=HERE, check=True, capture_output=True)
    return HERE / "dist"


def only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def test_the_wheel_needs_nothing(server, dist, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    wheel = only(dist, "sessiond-*-abi3-*.whl")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", wheel], check=True)
    run = subprocess.run([python, "-c", PROGRAM, server.address], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "native {'theme': 'dark'}\n[]\n", run.stderr


def test_the_pure_wheel_names_what_it_needs_and_works_with_it(server, dist, tmp_path):
    with zipfile.ZipFile(only(dist, "sessiond-*-none-any.whl")) as wheel:
        wheel.extractall(tmp_path)
    metadata = only(tmp_path, "*.dist-info/METADATA").read_text()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert [re.split("[<>]", line.split()[1])[0] for line in needed] == [
        "googleapis-common-protos",
        "grpcio",
        "protobuf",
    ]
    assert (tmp_path / "sessiond/py.typed").is_file()
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROGRAM}"
    run = subprocess.run([sys.executable, "-c", program, server.address], capture_output=True, text=True)
    assert run.stdout == "grpcio {'theme': 'dark'}\n['grpc', 'google.protobuf']\n", run.stderr


def test_the_source_has_all_that_it_is_built_from(dist):
    listed = subprocess.run(
        ["tar", "--list", "--file", only(dist, "sessiond-*.tar.gz")], capture_output=True, text=True, check=True
    ).stdout
    for name in ("clients/python/native/Cargo.toml", "session_store.proto", "Cargo.lock", "src/sessiond/client.py"):
        assert name in listed
