"""Step of setup: the circuits, one line each, and what a transfer is to do to them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from clients.broker_admin.acl import CONTROLLER_NAME
from clients.setup.breaker_client import circuits_on_bus
from clients.setup.circuit_line import FORM, HELP, CircuitAnswer, circuit_of, harm_of, read_line
from clients.setup.prompt import by_key, or_nothing
from clients.terminal.tables import table
from controller.config.circuits import RESERVED
from controller.config.model import NAME, CircuitSettings
from controller.config.validators import InvalidValueError, Spaces
from hw.broker_socket import BrokerError
from rules.controllability import controllable, sheddable, uncontrollable_reason
from rules.panel import Circuit, CircuitId, Kind, Panel, Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.setup.prompt import Prompt
    from clients.setup.session import SetupSession

DONE = "done"
_HEADS = ("space", "circuit", "id", "breaker", "at a transfer")


async def circuits(ground: SetupSession) -> bool:
    """Add, change and remove circuits until the user accepts the list, then write it. False: there is no circuit."""
    person, panel = ground.prompt, ground.panel
    person.say(f"The panel, one line for each breaker handle, such as: {FORM}")
    person.say(HELP)
    person.say('The name of a known circuit changes it; "remove NAME" removes it; "done" ends.')
    _list(person, panel)
    on_bus = await _on_bus(ground)
    while True:
        answer = await person.ask("Circuit", DONE)
        if answer == DONE:
            _list(person, panel)
            answer = await person.ask("Enter: write this. To change a circuit, type its name", "")
            if not answer:
                break
        panel = await _changed(person, panel, answer, on_bus)
    if panel != ground.panel:
        ground.write_panel(panel)
    if any(controllable(circuit) for circuit in panel) and ground.installer.broker.username == CONTROLLER_NAME:
        person.say("Each breaker logs in with a name of its own: `sudo loadshed broker add-user NAME --role device`.")
    person.say("If the controller is running: `systemctl reload loadshed` loads the new file.")
    if not len(panel):
        person.say("There is no circuit: nothing would be shed.")
    return bool(len(panel))


def _list(person: Prompt, panel: Panel) -> None:
    if not len(panel):
        return
    ordered = sorted(panel, key=lambda circuit: min(circuit.spaces, default=0))
    rows = (("+".join(map(str, one.spaces)), one.name, one.id, one.kind.value, _action(one)) for one in ordered)
    person.say(table(_HEADS, rows))


def _action(circuit: Circuit) -> str:
    """Return what a transfer does to the circuit, and how it is restored."""
    if not sheddable(circuit):
        if circuit.tag is Tag.NONESSENTIAL and not circuit.protected:
            return f"UNCONTROLLABLE ({uncontrollable_reason(circuit)}): stays ON unless switched off manually"
        return "stays on, protected" if circuit.protected else "stays on"
    ways = {
        Restore.AUTO: "restored automatically",
        Restore.ASK: "restored on request",
        Restore.NEVER: "stays off until a user switches it on",
    }
    rest = f", minimum off time {circuit.min_off_s:g} s" if circuit.min_off_s else ""
    return f"shed, rank {circuit.rank}; {ways[circuit.restore]}{rest}"


async def _on_bus(ground: SetupSession) -> frozenset[str]:
    """Return the circuits whose device has reported on MQTT; empty, with a message, if the broker is unavailable."""
    try:
        return await circuits_on_bus(ground.broker, ground.site)
    except BrokerError as error:
        ground.prompt.say(f"Breakers that report on MQTT cannot be listed: {error}")
        return frozenset()


# --- one circuit -----------------------------------------------------------------------------------------------------


async def _changed(person: Prompt, panel: Panel, text: str, on_bus: frozenset[str]) -> Panel:
    """Return the panel after one line of the user: a circuit added, changed or removed."""
    if text.startswith("remove "):
        return _without(person, panel, text.removeprefix("remove ").strip())
    if (old := _known(panel, text)) is not None:
        return _with(panel, await _details(person, old))
    try:
        answer = read_line(text)
        if not answer.complete:
            answer = await _completed(person, answer)
        old = _known(panel, answer.name)
        circuit_id = old.id if old is not None else _fresh_id(panel, answer.name)
        circuit = circuit_of(answer, circuit_id, old.amps if old is not None else None)
    except InvalidValueError as refusal:
        person.say(f"{refusal}. Write it like this: {FORM}")
        return panel
    if (taken := _in_the_same_space(panel, circuit)) is not None:
        person.say(f"Not taken: {taken.name} is in that space.")
        return panel
    person.say(f"  {circuit.label}: {_action(circuit)}.")
    if (harm := harm_of(circuit)) is not None:
        person.say(f"  MIND: it is switched off in every outage, also in one of days: {harm}.")
    if controllable(circuit) and circuit.id not in on_bus:
        person.say(f"  Its breaker has not reported on MQTT yet (id {circuit.id}).")
    return _with(panel, circuit)


def _without(person: Prompt, panel: Panel, name: str) -> Panel:
    found = _known(panel, name)
    if found is None:
        person.say(f"There is no circuit {name}.")
        return panel
    return Panel.of(*(circuit for circuit in panel if circuit.id != found.id))


def _with(panel: Panel, circuit: Circuit) -> Panel:
    return Panel({**panel.circuits, circuit.id: circuit})


def _known(panel: Panel, name: str) -> Circuit | None:
    lower = name.lower()
    return next((circuit for circuit in panel if lower in (circuit.id, circuit.name.lower())), None)


def _in_the_same_space(panel: Panel, circuit: Circuit) -> Circuit | None:
    taken = (one for one in panel if one.id != circuit.id and set(one.spaces) & set(circuit.spaces))
    return next(taken, None)


async def _completed(person: Prompt, answer: CircuitAnswer) -> CircuitAnswer:
    """Return the answer with what its line did not say. Raises `InvalidValueError`."""
    name = answer.name or await person.ask("Its name")
    missing = [
        word
        for word, value in (("spaces", answer.spaces), ("breaker", answer.kind), ("n or e", answer.tag))
        if value is None
    ]
    more = read_line(await person.ask(f"{name}: {', '.join(missing)}", "gen2 e" if answer.spaces else ""))
    return CircuitAnswer(
        answer.spaces or more.spaces,
        name,
        answer.kind or more.kind,
        answer.tag or more.tag,
        answer.rank or more.rank,
        answer.amps or more.amps,
    )


def slug(name: str) -> str:
    """Return a name as it may be used in topics."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")


