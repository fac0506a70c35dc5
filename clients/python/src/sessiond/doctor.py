"""Tells how this client reaches its server, whether that is well, and if not, what to do."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from importlib import metadata

from sessiond import transport
from sessiond.address import AddressError
from sessiond.base import DEFAULT_ADDRESS
from sessiond.client import Client
from sessiond.errors import (
    Code,
    InvalidArgument,
    PermissionDenied,
    SessiondError,
    SessionNotFound,
    StoreUnavailable,
    Unauthenticated,
)
from sessiond.tls import Tls, TlsError, described
from sessiond.token import TokenError

_CALLS = 20
_TIMEOUT = 2.0
# A session that is not there: reading it costs the server what reading one does, and changes nothing.
_NO_SESSION = "sessiond-doctor-no-session"
# The variables whose values are no secrets. Others are shown by name.
_SHOWN = {
    "SESSIOND_ADDR",
    "SESSIOND_CA_FILE",
    "SESSIOND_CERTIFICATE_FILE",
    "SESSIOND_KEY_FILE",
    "SESSIOND_NAMESPACE",
    "SESSIOND_SERVER_NAME",
    "SESSIOND_TIMEOUT",
    "SESSIOND_TOKEN_FILE",
    transport.ENVIRONMENT,
}
_PACKAGES = {"native": "native", "grpc": "grpcio"}
# The fields of Tls.
_OF_TLS = {
    "ca_file": "the CA that signed the server's certificate, a PEM file",
    "certificate_file": "this client's certificate, a PEM file",
    "key_file": "the certificate's key, a PEM file",
    "server_name": "the name that the server's certificate must have",
}


class _Sick(Exception):
    """What is wrong and what to do, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what it finds; 0 if all is well, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m sessiond", description="Tools of the sessiond client.")
    commands = parser.add_subparsers(required=True, dest="command")
    doctor = commands.add_parser("doctor", help="tell whether the server can be used from here, and if not, what to do")
    doctor.add_argument("--address", help=f"of the server; default: SESSIOND_ADDR, or {DEFAULT_ADDRESS}")
    doctor.add_argument("--namespace", help="to read in; default: SESSIOND_NAMESPACE, or the server's default")
    for name, what in _OF_TLS.items():
        variable = f"SESSIOND_{name.upper()}"
        doctor.add_argument(f"--{name.replace('_', '-')}", help=f"with https://: {what}; default: {variable}")
    # None for the token itself, which would stand in the list of processes.
    doctor.add_argument(
        "--token-file", help="with the token; default: SESSIOND_TOKEN_FILE, or the token in SESSIOND_TOKEN"
    )
    options = parser.parse_args(arguments)
    tls = Tls(**{name: getattr(options, name) for name in _OF_TLS})
    try:
        _examine(options.address, options.namespace, tls, options.token_file)
    except _Sick as problem:
        _show("problem", str(problem))
        return 1
    _show("verdict", "all is well")
    return 0


def _examine(address: str | None, namespace: str | None, tls: Tls, token_file: str | None) -> None:
    _show("versions", f"sessiond {metadata.version('sessiond')}, Python {platform.python_version()}, {_machine()}")
    _show("environment", ", ".join(_environment()) or "no variable SESSIOND_* is set")
    _show_transports()
    namespace = os.environ.get("SESSIOND_NAMESPACE", "") if namespace is None else namespace
    try:
        client = Client(address, namespace=namespace, timeout=_TIMEOUT, tls=tls, token_file=token_file)
    except AddressError as error:
        raise _Sick(f"{error}; set it with --address or SESSIOND_ADDR") from None
    except TlsError as error:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in _OF_TLS)
        raise _Sick(f"{error}; the settings of TLS are {options}, and their variables") from None
    except TokenError as error:
        raise _Sick(f"{error}; set it with --token-file, SESSIOND_TOKEN_FILE or SESSIOND_TOKEN") from None
    with client:
        _show("address", client.address)
        _show("tls", described(client.tls))
        _show("token", client.token_source)
        _show("namespace", namespace or "default")
        try:
            _call(client)
        except StoreUnavailable as error:
            raise _Sick(f"no answer: {error}; {_advice(client, str(error))}") from None
        except InvalidArgument as error:
            raise _Sick(f"the server refuses the namespace: {error}; choose another with --namespace") from None
        except Unauthenticated as error:
            raise _Sick(f"{error}; set --token-file to the file of a token that is valid") from None
        except PermissionDenied as error:
            raise _Sick(f"{error}; have the server's access file allow it") from None
        except SessiondError as error:
            if error.code is Code.FAILED_PRECONDITION:
                # A port for TLS that was called without: the error says what to do.
                raise _Sick(str(error)) from None
            found = "what answers there is no sessiond, or one of another version"
            raise _Sick(f"{found}: {error}; check the address") from None


