"""`loadshed broker`: who may come in, and what each may say and hear."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from argparse import BooleanOptionalAction
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.broker_admin.acl import CONTROLLER_NAME, NAME, Role, TopicLayout, User
from clients.broker_admin.certificates import CertificateError
from clients.broker_admin.mosquitto import ETC, AccessError, Listeners, MosquittoConfig, with_login
from clients.broker_admin.passwords import new_password
from clients.bus_client.site import read_installer_file
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from clients.terminal.tables import table
from controller.config.errors import ConfigErrors
from controller.config.loader import CIRCUITS_FILE, INSTALLER_FILE, parse_circuits, parse_installer, read_file
from controller.config.model import MqttContact
from controller.storage.atomic_file import rewrite, write
from hw.broker_socket import decoded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

PASSWORD_FILE = "broker.password"  # noqa: S105 — its name, not what is in it
_ADDRESS = re.compile(r"[A-Za-z0-9.:-]+")
_ROLES = (Role.DEVICE, Role.INTEGRATOR, Role.PERSON)

_EPILOG = """roles:
  device       hears the commands to its own circuits, and says their position; nothing else
  integrator   reads everything, and can change nothing: a page, a recorder, another system
  person       reads everything, and may ask as `loadshed ask` does

The controller alone may command a breaker. A password is shown once; Mosquitto keeps only its hash."""


@dataclass(frozen=True, slots=True)
class _BrokerHost:
    """State of every step: the house from its files, and the broker's files."""

    config_dir: Path
    house: TopicLayout
    circuits: tuple[str, ...] | None
    files: MosquittoConfig
    reload: bool


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Describe `broker`."""
    parser.description = "Set up this machine's Mosquitto for the house, and say who may do what on it."
    parser.epilog = _EPILOG
    steps = parser.add_subparsers(required=True, metavar="STEP", title="steps")

    def step(name: str, says: str, call: Callable[[argparse.Namespace, _BrokerHost], int]) -> argparse.ArgumentParser:
        made = steps.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        folders(made, config=True)
        made.add_argument("--etc", metavar="DIR", type=Path, default=ETC, help="Mosquitto's folder (%(default)s)")
        made.add_argument("--no-reload", action="store_true", help="write the files only; do not reload the broker")
        made.set_defaults(call=lambda arguments: _with_place(arguments, call))
        return made

    begin = step("init", "require a password from every client, and let the house's network reach the broker", _init)
    says = "encrypted, on port 8883, with certificates made here and now; or no longer (default: as it is)"
    begin.add_argument("--tls", action=BooleanOptionalAction, help=says)
    begin.add_argument(
        "--plain", action="store_true", help="beside --tls: port 1883 as well, for devices that know none"
    )
    says = "a name or an address by which devices reach this machine, for its certificate; may be repeated"
    begin.add_argument("--name", action="append", metavar="NAME", help=f"{says} (default: all that it has now)")

    add = step("add-user", "add a user", _add_user)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", required=True, choices=[role.value for role in _ROLES], help="see `loadshed broker -h`")
    says = "a device's circuit; may be repeated (default: the one called NAME)"
    add.add_argument("--circuit", action="append", metavar="CIRCUIT", help=says)
    add.add_argument("--contact", action="store_true", help="the device is the transfer switch's contact")
    add.add_argument("--replace", action="store_true", help="replace an existing user of that name")
    add.add_argument("--password-file", type=Path, metavar="FILE", help="write the password there, and show it nowhere")
    step("remove-user", "remove a user", _remove_user).add_argument("name", metavar="NAME")
    step("list", "show who may come in, and as what", _list)


def _with_place(arguments: argparse.Namespace, call: Callable[[argparse.Namespace, _BrokerHost], int]) -> int:
    installer = read_installer_file(arguments.config)
    if isinstance(installer, ConfigErrors):
        print_error(f"first correct {arguments.config / INSTALLER_FILE}: `loadshed check` shows its errors")
        return WRONG_CONFIGURATION
    circuits = read_file(arguments.config / CIRCUITS_FILE)
    panel = circuits if isinstance(circuits, ConfigErrors) else parse_circuits(circuits)
    contact = installer.contact
    said = (contact.topic, contact.availability_topic) if isinstance(contact, MqttContact) else ()
    query = contact.query_topic if isinstance(contact, MqttContact) else None
    place = _BrokerHost(
        arguments.config,
        TopicLayout(
            installer.site.id, tuple(dict.fromkeys(topic for topic in said if topic)), (query,) if query else ()
        ),
        None if isinstance(panel, ConfigErrors) else tuple(panel.circuits),
        MosquittoConfig(arguments.etc.absolute()),
        reload=not arguments.no_reload and arguments.etc == ETC,
    )
    try:
        return call(arguments, place)
    except (AccessError, CertificateError) as error:
        print_error(str(error))
    except PermissionError as error:
        print_error(f"{error.filename}: only root may: sudo loadshed broker …")
    except OSError as error:
        print_error(f"{error.filename or arguments.etc}: {error.strerror or error}")
    return NOT_DONE


# --- init ------------------------------------------------------------------------------------------------------------


def _init(arguments: argparse.Namespace, place: _BrokerHost) -> int:
    tls = place.files.has_tls if arguments.tls is None else arguments.tls
    if not tls and (arguments.plain or arguments.name):
        raise AccessError("--plain and --name go with --tls")
    if wrong := [name for name in arguments.name or () if not _ADDRESS.fullmatch(name)]:
        raise AccessError(f"{wrong[0]!r} is neither a name nor an address of a machine")
    names = tuple(arguments.name or own_names()) if tls else ()
    # Done again without a word on either, it takes nothing back: a device that came in yesterday comes in today.
    as_it_was = arguments.tls is None and place.files.is_plain
    listening = Listeners(names, plain=arguments.plain or not tls or as_it_was)
    certified = place.files.authority.exists()
    kept = place.config_dir.absolute() / PASSWORD_FILE
    password = _kept_password(kept) or new_password()
    place.files.set_up(place.house, listening, password)
    write(kept, password + "\n", mode=0o640, group=CONTROLLER_NAME)
    written = _log_in(place, kept)
    print_line(f"Mosquitto accepts clients with a name and a password, at port {_ports(listening)}.")
    if names:
        stays = f"the one that was there: for other names remove {place.files.authority}, and do this again"
        print_line(f"Its certificate is {stays if certified else 'for ' + ', '.join(names)}.")
        print_line(f"Give the devices {place.files.authority}.")
    print_line(f"The controller is {CONTROLLER_NAME!r}; its password is in {kept}{written}.")
    _restart(place)
    print_line("Let the devices in, each for itself: sudo loadshed broker add-user NAME --role device")
    return DONE


def _kept_password(path: Path) -> str:
    """Return the password in a file that an editor of any system has saved; empty if there is none."""
    try:
        return decoded(path.read_bytes()).strip()
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise AccessError(f"{path} is not text: save it as UTF-8, or remove it for a new password") from error


def _ports(listening: Listeners) -> str:
    tls = "8883 (TLS)" if listening.names else ""
    plain = "1883" if listening.plain else "1883 (from this machine only)"
    return " and ".join(filter(None, (tls, plain)))


def _log_in(place: _BrokerHost, password_file: Path) -> str:
    """Write the controller's user to installer.toml; return a message about it."""
    path = place.config_dir / INSTALLER_FILE
    text = read_file(path)
    login = (f'username = "{CONTROLLER_NAME}"', f'password_file = "{password_file}"')
    said = text if isinstance(text, ConfigErrors) else parse_installer(text)
    if isinstance(text, ConfigErrors) or isinstance(said, ConfigErrors):
        return f". Write into {path}, [broker]: {'; '.join(login)}"
    if said.broker.username is not None:
        return "" if said.broker.username == CONTROLLER_NAME else f". Write into {path}, [broker]: {'; '.join(login)}"
    new = with_login(text, login)
    if isinstance(parse_installer(new), ConfigErrors):
        return f". Write into {path}, [broker]: {'; '.join(login)}"
    rewrite(path, new)
    return f", and {path} says so"


