"""How a client speaks TLS."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sessiond.address import is_tls

File = str | os.PathLike[str]


class TlsError(ValueError):
    """TLS settings that can't be used."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How a client speaks TLS to addresses with https://: whom it trusts, and what it shows of itself.

        Client("https://sessions.internal:50051", tls=Tls(ca_file="/etc/shop/sessiond-ca.pem"))

    All of it is optional, and all files are PEM. `ca_file` holds the only certificates that may have signed the
    server's; without it, those that the system trusts. `certificate_file` is the client's certificate and those between
    it and its CA, for servers that ask for one; `key_file` is its private key. `server_name` is the name that the
    server's certificate must have, in place of the host of the address.

    What is left out or empty comes from the environment variables SESSIOND_CA_FILE, SESSIOND_CERTIFICATE_FILE,
    SESSIOND_KEY_FILE and SESSIOND_SERVER_NAME. The files are read when the client is made, and again when they have
    changed: a renewed certificate is used from the next connection on, while one that is open goes on. Files that can't
    be used then leave what held before.
    """

    ca_file: File | None = None
    certificate_file: File | None = None
    key_file: File | None = None
    server_name: str | None = None


def settings_for(addresses: Sequence[str], given: Tls | None) -> Tls | None:
    """The settings for addresses in normal form, those of the environment included; None if there is no TLS there.

    Raises TlsError.
    """
    if given is not None and not isinstance(given, Tls):
        raise TlsError(f"tls must be a sessiond.Tls, not {type(given).__name__}")
    tls = given or Tls()
    if not is_tls(addresses[0]):
        if tls.ca_file or tls.certificate_file or tls.key_file or tls.server_name:
            raise TlsError("TLS settings need an https:// address")
        return None
    tls = replace(
        tls,
        certificate_file=tls.certificate_file or _variable("CERTIFICATE_FILE"),
        key_file=tls.key_file or _variable("KEY_FILE"),
    )
    if not tls.key_file and tls.certificate_file:
        raise TlsError("a certificate file needs a key file")
    if not tls.certificate_file and tls.key_file:
        raise TlsError("a key file needs a certificate file")
    return Tls(
        ca_file=_absolute(tls.ca_file or _variable("CA_FILE")),
        certificate_file=_absolute(tls.certificate_file),
        key_file=_absolute(tls.key_file),
        server_name=tls.server_name or _variable("SERVER_NAME"),
    )


def described(tls: Tls | None) -> str:
    """The settings of a client in words, for people."""
    if tls is None:
        return "not used"
    signer = f"in {tls.ca_file}" if tls.ca_file else "that this system trusts"
    name = f" and for the name {tls.server_name}" if tls.server_name else ""
    shown = f"; {tls.certificate_file} is shown to it" if tls.certificate_file else ""
    return f"used; the server's certificate must be of a CA {signer}{name}{shown}"


def _variable(name: str) -> str | None:
    return os.environ.get(f"SESSIOND_{name}") or None


def _absolute(file: File | None) -> str | None:
    if file and "-----BEGIN" in os.fspath(file):
        # It may be a key, and is not repeated.
        raise TlsError("the text of a PEM file stands where its path belongs")
    # The process may change its folder before the file is read again, after a fork.
    return os.path.abspath(file) if file else None
