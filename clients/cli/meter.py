"""`loadshed meter`: tools for the electrician who installs the meter."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.bus_client.request import send_request
from clients.bus_client.site import read_installer_file, read_site
from clients.bus_client.status import fetch_status, settled_kw
from clients.cli import argument_types
from clients.cli.shared import print_config_errors, site_or_error
from clients.meter_tools import context, meter_write, scan
from clients.meter_tools.context import MeterToolContext, on_line
from clients.meter_tools.controller_view import ControllerView, controller_view
from clients.meter_tools.doctor import Doctor, KnownLoad, OutageEvidence
from clients.meter_tools.scan import SCAN_TIMEOUT_S, record
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from controller.config.errors import ConfigErrors
from controller.storage.log_reader import EventLog
from controller.storage.schema import UnusableDatabaseError
from hw.broker_socket import BrokerError
from hw.meter_line import TIMEOUT_S
from hw.serial_port import is_held, port_in_use

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from controller.config.model import MeterSettings
    from hw.meter_line import RtuLine
    from rules.requests import AskKind

    Tool = Callable[[MeterToolContext, RtuLine], Awaitable[int]]

_TOOLS = {
    "read": "show all registers",
    "identify": "show the meter's identification and compare it with its registers",
    "reset-peak": "reset the peak demand; shows the request, asks for confirmation and verifies the result",
    "set-id": "change the meter's Modbus id; shows the request, asks for confirmation and verifies the result",
    "scan": "look for meters at ids 1 to 247; takes up to three minutes",
    "record": "record all bytes on the line to a file; sends nothing",
    "doctor": "find faults in the wiring, id, port, CTs and pulses",
}

_EPILOG = """\
The controller uses the port while it runs. Stop it first with `systemctl stop loadshed`, and start it afterwards.
The defaults of --port and --id are the values in [meter] of installer.toml."""

_RECORD_S = 600.0
"""A legacy meter transmits every 5 minutes."""


def add_meter(parser: argparse.ArgumentParser) -> None:
    """Add the options of `meter`."""
    parser.description = "Read, test and configure a Series 1000/2000 kWh meter. For the electrician at the panel."
    parser.epilog = _EPILOG
    tools = parser.add_subparsers(required=True, metavar="TOOL", dest="tool", title="tools")
    for name, text in _TOOLS.items():
        tool = tools.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_EPILOG)
        if name in _OPTIONS:
            _OPTIONS[name](tool)
        folders(tool, config=True)
        tool.add_argument(
            "--port",
            type=argument_types.port,
            help="a serial device, tcp://host:port (RTU over TCP), or tcp+modbus://host:port",
        )
        id_help = "the meter's Modbus id, 1 to 247"
        tool.add_argument("--id", type=argument_types.device_id, metavar="ID", dest="device_id", help=id_help)
        if name in ("reset-peak", "set-id"):
            tool.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.set_defaults(call=_meter, yes=False)


def _set_id_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", type=argument_types.device_id, metavar="NEW", help="the new id, 1 to 247")


def _scan_options(parser: argparse.ArgumentParser) -> None:
    for option, default, name in (("--from", 1, "first"), ("--to", 247, "last")):
        text = f"{name} id (default: %(default)s)"
        parser.add_argument(option, type=argument_types.device_id, default=default, metavar="ID", dest=name, help=text)


def _record_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="file to write")
    text = "duration (default: %(default)g)"
    parser.add_argument("--seconds", type=argument_types.non_negative, default=_RECORD_S, help=text)


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    text = (
        "time to listen to a meter that does not answer; legacy meters transmit every 5 minutes (default: %(default)g)"
    )
    parser.add_argument("--listen", type=argument_types.non_negative, default=330.0, metavar="SECONDS", help=text)
    text = "circuit to switch on and off for a test of the CTs, and its power in kW"
    parser.add_argument("--load", metavar="CIRCUIT=KW", type=argument_types.load, help=text)
    folders(parser, state=True)


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "set-id": _set_id_options,
    "scan": _scan_options,
    "record": _record_options,
    "doctor": _doctor_options,
}


def _meter(arguments: argparse.Namespace) -> int:
    tool_context = _context(arguments)
    if isinstance(tool_context, int):
        return tool_context
    if arguments.tool == "record":
        return asyncio.run(record(tool_context, arguments.file, arguments.seconds))
    tool = _tool(arguments)
    if isinstance(tool, Doctor) and is_held(tool_context.port):
        # The running controller uses the port. Only the controller can switch the known load.
        site = site_or_error(arguments.config)
        if site is not None:
            return asyncio.run(tool.through_the_controller(tool_context, lambda: settled_kw(site)))
    code = asyncio.run(on_line(tool_context, tool))
    if isinstance(tool, Doctor) and (refusal := port_in_use(tool_context.port)) is not None:
        print_line(f"not checked: wires, id, registers, CTs and pulses: {refusal}")
    return code


def _context(arguments: argparse.Namespace) -> MeterToolContext | int:
    """Return the tool's context from the options and installer.toml, or an exit code if no port is known."""
    settings = _settings(arguments)
    if isinstance(settings, int):
        return settings
    port: str | None = arguments.port or (settings.port if settings else None)
    if port is None:
        if arguments.tool == "doctor":
            print_line("not checked: port, wires, id, registers, CTs and pulses: no meter is configured")
        print_error("The port is unknown: installer.toml has no [meter]. Name it, for example --port /dev/ttyUSB0")
        return NOT_DONE
    return MeterToolContext(
        port=port,
        say=print_line,
        device_id=arguments.device_id or (settings.device_id if settings else 1),
        ask=(lambda _question: True) if arguments.yes else _confirm,
        model=settings.model if settings else None,
        timeout_s=SCAN_TIMEOUT_S if arguments.tool == "scan" else TIMEOUT_S,
    )


