"""The behaviour cases that all clients share, against the real server, over both transports."""

from pathlib import Path

import conformance
import pytest
from behaviour import Run, Unmet
from server import Server

from sessiond import Client

FOLDER = Path(__file__).resolve().parents[2] / "conformance"
CASES = [case for file in sorted((FOLDER / "cases").glob("*.json")) for case in conformance.cases(f"cases/{file.name}")]
# The cases that Python can't meet, and why.
EXCEPTIONS: dict[str, str] = {}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    settings = ("--config", str(FOLDER / "server.toml"))
    server = Server(tmp_path_factory.mktemp("behaviour") / "data", settings=settings).start()
    yield server.address
    server.kill()


@pytest.fixture
def client(address, transport):
    with Client(address, timeout=20) as running:
        yield running


def test_there_are_cases_and_few_exceptions():
    assert len(CASES) > 50
    assert len(EXCEPTIONS) * 20 < len(CASES)
    assert EXCEPTIONS.keys() <= {case["name"] for case in CASES}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_behaviour(client, number):
    case = CASES[number]
    if case["name"] in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[case["name"]])
    Run(client, f"case-{number}-{client.transport}").all(case["steps"])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 2}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": {"$present": True}}, {}),
        ({"a": {"$absent": True}}, {"a": False}),
        ({"a": 1, "$only": True}, {"a": 1, "b": 2}),
        ([1], [1, 2]),
        ([{"a": 1}], [{"a": 2}]),
        ({"$not": 1}, 1),
        ({"$contains": 1}, [2]),
        ({"$near": "${then}", "within": "1s"}, "2026-01-01T00:00:02Z"),
        ({"$after": "${then}"}, "2026-01-01T00:00:00.000Z"),
        ("${then+1s}", "2026-01-01T00:00:00Z"),
        ("${unknown}", "${unknown}"),
    ],
)
def test_the_runner_finds_faults_in_answers(client, wanted, found):
    run = Run(client, "faults")
    run.set("then", "2026-01-01T00:00:00Z")
    with pytest.raises(Unmet):
        run.match(wanted, found, "answer")


@pytest.mark.parametrize(
    "step",
    [
        {"call": "GetSession", "request": {"sessionId": "no-such-session-0"}},
        {"call": "CreateSession", "error": "SESSION_NOT_FOUND"},
        {"call": "GetSession", "request": {"sessionId": "short"}, "error": "SESSION_NOT_FOUND"},
        {
            "call": "GetSession",
            "request": {"sessionId": "short"},
            "error": {"reason": "INVALID_ARGUMENT", "fields": ["namespace"]},
        },
        {"call": "CreateSession", "save": {"a": "session.nothing"}},
        {"unknown": "step"},
    ],
)
def test_the_runner_finds_faults_in_calls(client, step):
    with pytest.raises(Unmet):
        Run(client, "faults").step(step)
