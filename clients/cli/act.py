"""Commands that do something: ask, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, WRONG_CONFIGURATION, print_error, site_or_error
from clients.terminal.output import print_line

if TYPE_CHECKING:
    import argparse

    from controller.core.effects import Json

# --- ask -------------------------------------------------------------------------------------------------------------

_REQUESTS = """requests:
  on, off CIRCUIT       switch it now; it is yours for the rest of the outage
  restore CIRCUIT|all   give back what was shed, or is not known to have been on (on utility only)
  hold CIRCUIT          nothing here switches it on until `release`. This is no lock-out: that takes a physical lock
  release CIRCUIT       end the hold; nothing is switched by it
  forget CIRCUIT        nothing is owed to it any more
  reload                read circuits.toml again"""

_OF_A_CIRCUIT = ("on", "off", "restore", "hold", "release", "forget")


def add_ask(parser: argparse.ArgumentParser) -> None:
    """Describe `ask`."""
    parser.description = "Ask the running daemon for something, as a person, and print its answer."
    parser.epilog = _REQUESTS
    parser.add_argument("request", choices=(*_OF_A_CIRCUIT, "reload"), metavar="REQUEST", help="see below")
    parser.add_argument("circuit", nargs="?", metavar="CIRCUIT", help="its name in circuits.toml")
    parser.add_argument("--by", metavar="NAME", help="who asks; it stands in the log")
    parser.add_argument("--note", metavar="TEXT", help="why; it is shown beside a hold")
    parser.add_argument("--now", action="store_true", help="insist: do not wait for the circuit's min_off_s")
    folders(parser, config=True)
    parser.set_defaults(call=lambda arguments: _ask(parser, arguments))


def _ask(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415

    from clients.bus_client.request import send_request  # noqa: PLC0415

    fields = _request_fields(parser, arguments)
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    done, reason = asyncio.run(send_request(site.broker, site.id, arguments.request, fields))
    if not done:
        print_error(reason + (_meant(arguments) if "no circuit is named" in reason else ""))
        return NOT_DONE
    print_line(reason)
    return DONE


def _request_fields(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, Json]:
    """Return the request's fields, or end the program where it makes no sense."""
    if arguments.request in _OF_A_CIRCUIT and arguments.circuit is None:
        parser.error(f"{arguments.request}: which circuit? `loadshed status` names them")
    if arguments.request == "reload" and arguments.circuit is not None:
        parser.error("reload concerns no single circuit")
    fields: dict[str, Json] = {"by": arguments.by or login_name()}
    if arguments.circuit is not None:
        fields["circuit"] = arguments.circuit
    if arguments.note is not None:
        fields["note"] = arguments.note
    if arguments.now:
        fields["now"] = True
    return fields


def _meant(arguments: argparse.Namespace) -> str:
    """Return the circuit that was probably meant, where there is none of the name that was typed."""
    from controller.config.errors import ConfigErrors, closest_match  # noqa: PLC0415
    from controller.config.loader import CIRCUITS_FILE, parse_circuits, read_file  # noqa: PLC0415

    text = read_file(arguments.config.absolute() / CIRCUITS_FILE)
    panel = text if isinstance(text, ConfigErrors) else parse_circuits(text)
    word = arguments.circuit
    if isinstance(panel, ConfigErrors) or word is None or word in (*panel.circuits, "all"):
        return ""
    named = {circuit.name: circuit.id for circuit in panel}
    meant = closest_match(word, [*panel.circuits, *named])
    lists = "`loadshed status` names them all"
    return f"; {lists}" if meant is None else f": did you mean {named.get(meant, meant)}? {lists}"


def login_name() -> str:
    """Return the name of whoever types; empty where the system knows none."""
    import getpass  # noqa: PLC0415

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""


# --- demo ------------------------------------------------------------------------------------------------------------


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Describe `demo`."""
    parser.description = (
        "Play one outage in a simulated house, in under a minute, and read its report.\n\n"
        "The daemon is the real one. Its broker, breakers, meter (real Modbus bytes over a pseudo-terminal, and\n"
        "pulses) and contact are made of software, on a clock that runs faster than yours; the factor is shown.\n"
        "Nothing outside a temporary folder is touched."
    )
    parser.add_argument("--short", action="store_true", help="a shorter outage, in under 15 seconds")
    parser.add_argument("--plain", action="store_true", help="lines of text, also on a terminal")
    parser.add_argument("--keep", metavar="DIR", help="keep the daemon's files and its log there, for other commands")
    parser.set_defaults(call=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from pathlib import Path  # noqa: PLC0415

    from clients.demo.scenario import demo  # noqa: PLC0415

    return demo(short=arguments.short, plain=arguments.plain, keep=Path(arguments.keep) if arguments.keep else None)
