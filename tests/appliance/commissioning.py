"""The freshly installed Pi commissioned at its terminal, as an electrician does, until the house is protected."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from rules.panel import Position
from tests.appliance.appliance_house import (
    HUB,
    PERSON,
    RECORDER,
    SHED,
    SWITCHED,
    WAITS,
    ApplianceHouse,
    WrongError,
    password_file,
)
from tests.appliance.machine import BOOT_S, Disk
from tests.appliance.shell import done, folder, is_done, say
from tests.appliance.terminal import Terminal
from tests.system.process_house import REMOTE, USUAL

if TYPE_CHECKING:
    from tests.appliance.image import Image
    from tests.appliance.machine import Machine
    from tests.system.process_house import Wired

CARD = "panel-door-card.html"
KW_BEHIND_EACH = 10.0
"""Enough load for the meter's register to move during the test."""

_ADD_HUB = f"loadshed broker add-user {HUB} --role device --password-file /run/{HUB} " + " ".join(
    f"--circuit {circuit}" for circuit in SWITCHED
)
_ADD_RECORDER = f"loadshed broker add-user {RECORDER} --role integrator --password-file /run/{RECORDER}"
_ADD_PERSON = f"loadshed broker add-user {PERSON} --role person --password-file /run/{PERSON}"

# What a hundred outages can afford, and a broker whose memories are some seconds old.
_HURRIED = (
    "base64 -d <<<{coded} >>/etc/loadshed/installer.toml && loadshed check >/dev/null && "
    "sed -i 's/^autosave_interval .*/autosave_interval 5/' /etc/mosquitto/conf.d/loadshed.conf"
)


@dataclass(frozen=True, slots=True)
class Commissioned:
    """What was seen at the terminal. `screen`: all of it. `card`: the page that was printed."""

    screen: str
    card: Path


def commissioned(image: Image, *, anew: bool) -> Image:
    """Return the image as setup left it, its waits shortened for what follows; `anew`: whatever was kept."""
    logins = folder() / "logins"
    with_it = replace(image, disk=folder() / "commissioned.qcow2", logins=logins)
    stamp = folder() / "commissioned.stamp"
    made_from = (str(image.disk.stat().st_mtime_ns), hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), WAITS)
    if anew or not is_done(stamp, made_from):
        stamp.unlink(missing_ok=True)
        logins.mkdir(exist_ok=True)
        say("commissioning it at its terminal")
        seen = asyncio.run(_commission(replace(image, logins=logins), with_it.disk))
        (folder() / "terminal.txt").write_text(seen.screen, encoding="utf-8")
        say(f"commissioned: what was said is in {folder() / 'terminal.txt'}, the card is {seen.card}")
        done(stamp, made_from)
    return with_it


async def _commission(image: Image, disk: Path) -> Commissioned:
    for name in (HUB, RECORDER, PERSON):
        password_file(image.logins or folder(), name).unlink(missing_ok=True)
    layers = Disk(image.disk, folder() / "commissioning.qcow2")
    async with ApplianceHouse(image, folder(), KW_BEHIND_EACH) as house:
        await house.machine.power_on(layers.begin())
        await house.machine.is_up()
        terminal = await Terminal.at(house.machine)
        try:
            await _setup(house, terminal, image)
            await _is_protected(house)
            await _looks_round(terminal)
        finally:
            (folder() / "terminal.txt").write_text(terminal.screen, encoding="utf-8")
            await house.keep_journal(folder())
        terminal.leaves()
        card = await _copied(house.machine)
        await _hurried(house.machine)
        await house.machine.shut_down()
    layers.keep(disk)
    return Commissioned(terminal.screen, card)


RECAP = "To change an answer, type its word"


# --- at the terminal -------------------------------------------------------------------------------------------------


async def _setup(house: ApplianceHouse, person: Terminal, image: Image) -> None:
    """Answer all questions of setup. Raises CannotError, WrongError if it does not end with a started unit."""
    person.begins("loadshed setup")
    await _broker(person)
    await _contact(house, person)
    await _meter(person)
    for space, circuit in enumerate(USUAL, 1):
        await _circuit(person, circuit, space)
    await person.reads("Circuit [done]")
    await _let_in(house, image)
    person.types("")
    await person.answers(("Enter: write this", ""))
    await _proved(house, person)
    await person.reads(f"Written: /etc/loadshed/{CARD}.")
    await person.answers(("Start the controller now, and at each boot?", ""))
    await person.reads("It runs.")
    if code := await person.ended():
        raise WrongError(f"setup ended with {code}:\n{person.screen}")


async def _broker(person: Terminal) -> None:
    await person.answers(
        ("Name of this house [home]", ""),
        ("Its host [127.0.0.1]", ""),
        ("Its port [1883]", ""),
        (RECAP, ""),
        ("own Mosquitto, with a password and an access list for each client? [Y/n]", ""),
    )
    await person.reads("a message came back after")


