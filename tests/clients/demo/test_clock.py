"""`loadshed demo`, as a visitor starts it: the real daemon, a whole house, one outage, a report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from clients.demo.clock import HouseClock
from tests.processes import killed_after

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("amqtt")

# It takes ten seconds on an idle machine.
PATIENCE_S = 60
DEMO = (sys.executable, "-m", "clients", "demo", "--short")


def loadshed(*words: str) -> str:
    """Return what a command writes; it must succeed."""
    command = (sys.executable, "-m", "clients", *words)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return what the demo wrote, and the folder it kept."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [*DEMO, "--keep", str(folder)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, folder


def test_the_outage_is_shown_live_and_reported_at_the_end(played: tuple[str, Path]) -> None:
    """In this order, and it says how fast its clock runs."""
    story, _ = played
    happenings = (
        "Utility fails",
        "its contact opens",
        "hot-tub: OFF sent",
        "hot-tub: confirmed off",
        "its contact closes",
        "hot-tub: ON sent",
        "Outage 1\n",
        "how it ended",
    )
    places = [story.index(words) for words in happenings]
    assert places == sorted(places)
    assert "×60" in story


def test_the_demos_log_is_one_that_the_other_commands_read(played: tuple[str, Path]) -> None:
    """Real files and a real log: what was on came back, what was off stayed off, and the meter counted."""
    _, folder = played
    outage = json.loads(loadshed("report", "--json", "--state", str(folder / "state")))
    ends = {circuit: fare["end"] for circuit, fare in outage["circuits"].items()}
    assert ends.pop("pool-pump") == "off_before"
    assert ends == dict.fromkeys(("hot-tub", "car-charger", "air-con", "range", "dishwasher"), "restored")
    assert outage["circuits"]["air-con"]["confirmed_after_s"] >= 4.0
    assert outage["energy_kwh"] is not None
    assert {row["kw_quality"] for row in outage["demand"]} & {"pulses"}
    assert "cannot be controlled: ON unless" in loadshed("check", "--config", str(folder / "config"))


def test_the_house_has_devices_of_five_families_and_the_screen_has_names_for_them(played: tuple[str, Path]) -> None:
    """A visitor reads `Zigbee` and `Air conditioner`, not an address."""
    story, folder = played
    file = (folder / "config" / "circuits.toml").read_text(encoding="utf-8")
    devices = [circuit["device"] for circuit in tomllib.loads(file)["circuits"].values() if "device" in circuit]
    assert {one.partition("/")[0] for one in devices} == {"zwave", "shelly", "zigbee2mqtt", "esphome", "tasmota"}
    assert not [one for one in devices if one in story]


@pytest.mark.parametrize("ignored", [False, True], ids=["default", "SIGINT ignored"])
def test_ctrl_c_ends_it_cleanly(tmp_path: Path, ignored: bool) -> None:
    """No traceback, nothing left behind, also when the caller ignores SIGINT as a script's `command &` does."""
    command = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh", *DEMO) if ignored else DEMO
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with killed_after(process):
            while "Utility fails" not in process.stdout.readline():
                assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert complaints == ""
    assert rest.endswith("The demo was stopped.\n")
    assert list(tmp_path.iterdir()) == []


def test_the_houses_clock_never_jumps_when_its_pace_changes() -> None:
    """The daemon's clock is monotonic in the demo too."""
    clock = HouseClock()
    before = clock()
    clock.set_speed(1000.0)
    assert 0.0 <= clock() - before < 1000.0
    fast = clock()
    clock.set_speed(1.0)
    assert 0.0 <= clock() - fast < 1000.0
