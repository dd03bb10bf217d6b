"""Password files as editors of all systems save them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.bus_client.named_files import unreadable_files
from controller.config.loader import Configuration, Sources, parse
from hw.broker_socket import Broker, BrokerError

if TYPE_CHECKING:
    from pathlib import Path

    from controller.config.errors import ConfigError

INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nusername = "me"\n'
CIRCUITS = '[circuits.tub]\nspace = 1\nbreaker = "gen2"\ntag = "nonessential"\n'


def checked(line: str) -> tuple[ConfigError, ...]:
    """Return the mistakes in the files that [broker] names with this line."""
    configuration = parse(Sources(f"{INSTALLER}{line}\n", CIRCUITS))
    assert isinstance(configuration, Configuration)
    return unreadable_files(configuration)


SAVED = (
    b"s\xc3\xa9cret",
    b"s\xc3\xa9cret\n",
    b"\xef\xbb\xbfs\xc3\xa9cret\r\n",
    "sécret\r\n".encode("utf-16"),
    b"\xfe\xff" + "sécret\r\n".encode("utf-16-be"),
    "sécret".encode("utf-16-le"),
    "sécret\r\n".encode("utf-16-be"),
    b"s\xc3\xa9cret\r",
)


@pytest.mark.parametrize("content", SAVED)
def test_a_password_is_the_same_however_the_editor_saved_it(content: bytes, tmp_path: Path) -> None:
    """Notepad adds a byte-order mark and a carriage return, which would be part of the password."""
    (path := tmp_path / "broker.password").write_bytes(content)
    assert Broker(username="me", password_file=path).password() == "sécret"


@pytest.mark.parametrize(
    ("name", "text"), [("none", "write the file, or correct its name"), (".", "is a folder or a device")]
)
def test_check_names_a_file_that_is_none(name: str, text: str, tmp_path: Path) -> None:
    """With what to do."""
    (error,) = checked(f'password_file = "{tmp_path / name}"')
    assert text in error.message


def test_a_password_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The broker would only say that it is wrong."""
    (path := tmp_path / "broker.password").write_bytes(b"s\xe9cret")
    with pytest.raises(BrokerError, match="it is not UTF-8 text: save it as UTF-8"):
        Broker(username="me", password_file=path).password()


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xef\xbb\xbf"])
def test_an_empty_password_file_is_named(content: bytes, tmp_path: Path) -> None:
    """`not authorized` would send its reader to the broker."""
    (path := tmp_path / "broker.password").write_bytes(content)
    with pytest.raises(BrokerError, match="is empty: write the password into it"):
        Broker(username="me", password_file=path).password()


CHECKED = (
    ("password_file", b"", "is empty"),
    ("password_file", b"one\ntwo\n", "more than one line"),
    ("password_file", b"\xff\xfa\x00", "is not UTF-8 text"),
    ("password_file", b"s\xe9cret", "is not UTF-8 text: save it as UTF-8"),
    ("password_file", b"\xef\xbb\xbf \r\n", "is empty: write the password into it"),
    ("password_file", b"sec\x07ret", "control character"),
    ("password_file", b"-----BEGIN PRIVATE KEY-----\n", "holds no password"),
    ("ca_file", b"", "is empty"),
    ("ca_file", b"\r\n", "is empty"),
    ("ca_file", "-----BEGIN CERTIFICATE-----".encode("utf-16"), "is UTF-16 text"),
    ("ca_file", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "holds a private key"),
    ("ca_file", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "is damaged"),
    ("ca_file", b"hello\n", "holds no certificate in PEM format"),
    ("ca_file", b"\x30\x82\x01", "binary certificate (DER)"),
)


@pytest.mark.parametrize(("key", "content", "text"), CHECKED)
def test_check_names_a_file_that_can_never_serve(key: str, content: bytes, text: str, tmp_path: Path) -> None:
    """Before the night on which it is needed."""
    (path := tmp_path / "file").write_bytes(content)
    (error,) = checked(f'{key} = "{path}"')
    assert text in error.message
