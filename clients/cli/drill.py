"""`loadshed drill`: test of a transfer, at a time the user chooses, while the house stays on utility."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from clients.bus_client.request import send_request
from clients.bus_client.status import fetch_status, present_kw
from clients.cli.argument_types import duration
from clients.cli.argument_types import text as valid_text
from clients.cli.shared import load_or_error, login_name, site_or_error
from clients.drill.demand_readings import DemandReadings, PowerReading
from clients.drill.follower import Follower
from clients.drill.measured_loads import measured_loads
from clients.drill.plan import RestoreMode, plan
from clients.drill.plan_text import plan_fields, plan_text
from clients.drill.progress import DrillProgress
from clients.drill.report_html import result_html
from clients.drill.report_text import result_fields, result_text
from clients.drill.result import result
from clients.setup.breaker_client import RefusedError
from clients.setup.config_files import write
from clients.setup.prompt import InputClosedError, Prompt
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error, print_json, print_line
from controller.version import version
from hw.broker_socket import BrokerError
from rules.drill import DEFAULT_S, LONGEST_S, SHORTEST_S

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from clients.bus_client.site import Site
    from clients.bus_client.status import HouseStatus
    from clients.drill.plan import DrillPlan
    from clients.drill.result import DrillResult
    from controller.config.loader import Configuration

_EPILOG = """\
A drill switches off the circuits that a transfer would shed, while the house stays on utility, and then restores
them. If a real transfer occurs during the drill, it takes over at once. Circuits that are already off are not
touched, and are not switched on at the end. Circuits with restore = "ask" or "never" stay off at the end, unless you
answer yes to the question before the drill, or add --restore-all.

  loadshed drill --dry             show the plan
  loadshed drill --live --for 60s  run the drill and keep the report

