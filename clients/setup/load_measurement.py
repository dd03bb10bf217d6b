"""Demand of the house before and after a circuit is switched off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.bus_client.status import settled_kw
from clients.meter_tools.context import MeterToolContext
from clients.meter_tools.doctor import measured_kw
from hw.gpio import GpioError
from hw.meter_line import RtuLine
from hw.models import Model, parse
from hw.pulses import EDGE_KW_S, Pulses
from hw.serial_port import port_in_use

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clients.bus_client.site import Site
    from clients.setup.session import SetupSession
    from controller.config.model import MeterSettings


@dataclass(frozen=True, slots=True)
class LoadMeasurement:
    """A way to measure. `takes`: how long, in words. `kw`: returns it; None: it cannot be had, 0: too little to see."""

    takes: str
    kw: Callable[[], Awaitable[float | None]]


def demand_of(ground: SetupSession, site: Site, *, running: bool) -> LoadMeasurement | None:
    """Return the best way to measure demand here; None if there is no meter. `running`: the controller has the port."""
    meter, most_s = ground.installer.meter, ground.timeouts.measure_s
    if meter is None:
        return None
    if running:
        return LoadMeasurement("half a minute each, five minutes without the pulse output", lambda: settled_kw(site))
    takes = f"up to {2 * most_s / 60:.0f} minutes each"
    if (pin := meter.pulse_pin) is not None:
        return LoadMeasurement(takes, lambda: _by_pulses(meter, pin, most_s))
    return LoadMeasurement(takes, lambda: _by_register(meter, most_s))


async def _by_register(meter: MeterSettings, most_s: float) -> float | None:
    if port_in_use(meter.port) is not None:
        return None
    line = RtuLine(meter.port)
    try:
        return await measured_kw(MeterToolContext(meter.port, lambda _text: None, meter.device_id), line, most_s)
    finally:
        line.close()


async def _by_pulses(meter: MeterSettings, pin: int, most_s: float) -> float | None:
    """Return the demand between two edges of the 10 Wh output."""
    loop, came = asyncio.get_running_loop(), asyncio.Queue[float]()
    model = parse(meter.model)

    def later(seconds: float, call: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(loop.call_later, seconds, call)

    try:
        pulses = Pulses(
            pin,
            lambda at: loop.call_soon_threadsafe(came.put_nowait, at),
            model.rated_kw if isinstance(model, Model) else None,
            later=later,
        )
    except GpioError:
        return None
    try:
        async with asyncio.timeout(most_s):
            first = await came.get()
            return EDGE_KW_S / (await came.get() - first)
    except TimeoutError:
        return 0.0
    finally:
        pulses.close()
