"""`loadshed ask`: send a request to the running controller."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from clients.bus_client.request import request_reply
from clients.cli.argument_types import duration, text
from clients.cli.shared import login_name, site_or_error
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from controller.config.errors import ConfigErrors, closest_match
from controller.config.loader import CIRCUITS_FILE, parse_circuits, read_file

if TYPE_CHECKING:
    import argparse

    from rules.json_types import Json
    from rules.panel import Panel

_REQUESTS = """requests:
  on, off CIRCUIT       switch the circuit now; it is left to you for the rest of the outage
  restore CIRCUIT|all   switch on what was shed, also if its state before the outage is unknown (on utility only)
  hold CIRCUIT          keep the controller from switching the circuit on, until `release`
                        A hold is not a lockout: lockout/tagout needs a physical lock.
  release CIRCUIT       end the hold; this switches nothing
  forget CIRCUIT        drop the record that the circuit is to be restored; this switches nothing
  test CIRCUIT          switch the circuit off, and on again after 10 s (--for: 5s to 2min)
  reload                read circuits.toml again"""

_CIRCUIT_REQUESTS = ("on", "off", "restore", "hold", "release", "forget", "test")
_UNKNOWN_CIRCUIT = "no circuit is named"


def add_ask(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ask`."""
    parser.description = "Send a request to the running controller and print its reply."
    parser.epilog = _REQUESTS
    parser.add_argument("request", choices=(*_CIRCUIT_REQUESTS, "reload"), metavar="REQUEST", help="see below")
    parser.add_argument(
        "circuit", nargs="?", type=text, metavar="CIRCUIT", help="id or name of the circuit in circuits.toml"
    )
    parser.add_argument(
        "--by", type=text, metavar="NAME", help="your name, for the event log (default: the login name)"
    )
    parser.add_argument("--note", type=text, metavar="TEXT", help="the reason; it is shown with a hold")
    parser.add_argument("--now", action="store_true", help="do not wait for the circuit's minimum off time (min_off_s)")
    may_harm = "send a request that may do harm: ON beyond the generator's capacity, OFF for an essential circuit"
    parser.add_argument("--force", action="store_true", help=may_harm)
    parser.add_argument("--for", dest="for_s", type=duration, metavar="TIME", help="duration of a test, such as 20s")
    folders(parser, config=True)
    parser.set_defaults(call=lambda arguments: _ask(parser, arguments))


def _ask(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    fields = _request_fields(parser, arguments)
    if arguments.circuit is not None:
        fields["circuit"] = _circuit_id(arguments)
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    reply = asyncio.run(request_reply(site.broker, site.id, arguments.request, fields))
    if reply.needs_force and _confirmed(reply.reason):
        reply = asyncio.run(request_reply(site.broker, site.id, arguments.request, {**fields, "force": True}))
    if not reply.ok:
        hint = _circuit_hint(arguments) if _UNKNOWN_CIRCUIT in reply.reason.lower() else ""
        print_error(reply.reason + hint)
        return NOT_DONE
    print_line(reply.reason)
    return DONE


def _confirmed(reason: str) -> bool:
    """Return whether the user, at a terminal, wants it in spite of the reason; the default is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{reason}\nDo it anyway? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _request_fields(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, Json]:
    """Return the fields of the request. An incomplete request ends the program with exit code 2."""
    if arguments.request in _CIRCUIT_REQUESTS and arguments.circuit is None:
        parser.error(f"{arguments.request}: name a circuit. `loadshed status` lists the circuits.")
    if arguments.request == "reload" and arguments.circuit is not None:
        parser.error("reload takes no circuit")
    fields: dict[str, Json] = {"by": arguments.by or login_name()}
    if arguments.circuit is not None:
        fields["circuit"] = arguments.circuit
    if arguments.note is not None:
        fields["note"] = arguments.note
    if arguments.for_s is not None:
        fields["for_s"] = arguments.for_s
    for name in ("now", "force"):
        if getattr(arguments, name):
            fields[name] = True
    return fields


def _panel(arguments: argparse.Namespace) -> Panel | ConfigErrors:
    text = read_file(arguments.config.absolute() / CIRCUITS_FILE)
    return text if isinstance(text, ConfigErrors) else parse_circuits(text)


def _circuit_id(arguments: argparse.Namespace) -> str:
    """Return the id of the circuit that the user named by its id or its name; if neither is known, what was typed."""
    panel, said = _panel(arguments), str(arguments.circuit)
    if isinstance(panel, ConfigErrors) or said in (*panel.circuits, "all"):
        return said
    found = [one.id for one in panel if one.name.casefold() == said.strip().casefold()]
    return found[0] if len(found) == 1 else said


def _circuit_hint(arguments: argparse.Namespace) -> str:
    """Return the name that the user probably meant, as a sentence; an empty string if the name is right."""
    panel = _panel(arguments)
    name = arguments.circuit
    if isinstance(panel, ConfigErrors) or name is None or name in (*panel.circuits, "all"):
        return ""
    ids = {circuit.name: circuit.id for circuit in panel}
    closest = closest_match(name, [*panel.circuits, *ids])
    hint = "" if closest is None else f" Did you mean {ids.get(closest, closest)}?"
    return f".{hint} `loadshed status` lists the circuits."
