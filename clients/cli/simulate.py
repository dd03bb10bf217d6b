"""`loadshed simulate meter`: a meter made of software, for whoever wants to try a Modbus program on it."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args, get_type_hints

from hw.simulated.meter import Quirks, SimulatedMeter
from hw.simulated.meter_server import serve_pty, serve_tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_EXAMPLE = "mbpoll -m rtu -a {id} -b 9600 -P none -t 4 -r 1 -c 2 {port}"


@dataclass(frozen=True, slots=True)
class SimulatedSite:
    """What to simulate. `link`: where the pseudo-terminal is linked, None: anywhere; `tcp_port`: None: no TCP, 0: any.

    `twins`: meters on the one id, to see what that looks like.
    """

    link: Path | None = None
    tcp_port: int | None = None
    model: str = "2N208-021"
    device_id: int = 1
    kw: float = 2.0
    energy_kwh: float = 12_345.6
    twins: int = 1
    quirks: Quirks = field(default_factory=Quirks)

    def meters(self) -> list[SimulatedMeter]:
        """Return the meters, under load."""
        meters = [
            SimulatedMeter(
                self.model,
                self.device_id,
                self.energy_kwh + 100 * twin,
                quirks=self.quirks,
                program_id=45678 + twin,
                seed=twin,
            )
            for twin in range(self.twins)
        ]
        for meter in meters:
            meter.kw = self.kw
        return meters


async def simulate(site: SimulatedSite, say: Callable[[str], None], until: asyncio.Event | None = None) -> int:
    """Serve the meters until told to stop (None: for ever); return the exit code."""
    meters = site.meters()
    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(serve_pty(meters, site.link))
        except FileExistsError:
            say(f"{site.link} exists and is no link: choose another path")
            return 1
        except OSError as error:
            say(f"cannot link a pseudo-terminal at {site.link}: {error.strerror or error}")
            return 1
        say(f"a {site.model} at id {site.device_id}, {site.kw:g} kW, answers on {port}")
        say("try: " + _EXAMPLE.format(id=site.device_id, port=port))
        if site.tcp_port is not None:
            try:
                address = await stack.enter_async_context(serve_tcp(meters, port=site.tcp_port))
            except OSError as error:
                say(f"cannot answer on port {site.tcp_port}: {error.strerror or error}")
                return 1
            say(f"and on {address}")
        await (until or asyncio.Event()).wait()
    return 0


def quirks_from(settings: Sequence[str]) -> Quirks:
    """Return the quirks written as `name=value`; raises ValueError with what is allowed."""
    kinds = get_type_hints(Quirks)
    chosen: dict[str, object] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        name = name.replace("-", "_")
        if name not in kinds:
            raise ValueError(f"no quirk {name}: there are {', '.join(kinds)}")
        chosen[name] = _value(name, value, kinds[name])
    return Quirks(**chosen)  # type: ignore[arg-type]


def _value(name: str, value: str, kind: object) -> object:
    if kind is bool:
        words = {"": True, "yes": True, "true": True, "no": False, "false": False}
        if value not in words:
            raise ValueError(f"quirk {name} = {value}: use yes or no")
        return words[value]
    allowed = [one for one in get_args(kind) if isinstance(one, str)]
    if allowed:
        if value not in allowed:
            raise ValueError(f"quirk {name} = {value or 'nothing'}: use {', '.join(allowed)}")
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"quirk {name} = {value or 'nothing'}: use a number, 0 or more")
    return number
