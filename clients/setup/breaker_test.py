"""Test of each breaker: off and on again, with consent, confirmed by the device and by the user."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from clients.bus_client.site import Site
from clients.bus_client.status import fetch_status
from clients.setup.breaker_client import RefusedError, breaker_client
from clients.setup.contact_monitor import UnreadableError, contact_monitor
from clients.setup.load_measurement import demand_of
from clients.setup.session import now_utc
from clients.setup.setup_record import BreakerTestResult
from clients.terminal.tables import format_duration
from controller.bus.topics import SiteTopics
from hw.broker_socket import BrokerError
from rules.controllability import commandable, controllable, shed_by_panel
from rules.panel import CircuitId, Panel, Position

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from clients.bus_client.status import HouseStatus
    from clients.setup.breaker_client import BreakerClient
    from clients.setup.load_measurement import LoadMeasurement
    from clients.setup.session import SetupSession
    from rules.panel import Circuit

AGAIN_S = 1.0


class LeftOffError(Exception):
    """A circuit was switched off and could not be seen on again. The text says what is left to do."""


async def run_breaker_tests(ground: SetupSession) -> bool:
    """Switch each controllable circuit off and on, if the user agrees; return whether all of them passed."""
    person = ground.prompt
    if (why := await _not_now(ground)) is not None:
        person.say(f"Not now: {why}")
        return False
    await _earlier_ones(ground)
    demand = await _way_to_measure(ground)
    there = [circuit for circuit in ground.house_panel if _may_be_proved(ground, circuit)]
    names = ", ".join(circuit.name for circuit in there)
    every = len(there) > 1 and await person.confirm(f"Test all of them, one after the other: {names}?")
    proved = [await _one(ground, circuit, demand, asked=every) for circuit in there]
    person.say(f"{sum(proved)} of {len(proved)} circuits that can be switched have passed.")
    for left in ground.seen.left_off:
        person.say(f"MIND: {_name(ground, left)} IS LEFT OFF.")
    return all(proved) and not ground.seen.left_off


def _may_be_proved(ground: SetupSession, circuit: Circuit) -> bool:
    if not controllable(circuit):
        return False
    if shed_by_panel(circuit):
        ground.prompt.say(f"{circuit.name}: Leviton sheds it; loadshed watches and sends no command.")
    elif not commandable(circuit):
        ground.prompt.say(f"{circuit.name}: protected; no command is sent to it.")
    return commandable(circuit)


def _name(ground: SetupSession, circuit: str) -> str:
    found = ground.panel.circuits.get(CircuitId(circuit))
    return circuit if found is None else found.label


async def _earlier_ones(ground: SetupSession) -> None:
    """Offer to restore what an earlier setup switched off and did not see on again."""
    for left in ground.seen.left_off:
        circuit = ground.panel.circuits.get(CircuitId(left))
        question = f"An earlier setup ended while {_name(ground, left)} was off. Switch it on now?"
        if circuit is None or not commandable(circuit) or not await ground.prompt.confirm(question):
            continue
        try:
            await _given_back(ground, circuit, time.monotonic())
        except LeftOffError as error:
            ground.prompt.say(str(error))


# --- whether, and how ------------------------------------------------------------------------------------------------


async def _not_now(ground: SetupSession) -> str | None:
    """Return why nothing may be switched: the house is on standby, or the source is unknown; None if it may."""
    try:
        told = await fetch_status(ground.broker, ground.site)
    except BrokerError as error:
        return str(error)
    if told.alive:
        return _not_quiet(told)
    try:
        async with contact_monitor(ground.installer.contact, ground.configuration) as watch:
            is_open = await watch.first()
    except UnreadableError as error:
        return f"the contact cannot be read, so the source is unknown: {error}"
    return "the contact is open: the house is on standby, and what is off there stays off" if is_open else None


def _not_quiet(told: HouseStatus) -> str | None:
    """Return why the running controller cannot switch at the user's request now; None: it can."""
    state = told.state or {}
    owed = state.get("owed")
    reasons = {
        "the contact position is unknown": state.get("source") == "unknown",
        "the house is on its generator": state.get("source") == "standby",
        "a drill is running: `loadshed drill --end` ends it": state.get("kind") == "drill",
        "circuits are being restored after an outage: try again in some minutes": state.get("state") != "utility",
        "circuits of an earlier outage are still to be restored: `loadshed status` lists them": bool(owed),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


async def _quiet(ground: SetupSession) -> str | None:
    """Wait until the controller has finished the last test; return why nothing may be switched, None if it may."""
    until = time.monotonic() + ground.timeouts.restore_s
    while True:
        why = await _not_now(ground)
        if why is None or time.monotonic() >= until:
            return why
        await asyncio.sleep(AGAIN_S)


async def _way_to_measure(ground: SetupSession) -> LoadMeasurement | None:
    told = await fetch_status(ground.broker, ground.site)
    running = told.alive
    if running:
        ground.prompt.say("The controller is running: it switches, at your request.")
    demand = demand_of(ground, _site(ground), running=running)
    if demand is None or not await ground.prompt.confirm(f"Measure each circuit's demand too ({demand.takes})?"):
        return None
    return demand


def _site(ground: SetupSession) -> Site:
    meter = ground.installer.meter
    return Site(ground.site, ground.broker, meter.poll_s) if meter else Site(ground.site, ground.broker)


# --- one circuit -----------------------------------------------------------------------------------------------------


async def _one(ground: SetupSession, circuit: Circuit, demand: LoadMeasurement | None, *, asked: bool) -> bool:
    """Test one circuit if the user agrees; return whether it has passed, now or earlier. `asked`: has agreed."""
    person = ground.prompt
    rests = f", with {circuit.min_off_s:g} s between" if circuit.min_off_s else ""
    if not (asked or await person.confirm(f"{circuit.label}: switch it off and on again now{rests}?")):
        return circuit.id in ground.seen.proofs
    try:
        if (why := await _quiet(ground)) is not None:
            person.say(f"Not now: {why}")
            return False
        proof = await _proof(ground, circuit, demand)
    except (BrokerError, RefusedError, LeftOffError) as error:
        person.say(f"{circuit.name}: NOT TESTED: {error}")
        return False
    if proof is None:
        return False
    ground.keep(ground.seen.with_test_result(circuit.id, proof))
    return True


async def _proof(ground: SetupSession, circuit: Circuit, demand: LoadMeasurement | None) -> BreakerTestResult | None:
    """Switch the circuit off and on. Return the result; None if it did not report, or was not on."""
    person = ground.prompt
    async with await _on_bus(ground) as bus:
        position = bus.positions.get(circuit.id)
        if position is not Position.ON:
            person.say(_why_not(ground.site, circuit, position))
            return None
        on_kw = await _measured(ground, demand)
        off_kw: float | None = None
        went_off = False
        ground.keep(ground.seen.about_to_switch_off(circuit.id))
        began = time.monotonic()
        try:
            off_s = await _switched_off(ground, bus, circuit)
            if off_s is not None:
                person.say(f"{circuit.name}: its device reports off after {format_duration(off_s)}.")
                off_kw = await _measured(ground, demand)
                went_off = await _went_off(ground, circuit)
        finally:
            # Ctrl-C and a broker that went away end here as well.
            if circuit.id in ground.seen.left_off:
                on_s = await _given_back(ground, circuit, began + circuit.min_off_s)
    if off_s is None:
        person.say(f"{circuit.name}: no report after three OFF commands. Check its breaker and its hub.")
        return None
    if not went_off:
        await _crossed(ground, circuit)
        return None
    drop_kw = _drop(ground, circuit, on_kw, off_kw)
    return BreakerTestResult(now_utc(), round(off_s, 3), round(on_s, 3), drop_kw)


async def _went_off(ground: SetupSession, circuit: Circuit) -> bool:
    """Return whether the user saw this circuit, and no other, go off: a device reports its own relay only."""
    return await ground.prompt.answer_yes_no(f"Did {circuit.label} turn off?")


async def _crossed(ground: SetupSession, circuit: Circuit) -> None:
    """Report that another circuit went off, and offer to exchange the two in circuits.toml."""
    person = ground.prompt
    person.say(f"CROSSED: the device of {circuit.id} reported off, and {circuit.label} stayed on.")
    others = [one for one in ground.panel if one.id != circuit.id]
    listed = ", ".join(f"{'+'.join(map(str, one.spaces))} {one.name}" for one in others)
    answer = await person.ask(f"Which space went off instead ({listed})? Enter: unknown")
    other = next((one for one in others if answer and answer in (*map(str, one.spaces), one.id, one.name)), None)
    if other is None:
        person.say("Find out which breaker this device switches, and correct circuits.toml or the device's topic.")
        return
    if await person.confirm(f"Exchange {circuit.name} and {other.name} in circuits.toml?", default=True):
        swapped = {circuit.id: replace(other, id=circuit.id), other.id: replace(circuit, id=other.id)}
        ground.write_panel(Panel({one.id: swapped.get(one.id, one) for one in ground.panel}))
        person.say("Exchanged. Test both again: `loadshed setup prove`. A running controller needs a reload.")


async def _switched_off(ground: SetupSession, bus: BreakerClient, circuit: Circuit) -> float | None:
    """Switch the circuit off; return the time of its report. Raises RefusedError, and then nothing was switched."""
    try:
        return await bus.switch(circuit.id, Position.OFF)
    except RefusedError:
        ground.keep(ground.seen.back_on(circuit.id))
        raise


def _why_not(site: str, circuit: Circuit, position: Position | None) -> str:
    if position is None:
        return (
            f"{circuit.name}: not tested: its breaker has never reported its position. It must publish it retained on "
            f"{SiteTopics(site).breaker_state(circuit.id)}."
        )
    return f"{circuit.name}: not tested: it is {position.value}, and setup turns nothing on that was not on."


async def _on_bus(ground: SetupSession, *, restoring: bool = False) -> AbstractAsyncContextManager[BreakerClient]:
    """Return the connection to the breakers: through the controller if it runs, which may have changed.

    `restoring`: a circuit is to be switched on again, whatever the controller is doing. Raises RefusedError if it is
    busy otherwise.
    """
    told = await fetch_status(ground.broker, ground.site)
    if not restoring and told.alive and (why := _not_quiet(told)) is not None:
        raise RefusedError(why)
    confirm_s = ground.installer.shed.confirm_s
    through = told.alive
    circuits = tuple(ground.configuration.panel.circuits)
    return breaker_client(ground.broker, ground.site, circuits, through_controller=through, confirm_s=confirm_s)


async def _given_back(ground: SetupSession, circuit: Circuit, not_before: float) -> float:
    """Switch the circuit on again, once it has rested, and return how long its report took. Raises LeftOffError."""
    person = ground.prompt
    left_off = (
        f"{circuit.name} IS LEFT OFF, as far as can be seen. Switch it on by hand at the panel, or "
        f"`loadshed ask on {circuit.id}` once the controller runs"
    )
    try:
        if (rest_s := not_before - time.monotonic()) > 0:
            person.say(f"{circuit.name}: on again in {rest_s:.0f} s; Ctrl-C now would leave it off.")
            await asyncio.sleep(rest_s)
        on_s, trouble = await _tried_on(ground, circuit)
    except asyncio.CancelledError:
        person.say(left_off + ".")
        raise
    if on_s is None:
        raise LeftOffError(f"{left_off}: {trouble}")
    ground.keep(ground.seen.back_on(circuit.id))
    person.say(f"{circuit.name}: its device reports on again after {format_duration(on_s)}.")
    return on_s


async def _tried_on(ground: SetupSession, circuit: Circuit) -> tuple[float | None, str]:
    """Return how long the report took; None, after an explanation, if there was none in a sensible time."""
    until = time.monotonic() + ground.timeouts.restore_s
    while True:
        trouble = "no report after three ON commands"
        try:
            async with await _on_bus(ground, restoring=True) as bus:
                on_s = await bus.switch(circuit.id, Position.ON)
            if on_s is not None:
                return on_s, ""
        except (BrokerError, RefusedError) as error:
            trouble = str(error)
        if time.monotonic() >= until:
            return None, trouble
        await asyncio.sleep(AGAIN_S)


# --- demand ----------------------------------------------------------------------------------------------------------


async def _measured(ground: SetupSession, demand: LoadMeasurement | None) -> float | None:
    if demand is None:
        return None
    ground.prompt.say("  measuring …")
    return await demand.kw()


def _drop(ground: SetupSession, circuit: Circuit, on_kw: float | None, off_kw: float | None) -> float | None:
    """Return what the circuit draws by the meter, and show it; None: unknown."""
    if on_kw is None or off_kw is None:
        return None
    if on_kw == 0.0:
        ground.prompt.say(f"{circuit.name}: its load is too small for the meter.")
        return None
    drop_kw = round(on_kw - off_kw, 2)
    ground.prompt.say(f"{circuit.name}: demand fell by {drop_kw:.1f} kW, from {on_kw:.1f} to {off_kw:.1f}.")
    if drop_kw <= 0:
        ground.prompt.say(
            "  Nothing ran there, or the CTs do not measure it: use `loadshed meter doctor` with a known load."
        )
    return drop_kw
