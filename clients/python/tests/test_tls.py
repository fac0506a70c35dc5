"""Calls over TLS against the real server, over both transports, and each way in which a connection is refused."""

import dataclasses
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import test_forking
import transports
from server import Server

import sessiond
from sessiond import AsyncClient, Client, SessionNotFound, StoreUnavailable, Tls

UNKNOWN = "an-unknown-session-id"
LONG = 20.0


def call(address: str, tls: Tls | None) -> None:
    """A call on the fast lane and one by itself."""
    with Client(address, tls=tls, timeout=LONG) as client:
        session_id = client.create({"a": 1}).session_id
        assert client.get(session_id).attributes == {"a": 1}
        assert client.health()


def refusal(address: str, tls: Tls | None) -> str:
    """Why a server can't be used; the same for calls of every kind."""
    calls = (lambda client: client.get(UNKNOWN), lambda client: client.health())
    texts = []
    with Client(address, tls=tls, timeout=LONG) as client:
        for make in calls:
            with pytest.raises(StoreUnavailable) as caught:
                make(client)
            assert (caught.value.reason, caught.value.__context__) == ("UNAVAILABLE", None)
            texts.append(str(caught.value))
    with pytest.raises(StoreUnavailable):
        transports.run(lambda: AsyncClient(address, tls=tls, timeout=LONG).get(UNKNOWN))
    return "\n".join(texts)


def says_that_it_was_the_certificate(text: str) -> bool:
    return all("invalid peer certificate: " in line for line in text.splitlines())


def test_calls(transport, tls_server, certificates):
    assert tls_server.address.startswith("https://127.0.0.1:")
    call(tls_server.address, tls_server.tls)
    call(tls_server.address, Tls(ca_file=str(certificates.ca)))
    call(tls_server.address.replace("127.0.0.1", "LocalHost") + "/", tls_server.tls)


def test_calls_of_tasks_and_a_watch(transport, tls_server):
    async def main():
        async with AsyncClient(tls_server.address, tls=tls_server.tls, timeout=LONG) as client:
            async with client.watch() as events:
                created = await client.create({"a": 1})
                event = await anext(events)
                return event.session.handle == created.session.handle

    assert transports.run(main)


def test_what_a_client_says_of_itself(transport, tls_server, server, certificates):
    with Client(tls_server.address, tls=tls_server.tls) as client:
        assert client.tls == Tls(ca_file=str(certificates.ca))
        assert client.with_namespace("other").tls == client.tls
        assert repr(client) == f"<sessiond.Client of namespace 'default' at {tls_server.address}>"
    with Client(server.address, tls=Tls()) as client:
        assert client.tls is None


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address(transport, tmp_path, certificates):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        authority = f"[::1]:{probe.getsockname()[1]}"
    tls = Tls(ca_file=certificates.ca)
    other = Server(tmp_path / "data", authority, settings=certificates.server(), tls=tls).start()
    try:
        call(f"https://{authority}", tls)
    finally:
        other.kill()


def test_several_addresses_and_a_server_that_goes(transport, tmp_path, certificates):
    tls = Tls(ca_file=certificates.ca)
    servers = [
        Server(tmp_path / name, settings=certificates.server(name), tls=tls).start() for name in ("server", "renewed")
    ]
    try:
        first, second = (server.address for server in servers)
        with Client(f"{first}, {second}/", tls=tls, timeout=LONG) as client:
            assert client.address == f"{first},{second}"
            created = client.create()
            servers[0].kill()
            with pytest.raises(SessionNotFound):
                client.get(created.session_id)
            servers[1].kill()
            servers[0].start()
            assert client.get(created.session_id).version == 1
    finally:
        for server in servers:
            server.kill()


def test_a_server_that_comes_back_with_another_certificate(transport, tmp_path, certificates):
    tls = Tls(ca_file=certificates.ca)
    server = Server(tmp_path / "data", settings=certificates.server(), tls=tls).start()
    try:
        with Client(server.address, tls=tls, timeout=LONG) as client:
            created = client.create()
            server.kill()
            server.settings = certificates.server("renewed")
            server.start()
            assert client.get(created.session_id).version == 1
    finally:
        server.kill()


def test_a_ca_that_did_not_sign_the_certificate(transport, tls_server, certificates):
    tls = Tls(ca_file=certificates.file("other-ca.pem"))
    assert says_that_it_was_the_certificate(refusal(tls_server.address, tls))


def test_what_the_system_trusts(transport, tls_server, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.file("other-ca.pem")))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert says_that_it_was_the_certificate(refusal(tls_server.address, None))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    call(tls_server.address, None)


@pytest.mark.parametrize("name", ["sessiond.test", "localhost", "127.0.0.1"])
def test_the_name_of_the_server(transport, tls_server, name):
    call(tls_server.address, dataclasses.replace(tls_server.tls, server_name=name))