def _fresh_id(panel: Panel, name: str) -> CircuitId:
    """Return an id for a new circuit, made from its name. Raises `InvalidValueError`."""
    base = slug(name) or "circuit"
    wanted = base if base not in RESERVED else f"{base}-circuit"
    names = (wanted, *(f"{wanted[:60]}-{number}" for number in range(2, 1000)))
    return CircuitId(str(NAME.read(next(one for one in names if CircuitId(one) not in panel))))


async def _details(person: Prompt, old: Circuit) -> Circuit:
    """Return a known circuit with each of its settings asked; what is offered is what it has now."""
    person.say(f"{old.label}: Enter keeps what is in brackets.")
    circuit = replace(
        old,
        spaces=await person.value("Space, or both of two poles (9+11)", _read_spaces, "+".join(map(str, old.spaces))),
        kind=Kind(await person.choose("Breaker", [kind.value for kind in Kind], old.kind.value)),
        tag=Tag(await person.choose("Tag", [tag.value for tag in Tag], old.tag.value)),
        amps=await person.value(
            'Rating in A ("-": unknown)',
            or_nothing(lambda answer: cast("float", by_key(CircuitSettings, "amps")(answer))),
            f"{old.amps:g}" if old.amps else "-",
        ),
    )
    if circuit.tag is Tag.ESSENTIAL:
        question = "Protected (never commanded): does it supply this controller, the network, or a safety device?"
        return replace(circuit, protected=await person.confirm(question, default=old.protected))
    circuit = replace(circuit, protected=False)
    return await _shed(person, circuit) if controllable(circuit) else circuit


async def _shed(person: Prompt, circuit: Circuit) -> Circuit:
    """Return a circuit that is shed, with its rank and how it is restored."""
    rank = await person.value("Rank, 1 (restored first) to 9 (shed first)", _number("rank"), str(circuit.rank))
    restore = await person.choose("Restored", [way.value for way in Restore], circuit.restore.value)
    rest = "Minimum off time in s (300 for a compressor)"
    min_off_s = await person.value(rest, _number("min_off_s"), f"{circuit.min_off_s:g}")
    return replace(circuit, rank=int(rank), restore=Restore(restore), min_off_s=float(min_off_s))


def _number(key: str) -> Callable[[str], float]:
    read = by_key(CircuitSettings, key)
    return lambda answer: cast("float", read(answer))


def _read_spaces(answer: str) -> tuple[int, ...]:
    words = answer.replace(",", " ").replace("+", " ").split()
    spaces = [int(word) for word in words if word.isascii() and word.isdigit()]
    return Spaces().read(spaces if len(spaces) == len(words) and spaces else answer)
