"""Files that installer.toml names, the password and the authority's certificate: whether they can serve."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config.errors import ErrorCollector
from controller.config.loader import INSTALLER_FILE
from hw.broker_socket import decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.config.errors import ConfigError
    from controller.config.loader import Configuration

# MQTT allows 65,535 bytes. A file of this length is not a password.
MAX_PASSWORD = 1000
_BEGIN = "-----BEGIN "
_OTHER_PEM = {
    "PRIVATE KEY": "a private key: write the authority's certificate here, and keep the key where it is",
    "CERTIFICATE REQUEST": "a request for a certificate: write the authority's certificate here",
    "PKCS7": "certificates as PKCS #7: convert it with `openssl pkcs7 -print_certs -in FILE -out FILE.pem`",
}


def unreadable_files(configuration: Configuration) -> tuple[ConfigError, ...]:
    """Return a mistake for each file that the configuration names and that cannot serve.

    Looked at by `check` alone: at a start the last good configuration would name the same file.
    """
    notes = ErrorCollector(INSTALLER_FILE, configuration.sources.installer)
    broker = configuration.broker
    for key, name, trouble in (
        ("password_file", broker.password_file, _password_trouble),
        ("ca_file", broker.ca_file, _authority_trouble),
    ):
        if name is not None and (message := _trouble(Path(name), trouble)) is not None:
            notes.add(("broker", key), message, name)
    return notes.sorted()


def _trouble(path: Path, content_trouble: Callable[[Path, bytes], str | None]) -> str | None:
    """Return why the file cannot serve; None: it can."""
    try:
        if path.exists() and not path.is_file():
            return "is a folder or a device: write the name of a file"
        return content_trouble(path, path.read_bytes())
    except OSError as error:
        do = {
            PermissionError: "; it may be only you who cannot: `sudo loadshed check`",
            FileNotFoundError: "; write the file, or correct its name",
        }.get(type(error), "")
        return f"cannot be read: {error.strerror or error}{do}"


def _password_trouble(_: Path, content: bytes) -> str | None:
    try:
        password = decoded(content).strip()
    except ValueError:
        return "is not UTF-8 text: save it as UTF-8"
    if not password:
        return "is empty: write the password into it"
    if _BEGIN in password or len(password) > MAX_PASSWORD:
        return "holds no password but a key or a document: write the password alone into it"
    if len(password.splitlines()) > 1:
        return "has more than one line: write the password alone into it"
    if not password.isprintable():
        return "holds a control character: write the password again, alone"
    return None


def _authority_trouble(path: Path, content: bytes) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16 text: save it as UTF-8, or copy the certificate again"
    text = content.decode("ascii", "replace")
    if not text.strip():
        return "is empty: it must hold a certificate"
    if not any(f"{_BEGIN}{kind}CERTIFICATE-----" in text for kind in ("", "TRUSTED ")):
        return _other_content(text, is_binary=content.startswith(b"\x30"))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        return f"holds a certificate that is damaged ({error.reason or error}): copy the file again"
    return None


def _other_content(text: str, *, is_binary: bool) -> str:
    if (other := next((says for kind, says in _OTHER_PEM.items() if f"{kind}-----" in text), None)) is not None:
        return f"holds {other}"
    if is_binary:
        return "is a binary certificate (DER): convert it with `openssl x509 -inform der -in FILE -out FILE.pem`"
    return "holds no certificate in PEM format (a text with -----BEGIN CERTIFICATE-----)"
