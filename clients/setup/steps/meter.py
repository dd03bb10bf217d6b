"""The meter: found on its port and its id, known by its model, and read once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clients.meter_tools.context import MeterToolContext, ask_identity, read_twice
from clients.meter_tools.scan import SCAN_TIMEOUT_S
from clients.setup.prompt import by_key, or_nothing
from clients.setup.recap import confirm_settings
from controller.config.model import MeterSettings
from hw.meter_line import FailureKind, NoResponse, Response, RtuLine
from hw.meter_registers import Block, joined
from hw.models import UnknownModel, parse
from hw.serial_port import port_in_use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clients.setup.prompt import Prompt
    from clients.setup.session import SetupSession

LIKELY_IDS = (1, 2, 3)
ALL_IDS = range(1, 248)

LATE_S = 0.3
"""A timeout that took this much longer was caused by this machine: it stood still."""
_PORTS = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*")
_DEV = Path("/dev")
_QUESTIONS = {
    "port": "Its port, or tcp://host:port",
    "device_id": "Its Modbus id",
    "model": "Its model number",
    "pulse_pin": 'BCM pin of its 10 Wh output ("-": not wired)',
    "pulse_kwh_pin": 'BCM pin of its 1 kWh output ("-": not wired)',
}


async def meter(ground: SetupSession) -> bool:
    """Find the meter and write it to the file, or that there is none; return whether either is settled."""
    person, now = ground.prompt, ground.installer.meter
    person.say("A Series 1000/2000 kWh meter on RS485, with its CTs on the load side of the transfer switch.")
    if not await person.confirm("Is there a meter?", default=now is not None):
        return ground.write_installer(meter=None, meters={})
    found = await _found(ground, now)
    if found is None:
        person.say(
            "No meter was found. `loadshed meter doctor --port PORT` helps to find the cause. Nothing was changed."
        )
        return False
    port, device_id = found
    settings = replace(now or MeterSettings(port), port=port, device_id=device_id)
    settings = await _known(person, settings)
    settings = await confirm_settings(person, "The meter", await _outputs(person, settings), _QUESTIONS)
    return ground.write_installer(meter=settings)


# --- port and id -----------------------------------------------------------------------------------------------------


async def _found(ground: SetupSession, now: MeterSettings | None) -> tuple[str, int] | None:
    """Return the port and the id at which a meter responds; None if none does."""
    person = ground.prompt
    usual = now.port if now else next(iter(ports()), "-")
    port = await person.value(
        'Its port, tcp://host:port, or tcp+modbus://host:port ("-": look on every port)',
        or_nothing(lambda answer: str(by_key(MeterSettings, "port")(answer))),
        usual,
    )
    usual_id = (now.device_id,) if now else ()
    there = [port] if port is not None else [*ports()]
    if not there:
        person.say("There is no serial port on this machine. Check that the adapter is plugged in.")
    for one in there:
        device_id = await _answering(person, one, dict.fromkeys((*usual_id, *LIKELY_IDS)))
        if device_id is not None:
            return one, device_id
    if there and await person.confirm("Ask every id from 1 to 247? It takes up to three minutes a port"):
        for one in there:
            if (device_id := await _answering(person, one, ALL_IDS)) is not None:
                return one, device_id
    return None


def ports() -> tuple[str, ...]:
    """Return the serial ports that may connect to a meter, each once, by its persistent name if it has one."""
    found: dict[Path, str] = {}
    for pattern in _PORTS:
        for path in sorted(_DEV.glob(pattern)):
            found.setdefault(path.resolve(), str(path))
    return tuple(found.values())


async def _answering(person: Prompt, port: str, ids: Iterable[int]) -> int | None:
    if (refusal := port_in_use(port)) is not None:
        person.say(f"{port}: {refusal}")
        return None
    line = RtuLine(port, timeout_s=SCAN_TIMEOUT_S)
    try:
        for device_id in ids:
            heard = await _heard(line, device_id)
            if isinstance(heard, Response):
                person.say(f"{port}: a meter answers at id {device_id}.")
                return device_id
            if heard.failure in (FailureKind.PORT, FailureKind.MODBUS_TCP):
                person.say(heard.reason)
                return None
    finally:
        line.close()
    person.say(f"{port}: no meter answers at the ids that were asked.")
    return None


async def _heard(line: RtuLine, device_id: int) -> Response | NoResponse:
    """Return what an id answers; asked once more where its answer may have come while we stood still."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    heard = await line.read(device_id, Block.UPTIME)
    late = loop.time() - began > SCAN_TIMEOUT_S + LATE_S
    if isinstance(heard, NoResponse) and (late or heard.failure is FailureKind.PORT):
        return await line.read(device_id, Block.UPTIME)
    return heard


# --- what it is ------------------------------------------------------------------------------------------------------


async def _known(person: Prompt, settings: MeterSettings) -> MeterSettings:
    """Return the settings with its model, as it says itself or as stands on its label; show what it reads."""
    bench = MeterToolContext(settings.port, person.say, settings.device_id)
    line = RtuLine(settings.port)
    try:
        words = await read_twice(line, settings.device_id, Block.ENERGY)
        reads = words.reason if isinstance(words, NoResponse) else f"{joined(words) / 10:.1f} kWh"
        person.say(f"Its register: {reads}. Does its display say the same?")
        identity = await ask_identity(bench, line)
    finally:
        line.close()
    says = identity.model if identity else None
    if says:
        person.say(f"The meter identifies itself as {says}.")
    model = str(await person.value("Its model number", by_key(MeterSettings, "model"), says or settings.model))
    meant = parse(model)
    if isinstance(meant, UnknownModel):
        person.say(f"{model} is not a known model number ({'; '.join(meant.reasons)}). Metering works all the same.")
    return replace(settings, model=model)


async def _outputs(person: Prompt, settings: MeterSettings) -> MeterSettings:
    """Return the settings with the pins of its pulse outputs."""
    pulse_pin = await _pin(person, "pulse_pin", "10 Wh", settings.pulse_pin)
    pulse_kwh_pin = await _pin(person, "pulse_kwh_pin", "1 kWh", settings.pulse_kwh_pin)
    return replace(settings, pulse_pin=pulse_pin, pulse_kwh_pin=pulse_kwh_pin)


async def _pin(person: Prompt, key: str, what: str, now: int | None) -> int | None:
    read = or_nothing(lambda answer: cast("int", by_key(MeterSettings, key)(answer)))
    return await person.value(f'BCM pin of its {what} output ("-": not wired)', read, "-" if now is None else str(now))
