"""Commands for whoever wires the meter: meter, and simulate meter."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli import argument_types
from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, WRONG_CONFIGURATION, print_error
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from clients.bus_client.site import Site
    from clients.meter_tools.context import MeterToolContext
    from clients.meter_tools.doctor import KnownLoad, OutageEvidence
    from controller.config.model import MeterSettings
    from hw.meter_line import RtuLine

    Tool = Callable[[MeterToolContext, RtuLine], Awaitable[int]]

_TOOLS = {
    "read": "show every register, ambiguous ones in both readings",
    "identify": "ask the meter who it is, and compare that with its registers",
    "reset-peak": "reset the peak demand; says what will be sent, asks, and verifies",
    "set-id": "give the meter another id on the bus; says what will be sent, asks, and verifies",
    "scan": "ask each id from 1 to 247 who is there: within three minutes",
    "record": "write what comes on the line, unasked, to a file; sends nothing",
    "doctor": "find out what is wrong: wires, id, port, CTs, pulses",
}

_EPILOG = """The controller holds the port while it runs: `systemctl stop loadshed` first, and start it afterwards.
--port and --id are those of [meter] in installer.toml where they are not given."""

# One page of numbers is a minute of the line; a legacy meter sends each five.
_RECORD_S = 600.0


def add_meter(parser: argparse.ArgumentParser) -> None:
    """Describe `meter`."""
    parser.description = "Commissioning tools for a Series 1000/2000 kWh meter, for an electrician at the panel."
    parser.epilog = _EPILOG
    tools = parser.add_subparsers(required=True, metavar="TOOL", dest="tool", title="tools")
    for name, says in _TOOLS.items():
        tool = tools.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".", epilog=_EPILOG)
        _ADDS.get(name, _add_nothing)(tool)
        folders(tool, config=True)
        tool.add_argument("--port", type=argument_types.port, help="a serial device, or tcp://host:port")
        tool.add_argument(
            "--id", type=argument_types.device_id, metavar="ID", dest="device_id", help="the meter's id, 1 to 247"
        )
        if name in ("reset-peak", "set-id"):
            tool.add_argument("--yes", action="store_true", help="answer yes to the question")
    parser.set_defaults(call=_meter, yes=False)


def _add_nothing(_parser: argparse.ArgumentParser) -> None:
    pass


def _add_set_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", type=argument_types.device_id, metavar="NEW", help="the new id, 1 to 247")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", type=argument_types.device_id, default=1, metavar="ID", dest="first", help="the first id (1)"
    )
    parser.add_argument(
        "--to", type=argument_types.device_id, default=247, metavar="ID", dest="last", help="the last id (247)"
    )


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the bytes go")
    parser.add_argument("--seconds", type=argument_types.amount, default=_RECORD_S, help="how long (%(default)g)")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    listen = "how long to listen to a meter that does not answer: the oldest send each 5 minutes (%(default)g)"
    parser.add_argument("--listen", type=argument_types.amount, default=330.0, metavar="SECONDS", help=listen)
    parser.add_argument(
        "--load", metavar="CIRCUIT=KW", type=argument_types.load, help="a known load to switch on and off: its kW"
    )
    folders(parser, state=True)


_ADDS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "set-id": _add_set_id,
    "scan": _add_scan,
    "record": _add_record,
    "doctor": _add_doctor,
}


# --- meter -----------------------------------------------------------------------------------------------------------


def _meter(arguments: argparse.Namespace) -> int:
    context = _bench(arguments)
    if isinstance(context, int):
        return context
    from clients.bus_client.status import settled_kw  # noqa: PLC0415
    from clients.meter_tools.context import on_line  # noqa: PLC0415
    from clients.meter_tools.doctor import Doctor  # noqa: PLC0415
    from clients.meter_tools.scan import record  # noqa: PLC0415
    from hw.serial_port import port_in_use  # noqa: PLC0415

    if arguments.tool == "record":
        return asyncio.run(record(context, arguments.file, arguments.seconds))
    tool = _tool(arguments)
    if isinstance(tool, Doctor) and port_in_use(context.port) is not None and (site := _site(arguments)) is not None:
        # Only the running controller can switch the known load, and it holds the port.
        return asyncio.run(tool.through_the_controller(context, lambda: settled_kw(site)))
    return asyncio.run(on_line(context, tool))


def _bench(arguments: argparse.Namespace) -> MeterToolContext | int:
    """Return where to work: as the command says, else as the file does; or the exit code where neither does."""
    from clients.meter_tools.context import MeterToolContext  # noqa: PLC0415
    from clients.meter_tools.scan import SCAN_TIMEOUT_S  # noqa: PLC0415
    from hw.meter_line import TIMEOUT_S  # noqa: PLC0415

    settings = _settings(arguments)
    if isinstance(settings, int):
        return settings
    port: str | None = arguments.port or (settings.port if settings else None)
    if port is None:
        print_error("which port? There is no [meter] in installer.toml: name one with --port /dev/ttyUSB0")
        return NOT_DONE
    return MeterToolContext(
        port=port,
        say=print_line,
        device_id=arguments.device_id or (settings.device_id if settings else 1),
        ask=(lambda _question: True) if arguments.yes else _asked,
        model=settings.model if settings else None,
        timeout_s=SCAN_TIMEOUT_S if arguments.tool == "scan" else TIMEOUT_S,
    )


def _settings(arguments: argparse.Namespace) -> MeterSettings | int | None:
    """Return [meter] of the file; None where there is none, or it cannot be read and the port is given anyway."""
    from clients.bus_client.site import read_installer_file  # noqa: PLC0415
    from clients.cli.check_view import mistakes_text  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415

    installer = read_installer_file(arguments.config)
    if not isinstance(installer, ConfigErrors):
        return installer.meter
    if arguments.port is not None:
        return None
    sys.stderr.write(mistakes_text(installer, arguments.config) + "\n")
    print_error("name the meter with --port to go without the file")
    return WRONG_CONFIGURATION


def _asked(question: str) -> bool:
    """Return whether a person at the terminal says yes. Nobody there: no."""
    if not sys.stdin.isatty():
        print_line(f"{question} Nobody is here to say yes: give --yes")
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _tool(arguments: argparse.Namespace) -> Tool:
    from clients.meter_tools import context, meter_write, scan  # noqa: PLC0415
    from clients.meter_tools.doctor import Doctor  # noqa: PLC0415

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
    return Doctor(arguments.listen, _evidence(arguments.state), _known_load(arguments))


# --- doctor ----------------------------------------------------------------------------------------------------------


def _evidence(state_dir: Path) -> OutageEvidence:
    """Return what the log of the last outage can add; nothing where there is no log."""
    import sqlite3  # noqa: PLC0415

    from clients.meter_tools.doctor import OutageEvidence  # noqa: PLC0415
    from clients.reports.outage_report import seconds_between  # noqa: PLC0415
    from controller.storage.log_reader import EventLog  # noqa: PLC0415
    from controller.storage.schema import UnusableDatabaseError  # noqa: PLC0415

    try:
        with EventLog(state_dir) as log:
            ended = [outage for outage in log.outages() if outage.ended is not None]
            if not ended or (last := ended[-1]).ended is None:
                return OutageEvidence()
            rows = [row for row in log.samples(last.id) if row.energy_kwh is not None and row.pulses is not None]
    except (OSError, sqlite3.DatabaseError, UnusableDatabaseError):
        return OutageEvidence()
    lasted_s = seconds_between(last.began, last.ended)
    evidence = OutageEvidence(None if lasted_s is None else lasted_s / 60.0, last.energy_kwh)
    if not rows:
        return evidence
    first, final = rows[0], rows[-1]
    edges = (final.pulses or 0) - (first.pulses or 0)
    tenths = round(10 * ((final.energy_kwh or 0.0) - (first.energy_kwh or 0.0)))
    return OutageEvidence(evidence.standby_min, evidence.standby_kwh, edges, tenths)


def _site(arguments: argparse.Namespace) -> Site | None:
    from clients.cli.look import site_or_error  # noqa: PLC0415

    return site_or_error(arguments.config)


def _known_load(arguments: argparse.Namespace) -> KnownLoad | None:
    """Return a load that the running controller switches on request; None where none is named, or no site is."""
    from clients.bus_client.request import send_request  # noqa: PLC0415
    from clients.meter_tools.doctor import KnownLoad  # noqa: PLC0415

    site = _site(arguments) if arguments.load else None
    if site is None:
        return None
    circuit, kw = arguments.load

    async def switch(on: bool) -> bool:
        done, reason = await send_request(
            site.broker, site.id, "on" if on else "off", {"circuit": circuit, "by": "doctor"}
        )
        print_line(f"{circuit} {'on' if on else 'off'}: {reason}")
        return done

    return KnownLoad(circuit, kw, switch)


# --- simulate --------------------------------------------------------------------------------------------------------


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Describe `simulate`."""
    kinds = parser.add_subparsers(required=True, metavar="WHAT", title="what")
    says = "a Series 1000/2000 meter that answers Modbus RTU on a pseudo-terminal, and over TCP"
    meter = kinds.add_parser("meter", help=says, description=says[0].upper() + says[1:] + ". Ends on Ctrl-C.")
    meter.add_argument("--link", type=Path, metavar="PATH", help="link the pseudo-terminal here")
    meter.add_argument(
        "--tcp", type=argument_types.tcp_port, metavar="PORT", help="answer there as a gateway does, too (0: any port)"
    )
    meter.add_argument("--model", type=argument_types.model, default="2N208-021", help="its model number (%(default)s)")
    meter.add_argument("--id", type=argument_types.device_id, default=1, dest="device_id", help="its id (%(default)s)")
    meter.add_argument("--kw", type=argument_types.amount, default=2.0, help="the load through it (%(default)s)")
    meter.add_argument(
        "--kwh", type=argument_types.kwh, default=12_345.6, help="where its register begins (%(default)s)"
    )
    meter.add_argument(
        "--twins", type=argument_types.twins, default=1, help="so many meters on the one id (%(default)s)"
    )
    quirk = "what this very meter does, once for each: `--quirk x` names them all"
    meter.add_argument("--quirk", action="append", default=[], metavar="NAME=VALUE", help=quirk)
    parser.set_defaults(call=lambda arguments: _simulate(meter, arguments))


def _simulate(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from clients.cli.simulate import SimulatedSite, quirks_from, simulate  # noqa: PLC0415

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
    # A supervisor's SIGTERM ends it as Ctrl-C does: the link goes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    try:
        return asyncio.run(simulate(site, _say_now))
    except KeyboardInterrupt:
        return DONE


def _say_now(text: str) -> None:
    """Write a line that whoever waits for the port may read at once."""
    print_line(text)
    sys.stdout.flush()
