"""Boots, and the two clocks."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from controller.runtime import clock, systemd_notify


def test_the_boot_has_the_kernels_id_and_keeps_it() -> None:
    """Two processes of one boot agree."""
    assert clock.boot_id() == clock.boot_id()
    assert clock.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def test_where_the_kernel_gives_no_id_the_process_has_its_own(tmp_path: Path) -> None:
    """Another process is then another boot: nothing is taken for known that is not."""
    own = clock.boot_id(tmp_path / "none")
    assert own == clock.boot_id(tmp_path / "none")
    assert own not in {"", clock.boot_id(), clock.boot_id(tmp_path / "another")}


def test_offset_and_monotonic_make_the_wall() -> None:
    """To a tenth of a second, on a machine that does other things too."""
    assert clock.monotonic() + clock.offset() == pytest.approx(time.time(), abs=0.1)
    assert clock.wall().seconds(clock.monotonic()) == pytest.approx(time.time(), abs=0.1)


def test_the_clock_is_trusted_where_the_network_set_it(tmp_path: Path) -> None:
    """Any one witness is enough; without one the kernel is asked, and answers one way or the other."""
    timesyncd, another = tmp_path / "timesyncd", tmp_path / "another"
    assert clock.trusted(timesyncd, another) in {True, False}
    another.touch()
    assert clock.trusted(timesyncd, another)


def test_an_unreadable_clock_file_does_not_count(tmp_path: Path) -> None:
    """It ends no program. A name too long stands here for the folder that may not be entered: root may enter all."""
    assert clock.trusted(tmp_path / ("x" * 300)) == clock.trusted(tmp_path / "none")


def test_a_time_is_marked_until_the_clock_is_trusted() -> None:
    """What is not known is null."""
    assert clock.json_time(0.125, True) == {"at": "1970-01-01T00:00:00.125Z"}
    assert clock.json_time(0.0, False, "began") == {"began": "1970-01-01T00:00:00.000Z", "clock": "untrusted"}
    assert clock.json_time(None, True) == {"at": None}


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_notified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    """At a path, or at an abstract address."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(5)
        systemd.bind(f"\0{path}" if abstract else path)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{path}" if abstract else path)
        systemd_notify.notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_without_systemd_there_is_no_notification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor does one that went away do harm."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd_notify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd_notify.notify("READY=1")
