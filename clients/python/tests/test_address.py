"""Addresses, by the list that all clients share, and with a real server."""

import socket

import conformance
import grpc
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from server import Server as Process

from sessiond import AsyncClient, Client, SessionNotFound
from sessiond.address import AddressError, parse, parse_list
from sessiond.django import SessionStore
from sessiond.transport.grpcio.methods import UNARY
from sessiond.transport.grpcio.servers import Server as GrpcServer

CASES = conformance.cases("addresses.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["address"])[:40])
def test_shared_cases(case):
    address = case["address"]
    if "refused" in case:
        with pytest.raises(AddressError) as caught:
            parse_list(address)
        assert caught.value.problem == case["refused"]
        assert str(caught.value).endswith(
            f" is not an address: {case['refused']}; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH"
        )
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        if address:
            with pytest.raises(ValueError, match="is not an address"):
                Client(address)
    else:
        assert parse_list(address) == case["normal"]


@pytest.mark.parametrize("case", [case for case in CASES if "normal" in case], ids=lambda case: case["address"][:40])
def test_clients_take_them(transport, case):
    with Client(case["address"]) as client:
        assert client.address == ",".join(case["normal"])
    assert AsyncClient(case["address"]).address == client.address
    if len(case["normal"]) == 1:
        assert parse(case["address"]) == case["normal"][0]
    else:
        with pytest.raises(AddressError, match="this client takes one address, not several"):
            parse(case["address"])


def test_an_address_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="it is no text"):
        Client(50051)


def read_nothing(address: str) -> None:
    with Client(address, timeout=10) as client, pytest.raises(SessionNotFound):
        client.get("an-unknown-session-id")


def test_every_form_reaches_the_server(server, transport, tmp_path, monkeypatch):
    port = server.address.rpartition(":")[2]
    for address in (server.address, f"http://{server.address}", f"http://{server.address}/", f" localhost:{port} "):
        read_nothing(address)
        monkeypatch.setenv("SESSIOND_ADDR", address)
        read_nothing(None)
    other = Process(tmp_path / "data", f"unix:{tmp_path}/s.sock").start()
    try:
        read_nothing(f"unix:{tmp_path}/s.sock")
        read_nothing(f"unix://{tmp_path}/s.sock")
        monkeypatch.chdir(tmp_path)
        read_nothing("unix:s.sock")
    finally:
        other.kill()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_reaches_the_server(tmp_path, transport):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        port = probe.getsockname()[1]
    other = Process(tmp_path / "data", f"[::1]:{port}").start()
    try:
        read_nothing(f"http://[::1]:{port}")
    finally:
        other.kill()


def test_a_host_that_is_called_like_a_scheme_is_a_host():
    """gRPC takes "dns:53" for the name "53"."""
    channels = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc, "insecure_channel", lambda target, options: channels.append(target) or FakeChannel())
        GrpcServer("dns:53").unary(UNARY["TouchSession"])
    assert channels == ["dns:///dns:53"]


class FakeChannel:
    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.mark.parametrize("address", ["http://store", "https://store", "https://a:1,b:2", "a:1,"])
def test_django_names_the_setting(address):
    with override_settings(SESSIOND_ADDR=address), pytest.raises(ImproperlyConfigured, match="SESSIOND_ADDR") as caught:
        SessionStore().create()
    assert "is not an address" in str(caught.value)