@pytest.mark.parametrize("name", ["other.test", "127.0.0.2", "test"])
def test_another_name_than_the_certificate_has(transport, tls_server, name):
    tls = dataclasses.replace(tls_server.tls, server_name=name)
    assert says_that_it_was_the_certificate(refusal(tls_server.address, tls))


def test_a_host_that_the_certificate_does_not_have(transport, tls_server):
    # All of 127.0.0.0/8 is this machine; a proxy there would do.
    port = int(tls_server.address.rpartition(":")[2])
    with forwarding(port) as address:
        assert says_that_it_was_the_certificate(refusal(address, tls_server.tls))
        call(address, dataclasses.replace(tls_server.tls, server_name="sessiond.test"))


@contextmanager
def forwarding(port: int):
    """Hands connections to 127.0.0.2 on to a port of 127.0.0.1."""
    listener = socket.create_server(("127.0.0.2", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", port))
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"https://127.0.0.2:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_certificate_whose_time_is_over(transport, certificates):
    # sessiond does not start with one.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.file("expired.pem"), certificates.file("expired-key.pem"))
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).recv(1)
                except OSError:
                    pass

    threading.Thread(target=greet, daemon=True).start()
    with listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        text = refusal(address, Tls(ca_file=certificates.ca))
        listener.shutdown(socket.SHUT_RDWR)
    assert says_that_it_was_the_certificate(text) and "expired" in text


def test_a_server_that_never_shakes_hands(transport, certificates):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with Client(address, tls=Tls(ca_file=certificates.ca), timeout=0.5) as client:
            start = time.monotonic()
            with pytest.raises(StoreUnavailable):
                client.get(UNKNOWN)
            assert time.monotonic() - start < LONG


def test_a_certificate_of_the_client(transport, asking_server, certificates):
    call(asking_server.address, certificates.client())
    refusal(asking_server.address, Tls(ca_file=certificates.ca))
    refusal(asking_server.address, certificates.client("stranger"))


def test_a_certificate_that_nobody_asked_for(transport, tls_server, certificates):
    call(tls_server.address, certificates.client())


def test_tls_at_a_plain_port(transport, server, certificates):
    refusal(f"https://{server.address}", Tls(ca_file=certificates.ca))


def test_no_tls_at_a_port_for_it(transport, tls_server):
    with Client(tls_server.address.removeprefix("https://"), timeout=LONG) as client:
        for make in (lambda: client.get(UNKNOWN), lambda: client.count(), lambda: client.health()):
            with pytest.raises(sessiond.SessiondError, match="this port takes TLS only; write https:// before"):
                make()


ENCRYPTED = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgm
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.fixture
def odd_files(tmp_path, certificates):
    """Files that can't be used, beside those that can."""
    for source in certificates.folder.iterdir():
        tmp_path.joinpath(source.name).write_bytes(source.read_bytes())
    tmp_path.joinpath("empty.pem").write_bytes(b"")
    tmp_path.joinpath("cut.pem").write_bytes(certificates.ca.read_bytes() + certificates.ca.read_bytes()[:100])
    garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    tmp_path.joinpath("encrypted.pem").write_bytes(ENCRYPTED)
    tmp_path.joinpath("garbled.pem").write_bytes(garbled)
    return tmp_path


@pytest.mark.parametrize("field", ["ca_file", "certificate_file", "key_file"])
def test_the_text_of_a_key_in_place_of_its_file_is_not_repeated(transport, certificates, field):
    key = Path(certificates.file("client-key.pem")).read_text()
    pair = {"certificate_file": "client.pem", "key_file": "client-key.pem"}
    with pytest.raises(ValueError) as caught:
        Client("https://127.0.0.1:1", tls=Tls(**{**pair, field: key}))
    assert str(caught.value) == "the text of a PEM file stands where its path belongs"


@pytest.mark.parametrize(
    ("settings", "named", "says"),
    [
        ({"ca_file": "none.pem"}, "none.pem", "can't be read"),
        ({"ca_file": "."}, "", "can't be read"),
        ({"ca_file": "empty.pem"}, "empty.pem", "holds no certificate"),
        ({"ca_file": "ca-key.pem"}, "ca-key.pem", "holds no certificate"),
        ({"ca_file": "cut.pem"}, "cut.pem", "holds no certificate"),
        ({"certificate_file": "none.pem", "key_file": "client-key.pem"}, "none.pem", "can't be read"),
        ({"certificate_file": "empty.pem", "key_file": "client-key.pem"}, "empty.pem", "holds no certificate"),
        ({"certificate_file": "client.pem", "key_file": "none.pem"}, "none.pem", "can't be read"),
        ({"certificate_file": "client.pem", "key_file": "empty.pem"}, "empty.pem", "holds no private key"),
        ({"certificate_file": "client.pem", "key_file": "ca.pem"}, "ca.pem", "holds no private key"),
        ({"certificate_file": "client.pem", "key_file": "encrypted.pem"}, "encrypted.pem", "not encrypted"),
        ({"certificate_file": "client.pem", "key_file": "server-key.pem"}, "server-key.pem", "is not the key of"),
        ({"certificate_file": "client.pem"}, "", "a certificate file needs a key file"),
        ({"key_file": "client-key.pem"}, "", "a key file needs a certificate file"),
        ({"server_name": "no name"}, '"no name"', "is not the name of a server"),
        ({"server_name": "störe"}, '"störe"', "is not the name of a server"),
    ],
    ids=str,
)
def test_settings_that_can_not_be_used(transport, odd_files, settings, named, says):
    given = {name: value if name == "server_name" else odd_files / value for name, value in settings.items()}
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError) as caught:
            kind("https://127.0.0.1:1", tls=Tls(**given))
        text = str(caught.value)
        assert type(caught.value) is sessiond.tls.TlsError
        assert named in text and says in text
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert not any(key in text for key in secrets(odd_files))


