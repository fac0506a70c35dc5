"""The mapping of IDs that the server would not take, by the cases that all clients share."""

import json
from pathlib import Path

import pytest

from sessiond import Client, mapped_id

CASES = json.loads((Path(__file__).resolve().parents[2] / "conformance/ids.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_shared_cases(case):
    assert mapped_id(case["id"]) == case["session_id"]


def test_text_that_is_no_unicode_names_no_session():
    assert mapped_id("\ud800") is None
    assert mapped_id("\ud800" * 20) is None


def test_the_server_takes_what_comes_out(server, transport):
    with Client(server.address, namespace=f"ids-{transport}") as client:
        for session_id in {case["session_id"] for case in CASES if case["session_id"]}:
            client.create({"n": 1}, session_id=session_id)
            assert client.get(session_id).attributes == {"n": 1}