def own_names() -> list[str]:
    """Return the names and addresses by which others reach this machine, as far as it knows them now."""
    name = socket.gethostname()
    names = [name, *([] if "." in name else [f"{name}.local"])]
    if (ip := shutil.which("ip")) is not None:
        command = [ip, "-o", "addr", "show", "scope", "global"]
        shown = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        names += re.findall(r"inet6? ([0-9a-fA-F.:]+)/", shown.stdout)
    return [*names, "localhost", "127.0.0.1"]


# --- users -----------------------------------------------------------------------------------------------------------


def _add_user(arguments: argparse.Namespace, place: _BrokerHost) -> int:
    user = _wanted(arguments, place)
    if not arguments.replace and user.name in {known.name for known in place.files.users()}:
        raise AccessError(f"user {user.name} exists already: --replace creates it again, with another password")
    password = new_password()
    if (target := arguments.password_file) is not None:
        # Before the user is added: a password that is not stored anywhere is useless.
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, password + "\n", mode=0o600)
    place.files.add_user(user, password, place.house)
    print_line(f"{user.name}: {user}")
    print_line(f"password: {'in ' + str(target) if target is not None else password}")
    _reload(place)
    return DONE


def _wanted(arguments: argparse.Namespace, place: _BrokerHost) -> User:
    name, role = arguments.name, Role(arguments.role)
    if not NAME.fullmatch(name) or name == CONTROLLER_NAME:
        raise AccessError(
            f"{name!r} cannot be a user's name: letters, digits, '.', '_' and '-', but not {CONTROLLER_NAME!r}"
        )
    if role is not Role.DEVICE:
        if arguments.circuit or arguments.contact:
            raise AccessError("--circuit and --contact go with --role device")
        return User(name, role)
    if arguments.contact and not place.house.contact:
        raise AccessError('the contact is on a pin ([contact] source = "gpio"): no MQTT device publishes it')
    circuits = tuple(arguments.circuit or (() if arguments.contact else (name,)))
    known = place.circuits
    for circuit in circuits:
        if known is None:
            raise AccessError("first correct circuits.toml: `loadshed check` shows its errors")
        if circuit not in known:
            raise AccessError(f"there is no circuit {circuit}: --circuit one of {', '.join(known)}")
    return User(name, role, circuits, contact=arguments.contact)