def test_a_certificate_that_is_garbled(transport, odd_files, tls_server):
    """Here the transports differ: the native core takes what looks like one, and trusts nothing then."""
    tls = Tls(ca_file=odd_files / "garbled.pem")
    if transport == "grpcio":
        with pytest.raises(ValueError, match="garbled.pem holds no certificate"):
            Client(tls_server.address, tls=tls)
    else:
        with pytest.raises((ValueError, StoreUnavailable), match="certificate"):
            Client(tls_server.address, tls=tls).get(UNKNOWN)


def secrets(folder) -> list[str]:
    """A line of each key."""
    return [file.read_text().splitlines()[1] for file in folder.glob("*-key.pem")]


def test_keys_are_never_shown(transport, asking_server, certificates):
    with Client(asking_server.address, tls=certificates.client(), timeout=LONG) as client:
        client.health()
        shown = [repr(client), repr(client.tls)]
        todo, seen = [client._transport], set()
        while todo:
            thing = todo.pop()
            shown.append(repr(thing))
            if id(thing) not in seen and type(thing).__module__.startswith("sessiond"):
                seen.add(id(thing))
                todo.extend(vars(thing).values() if hasattr(thing, "__dict__") else ())
    assert not any(key in text for text in shown for key in secrets(certificates.folder))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "http://store:1", "unix:/run/s.sock", "a:1,b:2"])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Tls)])
def test_settings_beside_an_address_without_tls(address, field):
    with pytest.raises(ValueError, match="TLS settings need an https:// address"):
        Client(address, tls=Tls(**{field: "x"}))


def test_settings_of_another_type():
    with pytest.raises(ValueError, match="tls must be a sessiond.Tls, not dict"):
        Client("https://store:1", tls={"ca_file": "ca.pem"})


def set_variables(monkeypatch, tls: Tls) -> None:
    for field in dataclasses.fields(tls):
        monkeypatch.setenv(f"SESSIOND_{field.name.upper()}", str(getattr(tls, field.name) or ""))


def test_the_environment(transport, asking_server, certificates, monkeypatch):
    set_variables(monkeypatch, dataclasses.replace(certificates.client(), server_name="sessiond.test"))
    call(asking_server.address, None)
    call(asking_server.address, Tls())
    # What is set goes first, field by field.
    monkeypatch.setenv("SESSIOND_SERVER_NAME", "wrong.test")
    call(asking_server.address, Tls(server_name="sessiond.test", ca_file="", key_file=""))
    assert says_that_it_was_the_certificate(refusal(asking_server.address, None))
    monkeypatch.setenv("SESSIOND_CERTIFICATE_FILE", "none.pem")
    call(asking_server.address, dataclasses.replace(certificates.client(), server_name="sessiond.test"))
    with pytest.raises(ValueError, match="none.pem can't be read"):
        Client(asking_server.address)
    call(
        asking_server.address,
        Tls(server_name="sessiond.test", certificate_file=certificates.file("client.pem")),
    )
    monkeypatch.delenv("SESSIOND_CERTIFICATE_FILE")
    with pytest.raises(ValueError, match="a key file needs a certificate file"):
        Client(asking_server.address, tls=Tls(key_file=certificates.file("client-key.pem")))


def test_the_environment_is_left_aside_without_tls(transport, server, monkeypatch):
    set_variables(monkeypatch, Tls(ca_file="none.pem", key_file="none.pem", server_name="no name"))
    with Client(server.address, timeout=LONG) as client:
        assert client.health() and client.tls is None


def test_files_that_are_named_from_the_present_folder(transport, tls_server, certificates, monkeypatch, tmp_path):
    monkeypatch.chdir(certificates.folder)
    with Client(tls_server.address, tls=Tls(ca_file="ca.pem"), timeout=LONG) as client:
        monkeypatch.chdir(tmp_path)
        assert client.health()
        client.close()
        assert client.health()


