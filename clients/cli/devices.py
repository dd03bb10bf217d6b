"""`loadshed devices`: MQTT devices on the broker: list, record, play; and stored commands."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli import argument_types
from clients.cli.shared import load_or_error
from clients.devices import messages
from clients.devices.listing import list_devices
from clients.devices.play import play_text
from clients.devices.recording import LONGEST_S, DeviceRecordingError, read_recording, record
from clients.devices.stored_commands import clear_stored_commands, find_stored_commands
from clients.setup.prompt import InputClosedError, Prompt
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error, print_json, print_line
from controller.bus.profiles.registry import profile_of
from controller.runtime import startup
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    from controller.config.loader import Configuration

_EPILOG = """Nothing is switched. Devices are asked for their position, power and settings.

examples:
  loadshed devices                              list devices, and the circuits that use them
  loadshed devices record hot-tub tub.jsonl     record the messages of one circuit's device
  loadshed devices play tub.jsonl               show how such a recording is understood
  loadshed devices --clear-retained             find stored commands and clear them"""


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Add the options and subcommands of `devices`."""
    parser.description = (
        "List the MQTT devices that the broker knows: position, availability, power, power-on setting, and the\n"
        "circuit that uses each. It takes some 10 s."
    )
    parser.epilog = _EPILOG
    folders(parser, config=True)
    parser.add_argument("--json", action="store_true", help="print JSON; unknown values are null")
    parser.add_argument(
        "--clear-retained",
        action="store_true",
        help="clear commands that the broker stores for your circuits' devices; asks first",
    )
    parser.add_argument("--yes", action="store_true", help="with --clear-retained: do not ask")
    parser.set_defaults(call=_devices)
    kinds = parser.add_subparsers(metavar="", title="subcommands")
    recording = kinds.add_parser("record", help="record the messages of one circuit's device for a bug report")
    folders(recording, config=True)
    recording.set_defaults(config=argparse.SUPPRESS)
    recording.add_argument("circuit", metavar="CIRCUIT", help="id of the circuit in circuits.toml")
    recording.add_argument("file", metavar="FILE", type=Path, help="new file to write")
    text = f"how long to record, up to {LONGEST_S / 60:.0f}min (default: until Ctrl-C)"
    recording.add_argument("--for", dest="seconds", type=argument_types.duration, metavar="TIME", help=text)
    recording.set_defaults(call=_record)
    playing = kinds.add_parser("play", help="show how a recording is understood; needs no broker")
    playing.add_argument("file", metavar="FILE", type=Path, help="file of `loadshed devices record`")
    playing.set_defaults(call=_play)


def _devices(arguments: argparse.Namespace) -> int:
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    try:
        if arguments.clear_retained:
            return asyncio.run(_clear(configuration, sure=arguments.yes))
        return asyncio.run(_list(configuration, as_json=arguments.json))
    except BrokerError as error:
        print_error(str(error))
        return NOT_DONE


async def _list(configuration: Configuration, *, as_json: bool) -> int:
    found = await list_devices(
        startup.broker(configuration),
        configuration.site.id,
        configuration.installer.devices,
        configuration.panel,
        print_error,
    )
    if as_json:
        print_json(messages.list_fields(found))
    else:
        print_line(messages.list_text(found))
    return DONE


async def _clear(configuration: Configuration, *, sure: bool) -> int:
    broker = startup.broker(configuration)
    catalog, site = configuration.installer.devices, configuration.site.id
    profiles = {one.id: profile_of(one, site, catalog) for one in configuration.panel}
    stored = await find_stored_commands(broker, profiles, print_error)
    if not stored:
        print_line(messages.NOTHING_STORED)
        return DONE
    print_line(messages.stored_text(stored))
    if not sure:
        try:
            sure = await Prompt().answer_yes_no(messages.CLEAR_QUESTION)
        except InputClosedError:
            print_line()
    if not sure:
        print_line(messages.NOT_CLEARED)
        return NOT_DONE
    await clear_stored_commands(broker, stored, print_error)
    if left := await find_stored_commands(broker, profiles, print_error):
        print_error(messages.STILL_STORED)
        print_line(messages.stored_text(left))
        return NOT_DONE
    print_line(messages.cleared_text(len(stored)))
    return DONE


def _record(arguments: argparse.Namespace) -> int:
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    accept_ctrl_c()
    try:
        counted = asyncio.run(
            record(configuration, arguments.circuit, arguments.file, min(arguments.seconds or LONGEST_S, LONGEST_S))
        )
    except (DeviceRecordingError, BrokerError) as error:
        print_error(str(error))
        return NOT_DONE
    print_line(f"{counted} messages recorded in {arguments.file}. To read it: loadshed devices play {arguments.file}")
    return DONE


def _play(arguments: argparse.Namespace) -> int:
    try:
        print_line(play_text(read_recording(arguments.file)))
    except DeviceRecordingError as error:
        print_error(str(error))
        return NOT_DONE
    return DONE
