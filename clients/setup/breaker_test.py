"""Each breaker proved: off and on again, with consent, and put back as it was whatever happens in between."""

from __future__ import annotations

import asyncio
import time
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
from rules.panel import CircuitId, Position

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
    """Switch each controllable circuit off and on, where the person agrees; return whether all of them obeyed."""
    person = ground.prompt
    if (why := await _not_now(ground)) is not None:
        person.say(f"Not now: {why}")
        return False
    await _earlier_ones(ground)
    demand = await _way_to_measure(ground)
    proved = [await _one(ground, circuit, demand) for circuit in ground.house_panel if _may_be_proved(ground, circuit)]
    person.say(f"{sum(proved)} of {len(proved)} circuits that can be switched have obeyed.")
    for left in ground.seen.left_off:
        person.say(f"MIND: {left} IS LEFT OFF.")
    return all(proved) and not ground.seen.left_off


def _may_be_proved(ground: SetupSession, circuit: Circuit) -> bool:
    if not controllable(circuit):
        return False
    if shed_by_panel(circuit):
        ground.prompt.say(f"{circuit.name}: Leviton sheds it; loadshed watches and sends no command.")
    elif not commandable(circuit):
        ground.prompt.say(f"{circuit.name}: protected; no command is sent to it.")
    return commandable(circuit)


async def _earlier_ones(ground: SetupSession) -> None:
    """Offer to restore what an earlier setup switched off and did not see on again."""
    for left in ground.seen.left_off:
        circuit = ground.panel.circuits.get(CircuitId(left))
        question = f"An earlier setup ended while {left} was off and did not see it on again. Switch it on now?"
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
    if told.availability == "online":
        return _not_quiet(told)
    try:
        async with contact_monitor(ground.installer.contact, ground.configuration) as watch:
            is_open = await watch.first()
    except UnreadableError as error:
        return f"the contact cannot be read, so the source is unknown: {error}"
    return "the contact is open: the house is on standby, and what is off there stays off" if is_open else None


def _not_quiet(told: HouseStatus) -> str | None:
    state = told.state or {}
    if state.get("state") == "utility" and state.get("source") == "utility" and not state.get("owed"):
        return None
    return f"the controller is running, and busy ({state.get('state')}): circuits are its alone until it is on utility"


async def _way_to_measure(ground: SetupSession) -> LoadMeasurement | None:
    told = await fetch_status(ground.broker, ground.site)
    running = told.availability == "online"
    if running:
        ground.prompt.say("The controller is running: it does the switching, at your request.")
    demand = demand_of(ground, _site(ground), running=running)
    if demand is None or not await ground.prompt.confirm(f"Measure each circuit's demand too ({demand.takes})?"):
        return None
    return demand


def _site(ground: SetupSession) -> Site:
    meter = ground.installer.meter
    return Site(ground.site, ground.broker, meter.poll_s) if meter else Site(ground.site, ground.broker)


# --- one circuit -----------------------------------------------------------------------------------------------------


async def _one(ground: SetupSession, circuit: Circuit, demand: LoadMeasurement | None) -> bool:
    """Prove one circuit if the person agrees; return whether it has obeyed, now or earlier."""
    person = ground.prompt
    rests = f", {circuit.min_off_s:g} s of rest between" if circuit.min_off_s else ""
    if not await person.confirm(f"{circuit.name} ({circuit.id}): switch it off and on again now{rests}?"):
        return circuit.id in ground.seen.proofs
    try:
        if (why := await _not_now(ground)) is not None:
            person.say(f"Not now: {why}")
            return False
        proof = await _proof(ground, circuit, demand)
    except (BrokerError, RefusedError, LeftOffError) as error:
        person.say(f"{circuit.name}: NOT PROVED: {error}")
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
        await bus.may_come_on(circuit.id)
        on_kw = await _measured(ground, demand)
        off_kw: float | None = None
        ground.keep(ground.seen.about_to_switch_off(circuit.id))
        began = time.monotonic()
        try:
            off_s = await bus.switch(circuit.id, Position.OFF)
            if off_s is not None:
                person.say(f"{circuit.name}: off, it says, after {format_duration(off_s)}.")
                off_kw = await _measured(ground, demand)
        finally:
            # Ctrl-C and a broker that went away end here as well.
            on_s = await _given_back(ground, circuit, began + circuit.min_off_s)
    if off_s is None:
        person.say(f"{circuit.name}: three commands to go off brought no report. Look at its breaker and its hub.")
        return None
    drop_kw = _drop(ground, circuit, on_kw, off_kw)
    return BreakerTestResult(now_utc(), round(off_s, 3), round(on_s, 3), drop_kw)


def _why_not(site: str, circuit: Circuit, position: Position | None) -> str:
    if position is None:
        return (
            f"{circuit.name}: not tested: its breaker has never reported its position. It must publish it retained on "
            f"{SiteTopics(site).breaker_state(circuit.id)}."
        )
    return f"{circuit.name}: not tried: it is {position.value}, and setup switches nothing on that was not on."


async def _on_bus(ground: SetupSession) -> AbstractAsyncContextManager[BreakerClient]:
    """Return the connection to the breakers: through the controller if it runs, which may have changed."""
    told = await fetch_status(ground.broker, ground.site)
    if told.availability == "online" and (why := _not_quiet(told)) is not None:
        raise RefusedError(why)
    confirm_s = ground.installer.shed.confirm_s
    through = told.availability == "online"
    return breaker_client(ground.broker, ground.site, through_controller=through, confirm_s=confirm_s)


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
    person.say(f"{circuit.name}: on again, it says, after {format_duration(on_s)}.")
    return on_s


async def _tried_on(ground: SetupSession, circuit: Circuit) -> tuple[float | None, str]:
    """Return how long the report took; None, after an explanation, if there was none in a sensible time."""
    until = time.monotonic() + ground.timeouts.restore_s
    while True:
        trouble = "three commands to go on brought no report"
        try:
            async with await _on_bus(ground) as bus:
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
    """Return what the circuit draws by the meter, and say it; None: not to be known."""
    if on_kw is None or off_kw is None:
        return None
    if on_kw == 0.0:
        ground.prompt.say(f"{circuit.name}: its load is too small for the meter.")
        return None
    drop_kw = round(on_kw - off_kw, 2)
    ground.prompt.say(f"{circuit.name}: demand fell by {drop_kw:.1f} kW, from {on_kw:.1f} to {off_kw:.1f}.")
    if drop_kw <= 0:
        ground.prompt.say("  Nothing ran there, or the CTs do not see it: `loadshed meter doctor` with a known load.")
    return drop_kw