def _settings(arguments: argparse.Namespace) -> MeterSettings | int | None:
    """Return [meter] of installer.toml; None without one, or if --port replaces an unreadable file."""
    installer = read_installer_file(arguments.config)
    if not isinstance(installer, ConfigErrors):
        return installer.meter
    if arguments.port is not None:
        return None
    print_config_errors(installer, arguments.config)
    print_error("To continue without this file, name the meter's port with --port.")
    return WRONG_CONFIGURATION


def _confirm(question: str) -> bool:
    """Ask the user. Without a terminal the answer is no."""
    if not sys.stdin.isatty():
        print_line(f"{question} There is no terminal to confirm at. Use --yes to confirm.")
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _tool(arguments: argparse.Namespace) -> Tool:
    match arguments.tool:
        case "read":
            return context.read
        case "identify":
            return context.identify
        case "reset-peak":
            return meter_write.reset_peak
        case "set-id":
            return meter_write.set_id(arguments.new)
        case "scan":
            return scan.scan(arguments.first, arguments.last)
    evidence, view = _evidence(arguments.state), asyncio.run(_controller_view(arguments.config))
    return Doctor(arguments.listen, evidence, _known_load(arguments), controller=view)


async def _controller_view(config_dir: Path) -> ControllerView | None:
    """Return what the running controller publishes about the meter; None: there is no site to ask."""
    site = read_site(config_dir)
    if isinstance(site, ConfigErrors):
        return None
    try:
        house = await fetch_status(site.broker, site.id)
    except BrokerError as error:
        return ControllerView(trouble=str(error))
    return controller_view(site, house, time.time())


# --- doctor ----------------------------------------------------------------------------------------------------------


def _evidence(state_dir: Path) -> OutageEvidence:
    """Return the figures of the last outage in the event log; empty without a log."""
    try:
        with EventLog(state_dir) as log:
            ended = [outage for outage in log.outages() if outage.ended is not None]
            if not ended:
                return OutageEvidence()
            last = ended[-1]
            rows = [row for row in log.samples(last.id) if row.energy_kwh is not None and row.pulses is not None]
    except (OSError, sqlite3.DatabaseError, UnusableDatabaseError):
        return OutageEvidence()
    # A lower bound is enough: the evidence is a time without a count.
    evidence = OutageEvidence(None if last.lasted is None else last.lasted.seconds / 60.0, last.energy_kwh)
    if not rows:
        return evidence
    first, final = rows[0], rows[-1]
    edges = (final.pulses or 0) - (first.pulses or 0)
    tenths = round(10 * ((final.energy_kwh or 0.0) - (first.energy_kwh or 0.0)))
    return OutageEvidence(evidence.standby_min, evidence.standby_kwh, edges, tenths)


def _known_load(arguments: argparse.Namespace) -> KnownLoad | None:
    """Return the load of --load, switched by requests to the controller; None without --load or without a site."""
    site = site_or_error(arguments.config) if arguments.load else None
    if site is None:
        return None
    circuit, kw = arguments.load

    async def switch(on: bool) -> bool:
        position: AskKind = "on" if on else "off"
        done, reason = await send_request(site.broker, site.id, position, {"circuit": circuit, "by": "doctor"})
        print_line(f"{circuit} {position}: {reason}")
        return done

    return KnownLoad(circuit, kw, switch)
