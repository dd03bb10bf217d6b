"""Helpers that several commands share: configuration, event log, user name."""

from __future__ import annotations

import getpass
import sqlite3
import sys
from typing import TYPE_CHECKING

from clients.bus_client.check_view import errors_text
from clients.bus_client.site import read_site
from clients.terminal.exit_codes import NOT_DONE
from clients.terminal.output import print_error
from clients.terminal.times import use_local_time
from controller.config.errors import ConfigErrors
from controller.config.history import last_valid
from controller.config.loader import Configuration, load
from controller.storage.log_reader import EventLog
from controller.storage.schema import UnusableDatabaseError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from clients.bus_client.site import Site


def print_config_errors(errors: ConfigErrors, config_dir: Path) -> None:
    """Write all errors of a configuration to stderr."""
    sys.stderr.write(errors_text(errors, config_dir) + "\n")


def load_or_error(config_dir: Path) -> Configuration | None:
    """Return the configuration; None if it is wrong, after the errors are printed."""
    configuration = load(config_dir.absolute())
    if isinstance(configuration, ConfigErrors):
        print_config_errors(configuration, config_dir)
        return None
    use_local_time(configuration.installer)
    return configuration


def site_or_error(config_dir: Path) -> Site | None:
    """Return the site that installer.toml describes; None if the file is wrong, after the errors are printed."""
    site = read_site(config_dir)
    if isinstance(site, ConfigErrors):
        print_config_errors(site, config_dir)
        return None
    return site


def with_log(arguments: argparse.Namespace, action: Callable[[argparse.Namespace, EventLog], int]) -> int:
    """Open the event log in `--state` and return the action's exit code, or 1 if the log cannot be read."""
    try:
        kept = last_valid(arguments.state)
        use_local_time(kept.installer if kept is not None else None)
        with EventLog(arguments.state) as log:
            code = action(arguments, log)
            for item in log.unreadable:
                print_error(f"{item} cannot be read and is left out.")
            return code
    except FileNotFoundError:
        print_error(f"There is no event log in {arguments.state}. Has `loadshed run` been started with this --state?")
    except (sqlite3.DatabaseError, UnusableDatabaseError, OSError) as error:
        print_error(f"The event log in {arguments.state} cannot be read: {error}")
    return NOT_DONE


def login_name() -> str:
    """Return the user's login name; an empty string if the system has none."""
    try:
        return getpass.getuser().encode("utf-8", "replace").decode()
    except (KeyError, OSError):
        return ""
