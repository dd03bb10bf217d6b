"""An internal error ends the program at once, with a traceback in the journal, and systemd starts it again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_S = 60.0

INSTALLER = """
[site]
id = "home"
[contact]
source = "mqtt"
topic = "ats/contact"
[broker]
port = 1
"""
CIRCUITS = '[circuits.tub]\nspace = 1\nbreaker = "gen2"\ntag = "nonessential"\n'

PROGRAM = """
import asyncio, os, signal, sys, threading
from pathlib import Path
import controller.core.engine as engine
import controller.daemon as daemon
from controller.__main__ import run_daemon

usual, turns = engine.Engine.decide, []

def decide(self, events, now):
    turns.append(now)
    if len(turns) == 3:
        {fault}
    return usual(self, events, now)

engine.Engine.decide = decide
sys.exit(run_daemon(Path({folder!r}), Path({folder!r}) / "state"))
"""

FAULTS = {
    "a turn of the engine": "raise ZeroDivisionError('a fault in the engine')",
    "a callback of the loop": "asyncio.get_running_loop().call_soon(lambda: 1 / 0)",
    "reading the file again": "daemon.reload_circuits = None; os.kill(os.getpid(), signal.SIGHUP)",
    "a thread": "threading.Thread(target=lambda: 1 / 0).start()",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_internal_error_ends_the_program_with_a_traceback(fault: str, tmp_path: Path) -> None:
    """Without a watchdog, too: a program started by hand must not go on deaf."""
    (tmp_path / "state").mkdir()
    (tmp_path / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    (tmp_path / "circuits.toml").write_text(CIRCUITS, encoding="utf-8")
    program = PROGRAM.format(fault=FAULTS[fault], folder=str(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert ended.returncode == 1
    assert "the program ends: an internal error in" in ended.stderr
    assert "Traceback (most recent call last)" in ended.stderr
