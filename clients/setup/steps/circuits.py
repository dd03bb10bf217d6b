"""The circuits, one by one: what hangs on each handle, and what a transfer is to do to it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from clients.broker_admin.acl import CONTROLLER_NAME
from clients.setup.breaker_client import circuits_on_bus
from clients.setup.prompt import by_key, or_nothing
from controller.config.advice import named
from controller.config.circuits import RESERVED
from controller.config.load_words import COMPRESSOR, PROTECTED, STARTS_UNATTENDED
from controller.config.model import NAME, CircuitSettings
from controller.config.validators import InvalidValueError, Spaces
from hw.broker_socket import BrokerError
from rules.controllability import controllable, sheddable, uncontrollable_reason
from rules.panel import Circuit, CircuitId, Kind, Panel, Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.setup.prompt import Prompt
    from clients.setup.session import SetupSession

COMPRESSOR_REST_S = 300.0


async def circuits(ground: SetupSession) -> bool:
    """Add, change and remove circuits until the user is done; each is written at once. False: there is none."""
    person = ground.prompt
    person.say("The panel, handle by handle. A name that is known is changed, `remove NAME` takes it out.")
    on_bus = await _on_bus(ground)
    while True:
        _list(ground)
        answer = await person.ask('A circuit, as people call it ("done": all are there)', "done")
        if answer == "done":
            break
        if answer.startswith("remove "):
            _remove(ground, answer.removeprefix("remove ").strip())
            continue
        await _one(ground, answer, on_bus)
    if any(controllable(circuit) for circuit in ground.panel) and ground.installer.broker.username == CONTROLLER_NAME:
        person.say("Each breaker logs in with a name of its own: `sudo loadshed broker add-user NAME --role device`.")
    person.say("A controller that runs takes it in with `systemctl reload loadshed`.")
    if not len(ground.panel):
        person.say("There is no circuit: nothing would be shed.")
    return bool(len(ground.panel))


def _list(ground: SetupSession) -> None:
    for circuit in ground.panel:
        ground.prompt.say(f"  {circuit.id}: {circuit.name}, {_spaces(circuit)}, {circuit.kind.value}, {_fate(circuit)}")


def _spaces(circuit: Circuit) -> str:
    many = "spaces" if len(circuit.spaces) > 1 else "space"
    return f"{many} {' + '.join(map(str, circuit.spaces))}"


def _fate(circuit: Circuit) -> str:
    if sheddable(circuit):
        return f"shed, rank {circuit.rank}"
    if circuit.tag is Tag.NONESSENTIAL:
        return f"UNCONTROLLABLE ({uncontrollable_reason(circuit)}): stays ON unless switched by hand"
    return "stays on, protected" if circuit.protected else "stays on"


async def _on_bus(ground: SetupSession) -> frozenset[str]:
    """Return the circuits whose device has reported on MQTT; empty, with a message, if the broker is unavailable."""
    try:
        return await circuits_on_bus(ground.broker, ground.site)
    except BrokerError as error:
        ground.prompt.say(f"Cannot see which breakers report on MQTT: {error}")
        return frozenset()


def _remove(ground: SetupSession, name: str) -> None:
    found = _known(ground.panel, name)
    if found is None:
        ground.prompt.say(f"There is no circuit {name}.")
        return
    ground.write_panel(Panel.of(*(circuit for circuit in ground.panel if circuit.id != found.id)))


def _known(panel: Panel, name: str) -> Circuit | None:
    return next((circuit for circuit in panel if name in (circuit.id, circuit.name)), None)


def slug(name: str) -> str:
    """Return a name as it may stand in topics."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")


# --- one circuit -----------------------------------------------------------------------------------------------------


async def _one(ground: SetupSession, name: str, on_bus: frozenset[str]) -> None:
    person, old = ground.prompt, _known(ground.panel, name)
    if old is None:
        circuit_id = await person.value("Its name in topics", _fresh_id(ground.panel), slug(name))
        old = Circuit(CircuitId(circuit_id), name, (), Kind.GEN2, Tag.ESSENTIAL)
    circuit = await _asked(person, old)
    if controllable(circuit):
        spoke = circuit.id in on_bus
        person.say(f"Its breaker {'speaks on the bus' if spoke else 'has not been heard on the bus yet'}.")
    others = {one.id: one for one in ground.panel}
    ground.write_panel(Panel({**others, circuit.id: circuit}))


def _fresh_id(panel: Panel) -> Callable[[str], CircuitId]:
    """Return what reads the name of a circuit that is not there yet."""

    def read(answer: str) -> CircuitId:
        name = CircuitId(str(NAME.read(answer)))
        if name in panel or name in RESERVED:
            raise InvalidValueError(f"{name} is taken: use another")
        return name

    return read


async def _asked(person: Prompt, old: Circuit) -> Circuit:
    """Return the circuit as the person says it is; what is offered is what it was, or what its name suggests."""
    circuit = replace(
        old,
        spaces=await person.value(
            "Its space, or both of two poles (9 11)", _read_spaces, " ".join(map(str, old.spaces))
        ),
        kind=Kind(await person.choose("Its breaker", [kind.value for kind in Kind], old.kind.value)),
        tag=Tag(await person.choose("At a transfer it is", [tag.value for tag in Tag], old.tag.value)),
        amps=await person.value(
            'Its rating in A ("-": not written)',
            or_nothing(lambda answer: cast("float", by_key(CircuitSettings, "amps")(answer))),
            f"{old.amps:g}" if old.amps else "-",
        ),
    )
    if circuit.tag is Tag.ESSENTIAL:
        usual = old.protected or named(circuit, PROTECTED)
        says = (
            "Does it supply this controller, the network, or a safety or medical device (then it is never commanded)?"
        )
        return replace(circuit, protected=await person.confirm(says, default=usual))
    circuit = replace(circuit, protected=False)
    if not controllable(circuit):
        person.say(f"Mind: {_fate(circuit)}.")
        return circuit
    return await _shed(person, circuit)


async def _shed(person: Prompt, circuit: Circuit) -> Circuit:
    """Return a circuit that is shed, with how it goes and how it comes back."""
    if circuit.restore is Restore.AUTO and named(circuit, STARTS_UNATTENDED):
        circuit = replace(circuit, restore=Restore.ASK)
    if not circuit.min_off_s and named(circuit, COMPRESSOR):
        circuit = replace(circuit, min_off_s=COMPRESSOR_REST_S)
    rank = await person.value("Its rank, 1 (back first) to 9 (shed first)", _number("rank"), str(circuit.rank))
    how = [way.value for way in Restore]
    restore = await person.choose("It comes back: by itself, when asked, never", how, circuit.restore.value)
    rest = "It must rest between off and on, in s (300 for a compressor)"
    min_off_s = await person.value(rest, _number("min_off_s"), f"{circuit.min_off_s:g}")
    return replace(circuit, rank=int(rank), restore=Restore(restore), min_off_s=float(min_off_s))


def _number(key: str) -> Callable[[str], float]:
    read = by_key(CircuitSettings, key)
    return lambda answer: cast("float", read(answer))


def _read_spaces(answer: str) -> tuple[int, ...]:
    words = answer.replace(",", " ").replace("+", " ").split()
    spaces = [int(word) for word in words if word.isascii() and word.isdigit()]
    return Spaces().read(spaces if len(spaces) == len(words) and spaces else answer)
