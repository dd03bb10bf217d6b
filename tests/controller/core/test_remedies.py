"""Every command that an alarm or an explanation names is accepted at that moment, whatever has happened before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from controller.core.alarms import Alarm
from rules.panel import Restore
from tests.virtual_house import VirtualHouse, circuit, essential

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = re.compile(r"`loadshed ask (\S+) (\S+?)`")


def house(**more: object) -> VirtualHouse:
    """Return a house on utility with a circuit of each restore setting."""
    return VirtualHouse(
        essential("fridge"),
        circuit("tub"),
        circuit("pump", min_off_s=300.0),
        circuit("oven", restore=Restore.ASK),
        circuit("sauna", restore=Restore.NEVER),
        **more,  # type: ignore[arg-type]
    )


def before_unknown() -> VirtualHouse:
    """Return a house after a cold start during an outage, without memory and without retained reports."""
    home = house(is_open=True, started=False)
    for one in home.panel:
        home.broker.forgets(one.id)
    home.start()
    home.wait(30.0)
    home.contact.close()
    home.wait(60.0)
    return home


def stabilizing() -> VirtualHouse:
    """Return a house whose utility has just returned."""
    home = house()
    home.contact.open()
    home.wait(60.0)
    home.contact.close()
    home.wait(3.0)
    return home


def waiting_for_minimum_off_time() -> VirtualHouse:
    """Return a house in which a compressor still rests, and which restores no more."""
    home = stabilizing()
    home.wait(60.0)
    return home


def contact_lost() -> VirtualHouse:
    """Return a house on standby whose contact cannot be read any more."""
    home = house()
    home.contact.open()
    home.wait(60.0)
    home.breaker("fridge").turn_off_by_hand()
    home.contact.is_lost()
    home.wait(60.0)
    return home


def drill() -> VirtualHouse:
    """Return a house in a drill, with an essential circuit off and one on hold."""
    home = house()
    home.ask("hold", "tub", by="Ann")
    home.ask("drill", for_s=600.0)
    home.wait(5.0)
    home.breaker("fridge").turn_off_by_hand()
    home.wait(30.0)
    return home


def after_a_drill() -> VirtualHouse:
    """Return a house after a drill."""
    home = house()
    home.ask("drill", for_s=10.0)
    home.wait(400.0)
    return home


def crashed() -> VirtualHouse:
    """Return a house that crashed in an outage, and in which a circuit was switched off manually in the meantime."""
    home = house()
    home.contact.open()
    home.wait(60.0)
    home.crash()
    home.breaker("fridge").turn_off_by_hand()
    home.start()
    home.wait(30.0)
    home.contact.close()
    home.wait(60.0)
    return home


def overridden() -> VirtualHouse:
    """Return a house with a manual override, and a circuit that was then switched off again manually."""
    home = house()
    home.contact.open()
    home.wait(90.0)
    assert home.ask("on", "tub", by="Ann").ok
    home.wait(10.0)
    home.breaker("tub").turn_off_by_hand()
    home.contact.close()
    home.wait(60.0)
    return home


def tripped() -> VirtualHouse:
    """Return a house with a tripped circuit: no command helps."""
    home = house()
    home.breaker("tub").trip()
    home.wait(10.0)
    return home


def silent() -> VirtualHouse:
    """Return a house in which nothing answers after the outage."""
    home = house()
    home.contact.open()
    home.wait(60.0)
    for one in home.panel:
        home.breaker(one.id).has(silent=True)
    home.contact.close()
    home.wait(400.0)
    return home


def away() -> VirtualHouse:
    """Return a house whose devices are offline after the outage."""
    home = house()
    home.contact.open()
    home.wait(60.0)
    for one in home.panel:
        home.breaker(one.id).says("offline", "availability")
    home.contact.close()
    home.wait(400.0)
    return home


def off_manually() -> VirtualHouse:
    """Return a house on utility in which everything was switched off manually."""
    home = house()
    for one in home.panel:
        home.breaker(one.id).turn_off_by_hand()
    home.wait(30.0)
    return home


def starting() -> VirtualHouse:
    """Return a house whose contact was never read, and whose circuits are off."""
    home = off_manually()
    home.crash()
    home.start(contact_read=False)
    home.wait(60.0)
    return home


SITUATIONS = (
    before_unknown,
    stabilizing,
    waiting_for_minimum_off_time,
    contact_lost,
    drill,
    after_a_drill,
    crashed,
    overridden,
    tripped,
    silent,
    away,
    off_manually,
    starting,
)

WITHOUT_A_COMMAND = (tripped,)


def named(home: VirtualHouse) -> set[tuple[str, str]]:
    """Return each command that an alarm or an explanation names, and that a circuit's `remedy` names."""
    texts = [home.view(one.id).why for one in home.panel]
    for active in (home.alarm(alarm.value) for alarm in Alarm):
        texts += [] if active is None else [active.message, active.action]
    found = {command for text in texts for command in COMMAND.findall(text)}
    return found | {(str(view.remedy), view.id) for one in home.panel if (view := home.view(one.id)).remedy is not None}


@pytest.mark.parametrize("made", SITUATIONS)
def test_each_named_command_is_accepted(made: Callable[[], VirtualHouse]) -> None:
    """Each in a house of its own, because the first may change what the others need."""
    commands = named(made())
    assert bool(commands) is (made not in WITHOUT_A_COMMAND)
    for request, name in sorted(commands):
        reply = made().ask(request, name)  # type: ignore[arg-type]
        assert reply.ok, (request, name, reply.reason)


@pytest.mark.parametrize("made", SITUATIONS)
def test_each_named_command_has_its_effect(made: Callable[[], VirtualHouse]) -> None:
    """If the device answers: the circuit is on, or is not on hold any more."""
    for request, name in sorted(named(made())):
        home = made()
        home.breaker(name).has()
        home.breaker(name).says("online", "availability")
        assert home.ask(request, name).ok  # type: ignore[arg-type]
        home.wait(700.0)
        view = home.view(name)
        done = view.hold is None if request == "release" else view.position.value == "on"
        assert done, (request, name, view.why)
