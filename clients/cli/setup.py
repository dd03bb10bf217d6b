"""`loadshed setup`: interactive setup of a house."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.shared import print_config_errors
from clients.setup.prompt import Prompt
from clients.setup.session import SetupSession
from clients.setup.steps.wizard import run_wizard
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error
from controller.config.errors import ConfigErrors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

STEPS = ("broker", "contact", "meter", "circuits", "devices", "prove", "card", "enable")

_EPILOG = """steps, each of which can be repeated alone:
  broker     name the house and its MQTT broker; a test message must arrive
  contact    choose the transfer switch contact; open and close it while setup watches
  meter      find the meter's port and id, and read it once
  circuits   describe each circuit: its load, and what a transfer does to it
  devices    choose the MQTT device of each circuit, and correct its settings, with your consent
  prove      switch each breaker off and on, with your consent, and restore its state
  card       write the card for the inside of the panel door, as a page to print
  enable     start the service; requires a contact seen open and closed, and two valid files

Answers may also come from a pipe. Existing files are copied before they are replaced."""


def add_setup(parser: argparse.ArgumentParser) -> None:
    """Add the options of `setup`."""
    parser.description = "Set up a house step by step: answer questions, test everything, and write both files."
    parser.epilog = _EPILOG
    parser.add_argument("step", nargs="?", choices=STEPS, metavar="STEP", help="run one step (default: all steps)")
    text = "file for the card (default: panel-door-card.html in the --config folder)"
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    text = "Mosquitto's folder (default: %(default)s)"
    parser.add_argument("--etc", type=Path, default=Path("/etc/mosquitto"), metavar="DIR", help=text)
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_setup)


def _setup(arguments: argparse.Namespace) -> int:
    reads_only = arguments.step == "card" and arguments.out is not None
    if not (reads_only or _may_write(arguments.config.absolute())):
        print_error(f"You do not have permission to write in {arguments.config}. Run: sudo loadshed setup")
        return NOT_DONE
    session = SetupSession.of(arguments.config.absolute(), arguments.state.absolute(), Prompt())
    if isinstance(session, ConfigErrors):
        print_config_errors(session, arguments.config)
        print_error("Setup cannot continue with this file. Correct it, or move it away to start over.")
        return WRONG_CONFIGURATION
    session.mosquitto, session.run_command = arguments.etc, _run_command
    accept_ctrl_c()
    try:
        return DONE if asyncio.run(_until_signal(session, arguments.step, arguments.out)) else NOT_DONE
    except asyncio.CancelledError:
        return NOT_DONE


def _run_command(words: Sequence[str]) -> int:
    from clients.cli.dispatcher import main  # noqa: PLC0415  # the dispatcher imports this module

    return main(words)


async def _until_signal(session: SetupSession, step: str | None, out: Path | None) -> bool:
    """Run the wizard. A signal cancels it, so that a lost terminal leaves no tested circuit switched off."""
    task = asyncio.current_task()
    for number in (signal.SIGHUP, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel if task else sys.exit)
    return await run_wizard(session, step, out)


def _may_write(folder: Path) -> bool:
    """Return True if the folder, or its nearest existing parent, is writable."""
    return os.access(next(path for path in (folder, *folder.parents) if path.exists()), os.W_OK)
