"""Certificates for the broker, created by openssl: an authority of this house, and the broker's signed by it."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from controller.storage.atomic_file import write

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTHORITY, CERTIFICATE, KEY = "ca.crt", "broker.crt", "broker.key"

# A Pi boots with an old clock, and small devices have no reliable one: valid from long ago, and longer than any of them
# lasts, because the certificate of a relay is rarely renewed.
_FROM, _UNTIL = "20200101000000Z", "20491231235959Z"
# RSA of this length works on even the smallest device.
_KEY_BITS = "2048"

_CONFIGURATION = """
[ca]
default_ca = house
[house]
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = {names}
[req]
distinguished_name = nothing
[nothing]
"""


class CertificateError(Exception):
    """Raised when certificates cannot be created. The text states what to do."""


def make(folder: Path, names: Sequence[str], group: str) -> None:
    """Create the authority's certificate, the broker's and its key, for these names and addresses of the broker.

    The authority's own key is discarded: nothing else can ever be signed with it. New names: create all three again,
    and install the new authority on the devices. Raises CertificateError, OSError.
    """
    if shutil.which("openssl") is None:
        raise CertificateError("openssl is not installed. Run: sudo apt install openssl")
    with tempfile.TemporaryDirectory(prefix="loadshed-certificates-") as temporary:
        work = Path(temporary)
        (work / "index").touch()
        text = _CONFIGURATION.format(folder=work, names=", ".join(map(_alternative, names)))
        (work / "openssl.cnf").write_text(text, encoding="utf-8")
        _sign(work, "ca", "loadshed: this house's own authority", "authority", signer=None)
        _sign(work, "broker", names[0], "broker", signer="ca")
        for name, mode in ((AUTHORITY, 0o644), (CERTIFICATE, 0o644), (KEY, 0o640)):
            write(folder / name, (work / name).read_text(encoding="ascii"), mode=mode, group=group)


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _sign(work: Path, name: str, common_name: str, kind: str, signer: str | None) -> None:
    """Create a key and its certificate, signed by another key or by itself."""
    configuration = ("-config", f"{work}/openssl.cnf")
    request = ("-newkey", f"rsa:{_KEY_BITS}", "-nodes", "-keyout", f"{work}/{name}.key", "-out", f"{work}/{name}.csr")
    # The first of several names; commas and slashes in it would be taken apart.
    _openssl("req", "-new", *configuration, *request, "-subj", f"/CN={common_name.replace('/', '-')}")
    by = (
        ("-selfsign", "-keyfile", f"{work}/{name}.key")
        if signer is None
        else ("-cert", f"{work}/{signer}.crt", "-keyfile", f"{work}/{signer}.key")
    )
    valid = ("-startdate", _FROM, "-enddate", _UNTIL, "-extensions", kind)
    files = ("-in", f"{work}/{name}.csr", "-out", f"{work}/{name}.crt")
    _openssl("ca", "-batch", "-notext", *configuration, *by, *valid, *files)


def _openssl(*words: str) -> None:
    ran = subprocess.run(["openssl", *words], capture_output=True, text=True, errors="replace", check=False)  # noqa: S603, S607
    if ran.returncode != 0:
        raise CertificateError(f"openssl {words[0]} failed: {ran.stderr.strip().splitlines()[-1]}")
