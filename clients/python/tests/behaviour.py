"""Runs one behaviour case of clients/conformance/cases; its README.md says what the steps mean."""

import json
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import conformance
import grpc
from google.protobuf import json_format, timestamp_pb2
from google.protobuf.message import Message

from sessiond import Client
from sessiond.errors import SessiondError
from sessiond.transport import Stream
from sessiond.transport.grpcio import failures
from sessiond.transport.grpcio.messages import message_class, to_message, to_plain
from sessiond.v1 import admin_pb2, admin_pb2_grpc, events_pb2, exchange_pb2, session_store_pb2, session_store_pb2_grpc

PATIENCE = 20.0
_PLACEHOLDER = re.compile(r"\$\{([a-z]\w*)([+-][0-9.]+)?s?\}")
_MATCHERS = ("$present", "$absent", "$not", "$contains", "$near", "$after")
_SERVICES = {
    "": session_store_pb2.DESCRIPTOR.services_by_name["SessionStore"],
    "Admin": admin_pb2.DESCRIPTOR.services_by_name["Admin"],
}


class Unmet(Exception):
    """A step did not lead to what it is to lead to."""


class CallFailed(Unmet):
    """A call failed that was to succeed."""

    def __init__(self, error: SessiondError):
        super().__init__(f"the call failed: {error!r}")
        self.error = error


class Reply(grpc.RpcError):
    """The error of one reply of an exchange, as gRPC has that of a call."""

    def __init__(self, error: exchange_pb2.CallError):
        self._error = error

    def code(self) -> grpc.StatusCode:
        return next(code for code in grpc.StatusCode if code.value[0] == self._error.code)

    def details(self) -> str:
        return self._error.message

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", self._error.details),)