class Own:
    """The files of a client, which change."""

    def __init__(self, folder: Path, certificates):
        self.folder = folder
        self.certificates = certificates
        self.put("ca", "ca")
        self.put_pair("client")

    def put(self, own: str, name: str) -> None:
        new = self.folder / "new"
        new.write_bytes(self.certificates.file(f"{name}.pem").read_bytes())
        new.rename(self.folder / f"{own}.pem")

    def put_pair(self, name: str) -> None:
        self.put("client", name)
        self.put("client-key", f"{name}-key")

    def tls(self) -> Tls:
        own = {name: self.folder / f"{name}.pem" for name in ("ca", "client", "client-key")}
        return Tls(ca_file=own["ca"], certificate_file=own["client"], key_file=own["client-key"])


@pytest.fixture
def own(tmp_path, certificates):
    folder = tmp_path / "own"
    folder.mkdir()
    return Own(folder, certificates)


@pytest.fixture
def changing_server(tmp_path, certificates):
    """Restarts with another CA of its clients."""

    def restart(ca: str, client: str):
        # It is called with a certificate that it lets in, until it answers.
        running.kill()
        running.settings = (*certificates.server(), "--tls-client-ca", str(certificates.file(ca)))
        running.tls = certificates.client(client)
        running.start()

    running = Server(
        tmp_path / "changing", settings=certificates.server(asks_clients=True), tls=certificates.client()
    ).start()
    running.restart_with = restart
    yield running
    running.kill()


def is_answered(client: Client) -> bool:
    try:
        client.get(UNKNOWN)
    except SessionNotFound:
        return True
    return False


@pytest.fixture
def quick_looks(monkeypatch):
    """grpcio's transport looks at the files at every call."""
    from sessiond.transport.grpcio import servers

    monkeypatch.setattr(servers, "_LOOK_AFTER", 0.0)


def test_a_renewed_certificate_is_shown_by_the_next_connection(transport, quick_looks, changing_server, own):
    with Client(changing_server.address, tls=own.tls(), timeout=LONG) as client:
        assert is_answered(client)
        own.put_pair("stranger")
        # The connection that is open goes on: this server would not let the new certificate in.
        assert is_answered(client)
        changing_server.restart_with("other-ca.pem", "stranger")
        assert is_answered(client)
        own.put_pair("client")
        changing_server.restart_with("ca.pem", "client")
        assert is_answered(client)


def test_files_that_can_not_be_used_leave_the_certificate_before(transport, quick_looks, changing_server, own):
    with Client(changing_server.address, tls=own.tls(), timeout=LONG) as client:
        assert is_answered(client)
        # The certificate has been renewed, and its key not yet.
        own.put("client", "stranger")
        changing_server.restart_with("ca.pem", "client")
        assert is_answered(client)
        own.folder.joinpath("ca.pem").unlink()
        changing_server.restart_with("ca.pem", "client")
        assert is_answered(client)


def test_the_next_connection_trusts_whom_the_ca_file_names_then(transport, quick_looks, changing_server, own):
    with Client(changing_server.address, tls=own.tls(), timeout=LONG) as client:
        assert is_answered(client)
        own.put("ca", "other-ca")
        assert is_answered(client)
        changing_server.restart_with("ca.pem", "client")
        with pytest.raises(StoreUnavailable, match="invalid peer certificate"):
            client.get(UNKNOWN)
        own.put("ca", "ca")
        assert is_answered(client)


def test_files_that_are_gone_when_a_client_was_closed(transport, tls_server, certificates, tmp_path):
    """The native core begins anew, grpcio's transport keeps what it has read."""
    file = tmp_path / "ca.pem"
    file.write_bytes(certificates.ca.read_bytes())
    with Client(tls_server.address, tls=Tls(ca_file=file), timeout=LONG) as client:
        assert client.health()
        file.rename(tmp_path / "away.pem")
        assert client.health()
        client.close()
        if transport == "native":
            with pytest.raises(StoreUnavailable, match="ca.pem can't be read"):
                client.health()
        tmp_path.joinpath("away.pem").rename(file)
        assert client.health()


@pytest.mark.parametrize("name", ["threads", "before the first call", "coroutines"])
@pytest.mark.parametrize("choice", transports.NAMES)
def test_fork(choice, name, tls_server, certificates):
    transports.codec(choice)
    program = test_forking.FRAME.replace("BODY", textwrap.indent(textwrap.dedent(test_forking.PROGRAMS[name]), "    "))
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, tls_server.address],
        capture_output=True,
        text=True,
        timeout=120,
        env=env | {"SESSIOND_TRANSPORT": choice, "SESSIOND_CA_FILE": str(certificates.ca)},
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr
