"""What each layer may import, and how the transport is chosen."""

import copy
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import transports

import sessiond
from sessiond import errors, transport

SOURCE = Path(sessiond.__file__).parent


def python(program: str, **environment: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SESSIOND_")}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env | environment
    )


def test_only_the_fallback_imports_grpc_and_protobuf():
    imports = re.compile(r"^\s*(?:from|import) (?:grpc|google|sessiond\.v1)\b", re.MULTILINE)
    allowed = (SOURCE / "transport" / "grpcio", SOURCE / "v1")
    found = [
        file.relative_to(SOURCE)
        for file in SOURCE.rglob("*.py")
        if imports.search(file.read_text()) and not any(folder in file.parents for folder in allowed)
    ]
    assert found == []


def test_the_native_transport_needs_neither(server):
    transports.codec("native")
    program = f"""
import sys
sys.modules["grpc"] = sys.modules["google.protobuf"] = None
from sessiond import Client
client = Client({server.address!r}, timeout=10)
print(client.get(client.create({{"a": [1.5, None]}}).session_id).attributes, client.transport)
"""
    run = python(program)
    assert run.stdout == "{'a': [1.5, None]} native\n", run.stderr


def test_the_fallback_is_used_where_the_native_module_is_missing(server):
    program = f"""
import sys
sys.modules["sessiond._native"] = None
from sessiond import Client
client = Client({server.address!r}, timeout=10)
print(client.get(client.create({{"a": [1.5, None]}}).session_id).attributes, client.transport)
"""
    run = python(program)
    assert run.stdout == "{'a': [1.5, None]} grpcio\n", run.stderr


@pytest.mark.parametrize(
    ("missing", "choice", "told"),
    [
        (("sessiond._native", "grpc"), "", "pip install 'sessiond[grpc]'"),
        (("sessiond._native",), "native", "unset SESSIOND_TRANSPORT"),
        (("grpc",), "grpc", "pip install 'sessiond[grpc]'"),
        ((), "carrier", "it can be native or grpc"),
    ],
)
def test_a_transport_that_is_missing_is_told_with_what_to_do(missing, choice, told):
    program = f"""
import sys
for name in {missing!r}:
    sys.modules[name] = None
from sessiond import Client
try:
    Client()
except ImportError as error:
    print(error, error.__cause__)
"""
    run = python(program, SESSIOND_TRANSPORT=choice)
    assert told in run.stdout and run.stdout.endswith(" None\n"), run.stdout + run.stderr


def test_both_transports_have_the_same_name_in_the_environment_as_here():
    assert {choice: transport.load(choice).NAME for choice in transports.NAMES} == transports.NAMES


def test_errors_are_made_by_reason_then_by_code():
    made = errors.make("VERSION_MISMATCH", 10, "another", {"current_version": "7"})
    assert (type(made), made.current_version, made.code) == (sessiond.VersionMismatch, 7, sessiond.Code.ABORTED)
    assert type(errors.make("NOT_READY", 14, "")) is sessiond.NotReady
    assert isinstance(errors.make("NOT_READY", 14, ""), sessiond.StoreUnavailable)
    assert (type(errors.make("", 12, "x")), str(errors.make("", 12, "x"))) == (
        sessiond.UnknownMethod,
        "UNIMPLEMENTED: x",
    )
    new = errors.make("OF_THE_FUTURE", 9, "new")
    assert (type(new), new.reason, new.code) == (
        sessiond.SessiondError,
        "OF_THE_FUTURE",
        sessiond.Code.FAILED_PRECONDITION,
    )
    assert errors.make("", 99, "odd").code is sessiond.Code.UNKNOWN
    assert str(errors.make("", 14, "")) == "UNAVAILABLE: no details"
    bounds = errors.make("INVALID_ARGUMENT", 3, "server's words", {}, [("a", "too long"), ("b", "missing")])
    assert str(bounds) == "INVALID_ARGUMENT: a: too long; b: missing"


def test_every_error_class_of_the_package_is_public():
    classes = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.SessiondError)
    }
    assert classes <= set(sessiond.__all__)


def test_errors_and_sessions_can_be_copied_and_pickled(server, transport):
    with sessiond.Client(server.address, timeout=10) as client:
        session = client.get(client.create({"a": 1}).session_id)
        assert pickle.loads(pickle.dumps(session)) == copy.deepcopy(session) == session
        with pytest.raises(sessiond.InvalidArgument) as caught:
            client.get("short")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.violations, again.code) == (
        sessiond.InvalidArgument,
        str(caught.value),
        caught.value.violations,
        caught.value.code,
    )
