"""`loadshed setup`: from a bare box to a protected house, with a person at the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.cli import folders, main
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.tables import print_error

if TYPE_CHECKING:
    import argparse

STEPS = ("broker", "contact", "meter", "circuits", "prove", "card", "enable")

_EPILOG = """steps, each of which can be repeated alone:
  broker     the house's name and its MQTT broker; a word of ours must come back
  contact    which it is; you open and close it, and setup says what it saw
  meter      finds port and id, reads it once
  circuits   one by one: what hangs there, and what a transfer does to it
  prove      each breaker off and on again, with your consent, put back as it was
  card       what to hang on the inside of the panel's door, as a page to print
  enable     starts the unit; refused until the contact was seen closed and open, and both files are right

Answers may come from a pipe as well. Old files are copied beside the new ones."""


def add_setup(parser: argparse.ArgumentParser) -> None:
    """Describe `setup`."""
    parser.description = "Set up a house, step by step: asks, tries everything, and writes both files."
    parser.epilog = _EPILOG
    parser.add_argument(
        "step", nargs="?", choices=STEPS, metavar="STEP", help="one step alone; without it, all in turn"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the card goes (panel-door-card.html in --config)"
    )
    parser.add_argument("--etc", type=Path, default=Path("/etc/mosquitto"), metavar="DIR", help="Mosquitto's folder")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_setup)


def _setup(arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from clients.bus_client.check_view import mistakes_text  # noqa: PLC0415
    from clients.setup.prompt import Prompt  # noqa: PLC0415
    from clients.setup.session import SetupSession  # noqa: PLC0415
    from clients.setup.steps.wizard import run_wizard  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415

    reads_only = arguments.step == "card" and arguments.out is not None
    if not (reads_only or _may_write(arguments.config.absolute())):
        print_error(f"you may not write in {arguments.config}: sudo loadshed setup")
        return NOT_DONE
    ground = SetupSession.of(arguments.config.absolute(), arguments.state.absolute(), Prompt())
    if isinstance(ground, ConfigErrors):
        sys.stderr.write(mistakes_text(ground, arguments.config) + "\n")
        print_error("setup guesses at nothing: mend the file, or move it away to begin anew")
        return WRONG_CONFIGURATION
    ground.mosquitto, ground.run_command = arguments.etc, main
    accept_ctrl_c()

    async def until_told() -> bool:
        # The terminal may go away in the middle, with the network it came over: what is off must be given back first.
        task = asyncio.current_task()
        for which in (signal.SIGHUP, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(which, task.cancel if task else sys.exit)
        return await run_wizard(ground, arguments.step, arguments.out)

    try:
        return DONE if asyncio.run(until_told()) else NOT_DONE
    except asyncio.CancelledError:
        return NOT_DONE


def _may_write(folder: Path) -> bool:
    """Tell whether a folder, or the nearest there is of those in which it would be made, may be written."""
    return os.access(next(path for path in (folder, *folder.parents) if path.exists()), os.W_OK)
