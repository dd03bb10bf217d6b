"""Beside Leviton's energy monitor: it sheds, and this program watches, reports and commands nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, parse, reload_circuits
from controller.core.engine import EngineSettings
from rules.panel import Kind, Position, ShedBy
from tests.virtual_house import VirtualHouse, circuit, essential

if TYPE_CHECKING:
    from pathlib import Path

TUB, DRYER = circuit("hot-tub", shed_by=ShedBy.PANEL, amps=50), circuit("dryer", shed_by=ShedBy.PANEL)
SAUNA, FRIDGE = circuit("sauna", kind=Kind.RELAY), essential("fridge", shed_by=ShedBy.PANEL)


def house() -> VirtualHouse:
    """Return a house with two circuits that Leviton sheds, a relay of its own, and an essential one."""
    return VirtualHouse(TUB, DRYER, SAUNA, FRIDGE, settings=EngineSettings(companion_confirm_s=60.0))


def outage(made: VirtualHouse, *seen_off: str, for_s: float = 90.0) -> None:
    """Open the contact; Leviton switches these circuits off within seconds."""
    made.contact.open()
    made.wait(5.0)
    for name in seen_off:
        made.breaker(name).turn_off_by_hand()
    made.wait(for_s)


def ends(made: VirtualHouse) -> dict[str, str | None]:
    """Return the recorded ends of the circuits."""
    return {str(row.circuit): row.end for row in made.disk.histories.values()}


def test_no_command_is_sent_to_a_circuit_that_leviton_sheds() -> None:
    """In an outage, at its end, in a drill, and on request."""
    made = house()
    outage(made, "hot-tub")
    made.contact.close()
    made.wait(120.0)
    assert made.ask("drill", for_s=10.0).ok
    made.wait(60.0)
    assert {command.circuit for command in made.commands} == {"sauna"}


@pytest.mark.parametrize("request_kind", ["on", "off", "restore", "test"])
def test_a_request_for_such_a_circuit_is_refused(request_kind: str) -> None:
    """The user is sent to Leviton's app or to the handle."""
    made = house()
    reply = made.ask(request_kind, "hot-tub", force=True)  # type: ignore[arg-type]
    assert not reply.ok
    if request_kind != "restore":
        assert reply.reason.startswith("Leviton sheds this circuit; use its app or the handle")


def test_seen_off_not_seen_off_and_no_report_are_told_apart() -> None:
    """In the explanation, the record and the log."""
    made = VirtualHouse(TUB, DRYER, circuit("pump", shed_by=ShedBy.PANEL), SAUNA)
    for name in ("hot-tub", "dryer"):
        made.breaker(name).says("ON")
    outage(made, "hot-tub")
    assert made.view("hot-tub").why == "Leviton sheds; loadshed watches; seen off"
    assert made.view("dryer").why == "Leviton sheds; loadshed watches; not seen off: treat as ON"
    assert made.view("pump").why == "Leviton sheds; loadshed watches; no report: treat as ON"
    assert ends(made) == {"hot-tub": "seen_off", "dryer": "not_seen_off", "pump": "no_report", "sauna": None}
    (line,) = made.happened("companion_seen_off")
    assert line.circuit == "hot-tub"


def test_what_stays_on_is_shed_incomplete_and_what_is_silent_is_one_alarm() -> None:
    """Not before the time that Leviton has."""
    made = VirtualHouse(TUB, circuit("pump", shed_by=ShedBy.PANEL), SAUNA)
    made.breaker("hot-tub").says("ON")
    outage(made, for_s=50.0)
    assert made.alarm("shed-incomplete") is None
    made.wait(10.0)
    view, blind = made.alarm("shed-incomplete"), made.alarm("companion-blind")
    assert view is not None
    assert blind is not None
    assert (view.circuits, blind.circuits) == (("hot-tub",), ("pump",))
    assert "50 A, shed by Leviton, and still reported on" in view.message
    made.breaker("hot-tub").turn_off_by_hand()
    assert made.alarm("shed-incomplete") is None
    made.contact.close()
    made.wait(60.0)
    assert made.alarm("companion-blind") is None


def test_such_a_circuit_is_never_owed_and_does_not_wait_for_the_user() -> None:
    """Leviton restores it."""
    made = house()
    outage(made, "hot-tub", "dryer")
    assert made.owed() == ["sauna"]
    made.contact.close()
    made.wait(120.0)
    assert made.owed() == []
    assert made.alarm("off-awaiting-user") is None
    assert made.breaker("sauna").position is Position.ON


def test_a_restart_on_standby_goes_on_watching() -> None:
    """From its start."""
    made = house()
    outage(made, for_s=10.0)
    made.restart(rebooted=True)
    made.wait(70.0)
    view = made.alarm("companion-blind") or made.alarm("shed-incomplete")
    assert view is not None


# --- the files --------------------------------------------------------------------------------------------------------

INSTALLER = '[site]\nid = "home"\n{companion}[contact]\nsource = "gpio"\npin = 17\n'
COMPANION = 'companion = "lwhem-2"\n'
CIRCUITS = """
[circuits.tub]
space = 1
breaker = "gen2"
tag = "nonessential"
[circuits.pump]
space = 2
breaker = "gen2"
tag = "nonessential"
shed_by = "loadshed"
[circuits.sauna]
space = 3
breaker = "relay"
tag = "nonessential"
"""


def shed_by(installer: str, circuits: str) -> dict[str, bool]:
    """Return for each circuit whether Leviton sheds it."""
    configuration = parse(Sources(installer, circuits))
    assert isinstance(configuration, Configuration), configuration
    return {str(one.id): one.shed_by is ShedBy.PANEL for one in configuration.panel}


def test_the_companion_setting_decides_for_2nd_gen_breakers() -> None:
    """What the owner wrote counts first."""
    with_it, without = INSTALLER.format(companion=COMPANION), INSTALLER.format(companion="")
    assert shed_by(with_it, CIRCUITS) == {"tub": True, "pump": False, "sauna": False}
    assert shed_by(without, CIRCUITS) == {"tub": False, "pump": False, "sauna": False}


def test_a_circuit_of_the_panel_in_a_house_without_a_companion_is_refused() -> None:
    """Neither program would shed it."""
    circuits = CIRCUITS.replace('"loadshed"', '"panel"')
    errors = parse(Sources(INSTALLER.format(companion=""), circuits))
    assert isinstance(errors, ConfigErrors)
    assert 'only in a house with [site] companion = "lwhem-2"' in errors.found[0].message
    assert errors.found[0].line == 10


def test_a_relay_cannot_be_shed_by_the_panel() -> None:
    """Leviton's monitor switches its own breakers only."""
    circuits = CIRCUITS + 'shed_by = "panel"\n'
    errors = parse(Sources(INSTALLER.format(companion=COMPANION), circuits))
    assert isinstance(errors, ConfigErrors)
    assert "2nd Gen breakers only" in errors.found[0].message


def test_a_reload_keeps_to_the_companion(tmp_path: Path) -> None:
    """circuits.toml is read again alone."""
    (tmp_path / "circuits.toml").write_text(CIRCUITS, encoding="utf-8")
    configuration = parse(Sources(INSTALLER.format(companion=COMPANION), CIRCUITS))
    assert isinstance(configuration, Configuration)
    again = reload_circuits(configuration, tmp_path)
    assert isinstance(again, Configuration)
    assert again.panel.circuits == configuration.panel.circuits
