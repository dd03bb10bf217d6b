"""`loadshed simulate`: a simulated meter for Modbus programs, and simulated MQTT devices."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

from clients.cli import argument_types
from clients.cli.simulate_devices import add_devices
from clients.terminal.exit_codes import DONE, NOT_DONE
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_line
from hw.simulated.meter import MeterFaults, SimulatedMeter
from hw.simulated.meter_server import serve_pty, serve_tcp

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

_EXAMPLE = "mbpoll -m rtu -a {id} -b 9600 -P none -t 4 -r 1 -c 2 {port}"


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `simulate`."""
    kinds = parser.add_subparsers(required=True, metavar="WHAT", title="what to simulate")
    text = "Series 1000/2000 meter that answers Modbus RTU on a pseudo-terminal, and over TCP"
    meter = kinds.add_parser("meter", help=text, description=f"Simulate a {text}. Ctrl-C ends it.")
    meter.add_argument("--link", type=Path, metavar="PATH", help="create a link to the pseudo-terminal")
    text = "also answer on this TCP port, as a gateway does (0: any free port)"
    meter.add_argument("--tcp", type=argument_types.tcp_port, metavar="PORT", help=text)
    text = "model number (default: %(default)s)"
    meter.add_argument("--model", type=argument_types.model, default="2N208-021", help=text)
    text = "Modbus id (default: %(default)s)"
    meter.add_argument("--id", type=argument_types.device_id, default=1, dest="device_id", help=text)
    text = "load in kW (default: %(default)s)"
    meter.add_argument("--kw", type=argument_types.non_negative, default=2.0, help=text)
    text = "initial value of the energy register in kWh (default: %(default)s)"
    meter.add_argument("--kwh", type=argument_types.kwh, default=12_345.6, help=text)
    text = "number of meters with the same id (default: %(default)s)"
    meter.add_argument("--twins", type=argument_types.twins, default=1, help=text)
    text = "a peculiarity of this meter; may be repeated. `--quirk x` lists the names"
    meter.add_argument("--quirk", action="append", default=[], metavar="NAME=VALUE", help=text)
    meter.set_defaults(call=lambda arguments: _simulate(meter, arguments))
    add_devices(kinds)


def _simulate(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        quirks = quirks_from(arguments.quirk)
    except ValueError as error:
        parser.error(str(error))
    site = SimulatedSite(
        link=arguments.link,
        tcp_port=arguments.tcp,
        model=arguments.model,
        device_id=arguments.device_id,
        kw=arguments.kw,
        energy_kwh=arguments.kwh,
        twins=arguments.twins,
        quirks=quirks,
    )
    # SIGTERM from a supervisor ends the program like Ctrl-C: the link is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    try:
        return asyncio.run(simulate(site, _print_now))
    except KeyboardInterrupt:
        return DONE


def _print_now(text: str) -> None:
    """Print a line and flush: the caller may be waiting for the port."""
    print_line(text)
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class SimulatedSite:
    """Settings of the simulation.

    `link`: link to the pseudo-terminal (None: no link). `tcp_port`: None: no TCP; 0: any free port.
    `twins`: number of meters with the same id.
    """

    link: Path | None = None
    tcp_port: int | None = None
    model: str = "2N208-021"
    device_id: int = 1
    kw: float = 2.0
    energy_kwh: float = 12_345.6
    twins: int = 1
    quirks: MeterFaults = field(default_factory=MeterFaults)

    def meters(self) -> list[SimulatedMeter]:
        """Return the meters, with their load."""
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
    """Serve the meters until the event is set (None: until canceled); return the exit code."""
    meters = site.meters()
    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(serve_pty(meters, site.link))
        except FileExistsError:
            say(f"{site.link} exists and is not a link. Choose another path.")
            return NOT_DONE
        except OSError as error:
            say(f"Cannot create a link to the pseudo-terminal at {site.link}: {error.strerror or error}")
            return NOT_DONE
        say(f"Simulating a {site.model} with id {site.device_id} and a load of {site.kw:g} kW on {port}")
        say("Try: " + _EXAMPLE.format(id=site.device_id, port=port))
        if site.tcp_port is not None:
            try:
                address = await stack.enter_async_context(serve_tcp(meters, port=site.tcp_port))
            except OSError as error:
                say(f"Cannot listen on port {site.tcp_port}: {error.strerror or error}")
                return NOT_DONE
            say(f"Also listening on {address}")
        await (until or asyncio.Event()).wait()
    return DONE


def quirks_from(settings: Sequence[str]) -> MeterFaults:
    """Return the quirks of `name=value` texts. Raises ValueError with the names or values that are allowed."""
    kinds = get_type_hints(MeterFaults)
    chosen: dict[str, object] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        name = name.replace("-", "_")
        if name not in kinds:
            raise ValueError(f"there is no quirk {name}: use one of {', '.join(kinds)}")
        chosen[name] = _value(name, value, kinds[name])
    return MeterFaults(**chosen)  # type: ignore[arg-type]


def _value(name: str, value: str, kind: object) -> object:
    if kind is bool:
        values = {"": True, "yes": True, "true": True, "no": False, "false": False}
        if value not in values:
            raise ValueError(f"quirk {name} = {value}: use yes or no")
        return values[value]
    allowed = [choice for choice in get_args(kind) if isinstance(choice, str)]
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
