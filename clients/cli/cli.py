"""The command line. Each command is imported when it is called: a start in the dark pays for `run` alone."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TextIO, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

CONFIG_DIR = Path("/etc/loadshed")
STATE_DIR = Path("/var/lib/loadshed")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputError(Exception):
    """Stdout takes no more. Not an OSError: whoever reads something must not take it for the fault of that."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Stdout:
    """Stdout, whose failures can be told from those of everything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._told(lambda: self._stream.write(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._told(self._stream.flush)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    @staticmethod
    def _told(do: Callable[[], T]) -> T:
        try:
            return do()
        except OSError as error:
            raise OutputError(error) from error


class _Command(NamedTuple):
    """One command: what it does, in a line, and the module that knows it by `add_<command>(parser)`."""

    help: str
    module: str


_COMMANDS = {
    "run": _Command("the daemon, in the foreground; it logs to stderr", "clients.cli.cli"),
    "demo": _Command("play one outage in a simulated house, watch it, and read its report", "clients.cli.act"),
    "check": _Command("read both files: what a transfer will do to each circuit and why", "clients.cli.look"),
    "status": _Command("the running daemon: state, source, circuits, demand, alarms", "clients.cli.look"),
    "outages": _Command("list the outages in the log", "clients.cli.look"),
    "report": _Command("tell one outage in full, with its demand curve", "clients.cli.look"),
    "replay": _Command("play a recorded night again, and compare what is decided", "clients.cli.replay"),
    "ask": _Command("a person's request: switch, give back, hold, reload", "clients.cli.act"),
    "setup": _Command("set up a house, step by step, with a person at the terminal", "clients.cli.setup"),
    "broker": _Command("set up Mosquitto: who may come in, and say what", "clients.cli.broker"),
    "backup": _Command("copy ledger, log and both files, whole, while all goes on", "clients.cli.backup"),
    "ready": _Command("how ready the house is for its next outage, and why not more", "clients.cli.ready"),
    "drill": _Command("try on utility what a transfer would do, for real or not, and report", "clients.cli.drill"),
    "meter": _Command("commissioning tools for the kWh meter", "clients.cli.meter"),
    "metrics": _Command("figures for Prometheus, as a file for node_exporter", "clients.cli.support"),
    "support-bundle": _Command("what a bug report needs, without secrets", "clients.cli.support"),
    "simulate": _Command("a meter made of software, for other people's Modbus programs", "clients.cli.meter"),
}

_DESCRIPTION = """Sheds load when the house is on its generator, and gives it back when utility returns.

The transfer switch's contact opens: nonessential circuits are switched off. It closes: they come back, one by one."""

_EPILOG = """to begin:
  loadshed demo                    see it work; needs nothing but this program
  loadshed check --config DIR      see what your own two files mean
  loadshed COMMAND --help          everything about one command

exit codes: 0 done; 1 could not be done, with the reason; 2 wrong use; 78 wrong configuration."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if sys.stdout is None:  # closed by whoever called: `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as we
    stdout = sys.stdout
    sys.stdout = cast("TextIO", _Stdout(stdout))
    try:
        code = _run_command(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OutputError as error:
        # What nobody takes any more must go somewhere: the interpreter complains where it cannot, at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return 0 if error.cause.errno == errno.EPIPE else _no_room(error.cause)  # EPIPE: `loadshed report | head`
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return _no_room(error)
    finally:
        sys.stdout = stdout
    return code


def _no_room(error: OSError) -> int:
    """Say what could not be written; return the exit code."""
    what = f"{error.filename}: " if error.filename else ""
    advice = "make room, or write it elsewhere" if error.errno in _NO_ROOM else "write it elsewhere"
    sys.stderr.write(f"loadshed: {what}{error.strerror}: {advice}\n")
    return 1


def _run_command(words: Sequence[str]) -> int:
    try:
        arguments = _parser(words).parse_args(words)
    except SystemExit:
        sys.stdout.flush()  # --help may have a reader that is gone, too
        raise
    return int(arguments.call(arguments))


class _Parser(argparse.ArgumentParser):
    """argparse's, but for a word too many: the command that it was typed for says so, not all of them together."""

    def parse_known_args(  # type: ignore[override]  # those of typeshed take a namespace of any kind
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Return what was understood; nothing else is left, or the program has ended."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}; `{self.prog} --help` lists what there is")
        return known, unknown


class _Version(argparse.Action):
    """Says the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from controller.version import version  # noqa: PLC0415

        sys.stdout.write(f"loadshed {version()}\n")
        parser.exit()


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="loadshed",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the program's version and exit")
    if words[:1] and words[0] not in _COMMANDS and not words[0].startswith("-"):
        parser.error(
            f"there is no command {words[0]!r}{_closest_command(words[0])}; `loadshed --help` lists what there is"
        )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    # The parser of the command that is called is all that a start in the dark needs.
    for name in words[:1] if words[:1] and words[0] in _COMMANDS else _COMMANDS:
        _add(commands, name, _COMMANDS[name], wanted=name in words[:1])
    return parser


def _add(commands: argparse._SubParsersAction[_Parser], name: str, command: _Command, *, wanted: bool) -> None:
    says = command.help
    parser = commands.add_parser(
        name,
        help=says,
        description=says[0].upper() + says[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if wanted:
        module = sys.modules[__name__] if command.module == __name__ else import_module(command.module)
        getattr(module, f"add_{name.replace('-', '_')}")(parser)


def _closest_command(word: str) -> str:
    from controller.config.errors import closest_match  # noqa: PLC0415

    meant = closest_match(word, _COMMANDS)
    return f" (did you mean {meant!r}?)" if meant is not None else ""


def folders(parser: argparse.ArgumentParser, *, config: bool = False, state: bool = False) -> None:
    """Give a command its `--config` and `--state`."""
    if config:
        says = "folder with installer.toml and circuits.toml (default: %(default)s)"
        parser.add_argument("--config", metavar="DIR", type=Path, default=CONFIG_DIR, help=says)
    if state:
        says = "folder with the ledger and the log (default: %(default)s)"
        parser.add_argument("--state", metavar="DIR", type=Path, default=STATE_DIR, help=says)


# --- run -------------------------------------------------------------------------------------------------------------


def add_run(parser: argparse.ArgumentParser) -> None:
    """Describe `run`."""
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace) -> int:
    from controller.__main__ import run_daemon  # noqa: PLC0415

    return run_daemon(arguments.config, arguments.state)