def _advice(client: Client, problem: str) -> str:
    """What to do about a server that does not answer."""
    if "peer certificate" in problem:
        return "if it is the right server, set --ca-file to its CA, or --server-name to a name of its certificate"
    started = 'start the server with "sessiond serve", or name its address with --address or SESSIOND_ADDR'
    if client.tls is None:
        return started
    return (
        f"{started}; if it does not speak TLS, write http:// in place of https://; if it asks for certificates of its "
        "clients, set --certificate-file and --key-file to one that it trusts"
    )


def _call(client: Client) -> None:
    """Makes calls and shows what they find."""
    is_serving, takes_writes = client.health(), client.health("sessiond.writes")
    serves = "serves" if is_serving else "does not serve"
    writes = "takes writes" if takes_writes else "takes no writes"
    _show("server", f"answers, {serves}, {writes}")
    _show("latency", _latency(client))
    _show_statistics(client)
    if not is_serving:
        raise _Sick("the server is starting or shuts down; wait a moment, then see its log")
    if not takes_writes:
        raise _Sick("the server takes no writes, as its disk is almost full; free space there, then see its log")


def _show_statistics(client: Client) -> None:
    before = time.time()
    try:
        found = client.statistics()
    except PermissionDenied as error:
        # An application needs no such permission for its work.
        _show("statistics", f"not told to this client ({error})")
        return
    now = datetime.fromtimestamp((before + time.time()) / 2, timezone.utc)
    _show("clock", _difference(found.current_time - now))
    _show("started", f"{found.start_time:%Y-%m-%d %H:%M:%S} UTC, {found.sessions} sessions in store")


def _latency(client: Client) -> str:
    took = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        try:
            client.get(_NO_SESSION, touch=False)
        except SessionNotFound:
            pass
        took.append((time.perf_counter() - start) * 1000)
    return f"median {statistics.median(took):.2f} ms, worst {max(took):.2f} ms of {_CALLS} calls"


def _difference(ahead: timedelta) -> str:
    seconds = ahead.total_seconds()
    if abs(seconds) < 0.1:
        return "the server's and this machine's agree to a tenth of a second"
    return f"the server's is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}; sessions end by the server's"


def _show_transports() -> None:
    problem = None
    try:
        in_use = transport.chosen().NAME
    except ImportError as error:
        problem, in_use = str(error), None
    _show("transport", in_use or "none")
    for choice, name in _PACKAGES.items():
        if name == in_use:
            continue
        try:
            transport.load(choice)
        except ImportError as error:
            _show("", f"{name} can't be used: {error}")
        else:
            _show("", f"{name} could be used too: {transport.ENVIRONMENT}={choice}")
    if problem:
        raise _Sick(problem)


def _environment() -> list[str]:
    names = sorted(name for name in os.environ if name.startswith("SESSIOND_"))
    return [f"{name}={os.environ[name]}" if name in _SHOWN else f"{name} (not shown)" for name in names]


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"


def _show(name: str, text: str) -> None:
    print(f"{name:<12} {text}")
