"""The lists of cases that all clients share, and the requests that they describe; see clients/conformance/README.md."""

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from sessiond.v1 import batch_pb2, csrf_pb2, directory_pb2, events_pb2, handoff_pb2, locks_pb2, session_calls_pb2

_FOLDER = Path(__file__).resolve().parents[2] / "conformance"
_MODULES = (batch_pb2, csrf_pb2, directory_pb2, events_pb2, handoff_pb2, locks_pb2, session_calls_pb2)


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((_FOLDER / name).read_text())


def request(case: dict[str, Any], session: str) -> Message:
    """The request of a case, where `session` stands for the ID of a session that is there."""
    name = f"{case['method']}Request"
    message = next(getattr(module, name) for module in _MODULES if hasattr(module, name))()
    return json_format.ParseDict(expand(case["request"], session), message)


def expand(value: Any, session: str) -> Any:
    if isinstance(value, list):
        return [expand(item, session) for item in value]
    if not isinstance(value, dict):
        return value
    if "$session" in value:
        return session
    if "$repeat" in value:
        return value["$repeat"] * value["times"]
    if "$bytes" in value:
        return base64.b64encode(bytes(value["$bytes"])).decode()
    if "$list" in value:
        return [expand(value["of"], session)] * value["$list"]
    if "$map" in value:
        prefix, item = expand(value["prefix"], session), expand(value["value"], session)
        return {f"{prefix}{number}": item for number in range(value["$map"])}
    if "$nested" in value:
        nested: Any = {"boolValue": True}
        for _ in range(1, value["$nested"]):
            nested = {"listValue": {"items": [nested]}}
        return nested
    return {name: expand(item, session) for name, item in value.items()}
