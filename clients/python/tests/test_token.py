"""Tokens: which settings are taken and which refused, and calls against a real server that has access rules."""

import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest
import test_forking
import transports
from access import LONG, UNKNOWN, answers

import sessiond
from sessiond import AsyncClient, Client, EventKind, PermissionDenied, SessiondError, Unauthenticated
from sessiond.token import TokenError

CHARACTERS = "a token is 1 to 256 of the characters ! to ~"
BOTH = "a token file and a token are both set; use one"
OURS = "sdt_r4mdn2qk_7zvyp4tytbz4vtcryav52cxfs3iz8ycvt4pv8z3"


def client_of(guarded, **settings) -> Client:
    return Client(guarded.address, **{"namespace": "shop", "timeout": LONG} | settings)


def works(client: Client) -> None:
    """A call on the fast lane and one by itself."""
    session_id = client.create({"a": 1}).session_id
    assert client.get(session_id).attributes == {"a": 1}
    assert client.count("nobody") == 0


def refusal(**settings) -> str:
    """Why the settings can't be used; nothing of a secret is in the error, nor in the frames of its traceback."""
    texts = set()
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError) as caught:
            kind("127.0.0.1:1", **settings)
        assert type(caught.value) is TokenError
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("sessiond")]
        assert ours
        assert "secret" not in "".join(repr(frame.f_locals) for frame in ours) + str(caught.value)
        texts.add(str(caught.value))
    [text] = texts
    return text


def test_a_file_and_a_token_exclude_each_other(transport, monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("secret")
    assert refusal(token_file=file, token="secret") == BOTH
    monkeypatch.setenv("SESSIOND_TOKEN", "secret")
    assert refusal(token_file=file) == BOTH
    monkeypatch.setenv("SESSIOND_TOKEN_FILE", str(file))
    assert refusal() == BOTH
    monkeypatch.delenv("SESSIOND_TOKEN")
    assert refusal(token="secret") == BOTH


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "can't be read (No such file or directory"),
        ("", "is empty: write the token into its first line"),
        (" \n\t\n", "is empty: write the token into its first line"),
        ("two secrets", f"holds no token in its first line: {CHARACTERS}"),
        ("\nsecret", f"holds no token in its first line: {CHARACTERS}"),
        ("secr\u00e9t", f"holds no token in its first line: {CHARACTERS}"),
        ("secret" * 43, f"holds no token in its first line: {CHARACTERS}"),
    ],
)
def test_a_file_that_can_not_be_used_is_named(transport, tmp_path, text, says):
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    assert refusal(token_file=file).startswith(f"the token file {file} {says}")


@pytest.mark.parametrize("text", ["two secrets", "secret\n", "secr\u00e9t", "secret" * 43])
def test_a_text_that_is_no_token(transport, text):
    assert refusal(token=text) == f"the token that is set can't be used: {CHARACTERS}"


def test_a_token_in_the_place_of_its_file_is_not_repeated(transport):
    assert refusal(token_file=OURS) == "a token stands where the path of its file belongs"


def test_settings_of_another_type():
    assert refusal(token=1) == "token must be text, not int"
    assert refusal(token_file=1) == "token_file must be text or a path, not int"


def test_calls(transport, guarded, token):
    for settings in ({"token": token}, {"token_file": guarded.write(f" {token} \r\nanother line", "spaced")}):
        with client_of(guarded, **settings) as client:
            works(client)

        async def main(settings=settings):
            async with AsyncClient(guarded.address, namespace="shop", timeout=LONG, **settings) as client:
                session_id = (await client.create({"a": 1})).session_id
                assert (await client.get(session_id)).attributes == {"a": 1}
                async with client.watch() as events:
                    await client.delete(session_id)
                    return (await anext(events)).kind

        assert transports.run(main) == EventKind.DELETED


def test_the_environment(transport, guarded, token, monkeypatch, tmp_path):
    monkeypatch.setenv("SESSIOND_TOKEN", token)
    with client_of(guarded) as client:
        works(client)
        assert client.token_source == "set; not shown"
    monkeypatch.setenv("SESSIOND_TOKEN", "")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("token").write_text(token)
    monkeypatch.setenv("SESSIOND_TOKEN_FILE", "token")
    with client_of(guarded) as client:
        monkeypatch.chdir("/")
        works(client)
        assert client.token_source == f"in {tmp_path / 'token'}"
    monkeypatch.setenv("SESSIOND_TOKEN_FILE", "none")
    with client_of(guarded, token_file=tmp_path / "token", token="") as client:
        works(client)
        # It was looked at when the client was made.
        monkeypatch.setenv("SESSIOND_TOKEN", token)
        client.close()
        works(client)


@pytest.mark.parametrize("wrong", [None, "sdt_aaaaaaaa_unknown"])
def test_without_a_valid_token(transport, guarded, wrong):
    with client_of(guarded, token=wrong) as client:
        for call in (lambda: client.get(UNKNOWN), lambda: client.count(), lambda: client.watch().__enter__()):
            with pytest.raises(Unauthenticated) as caught:
                call()
            error = caught.value
            assert (error.reason, error.code.name, error.__context__) == ("UNAUTHENTICATED", "UNAUTHENTICATED", None)
            assert len(str(error)) > len("UNAUTHENTICATED: ") and "aaaaaaaa" not in str(error)
        assert client.health()


