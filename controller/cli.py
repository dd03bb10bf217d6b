"""The command line. Each command is imported when it is called: a start in the dark pays for `run` alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG_DIR = Path("/etc/loadshed")
STATE_DIR = Path("/var/lib/loadshed")

_EPILOG = """exit codes: 0 done; 1 could not be done, with the reason; 2 wrong use; 78 wrong configuration.
A transfer switch's contact opens: nonessential circuits are switched off. It closes: they come back. See README.md."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.call(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `loadshed report | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loadshed",
        description="Sheds load when the house is on its generator, and gives it back when utility returns.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, says: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")


def _folders(parser: argparse.ArgumentParser, *, config: bool = False, state: bool = False) -> None:
    if config:
        says = "folder with installer.toml and circuits.toml (default: %(default)s)"
        parser.add_argument("--config", metavar="DIR", type=Path, default=CONFIG_DIR, help=says)
    if state:
        says = "folder with the ledger and the log (default: %(default)s)"
        parser.add_argument("--state", metavar="DIR", type=Path, default=STATE_DIR, help=says)


# --- run -------------------------------------------------------------------------------------------------------------


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "run", "the daemon, in the foreground; it logs to stderr")
    _folders(parser, config=True, state=True)
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace) -> int:
    import logging  # noqa: PLC0415

    from controller.daemon import run  # noqa: PLC0415

    # The journal writes the time and the unit's name itself.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("transitions").setLevel(logging.WARNING)  # it tells each callback
    return run(arguments.config.absolute(), arguments.state.absolute())
