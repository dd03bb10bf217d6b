"""`loadshed leviton`: the bridge to the My Leviton cloud, its login, and the import of a panel."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.shared import load_or_error, print_config_errors, site_or_error
from clients.leviton.account import LOGIN_PAUSE_S, CloudError, CodeNeededError, list_account, log_in, log_out
from clients.leviton.belief import power_of
from clients.leviton.dump import Redactor
from clients.leviton.login_file import LoginError, load_login, parse_login, remove_login, save_login
from clients.leviton.panel_import import ImportPlan, plan_import
from clients.leviton.rest import CloudClient
from clients.leviton.settings import STATE_FOLDER, read_settings
from clients.leviton.status import fetch_bridge, status_fields, status_text
from clients.setup.config_files import circuits_text, owners_text, write
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_document, print_error, print_json, print_line
from clients.terminal.tables import table
from controller.config.errors import ConfigErrors
from controller.config.loader import CIRCUITS_FILE, parse_circuits
from controller.storage.atomic_file import write as write_file
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from clients.leviton.account import AccountListing
    from clients.leviton.inventory import ListedBreaker
    from clients.leviton.login_file import StoredLogin
    from clients.leviton.settings import LevitonSettings
    from rules.json_types import Json

NO_LIBRARY = "The bridge needs the package websockets: pip install 'loadshed[leviton]'."
_TRY_FILE = "login-attempt"
_EPILOG = """steps:
  sudo loadshed leviton login      log in once; the password is not stored
  loadshed leviton list            show what the account has
  sudo loadshed leviton import     write its breakers into circuits.toml, after a preview
  sudo systemctl enable --now loadshed-leviton"""


def add_leviton(parser: argparse.ArgumentParser) -> None:
    """Add the steps of `leviton`."""
    parser.description = "Connect 2nd Gen breakers of Leviton, which are reached through Leviton's cloud only."
    parser.epilog = _EPILOG
    steps = parser.add_subparsers(required=True, metavar="STEP", title="steps")

    def step(name: str, text: str, call: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = steps.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        folders(made, config=True)
        text = "folder with the stored login (default: %(default)s)"
        made.add_argument("--state", metavar="DIR", type=Path, default=STATE_FOLDER, help=text)
        made.set_defaults(call=call)
        return made

    step("run", "run the bridge in the foreground; it logs to stderr", _run)
    login = step("login", "log in to Leviton's cloud and store the login", _login)
    login.add_argument("--email", help="e-mail address of the account (default: of leviton.toml, or asked)")
    step("logout", "end the login and delete it", _logout)
    text = "list the hubs and breakers of the account"
    step("list", text, _list).add_argument("--json", action="store_true", help="print JSON")
    take = step("import", "write the breakers of the account into circuits.toml", _import)
    take.add_argument("--yes", action="store_true", help="write without asking")
    text = "show the state of the bridge and of its breakers"
    step("status", text, _status).add_argument("--json", action="store_true", help="print JSON")
    dump = step("dump", "print what the cloud lists, for a bug report", _dump)
    text = "leave out names, addresses, serial numbers and secrets (required: the full answers are never printed)"
    dump.add_argument("--redact", action="store_true", required=True, help=text)


# --- run -------------------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    try:
        from clients.leviton.process import BridgeProcess  # noqa: PLC0415  # an optional package
    except ModuleNotFoundError:
        print_error(NO_LIBRARY)
        return NOT_DONE
    house, settings, site = load_or_error(arguments.config), _settings(arguments), site_or_error(arguments.config)
    if house is None or settings is None or site is None:
        return WRONG_CONFIGURATION
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Their debug output would hold the login.
    for library in ("websockets", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    login_path = settings.login_file(arguments.state.absolute())
    process = BridgeProcess(arguments.config.absolute(), house, settings.broker_of(site.broker), settings, login_path)
    try:
        asyncio.run(process.run())
    except KeyboardInterrupt:
        return DONE
    return NOT_DONE


# --- login -----------------------------------------------------------------------------------------------------------


def _login(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    if settings is None:
        return WRONG_CONFIGURATION
    path = settings.login_file(arguments.state.absolute())
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        email = arguments.email or settings.account.email or _answer("E-mail address of the My Leviton account: ")
        password = _secret("Password (it is not stored): ")
        with CloudClient(settings.cloud.api) as client:
            answer = _log_in(client, arguments.state, email, password)
        save_login(path, answer)
        login = parse_login(answer)
    except (CloudError, LoginError, EOFError) as error:
        print_error(str(error) or "The input has ended.")
        return NOT_DONE
    except OSError as error:
        print_error(f"{path} cannot be written: {error.strerror or error}. Repeat the command with sudo.")
        return NOT_DONE
    ends = f" It ends on {login.ends.date():%B %-d, %Y} (UTC)." if login.ends is not None else ""
    print_line(f"Logged in. The login is stored in {path}, readable by the bridge only.{ends}")
    return DONE


def _log_in(client: CloudClient, state: Path, email: str, password: str) -> dict[str, object]:
    _wait_for_login(state)
    try:
        return log_in(client, email, password)
    except CodeNeededError:
        code = _answer("Code of the two-factor authentication: ")
        _wait_for_login(state)
        return log_in(client, email, password, code)


def _wait_for_login(state: Path) -> None:
    """Keep the shortest time between two logins, also between two runs of the command."""
    path = state / _TRY_FILE
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:
        age_s = LOGIN_PAUSE_S
    if 0 <= age_s < LOGIN_PAUSE_S:
        print_line(
            f"Waiting {LOGIN_PAUSE_S - age_s:.0f} s: Leviton's cloud accepts one login per {LOGIN_PAUSE_S:.0f} s."
        )
        time.sleep(LOGIN_PAUSE_S - age_s)
    write_file(path, "", mode=0o600, durable=False)


def _answer(question: str) -> str:
    sys.stdout.write(question)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("The input has ended: no more answers.")
    return line.strip()


def _secret(question: str) -> str:
    return getpass.getpass(question) if sys.stdin.isatty() else _answer(question)


def _logout(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    if settings is None:
        return WRONG_CONFIGURATION
    path = settings.login_file(arguments.state.absolute())
    code = DONE
    try:
        login = load_login(path)
        if login is not None:
            with CloudClient(settings.cloud.api) as client:
                log_out(client, login)
    except (CloudError, LoginError) as error:
        print_error(f"{error} The stored login is deleted all the same; the cloud may accept it until it ends.")
        code = NOT_DONE
    try:
        removed = remove_login(path)
    except OSError as error:
        print_error(f"{path} cannot be deleted: {error.strerror or error}. Repeat the command with sudo.")
        return NOT_DONE
    print_line(f"{path} is deleted." if removed else "No login is stored.")
    return code


# --- list, import, dump ----------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    listing = _listing(arguments)
    if isinstance(listing, int):
        return listing
    if arguments.json:
        breakers: list[Json] = [_fields(one) for one in listing.breakers]
        hubs: list[Json] = [
            {"serial": hub.serial, "name": hub.name, "connected": hub.connected, "firmware": hub.version}
            for hub in listing.hubs
        ]
        print_json({"hubs": hubs, "breakers": breakers})
        return DONE
    for hub in listing.hubs:
        state = {True: "connected", False: "NOT connected", None: "connection unknown"}[hub.connected]
        print_line(f"Hub {hub.serial} {hub.name}, firmware {hub.version or 'unknown'}, {state}")
        rows = [_row(one) for one in listing.breakers if one.hub == hub.serial]
        heads = ("space", "name", "generation", "A", "W", "critical", "state", "serial")
        print_line(table(heads, rows, right={3, 4}))
        print_line()
    if not listing.hubs:
        print_line("The account has no hub. Was it invited to the residence in the My Leviton app?")
    print_line("Positions and power are the cloud's last copy, and may be old.")
    return DONE


def _row(one: ListedBreaker) -> tuple[str, ...]:
    words = [one.fields.get(name) for name in ("currentState", "remoteState")]
    return (
        "+".join(map(str, one.spaces)) or "not placed",
        one.name,
        one.generation,
        f"{one.amps:g}" if one.amps else "",
        f"{power_of(one.fields):.0f}" if "power" in one.fields else "",
        {True: "yes", False: "no", None: ""}[one.critical],
        " ".join(word for word in words if isinstance(word, str) and word),
        one.serial or "",
    )


def _fields(one: ListedBreaker) -> dict[str, Json]:
    def text(name: str) -> Json:
        value = one.fields.get(name)
        return value if isinstance(value, str) else None

    return {
        "hub": one.hub,
        "serial": one.serial,
        "name": one.name,
        "generation": one.generation,
        "spaces": [*one.spaces],
        "amps": one.amps,
        "model": one.model,
        "critical": one.critical,
        "power_w": power_of(one.fields) if "power" in one.fields else None,
        "current_state": text("currentState"),
        "remote_state": text("remoteState"),
    }


def _import(arguments: argparse.Namespace) -> int:
    path = arguments.config.absolute() / CIRCUITS_FILE
    before = owners_text(path)
    panel = None if before is None else parse_circuits(before)
    if isinstance(panel, ConfigErrors):
        print_config_errors(panel, arguments.config)
        return WRONG_CONFIGURATION
    listing = _listing(arguments)
    if isinstance(listing, int):
        return listing
    plan = plan_import(panel, listing.breakers)
    _show(plan)
    if plan.is_empty:
        print_line(f"{path} already has every breaker that can be imported: nothing to write.")
        return DONE
    if not arguments.yes and _answer(f"Write this to {path}? [y/N] ").lower() not in ("y", "yes"):
        print_line("Nothing was written.")
        return NOT_DONE
    return _write_import(path, before, plan, arguments.config)


def _write_import(path: Path, before: str | None, plan: ImportPlan, config_dir: Path) -> int:
    text = circuits_text(before, plan.panel)
    if isinstance(text, ConfigErrors):
        print_config_errors(text, config_dir)
        return NOT_DONE
    try:
        backup = write(path, text)
    except OSError as error:
        print_error(f"{path} cannot be written: {error.strerror or error}. Repeat the command with sudo.")
        return NOT_DONE
    kept = f" The file before it is {backup.name}." if backup is not None else ""
    print_line(f"{path} is written.{kept} Every new circuit is essential: tag what may be shed as nonessential.")
    print_line("Then run `loadshed check`, and `systemctl reload loadshed`.")
    return DONE


def _show(plan: ImportPlan) -> None:
    for title, lines in (("New:", plan.added), ("Changed:", plan.changed), ("Note:", plan.notes)):
        if lines:
            print_line(title)
            for line in lines:
                print_line(f"  {line}")


def _dump(arguments: argparse.Namespace) -> int:
    listing = _listing(arguments)
    if isinstance(listing, int):
        return listing
    redactor = Redactor()
    shown = {redactor.path(path): redactor.content(content) for path, content in listing.raw.items()}
    print_document(json.dumps(shown, indent=2) + "\n")
    return DONE


def _listing(arguments: argparse.Namespace) -> AccountListing | int:
    """Return what the account has; or the exit code, after the reason was printed."""
    settings = _settings(arguments)
    if settings is None:
        return WRONG_CONFIGURATION
    try:
        login = _stored_login(settings, arguments.state)
        with CloudClient(settings.cloud.api) as client:
            return list_account(client, login)
    except (CloudError, LoginError) as error:
        print_error(str(error))
        return NOT_DONE


def _stored_login(settings: LevitonSettings, state: Path) -> StoredLogin:
    path = settings.login_file(state.absolute())
    if os.path.lexists(path) and not os.access(path, os.R_OK):
        raise LoginError(f"{path} is readable by the bridge and root only. Repeat the command with sudo.")
    login = load_login(path)
    if login is None:
        raise LoginError("No login is stored. Run: sudo loadshed leviton login")
    return login


def _settings(arguments: argparse.Namespace) -> LevitonSettings | None:
    settings = read_settings(arguments.config)
    if isinstance(settings, ConfigErrors):
        print_config_errors(settings, arguments.config)
        return None
    return settings


# --- status ----------------------------------------------------------------------------------------------------------


def _status(arguments: argparse.Namespace) -> int:
    site = site_or_error(arguments.config)
    house = load_or_error(arguments.config)
    if site is None or house is None:
        return WRONG_CONFIGURATION
    try:
        seen = asyncio.run(fetch_bridge(site.broker, site.id, house.panel))
    except BrokerError as error:
        print_error(str(error))
        return NOT_DONE
    if arguments.json:
        print_json(status_fields(seen, house.panel))
    else:
        print_line(status_text(seen, house.panel))
    return DONE if seen.is_online else NOT_DONE
