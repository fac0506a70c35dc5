"""manage.py sessiond status, list and end."""

import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

import sessiond
from sessiond.django import end_all

NAMESPACE = "command-tests"


@pytest.fixture
def client(server):
    with override_settings(SESSIOND_NAMESPACE=NAMESPACE):
        with sessiond.Client(server.address, namespace=NAMESPACE, timeout=10) as running:
            running.revoke_namespace()
            yield running


@pytest.fixture
def ada():
    user = User.objects.create_user("ada")
    yield user
    end_all(user)
    user.delete()


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("sessiond", *arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue()


def test_status(client, server):
    client.create()
    text = run("status")
    assert "sessiond.django" in text and f"{server.address} (serving, answers in" in text
    assert f"{client.transport}\n" in text and "command-tests\n" in text and text.endswith(" 1\n")


def test_status_of_a_server_that_is_away():
    with override_settings(SESSIOND={"ADDRESS": "127.0.0.1:1", "TIMEOUT": 0.2}):
        with pytest.raises(CommandError) as caught:
            run("status")
    assert "127.0.0.1:1: " in str(caught.value) and "UNAVAILABLE" in str(caught.value)


def test_list(client, ada):
    hers = client.create(principal=str(ada.pk), labels={"device": "curl", "address": "192.0.2.1"}).session
    other = client.create().session
    lines = run("list").splitlines()
    assert [line.split()[0] for line in lines] == [other.handle, hers.handle]
    assert lines[1].endswith(f"{ada.pk}  curl 192.0.2.1") and lines[0].rstrip().endswith("-")
    for arguments in (("--user", "ada"), ("--principal", str(ada.pk))):
        assert run("list", *arguments).split()[0] == hers.handle
    assert run("list", "--limit", "1").split()[0] == other.handle
    assert len(run("list", "--limit", "0").splitlines()) == 2
    listed = json.loads(run("list", "--json", "--user", "ada"))
    assert listed["handle"] == hers.handle and listed["labels"]["device"] == "curl"
    assert run("list", "--principal", "nobody") == ""


def test_end(client, ada):
    created = [client.create(principal=str(ada.pk)) for _ in range(3)]
    assert run("end", created[0].session.handle) == "1 ended\n"
    assert run("end", created[0].session.handle) == "0 ended\n"
    assert run("end", "--user", "ada") == "2 ended\n"
    client.create(principal="of-express")
    assert run("end", "--principal", "of-express") == "1 ended\n"


def test_end_all_asks(client, monkeypatch):
    client.create()
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(CommandError, match="Nothing was ended"):
        run("end", "--all")
    assert client.count() == 1
    assert run("end", "--all", "--yes") == "1 ended\n"
    client.create()
    monkeypatch.setattr("builtins.input", lambda _: "Y")
    assert run("end", "--all") == "1 ended\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("end",), "Say which"),
        (("end", "x", "--user", "ada"), "Say which"),
        (("end", "--all", "--principal", "1"), "Say which"),
        (("end", "no-handle"), "handle"),
        (("list", "--user", "nobody"), "There is no user 'nobody'"),
        (("end", "--user", "nobody"), "There is no user 'nobody'"),
        ((), "COMMAND"),
    ],
)
def test_what_is_refused(client, ada, arguments, says):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert says in str(caught.value)
