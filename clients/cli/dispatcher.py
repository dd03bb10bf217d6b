"""Dispatcher of the `loadshed` command. It imports only the command that is called: `run` must start fast."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TextIO, TypeVar, cast

from clients.terminal import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputError(Exception):
    """Raised when stdout cannot be written. Not an OSError, so that commands do not take it for a read error."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Stdout:
    """Wrapper of stdout that raises OutputError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._call(lambda: self._stream.write(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._call(self._stream.flush)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    @staticmethod
    def _call(operation: Callable[[], T]) -> T:
        try:
            return operation()
        except OSError as error:
            raise OutputError(error) from error


class _Stderr:
    """Wrapper of stderr that ignores a closed pipe and a full disk: there is no other place for the message."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class Command(NamedTuple):
    """A command. `help`: its line in `loadshed --help`. `module`: the file with its `add_<command>(parser)`."""

    help: str
    module: str


def _command(name: str, text: str) -> tuple[str, Command]:
    return name, Command(text, f"clients.cli.{name.replace('-', '_')}")


COMMANDS = dict(
    (
        _command("run", "run the controller in the foreground; it logs to stderr"),
        _command("demo", "play one outage in a simulated house and show its report"),
        _command("check", "check both configuration files and show what a transfer does to each circuit"),
        _command("status", "show the state of the house: source, circuits, demand, alarms"),
        _command("outages", "list the recorded outages"),
        _command("report", "show one outage in detail, with its demand curve"),
        _command("replay", "replay a recording and compare the decisions"),
        _command("ask", "send a request: switch a circuit, restore, hold, reload"),
        _command("setup", "set up a house step by step"),
        _command("devices", "list the MQTT devices, record one, clear stored commands"),
        _command("broker", "set up Mosquitto and manage its users"),
        _command("backup", "back up the ledger, the event log and both configuration files"),
        _command("ready", "assess whether the house is ready for its next outage"),
        _command("drill", "test a transfer while the house stays on utility"),
        _command("meter", "read, test and configure the kWh meter"),
        _command("metrics", "export metrics for Prometheus through node_exporter"),
        _command("support-bundle", "collect the files for a bug report, without secrets"),
        _command("simulate", "run a simulated meter for testing Modbus programs"),
    )
)

_DESCRIPTION = """Sheds load while the house runs on its generator, and restores it when utility returns.

When the transfer switch's contact opens, nonessential circuits are switched off. When it closes, they are switched
on again, one by one."""

_EPILOG = f"""to begin:
  loadshed demo                    see it work; needs no hardware and no configuration
  loadshed check --config DIR      check your configuration files
  loadshed COMMAND --help          show the help of one command

{exit_codes.HELP}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `argv`: the words after the program's name; None: sys.argv."""
    words = sys.argv[1:] if argv is None else argv
    if sys.stdout is None:  # the caller closed it: `>&-`
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    if [*words[:1]] != ["run"]:  # it writes to stderr only, which never fails for its encoding
        from clients.terminal.output import prepare_streams  # cold-start path: `run` does not need it

        prepare_streams()
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("TextIO", _Stdout(stdout)), cast("TextIO", _Stderr(stderr))
    try:
        code = _run_command(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except OutputError as error:
        # Python flushes stdout at exit: redirect what is left, or it prints a second error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        # EPIPE: the reader has exited, as in `loadshed report | head`.
        return exit_codes.DONE if error.cause.errno == errno.EPIPE else _print_write_error(error.cause)
    except OSError as error:
        if error.errno not in _DISK_FULL and (error.filename is None or [*words[:1]] == ["run"]):
            raise
        return _print_write_error(error)
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        _drain(stderr)
    return code


def _drain(stderr: TextIO) -> None:
    """Write what is left for stderr. If that fails, drop it: Python would end with code 120 instead of ours."""
    try:
        stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stderr.fileno())


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _print_write_error(error: OSError) -> int:
    """Report what could not be written; return the exit code."""
    file = f"{error.filename}: " if error.filename else ""
    advice = "Write to another place"
    if error.errno in _DISK_FULL:
        advice = "Free some space, or write to another place"
    elif error.errno in (errno.EACCES, errno.EPERM):
        advice = "Repeat the command with sudo, or write to another place"
    sys.stderr.write(f"loadshed: {file}{error.strerror}. {advice}.\n")
    return exit_codes.NOT_DONE


def _run_command(words: Sequence[str]) -> int:
    try:
        arguments = build_parser(words).parse_args(words)
    except SystemExit:
        sys.stdout.flush()  # the reader of --help may have exited, too
        raise
    return int(arguments.call(arguments))


class _Parser(argparse.ArgumentParser):
    """Argument parser that reports an unknown argument with the help of its own subcommand."""

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads accept any namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Return the arguments. Unknown arguments end the program with exit code 2."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}. `{self.prog} --help` lists the options.")
        return known, unknown


class _Version(argparse.Action):
    """Print the version. It is looked up on request only."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from controller.version import version  # cold-start path: only --version needs it

        sys.stdout.write(f"loadshed {version()}\n")
        parser.exit()


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for a command line. Only the command that is called has its options."""
    parser = _Parser(
        prog="loadshed",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the program's version and exit")
    if words[:1] and words[0] not in COMMANDS and not words[0].startswith("-"):
        hint = _closest_command(words[0])
        parser.error(f"there is no command {words[0]!r}{hint}. `loadshed --help` lists the commands.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    # A start during an outage builds the parser of `run` only.
    for name in words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS:
        _add(commands, name, COMMANDS[name], called=name in words[:1])
    return parser


def _add(commands: argparse._SubParsersAction[_Parser], name: str, command: Command, *, called: bool) -> None:
    parser = commands.add_parser(
        name,
        help=command.help,
        description=command.help[0].upper() + command.help[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if called:
        getattr(import_module(command.module), f"add_{name.replace('-', '_')}")(parser)


def _closest_command(word: str) -> str:
    from controller.config.errors import closest_match  # cold-start path: only a typo needs it

    closest = closest_match(word, COMMANDS)
    return f" (did you mean {closest!r}?)" if closest is not None else ""