def _remove_user(arguments: argparse.Namespace, place: _BrokerHost) -> int:
    if arguments.name == CONTROLLER_NAME:
        raise AccessError("without the controller's own user nothing is shed")
    place.files.remove_user(arguments.name)
    print_line(f"{arguments.name} is let in no longer")
    _reload(place)
    return DONE


def _list(_: argparse.Namespace, place: _BrokerHost) -> int:
    users = place.files.users()
    if not users:
        raise AccessError("the broker is not set up yet: sudo loadshed broker init")
    print_line(table(("user", "may"), [(user.name, str(user)) for user in users]))
    return DONE


# --- the broker ------------------------------------------------------------------------------------------------------


def _reload(place: _BrokerHost) -> None:
    """Let the broker reload its lists; remaining users stay connected."""
    if not (place.reload and _systemctl("reload", "mosquitto.service")):
        print_line("Mosquitto knows it after: sudo systemctl reload mosquitto")


def _restart(place: _BrokerHost) -> None:
    """Restart the broker, and the controller with its new login."""
    if not (
        place.reload and _systemctl("restart", "mosquitto.service") and _systemctl("try-restart", "loadshed.service")
    ):
        print_line("Now: sudo systemctl restart mosquitto; sudo systemctl try-restart loadshed")


def _systemctl(*words: str) -> bool:
    """Return whether systemd executed it; False if there is no systemd."""
    if not Path("/run/systemd/system").is_dir() or os.geteuid() != 0:
        return False
    ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, errors="replace", check=False)  # noqa: S603, S607
    if ran.returncode != 0:
        sys.stderr.write(ran.stderr)
    return ran.returncode == 0
