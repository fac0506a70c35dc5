"""python -m sessiond doctor, as users run it."""

import os
import signal
import subprocess
import sys

import pytest
import transports
from server import Server, free_port


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SESSIOND_")}
    return subprocess.run(
        [sys.executable, "-m", "sessiond", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=env | environment,
    )


def lines(run: subprocess.CompletedProcess) -> dict[str, str]:
    return {line[:12].strip(): line[13:] for line in run.stdout.splitlines()}


@pytest.mark.parametrize("choice", transports.NAMES)
def test_all_is_well(server, choice):
    transports.codec(choice)
    run = doctor("--address", f"http://{server.address}/", "--namespace", "shop", SESSIOND_TRANSPORT=choice)
    found = lines(run)
    assert run.returncode == 0, run.stdout + run.stderr
    assert found["transport"] == transports.NAMES[choice]
    assert found["address"] == server.address
    assert found["namespace"] == "shop"
    assert found["server"] == "answers, serves, takes writes"
    assert "ms of 20 calls" in found["latency"]
    assert "agree" in found["clock"]
    assert found["verdict"] == "all is well"
    assert f"SESSIOND_TRANSPORT={choice}" in found["environment"]
    assert run.stderr == ""


def test_the_environment_is_used_and_secrets_are_not_shown(server):
    run = doctor(SESSIOND_ADDR=server.address, SESSIOND_NAMESPACE="from-env", SESSIOND_TOKEN="very-secret")
    found = lines(run)
    assert (run.returncode, found["address"], found["namespace"]) == (0, server.address, "from-env")
    assert "SESSIOND_TOKEN (not shown)" in found["environment"]
    assert "very-secret" not in run.stdout + run.stderr


def problem(run: subprocess.CompletedProcess) -> str:
    assert (run.returncode, run.stderr) == (1, "")
    assert "Traceback" not in run.stdout
    assert run.stdout.splitlines()[-1].startswith("problem")
    return lines(run)["problem"]


def test_no_server():
    assert "sessiond serve" in problem(doctor("--address", f"127.0.0.1:{free_port()}"))


def test_a_server_that_hangs(own_server):
    own_server.pause()
    assert "no answer" in problem(doctor("--address", own_server.address))


def test_an_address_that_is_none():
    assert "the port is missing" in problem(doctor("--address", "http://store"))


def test_a_namespace_that_is_none(server):
    assert "--namespace" in problem(doctor("--address", server.address, "--namespace", "Shop"))


def test_a_transport_that_is_none(server):
    assert "it can be native or grpc" in problem(doctor("--address", server.address, SESSIOND_TRANSPORT="carrier"))


def test_no_transport_at_all(server, tmp_path):
    """As on a machine that no native module is built for, without the extra."""
    for name in ("grpc", "_blocked"):
        tmp_path.joinpath(f"{name}.py").write_text("raise ImportError('not here')\n")
    site = "import sys\nsys.modules['sessiond._native'] = None\n"
    tmp_path.joinpath("sitecustomize.py").write_text(site)
    run = doctor("--address", server.address, PYTHONPATH=str(tmp_path))
    assert "pip install 'sessiond[grpc]'" in problem(run)
    assert "native can't be used" in run.stdout and "grpcio can't be used" in run.stdout


def test_a_server_that_takes_no_writes(tmp_path):
    server = Server(tmp_path / "data", settings=("--min-free-space", "1000000GiB")).start()
    try:
        assert "takes no writes" in problem(doctor("--address", server.address))
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.kill()


def test_usage():
    run = subprocess.run([sys.executable, "-m", "sessiond"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "doctor" in run.stderr