Ctrl-C ends a live drill and waits until all circuits are restored. A second Ctrl-C exits at once.
Exit code 0: the drill was completed and every circuit responded; 1: otherwise, or the drill was refused."""


def add_drill(parser: argparse.ArgumentParser) -> None:
    """Add the options of `drill`."""
    parser.description = "Test on utility what a transfer to standby does, circuit by circuit, and write a report."
    parser.epilog = _EPILOG
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry", action="store_true", help="only show what would happen now (default)")
    mode.add_argument("--live", action="store_true", help="switch circuits, after you confirm")
    mode.add_argument("--end", action="store_true", help="end the drill in progress")
    text = f"time to keep circuits off, such as 90s or 5min (default: {DEFAULT_S:g}s)"
    parser.add_argument("--for", dest="for_s", type=_for_s, default=DEFAULT_S, metavar="TIME", help=text)
    text = "your name, for the event log and the report (default: the login name)"
    parser.add_argument("--by", type=valid_text, metavar="NAME", help=text)
    parser.add_argument("--note", type=valid_text, metavar="TEXT", default="", help="the reason, for the event log")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    text = 'at the end, also turn on circuits with restore = "ask" or "never" (--yes alone leaves them off)'
    parser.add_argument("--restore-all", action="store_true", help=text)
    text = "folder for the report; earlier reports there are used for known loads (default: the current folder)"
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path(), help=text)
    parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC; progress goes to stderr")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_drill)


def _for_s(text: str) -> float:
    for_s = duration(text)
    if not SHORTEST_S <= for_s <= LONGEST_S:
        raise ArgumentTypeError(f"{text}: use {SHORTEST_S:g}s to {LONGEST_S / 60:g}min")
    return for_s


def _drill(arguments: argparse.Namespace) -> int:
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    if arguments.end:
        return _end(arguments, site)
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    drill_plan = _plan(arguments, site, configuration)
    if arguments.restore_all:
        drill_plan = drill_plan.with_restore_all()
    return _live(arguments, site, drill_plan) if arguments.live else _dry(drill_plan, as_json=arguments.json)


def _end(arguments: argparse.Namespace, site: Site) -> int:
    done, reason = asyncio.run(send_request(site.broker, site.id, "drill-end", {"by": arguments.by or login_name()}))
    if not done:
        print_error(reason)
        return NOT_DONE
    print_line(reason)
    return DONE


# --- dry run ---------------------------------------------------------------------------------------------------------


def _plan(arguments: argparse.Namespace, site: Site, configuration: Configuration) -> DrillPlan:
    """Return the effect of a drill now, from the configuration and, if it runs, the controller."""
    house: HouseStatus | None = None
    try:
        house = asyncio.run(fetch_status(site.broker, site.id, site.circuits))
        trouble = house.trouble
    except BrokerError as error:
        trouble = str(error)
    kw = None if house is None or trouble is not None else present_kw(house, site, time.time())
    at_most = house is not None and house.demand is not None and house.demand.get("kw_is_upper_bound") is True
    return plan(
        configuration,
        house if trouble is None else None,
        known=measured_loads(arguments.state, arguments.out, site.id),
        demand=None if kw is None else PowerReading(kw, at_most),
        for_s=arguments.for_s,
        trouble=trouble,
    )


def _dry(drill_plan: DrillPlan, *, as_json: bool) -> int:
    if as_json:
        print_json(plan_fields(drill_plan))
    else:
        print_line(plan_text(drill_plan))
    return DONE


# --- live drill ------------------------------------------------------------------------------------------------------


def _live(arguments: argparse.Namespace, site: Site, drill_plan: DrillPlan) -> int:
    accept_ctrl_c()
    _print_progress(arguments, plan_text(drill_plan) + "\n")
    if drill_plan.refused is not None:
        print_error(f"A drill is not possible now: {drill_plan.refused}")
        return NOT_DONE
    if not (arguments.out.is_dir() and os.access(arguments.out, os.W_OK)):
        print_error(f"{arguments.out} is not a writable folder. Name a folder for the report with --out.")
        return NOT_DONE
    try:
        drill_result = asyncio.run(_confirm_and_run(arguments, site, drill_plan))
    except (BrokerError, RefusedError) as error:
        print_error(f"No drill was run: {error}")
        return NOT_DONE
    if drill_result is None:
        return NOT_DONE
    return _report(arguments, site, drill_result)


def _print_progress(arguments: argparse.Namespace, text: str) -> None:
    """Print text for the user: to stderr with --json, which reserves stdout for the result."""
    (sys.stderr if arguments.json else sys.stdout).write(text + "\n")


async def _confirm_and_run(arguments: argparse.Namespace, site: Site, drill_plan: DrillPlan) -> DrillResult | None:
    """Run the drill if the user confirms; return its result, or None."""
    prompt = Prompt(write=(sys.stderr if arguments.json else sys.stdout).write)
    if not arguments.yes and not prompt.at_terminal:
        print_error("There is no terminal to confirm at. Review the plan with `loadshed drill --dry`, then add --yes.")
        return None
    try:
        if not (arguments.yes or await prompt.confirm("Switch these circuits off now?")):
            print_error("Nothing was switched.")
            return None
        restore_all = arguments.restore_all
        if not (arguments.yes or restore_all) and (names := _waiting(drill_plan)):
            restore_all = await prompt.confirm(f"At the end, turn everything back on, including {names}?", default=True)
    except InputClosedError as error:
        print_error(f"Nothing was switched: {error}")
        return None
    planned = drill_plan.with_restore_all() if restore_all else drill_plan
    return await _run(arguments, site, planned, prompt.say, restore_all=restore_all)


def _waiting(drill_plan: DrillPlan) -> str:
    """Return the names of the circuits that stay off after the drill by their `restore` setting; empty: none do."""
    by_setting = (RestoreMode.ASK, RestoreMode.NEVER)
    names = [line.name for line in drill_plan.waiting if line.restore in by_setting]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


async def _run(
    arguments: argparse.Namespace,
    site: Site,
    drill_plan: DrillPlan,
    show: Callable[[str], object],
    *,
    restore_all: bool,
) -> DrillResult:
    began, by = time.monotonic(), arguments.by or login_name()
    progress, readings = DrillProgress(drill_plan), DemandReadings(site.poll_s)
    follower = Follower(site, progress, readings, by, lambda line: show(f"{time.monotonic() - began:6.1f} s  {line}"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, follower.end)
    await follower.run(arguments.for_s, arguments.note, restore_all=restore_all)
    return result(drill_plan, progress, readings, by, time.monotonic(), left=follower.abandoned)


def _report(arguments: argparse.Namespace, site: Site, drill_result: DrillResult) -> int:
    """Print the result and write both reports; return the exit code."""
    fields = result_fields(drill_result, site.id)
    _print_progress(arguments, "\n" + result_text(drill_result))
    if arguments.json:
        print_json(fields)
    if drill_result.course.id is not None:
        stem = arguments.out / f"drill-{drill_result.course.began[:10] or 'unknown'}-{drill_result.course.id}"
        try:
            write(stem.with_suffix(".html"), result_html(drill_result, site.id, version()), keep_old=False)
            write(stem.with_suffix(".json"), json.dumps(fields, indent=2, ensure_ascii=False) + "\n", keep_old=False)
        except OSError as error:
            print_error(f"The report cannot be written: {error.strerror or error}")
            return NOT_DONE
        _print_progress(arguments, f"\nReport: {stem}.html (to print), {stem}.json")
    return DONE if drill_result.passed else NOT_DONE
