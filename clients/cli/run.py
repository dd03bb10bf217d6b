"""`loadshed run`: the controller, in the foreground."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from typing import TYPE_CHECKING

from clients.terminal.arguments import folders

if TYPE_CHECKING:
    import argparse


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace) -> int:
    # Imported modules stay in memory: garbage collection during the imports takes 0.04 s of a start and frees nothing.
    # The daemon switches it on again after the first shed.
    gc.disable()

    # Until the event loop handles SIGTERM, nothing has been switched: exit with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from controller.daemon import run  # noqa: PLC0415 — after the two lines above
    from controller.runtime.privileges import drop_privileges  # noqa: PLC0415 — after the two lines above

    # The journal adds the time and the name of the unit.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs every callback
    if (owner := drop_privileges(arguments.state)) is not None:
        logging.getLogger("loadshed").info("Running as user %s, the owner of %s.", owner, arguments.state)
    return run(arguments.config.absolute(), arguments.state.absolute())
