"""Password files as editors of all systems save them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.bus_client.check import unreadable_files
from controller.config.loader import Configuration, Sources, parse
from hw.broker_socket import Broker, BrokerError

if TYPE_CHECKING:
    from pathlib import Path

SAVED = (
    b"s\xc3\xa9cret",
    b"s\xc3\xa9cret\n",
    b"\xef\xbb\xbfs\xc3\xa9cret\r\n",
    "sécret\r\n".encode("utf-16"),
)


@pytest.mark.parametrize("content", SAVED)
def test_a_password_is_the_same_however_the_editor_saved_it(content: bytes, tmp_path: Path) -> None:
    """Notepad adds a byte-order mark and a carriage return, which would be part of the password."""
    (path := tmp_path / "broker.password").write_bytes(content)
    assert Broker(username="me", password_file=path).password() == "sécret"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xef\xbb\xbf"])
def test_an_empty_password_file_is_named(content: bytes, tmp_path: Path) -> None:
    """`not authorized` would send its reader to the broker."""
    (path := tmp_path / "broker.password").write_bytes(content)
    with pytest.raises(BrokerError, match="is empty: write the password into it"):
        Broker(username="me", password_file=path).password()


CHECKED = (
    ("password_file", b"", "is empty"),
    ("password_file", b"one\ntwo\n", "more than one line"),
    ("password_file", b"\xff\xfa\x00", "is no text"),
    ("ca_file", b"", "is empty"),
    ("ca_file", b"\x30\x82\x01", "holds no certificate in PEM format"),
)


@pytest.mark.parametrize(("key", "content", "text"), CHECKED)
def test_check_names_a_file_that_can_never_serve(key: str, content: bytes, text: str, tmp_path: Path) -> None:
    """Before the night on which it is needed."""
    (path := tmp_path / "file").write_bytes(content)
    installer = (
        f'[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nusername = "me"\n{key} = "{path}"\n'
    )
    circuits = '[circuits.tub]\nspace = 1\nbreaker = "gen2"\ntag = "nonessential"\n'
    configuration = parse(Sources(installer, circuits))
    assert isinstance(configuration, Configuration)
    (error,) = unreadable_files(configuration)
    assert text in error.message
