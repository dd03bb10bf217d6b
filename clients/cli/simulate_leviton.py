"""`loadshed simulate leviton`: a simulated My Leviton cloud on this machine, to try the bridge with."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from clients.cli import argument_types
from clients.terminal.exit_codes import DONE, NOT_DONE
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error, print_line
from hw.simulated.leviton_cloud import ACCOUNT, LevitonCloud, energized
from hw.simulated.leviton_faults import LevitonFaults
from hw.simulated.leviton_panel import simulated_hub

if TYPE_CHECKING:
    import argparse

    from hw.simulated.leviton_server import LevitonServer

_HELP = "Type: show, loop open, loop close, hub off, hub on, cut, new ids, end logins, fault NAME VALUE, or help."


def add_leviton_cloud(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the options of `simulate leviton`."""
    text = "My Leviton cloud with one hub, for trying `loadshed leviton`"
    parser = kinds.add_parser("leviton", help=text, description=f"Simulate a {text}. Ctrl-C ends it.")
    text = "number of 2nd Gen breakers (default: %(default)s)"
    parser.add_argument("--breakers", type=int, choices=range(1, 67), default=6, metavar="N", help=text)
    parser.add_argument("--code", help="code of two-factor authentication (default: off)")
    text = "port of the REST interface (default: any free one)"
    parser.add_argument("--port", type=argument_types.tcp_port, default=0, help=text)
    parser.set_defaults(call=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    try:
        from hw.simulated.leviton_server import LevitonServer  # noqa: PLC0415  # an optional package
    except ModuleNotFoundError:
        print_error("This needs the package websockets: pip install 'loadshed[leviton]'.")
        return NOT_DONE
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    cloud = LevitonCloud([simulated_hub(arguments.breakers)], code=arguments.code)
    try:
        with LevitonServer(cloud, rest_port=arguments.port) as server:
            print_line(f'[cloud]\napi = "{server.api}"\nsocket = "{server.socket}"\n')
            print_line("Write these three lines to leviton.toml. Then: loadshed leviton login")
            code = f", code {arguments.code}" if arguments.code else ""
            print_line(f"E-mail address {ACCOUNT[0]}, password {ACCOUNT[1]}{code}.")
            print_line(f"To cut the line: kill -STOP {os.getpid()}. To bring it back: kill -CONT {os.getpid()}.")
            print_line(_HELP)
            sys.stdout.flush()
            for line in sys.stdin:
                with server.lock:
                    print_line(_carry_out(server, line.split()))
                sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return DONE
    return DONE


def _carry_out(server: LevitonServer, words: list[str]) -> str:
    """Carry out a line that was typed; return what to print."""
    cloud = server.cloud
    hub = cloud.hubs[0]
    match words:
        case ["show"]:
            pass
        case ["loop", "open" | "close" as word]:
            hub.open_loop() if word == "open" else hub.close_loop()
            cloud.moved(hub, server.now)
        case ["hub", "off"]:
            cloud.hub_lost(hub)
        case ["hub", "on"]:
            cloud.hub_back(hub, server.now)
        case ["cut"]:
            cloud.cut_push()
        case ["new", "ids"]:
            cloud.change_ids()
        case ["end", "logins"]:
            cloud.end_tokens()
        case ["fault", name, value] if name in {one.name for one in fields(LevitonFaults)}:
            try:
                setattr(cloud.faults, name, json.loads(value))
            except ValueError:
                return "The value is true, false, null or a number."
        case _:
            names = ", ".join(one.name for one in fields(LevitonFaults))
            return f"{_HELP} Faults: {names}."
    on = ", ".join(one.name for one in energized(cloud.hubs)) or "none"
    return f"Energized: {on}. Commands so far: {len(cloud.accepted)}."