async def _contact(house: ApplianceHouse, person: Terminal) -> None:
    await person.answers(("Is it on a pin of this Pi", ""), ("BCM number of its pin [17]", ""), (RECAP, ""))
    await person.reads("It reads CLOSED (utility) now.")
    await person.reads("Open it now")
    await house.contact(is_open=True)
    await person.reads("seen: OPEN (standby)")
    await person.reads("Close it now")
    await house.contact(is_open=False)
    await person.reads("Seen closed and open. The result is saved.")


async def _meter(person: Terminal) -> None:
    await person.answers(("Is there a meter?", "y"), ("look on every port)", "-"))
    await person.reads("a meter answers at id 1.")
    await person.reads("The meter identifies itself as ")
    await person.answers(("Its model number", ""), ("10 Wh output", ""), ("1 kWh output", ""), (RECAP, ""))


async def _circuit(person: Terminal, circuit: Wired, space: int) -> None:
    name, tag = circuit.id.replace("-", " ").capitalize(), circuit.tag[0]
    rank = f" {circuit.rank}" if circuit.tag == "nonessential" else ""
    await person.answers(("Circuit [done]", f"{space} {name} {circuit.breaker} {tag} 20A{rank}"))
    await person.reads(f"{name}, space {space}:")


async def _let_in(house: ApplianceHouse, image: Image) -> None:
    """Create users and passwords for the outside clients, from a second terminal."""
    for name, command in ((HUB, _ADD_HUB), (RECORDER, _ADD_RECORDER), (PERSON, _ADD_PERSON)):
        await house.machine.must(command)
        password = await house.machine.must(f"cat /run/{name}")
        password_file(image.logins or folder(), name).write_text(password, encoding="utf-8")
    async with asyncio.timeout(BOOT_S):
        await asyncio.gather(house.recorder.connected.wait(), house.hub.connected.wait())
    try:
        await (
            await MqttConnection.open(replace(house.recorder_login, username=None, password_file=None), "stranger")
        ).close()
    except BrokerError:
        return
    raise WrongError("the broker let in somebody without a name")


async def _proved(house: ApplianceHouse, person: Terminal) -> None:
    """Have each breaker proved that may be commanded, and look outside whether it was."""
    await person.answers(("Measure each circuit's demand too", "y"))
    proved = [circuit.id for circuit in USUAL if circuit.breaker in REMOTE and not circuit.more]
    await person.answers(("Test all of them, one after the other", "y"))
    for circuit in proved:
        await person.answers((" turn off? [y/n]", "y"))
        fell = await person.reads("demand fell by ") + await person.reads(" kW,")
        say(f"    {circuit}: fell by{fell.rpartition('fell by')[2]}")
    await person.reads(f"{len(proved)} of {len(proved)} circuits that can be switched have passed.")
    told = [(one.circuit, one.word) for one in house.hub.log]
    if told != [(circuit, word) for circuit in proved for word in ("OFF", "ON")]:
        raise WrongError(f"setup was to switch {proved} off and on, and this is what came: {told}")


# --- what came of it -------------------------------------------------------------------------------------------------


async def _is_protected(house: ApplianceHouse) -> None:
    """Let the switch transfer. Raises WrongError if the house does not shed and restore as configured."""
    await house.machine.must("systemctl is-enabled --quiet loadshed")
    await house.until(lambda: house.is_quiet(0), "the Pi says that all is well", BOOT_S)
    # The broker's retained messages count once utility has been stable: before, the earlier state is unknown.
    await house.on_disk(Position.ON, SWITCHED)
    await house.contact(is_open=True)
    await house.until(lambda: house.at(Position.OFF) == {*SHED}, "everything nonessential is off", BOOT_S)
    await house.until(lambda: house.last("controller/state").get("state") == "standby", "it says standby", BOOT_S)
    say(f"    contact open: off are {', '.join(sorted(house.at(Position.OFF)))}, and nothing else")
    mark = house.mark
    await house.contact(is_open=False)
    await house.until(lambda: house.is_quiet(mark), "all is given back", BOOT_S)
    if off := house.at(Position.OFF):
        raise WrongError(f"the contact is closed again, and these are off: {off}")
    say("    contact closed: everything is on again")


async def _looks_round(person: Terminal) -> None:
    """Run the commands that an electrician runs before leaving; all output goes into the screen."""
    for command in ("loadshed check", "loadshed status", "loadshed ready", "loadshed outages", "loadshed report"):
        code = await person.runs(command)
        say(f"    {command}: {code}")


async def _copied(machine: Machine) -> Path:
    card = folder() / CARD
    text = await machine.must(f"cat /etc/loadshed/{CARD}")
    card.write_text(text, encoding="utf-8")
    if missing := [one.id for one in USUAL if one.id.replace("-", " ").capitalize() not in text]:
        raise WrongError(f"the card says nothing of {missing}")
    return card


async def _hurried(machine: Machine) -> None:
    await machine.must(_HURRIED.format(coded=base64.b64encode(WAITS.encode()).decode()))