def test_what_a_caller_may_not_do(transport, guarded, token):
    with client_of(guarded, token=token, namespace="blog") as client:
        for call in (lambda: client.get(UNKNOWN), lambda: client.count(), lambda: client.watch().__enter__()):
            with pytest.raises(PermissionDenied, match="shop") as caught:
                call()
            assert (caught.value.reason, caught.value.__context__) == ("PERMISSION_DENIED", None)
        works(client.with_namespace("shop"))


def test_a_token_is_never_shown(transport, guarded):
    token = guarded.token()
    with client_of(guarded, token=token) as client:
        works(client)
        guarded.revoke(token)
        with pytest.raises(Unauthenticated) as caught:
            client.get(UNKNOWN)
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("sessiond")]
        shown = [repr(client), str(caught.value), *(repr(frame.f_locals) for frame in ours)]
        todo, seen = [client], set()
        while todo:
            thing = todo.pop()
            shown.append(repr(thing))
            if id(thing) not in seen and type(thing).__module__.startswith("sessiond"):
                seen.add(id(thing))
                # Where the text itself is kept, nothing else is.
                if not isinstance(thing, sessiond.token.Token):
                    todo.extend(vars(thing).values() if hasattr(thing, "__dict__") else ())
    assert not any(token in text for text in shown)


def test_a_revoked_token_and_another_one_in_its_file(transport, guarded):
    first = guarded.token()
    file = guarded.write(first, "revoked")
    with client_of(guarded, token_file=file) as client:
        works(client)
        guarded.revoke(first)
        with pytest.raises(Unauthenticated):
            client.get(UNKNOWN)
        # Taken at once, by the first call.
        guarded.write(guarded.token(), "revoked")
        works(client)


def test_a_changed_file_is_seen_after_two_seconds(transport, guarded, token):
    """Without a refusal: both tokens are good, and tell who calls."""
    file = guarded.write(token, "changed")
    blog = guarded.token("blog")
    with client_of(guarded, token_file=file) as client:
        assert answers(client)
        guarded.write(blog, "changed")
        end = time.monotonic() + LONG
        with pytest.raises(PermissionDenied, match="blog"):
            while time.monotonic() < end:
                answers(client)
        # What can't be used leaves the token before.
        guarded.write("two words", "changed")
        since = time.monotonic()
        while time.monotonic() < since + 2.5:
            assert answers(client.with_namespace("blog"))


def test_a_token_is_replaced_under_load(transport, guarded):
    """No call fails, of threads and of tasks, and a watch goes on."""
    old = guarded.token()
    file = guarded.write(old, "loaded")
    calls = [0]
    failures: list[BaseException] = []
    over = threading.Event()

    def threads(client: Client) -> None:
        try:
            session_id = client.create().session_id
            while not over.is_set():
                client.update(session_id, set_attributes={"count": 1})
                client.get(session_id)
                client.count("nobody")
                calls[0] += 1
        except BaseException as error:
            failures.append(error)

    async def tasks() -> None:
        async with AsyncClient(guarded.address, namespace="shop", timeout=LONG, token_file=file) as client:
            session_id = (await client.create()).session_id
            while not over.is_set():
                await client.update(session_id, set_attributes={"count": 1})
                await client.get(session_id)
                calls[0] += 1

    def loop() -> None:
        try:
            transports.run(tasks, limit=120)
        except BaseException as error:
            failures.append(error)

    def more(number: int) -> None:
        target, end = calls[0] + number, time.monotonic() + LONG
        while calls[0] < target and not failures:
            assert time.monotonic() < end, "calls are made"
            time.sleep(0.001)

    with client_of(guarded, token_file=file) as client, client.watch(kinds=[EventKind.CREATED]) as events:
        running = [threading.Thread(target=threads, args=(client,)) for _ in range(4)]
        running.append(threading.Thread(target=loop))
        for thread in running:
            thread.start()
        try:
            more(50)
            new = guarded.token()
            guarded.write(new, "loaded")
            more(50)
            guarded.revoke(old)
            more(200)
        finally:
            over.set()
            for thread in running:
                thread.join()
        assert failures == []
        last = client.create().session.handle
        # The stream that was opened with the old token has gone on with the new one.
        while next(events).session.handle != last:
            pass


@pytest.mark.parametrize("name", ["threads", "before the first call", "coroutines"])
@pytest.mark.parametrize("choice", transports.NAMES)
def test_fork(choice, name, guarded, token):
    transports.codec(choice)
    program = test_forking.FRAME.replace("BODY", textwrap.indent(textwrap.dedent(test_forking.PROGRAMS[name]), "    "))
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, guarded.address],
        capture_output=True,
        text=True,
        timeout=120,
        env=env | {"SESSIOND_TRANSPORT": choice, "SESSIOND_TOKEN_FILE": str(guarded.write(token, f"of-{choice}"))},
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr


def test_the_errors_are_public():
    assert issubclass(sessiond.Unauthenticated, SessiondError)
    assert {"Unauthenticated", "PermissionDenied"} <= set(sessiond.__all__)
