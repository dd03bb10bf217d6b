"""The broker's last address on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.runtime import startup
from controller.storage import broker_address
from hw.broker_socket import Broker

if TYPE_CHECKING:
    from pathlib import Path


def test_an_address_is_found_again_for_the_same_host_only(tmp_path: Path) -> None:
    """The configuration may name another broker by now."""
    assert broker_address.load(tmp_path, "broker.lan") is None
    broker_address.save(tmp_path, "broker.lan", "192.168.1.9")
    assert broker_address.load(tmp_path, "broker.lan") == "192.168.1.9"
    assert broker_address.load(tmp_path, "other.lan") is None


def test_the_same_address_is_not_written_again(tmp_path: Path) -> None:
    """SD cards wear out."""
    broker_address.save(tmp_path, "broker.lan", "192.168.1.9")
    before = (tmp_path / broker_address.FILE).stat().st_ino
    broker_address.save(tmp_path, "broker.lan", "192.168.1.9")
    assert (tmp_path / broker_address.FILE).stat().st_ino == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "broker.lan"}', '{"host": "broker.lan", "address": 7}'])
def test_a_damaged_file_is_no_address(tmp_path: Path, text: str) -> None:
    """A start goes on without it."""
    (tmp_path / broker_address.FILE).write_text(text, encoding="utf-8")
    assert broker_address.load(tmp_path, "broker.lan") is None


async def test_a_name_that_cannot_be_looked_up_has_its_saved_address(tmp_path: Path) -> None:
    """`.invalid` is never found. A numeric address needs no file."""
    broker_address.save(tmp_path, "broker.invalid", "127.0.0.9")
    host = "broker.invalid"
    ways = startup.broker_addresses(Broker(host, 1883), lambda: broker_address.load(tmp_path, host))
    assert [address[1] for address in await ways.find()] == [("127.0.0.9", 1883)]
    numeric = startup.broker_addresses(Broker("127.0.0.1", 1883), lambda: "127.0.0.9")
    assert [address[1] for address in await numeric.find()] == [("127.0.0.1", 1883)]
