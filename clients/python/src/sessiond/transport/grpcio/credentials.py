"""Certificates and keys, as gRPC takes them. It tells nothing of what is wrong with one, so they are checked here."""

import json
import re
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc

from sessiond.tls import File, Tls, TlsError

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_CERTIFICATE = re.compile(_BEGIN + rb"[^-]*-----END CERTIFICATE-----")
# What OpenSSL calls the files in a folder of certificates: each by a hash of its subject, and a number.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
# What OpenSSL says of a key that is another's, and of one of another kind than the certificate's.
_MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client trusts and shows. They are kept as bytes, since gRPC's own form does not survive a fork."""

    roots: bytes
    # The certificates and the key.
    pair: tuple[bytes, bytes] | None
    server_name: str | None

    def __repr__(self) -> str:
        return "<Credentials>"

    def of_grpc(self) -> Any:
        certificates, key = self.pair or (None, None)
        return grpc.ssl_channel_credentials(self.roots, key, certificates)

    def options(self) -> list[tuple[str, Any]]:
        """Options of a channel."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []


def load(tls: Tls) -> Credentials:
    """Reads the files. Raises TlsError, which names the one that can't be used."""
    roots = _certificates(tls.ca_file) if tls.ca_file else _trusted_by_the_system()
    pair = None
    if tls.certificate_file and tls.key_file:
        pair = (_certificates(tls.certificate_file), _read(tls.key_file))
        _check_pair(tls.certificate_file, tls.key_file)
    if tls.server_name and not _is_name(tls.server_name):
        raise TlsError(f"{json.dumps(tls.server_name, ensure_ascii=False)} is not the name of a server")
    return Credentials(roots, pair, tls.server_name)


def _read(file: File) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise TlsError(f"{file} can't be read ({error.strerror})") from None


def _certificates(file: File) -> bytes:
    """There must be one at least, and all must be whole."""
    text = _read(file)
    found = _CERTIFICATE.findall(text)
    if not found or len(found) != text.count(_BEGIN):
        raise TlsError(f"{file} holds no certificate in PEM")
    joined = b"\n".join(found)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=joined.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        raise TlsError(f"{file} holds no certificate in PEM") from None
    return joined


def _check_pair(certificate: File, key: File) -> None:
    try:
        # Without a password that is given, OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            raise TlsError(f"{key} is not the key of {certificate}") from None
        raise TlsError(f"{key} holds no private key that is not encrypted, in PEM") from None
    except OSError as error:
        raise TlsError(f"{key} can't be read ({error.strerror})") from None


def _trusted_by_the_system() -> bytes:
    """gRPC alone would take certificates of its own package."""
    paths = ssl.get_default_verify_paths()
    files = [Path(paths.cafile)] if paths.cafile else []
    if paths.capath:
        files += sorted(file for file in Path(paths.capath).iterdir() if _HASHED.fullmatch(file.name))
    found: dict[bytes, None] = {}
    for file in files:
        try:
            found.update(dict.fromkeys(_CERTIFICATE.findall(file.read_bytes())))
        except OSError:
            # One that is not for this user: others may do.
            continue
    if not found:
        raise TlsError("TLS can't be set up: the system trusts no certificate; set a CA file")
    return b"\n".join(found)


def _is_name(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return _NAME.fullmatch(name) is not None
    return True
