"""Where a sessiond listens. All clients take the same addresses and refuse the same ones; clients/conformance has the
grammar and the cases."""

import ipaddress
import json
import re

# What the address of a server with TLS begins with.
_HTTPS = "https://"

# The longest path that the kernel takes for a Unix socket, in bytes.
_MAX_SOCKET_PATH = 107

_HOST = re.compile(r"[A-Za-z0-9._-]+")
_PATH = re.compile(r"[A-Za-z0-9._~/+@:=-]+")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class AddressError(ValueError):
    """An address that can't be used."""

    def __init__(self, address: str, problem: str):
        shown = json.dumps(address, ensure_ascii=False)
        super().__init__(
            f"{shown} is not an address: {problem}; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH"
        )
        self.problem = problem


def parse(address: str) -> str:
    """The normal form, "HOST:PORT", "https://HOST:PORT" or "unix:PATH", of a single address. Raises AddressError."""
    normal, *others = parse_list(address)
    if others:
        raise AddressError(address, "this client takes one address, not several")
    return normal


def parse_list(addresses: str) -> list[str]:
    """The normal forms of addresses separated by commas; there is one at least. Raises AddressError."""
    if not isinstance(addresses, str):
        raise AddressError(str(addresses), "it is no text")
    if not addresses.strip():
        raise AddressError(addresses, "it is empty")
    try:
        found = [_normal(address.strip()) for address in addresses.split(",")]
    except _Problem as problem:
        raise AddressError(addresses, str(problem)) from None
    if len({is_tls(address) for address in found}) > 1:
        raise AddressError(addresses, "https:// stands before all addresses or before none")
    return found


def is_tls(normal: str) -> bool:
    """Whether the server at an address in normal form speaks TLS."""
    return normal.startswith(_HTTPS)


class _Problem(Exception):
    pass


def _normal(address: str) -> str:
    if not address:
        raise _Problem("an address of the list is empty")
    if address.startswith("unix:"):
        return f"unix:{_socket_path(address.removeprefix('unix:'))}"
    scheme, separator, rest = address.partition("://")
    if not separator:
        authority = address
    elif scheme in ("http", "https"):
        # A lone slash is how URLs of a host end.
        authority = rest.removesuffix("/")
    else:
        raise _Problem("it begins with something else than http://, https:// or unix:")
    _check_authority(authority)
    return f"{_HTTPS if scheme == 'https' else ''}{authority.lower()}"


def _socket_path(path: str) -> str:
    """A path as unix:PATH has it; it may also be an absolute one behind unix://."""
    absolute = path.startswith("//")
    path = path.removeprefix("//")
    if not path:
        raise _Problem("the path is missing")
    if absolute and not path.startswith("/"):
        raise _Problem("the path after unix:// does not begin with a slash")
    if not _PATH.fullmatch(path):
        # In some language or other each of the rest means something else in an address.
        raise _Problem("the path holds a character other than A-Z, a-z, 0-9 and -._~/+@:=")
    if len(path) > _MAX_SOCKET_PATH:
        raise _Problem("the path is longer than 107 bytes")
    return path


def _check_authority(authority: str) -> None:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        raise _Problem("the port is missing")
    if "/" in port:
        raise _Problem("it has a path")
    if not host:
        raise _Problem("the host is missing")
    if host.startswith("[") and host.endswith("]"):
        if not _is_ipv6(host[1:-1]):
            raise _Problem("what stands in brackets is not an IPv6 address")
    elif any(char in host for char in ":[]"):
        raise _Problem("an IPv6 address stands in brackets, such as [::1]:50051")
    elif not _HOST.fullmatch(host):
        raise _Problem("the host holds a character that no host name has")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise _Problem("the port is not a number from 1 to 65535")


def _is_ipv6(text: str) -> bool:
    # Python takes a zone, which not every language can connect to.
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
