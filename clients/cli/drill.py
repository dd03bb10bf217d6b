"""`loadshed drill`: what a transfer would do, and whether every breaker obeys: tried on a day of your choosing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.act import login_name
from clients.cli.argument_types import duration
from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, WRONG_CONFIGURATION, print_error, site_or_error
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_line
from rules.drill import DEFAULT_S, LONGEST_S, SHORTEST_S

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from clients.bus_client.site import Site
    from clients.bus_client.status import HouseStatus
    from clients.drill.plan import DrillPlan
    from clients.drill.result import DrillResult
    from controller.config.loader import Configuration

_EPILOG = """A drill switches off what a transfer would, while the house stays on utility, and gives it back. A transfer
in the middle of it takes over at once. What is off already is not touched, and is not switched on at the end.

  loadshed drill --dry             look first
  loadshed drill --live --for 60s  then do it, and keep the report

Ctrl-C ends a live drill, and follows until everything is back; a second Ctrl-C leaves.
Exit 0: it went to its end, and every circuit obeyed; 1: not so, or it was refused."""


def add_drill(parser: argparse.ArgumentParser) -> None:
    """Describe `drill`."""
    parser.description = "Try on utility what a transfer to standby would do, circuit by circuit, and report on it."
    parser.epilog = _EPILOG
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry", action="store_true", help="only say what would happen now: so without a word")
    what.add_argument("--live", action="store_true", help="switch for real, after you have consented")
    what.add_argument("--end", action="store_true", help="end the drill that is on, whoever began it")
    says = f"so long circuits are held off, such as 90s or 5min ({DEFAULT_S:g}s)"
    parser.add_argument("--for", dest="for_s", type=_for_s, default=DEFAULT_S, metavar="TIME", help=says)
    parser.add_argument("--by", metavar="NAME", help="who asks; it stands in the log and in the report")
    parser.add_argument("--note", metavar="TEXT", default="", help="why; it stands in the log")
    parser.add_argument("--yes", action="store_true", help="consent beforehand")
    says = "where the report goes, and earlier ones are (%(default)s)"
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path(), help=says)
    parser.add_argument("--json", action="store_true", help="for programs; what is said meanwhile goes to stderr")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_drill)


def _for_s(text: str) -> float:
    for_s = duration(text)
    if not SHORTEST_S <= for_s <= LONGEST_S:
        from argparse import ArgumentTypeError  # noqa: PLC0415

        raise ArgumentTypeError(f"{text}: use {SHORTEST_S:g}s to {LONGEST_S / 60:g}min")
    return for_s


def _drill(arguments: argparse.Namespace) -> int:
    from clients.cli.check_view import mistakes_text  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415
    from controller.config.loader import load  # noqa: PLC0415

    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    if arguments.end:
        return _end(arguments, site)
    configuration = load(arguments.config.absolute())
    if isinstance(configuration, ConfigErrors):
        sys.stderr.write(mistakes_text(configuration, arguments.config) + "\n")
        return WRONG_CONFIGURATION
    plan = _plan(arguments, site, configuration)
    return _live(arguments, site, plan) if arguments.live else _dry(plan, as_json=arguments.json)


def _end(arguments: argparse.Namespace, site: Site) -> int:
    import asyncio  # noqa: PLC0415

    from clients.bus_client.request import send_request  # noqa: PLC0415

    done, reason = asyncio.run(send_request(site.broker, site.id, "drill-end", {"by": arguments.by or login_name()}))
    if not done:
        print_error(reason)
        return NOT_DONE
    print_line(reason)
    return DONE


# --- what would happen -----------------------------------------------------------------------------------------------


def _plan(arguments: argparse.Namespace, site: Site, configuration: Configuration) -> DrillPlan:
    """Return what a drill would do now, by the files and, where it can be asked, by the running controller."""
    import asyncio  # noqa: PLC0415
    import time  # noqa: PLC0415

    from clients.bus_client.status import fetch_status, present_kw  # noqa: PLC0415
    from clients.drill.demand_readings import PowerReading  # noqa: PLC0415
    from clients.drill.measured_loads import measured_loads  # noqa: PLC0415
    from clients.drill.plan import plan  # noqa: PLC0415
    from hw.broker_socket import BrokerError  # noqa: PLC0415

    told: HouseStatus | None = None
    try:
        told = asyncio.run(fetch_status(site.broker, site.id))
        trouble = told.trouble
    except BrokerError as error:
        trouble = str(error)
    kw = None if told is None or trouble is not None else present_kw(told, site, time.time())
    at_most = told is not None and told.demand is not None and told.demand.get("kw_is_upper_bound") is True
    return plan(
        configuration,
        told if trouble is None else None,
        known=measured_loads(arguments.state, arguments.out, site.id),
        demand=None if kw is None else PowerReading(kw, at_most),
        for_s=arguments.for_s,
        trouble=trouble,
    )


def _dry(plan: DrillPlan, *, as_json: bool) -> int:
    from clients.drill.plan_text import plan_fields, plan_text  # noqa: PLC0415

    print_line(json.dumps(plan_fields(plan), indent=2, ensure_ascii=False) if as_json else plan_text(plan))
    return DONE


# --- for real --------------------------------------------------------------------------------------------------------


def _live(arguments: argparse.Namespace, site: Site, plan: DrillPlan) -> int:
    import asyncio  # noqa: PLC0415

    from clients.drill.plan_text import plan_text  # noqa: PLC0415
    from clients.setup.breaker_client import RefusedError  # noqa: PLC0415
    from hw.broker_socket import BrokerError  # noqa: PLC0415

    accept_ctrl_c()
    _aloud(arguments, plan_text(plan) + "\n")
    if plan.refused is not None:
        print_error(f"not now: {plan.refused}")
        return NOT_DONE
    if not (arguments.out.is_dir() and os.access(arguments.out, os.W_OK)):
        print_error(f"{arguments.out} is no folder that may be written to: name one for the report with --out")
        return NOT_DONE
    try:
        result = asyncio.run(_consented(arguments, site, plan))
    except (BrokerError, RefusedError) as error:
        print_error(f"no drill: {error}")
        return NOT_DONE
    if result is None:
        return NOT_DONE
    return _reported(arguments, site, result)


def _aloud(arguments: argparse.Namespace, text: str) -> None:
    """Say it to the person; stdout is for the result alone where a program reads it."""
    (sys.stderr if arguments.json else sys.stdout).write(text + "\n")


async def _consented(arguments: argparse.Namespace, site: Site, plan: DrillPlan) -> DrillResult | None:
    """Drill, where the person agrees; return what came of it, or None."""
    from clients.setup.prompt import InputClosedError, Prompt  # noqa: PLC0415

    person = Prompt(write=(sys.stderr if arguments.json else sys.stdout).write)
    if not arguments.yes and not person.at_terminal:
        print_error("nobody sits at a terminal to consent: look at `loadshed drill --dry`, then add --yes")
        return None
    try:
        if not (arguments.yes or await person.confirm("Switch these off now?")):
            print_error("nothing was switched")
            return None
    except InputClosedError as error:
        print_error(f"nothing was switched: {error}")
        return None
    return await _followed(arguments, site, plan, person.say)


async def _followed(
    arguments: argparse.Namespace, site: Site, plan: DrillPlan, tell: Callable[[str], object]
) -> DrillResult:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415
    import time  # noqa: PLC0415

    from clients.drill.demand_readings import DemandReadings  # noqa: PLC0415
    from clients.drill.follower import Follower  # noqa: PLC0415
    from clients.drill.progress import DrillProgress  # noqa: PLC0415
    from clients.drill.result import result  # noqa: PLC0415

    began, by = time.monotonic(), arguments.by or login_name()
    course, readings = DrillProgress(plan), DemandReadings(site.poll_s)
    follower = Follower(site, course, readings, by, lambda line: tell(f"{time.monotonic() - began:6.1f} s  {line}"))
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(which, follower.end)
    await follower.run(arguments.for_s, arguments.note)
    return result(plan, course, readings, by, time.monotonic(), left=follower.abandoned)


def _reported(arguments: argparse.Namespace, site: Site, result: DrillResult) -> int:
    """Write both reports and say what is in them; return the exit code."""
    from clients.drill.report_html import result_html  # noqa: PLC0415
    from clients.drill.report_text import result_fields, result_text  # noqa: PLC0415
    from clients.setup.config_files import write  # noqa: PLC0415
    from controller.version import version  # noqa: PLC0415

    text = json.dumps(result_fields(result, site.id), indent=2, ensure_ascii=False)
    _aloud(arguments, "\n" + result_text(result))
    if arguments.json:
        print_line(text)
    if result.course.id is not None:
        stem = arguments.out / f"drill-{result.course.began[:10] or 'unknown'}-{result.course.id}"
        try:
            write(stem.with_suffix(".html"), result_html(result, site.id, version()), keep_old=False)
            write(stem.with_suffix(".json"), text + "\n", keep_old=False)
        except OSError as error:
            print_error(f"the report cannot be written: {error.strerror or error}")
            return NOT_DONE
        _aloud(arguments, f"\nReport: {stem}.html (to print), {stem}.json")
    return DONE if result.passed else NOT_DONE