class Run:
    """The steps of a case. Unary calls and watches go through the client; the rest through gRPC."""

    def __init__(self, client: Client, namespace: str):
        self._client = client
        self._variables = {"namespace": namespace}
        self._streams: dict[str, Stream] = {}
        self._started: dict[str, Future] = {}
        self._threads = ThreadPoolExecutor(64)

    def all(self, steps: list[dict[str, Any]]) -> None:
        try:
            for number, step in enumerate(steps, 1):
                try:
                    self.step(step)
                except Unmet as problem:
                    raise AssertionError(f"step {number}: {problem}") from problem
        finally:
            for stream in self._streams.values():
                stream.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def set(self, name: str, value: str) -> None:
        self._variables[name] = value

    def step(self, step: dict[str, Any]) -> None:
        kinds = ("wait", "parallel", "start", "finish", "watch", "next", "close", "exchange", "call")
        kind = next((kind for kind in kinds if kind in step), None)
        if kind is None:
            raise Unmet(f"{step} is no step")
        getattr(self, f"_{kind}")(step)

    def _wait(self, step: dict[str, Any]) -> None:
        time.sleep(_seconds(step["wait"]))

    def _start(self, step: dict[str, Any]) -> None:
        self._started[step["start"]] = self._threads.submit(self._beside().step, step["step"])

    def _finish(self, step: dict[str, Any]) -> None:
        self._started[step["finish"]].result(PATIENCE)

    def _close(self, step: dict[str, Any]) -> None:
        self._streams.pop(step["close"]).cancel()

    def _beside(self, **variables: str) -> "Run":
        """The same run, for a step that is made while others go on."""
        run = Run(self._client, "")
        run._variables = self._variables | variables
        return run

    def _parallel(self, step: dict[str, Any]) -> None:
        inner, barrier = dict(step["step"]), threading.Barrier(step["parallel"])
        error = inner.pop("error", None) if "succeed" in step else None

        def one(index: int) -> bool:
            run = self._beside(index=str(index))
            barrier.wait(PATIENCE)
            try:
                run.step(inner)
            except CallFailed as failed:
                if "succeed" not in step:
                    raise
                run.match_error(error, failed.error)
                return False
            return True

        succeeded = sum(self._threads.map(one, range(step["parallel"])))
        if succeeded != step.get("succeed", step["parallel"]):
            raise Unmet(f"{succeeded} succeeded, not {step['succeed']}")

    def _call(self, step: dict[str, Any]) -> None:
        end = time.monotonic() + _seconds(step.get("within", "0s"))
        while True:
            try:
                return self._judge(step, lambda: self._answer(step))
            except Unmet:
                if time.monotonic() >= end:
                    raise
            time.sleep(0.02)

    def _answer(self, step: dict[str, Any]) -> dict[str, Any]:
        prefix, _, name = step["call"].rpartition(".")
        method = _SERVICES[prefix].methods_by_name[name]
        messages = [self._request(method, template) for template in step.get("messages", [step.get("request", {})])]
        if not (method.server_streaming or method.client_streaming):
            answer = self._client.plain(name, to_plain(messages[0]), timeout=PATIENCE)
            return _shown(to_message(message_class(method.output_type), answer))
        with self._channel() as channel:
            call = getattr(admin_pb2_grpc.AdminStub(channel), name)
            answer = call(iter(messages) if method.client_streaming else messages[0], timeout=PATIENCE)
            last = list(answer)[-1] if method.server_streaming else answer
            return _shown(last)

    def _channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"dns:///{self._client.address}")

    def _request(self, method: Any, template: Any) -> Message:
        """The request of a template; its namespace is that of the case unless it names one."""
        request = self.expand(template)
        if "namespace" in method.input_type.fields_by_name and not request.get("allNamespaces"):
            request.setdefault("namespace", self._variables["namespace"])
        return json_format.ParseDict(request, method.input_type._concrete_class())

    def _watch(self, step: dict[str, Any]) -> None:
        method = _SERVICES[""].methods_by_name["WatchSessions"]
        stream = self._client._transport.watch(to_plain(self._request(method, step["request"])))
        self._streams[step["watch"]] = stream
        self._judge_next(step, stream, checkpoints=True)

    def _next(self, step: dict[str, Any]) -> None:
        self._judge_next(step, self._streams[step["next"]], step.get("checkpoints", False))

    def _judge_next(self, step: dict[str, Any], stream: Stream, checkpoints: bool) -> None:
        def message() -> dict[str, Any]:
            while True:
                found = self._threads.submit(stream.receive).result(PATIENCE)
                if found is None:
                    raise Unmet("the stream has ended")
                if checkpoints or "checkpoint" not in found:
                    return _shown(to_message(events_pb2.WatchSessionsResponse, found))

        self._judge(step, message)

    def _exchange(self, step: dict[str, Any]) -> None:
        """Sends all messages over one stream, ends it, and judges the replies."""
        requests = []
        for template in step["exchange"]:
            message = self.expand(template)
            for call in message["calls"]:
                for request in call.values():
                    if isinstance(request, dict):
                        request.setdefault("namespace", self._variables["namespace"])
            requests.append(json_format.ParseDict(message, exchange_pb2.ExchangeRequest()))
        missing = dict(step["replies"])
        with self._channel() as channel:
            exchange = session_store_pb2_grpc.SessionStoreStub(channel).Exchange
            for message in exchange(iter(requests), timeout=PATIENCE):
                for reply in message.replies:
                    self._judge(missing.pop(str(reply.tag)), lambda reply=reply: _replied(reply))
        if missing:
            raise Unmet(f"replies are missing: {missing}")

    def _judge(self, step: dict[str, Any], make) -> None:
        """Compares what a call leads to with what the step wants, and saves what it says."""
        try:
            answer = make()
        except (grpc.RpcError, SessiondError) as failure:
            error = failures.from_call(failure).error if isinstance(failure, grpc.RpcError) else failure
            if "error" not in step:
                raise CallFailed(error) from None
            return self.match_error(step["error"], error)
        if "error" in step:
            raise Unmet(f"the call succeeded; it was to fail with {step['error']}")
        if "expect" in step:
            self.match(step["expect"], answer, "answer")
        for name, path in step.get("save", {}).items():
            value = answer
            for part in path.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is None:
                raise Unmet(f"the answer has no {path} to save")
            self.set(name, value)
        return None

    def match_error(self, wanted: Any, error: SessiondError) -> None:
        if not isinstance(wanted, dict):
            wanted = {"reason": wanted}
        found = {"reason": error.reason, "code": error.code and error.code.name, "metadata": error.metadata}
        self.match({name: part for name, part in wanted.items() if name != "fields"}, found, "error")
        fields = [field for field, problem in getattr(error, "violations", []) if problem]
        if not set(wanted.get("fields", [])) <= set(fields):
            raise Unmet(f"the fields are {fields}, not {wanted['fields']}")

    def expand(self, template: Any) -> Any:
        """Fills in what a template leaves open."""
        if isinstance(template, str):
            return self._expand_text(template)
        if isinstance(template, list):
            return [self.expand(item) for item in template]
        if not isinstance(template, dict):
            return template
        if any(name.startswith("$") and not name.startswith("${") for name in template):
            return conformance.expand({name: self.expand(item) for name, item in template.items()}, session="")
        return {self._expand_text(name): self.expand(item) for name, item in template.items()}

    def _expand_text(self, text: str) -> str:
        def value(found: re.Match) -> str:
            name, offset = found.groups()
            known = _text(datetime.now(timezone.utc)) if name == "now" else self._variables.get(name)
            if known is None:
                raise Unmet(f"{found.group()} is not set")
            return _text(_moment(known) + timedelta(seconds=float(offset))) if offset else known

        return _PLACEHOLDER.sub(value, text)

    def match(self, wanted: Any, found: Any, path: str) -> None:
        """Tells where an answer is not what is expected; more than that may stand in it."""
        if isinstance(wanted, dict):
            matcher = next((name for name in _MATCHERS if name in wanted), None)
            if matcher:
                if not self._holds(matcher, wanted, found, path):
                    raise Unmet(f"{path} is {found!r}; it must be {wanted}")
            elif not isinstance(found, dict):
                raise Unmet(f"{path} is {found!r}, no object")
            else:
                expected = {self._expand_text(name): want for name, want in wanted.items() if name != "$only"}
                for name, want in expected.items():
                    self.match(want, found.get(name), f"{path}.{name}")
                if "$only" in wanted and found.keys() - expected.keys():
                    raise Unmet(f"{path} has more: {found.keys() - expected.keys()}")
        elif isinstance(wanted, list):
            if not isinstance(found, list) or len(found) != len(wanted):
                raise Unmet(f"{path} is {found!r}, not {wanted}")
            for number, (want, item) in enumerate(zip(wanted, found, strict=True)):
                self.match(want, item, f"{path}[{number}]")
        else:
            if isinstance(wanted, str):
                wanted = self._expand_text(wanted)
            is_same_time = isinstance(wanted, str) and _moment(wanted) and _moment(found) == _moment(wanted)
            # JSON has one kind of number.
            is_same_kind = type(found) is type(wanted) or {type(found), type(wanted)} == {int, float}
            if not is_same_time and not (is_same_kind and found == wanted):
                raise Unmet(f"{path} is {found!r}, not {wanted!r}")

    def _holds(self, matcher: str, wanted: dict[str, Any], found: Any, path: str) -> bool:
        match matcher:
            case "$present":
                return found is not None
            case "$absent":
                return found is None
            case "$not":
                return not self._matches(wanted["$not"], found, path)
            case "$contains":
                return any(self._matches(wanted["$contains"], item, path) for item in found or [])
        time_wanted, time_found = _moment(self._expand_text(wanted[matcher])), _moment(found)
        if time_found is None:
            return False
        if matcher == "$after":
            return time_found > time_wanted
        return abs(time_found - time_wanted) <= timedelta(seconds=_seconds(wanted["within"]))

    def _matches(self, wanted: Any, found: Any, path: str) -> bool:
        try:
            self.match(wanted, found, path)
        except Unmet:
            return False
        return True


def _replied(reply: exchange_pb2.Reply) -> dict[str, Any]:
    if reply.HasField("error"):
        raise Reply(reply.error)
    return _shown(reply)


def _shown(message: Message) -> dict[str, Any]:
    return json.loads(json_format.MessageToJson(message))


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _moment(text: Any) -> datetime | None:
    """The moment that a text names, if it does."""
    stamp = timestamp_pb2.Timestamp()
    try:
        stamp.FromJsonString(text)
    except (ValueError, TypeError, AttributeError):
        return None
    return stamp.ToDatetime(timezone.utc)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
