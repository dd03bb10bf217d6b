"""`loadshed broker`: users of this machine's Mosquitto, and the topics that each may read and write."""

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

from clients.broker_admin.acl import CONTROLLER_NAME, NAME, Role, User
from clients.broker_admin.certificates import CertificateError
from clients.broker_admin.mosquitto import ETC, AccessError, Listeners, MosquittoConfig, with_login
from clients.broker_admin.passwords import new_password
from clients.broker_admin.topic_layout import topic_layout
from clients.bus_client.site import read_installer_file
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from clients.terminal.tables import table
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import FAMILY_NAMES, family
from controller.config.errors import ConfigErrors, closest_match
from controller.config.loader import (
    CIRCUITS_FILE,
    INSTALLER_FILE,
    panel_of_house,
    parse_circuits,
    parse_installer,
    read_file,
)
from controller.config.model import DeviceContact
from controller.storage.atomic_file import rewrite, write
from hw.broker_socket import decoded
from rules.panel import Panel

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from clients.broker_admin.acl import TopicLayout
    from controller.config.installer import Installer
    from controller.config.model import ContactSettings

PASSWORD_FILE = "broker.password"  # noqa: S105 — a file name
_ADDRESS = re.compile(r"[A-Za-z0-9.:-]+")
_ROLES = (Role.DEVICE, Role.GATEWAY, Role.INTEGRATOR, Role.PERSON)

_EPILOG = """roles:
  device       receives the commands to its own circuits and reports their positions; nothing else
  gateway      a program that reports for many devices, such as Zigbee2MQTT: all topics of its family
  integrator   reads everything and can change nothing: a dashboard, a recorder, another system
  person       reads everything and may send requests, as `loadshed ask` does

Only the controller may command a breaker. A password is shown once; Mosquitto stores only its hash."""


@dataclass(frozen=True, slots=True)
class _BrokerHost:
    """State of every step: the house from its files, and the broker's files.

    `panel`: None if circuits.toml is missing or has errors.
    """

    config_dir: Path
    house: TopicLayout
    panel: Panel | None
    contact: ContactSettings
    files: MosquittoConfig
    reload: bool


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Describe `broker`."""
    parser.description = "Set up the Mosquitto broker of this machine for the house, and manage its users."
    parser.epilog = _EPILOG
    steps = parser.add_subparsers(required=True, metavar="STEP", title="steps")

    def step(name: str, text: str, call: Callable[[argparse.Namespace, _BrokerHost], int]) -> argparse.ArgumentParser:
        made = steps.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        folders(made, config=True)
        made.add_argument("--etc", metavar="DIR", type=Path, default=ETC, help="Mosquitto's folder (%(default)s)")
        made.add_argument("--no-reload", action="store_true", help="write the files only; do not reload the broker")
        made.set_defaults(call=lambda arguments: _with_place(arguments, call))
        return made

    begin = step(
        "init", "require a password from every client, and accept connections from the network of the house", _init
    )
    text = "use TLS on port 8883, with certificates created by this command, or no longer use it (default: no change)"
    begin.add_argument("--tls", action=BooleanOptionalAction, help=text)
    begin.add_argument("--plain", action="store_true", help="with --tls: also accept devices without TLS, on port 1883")
    text = "name or address by which devices reach this machine, for its certificate; may be repeated"
    begin.add_argument("--name", action="append", metavar="NAME", help=f"{text} (default: all its present names)")

    add = step("add-user", "add a user", _add_user)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", required=True, choices=[role.value for role in _ROLES], help="see `loadshed broker -h`")
    text = "id of a circuit of a device that uses loadshed's own topics; may be repeated (default: NAME)"
    add.add_argument("--circuit", action="append", metavar="CIRCUIT", help=text)
    text = "device as in circuits.toml, FAMILY/ADDRESS; without #CHANNEL: all its channels; may be repeated"
    add.add_argument("--device", action="append", metavar="DEVICE", help=text)
    add.add_argument("--family", metavar="FAMILY", help="family of devices that a gateway reports for")
    add.add_argument("--contact", action="store_true", help="the device reports the transfer switch contact")
    add.add_argument(
        "--replace", action="store_true", help="replace an existing user of this name; the password changes"
    )
    add.add_argument(
        "--password-file", type=Path, metavar="FILE", help="write the password to FILE instead of showing it"
    )
    step("remove-user", "remove a user", _remove_user).add_argument("name", metavar="NAME")
    step("list", "show all users and their roles", _list)


def _with_place(arguments: argparse.Namespace, call: Callable[[argparse.Namespace, _BrokerHost], int]) -> int:
    installer = read_installer_file(arguments.config)
    if isinstance(installer, ConfigErrors):
        print_error(f"{arguments.config / INSTALLER_FILE} has errors. Correct them first; `loadshed check` shows them.")
        return WRONG_CONFIGURATION
    panel = _panel(arguments.config, installer)
    place = _BrokerHost(
        arguments.config,
        topic_layout(installer, panel or Panel({})),
        panel,
        installer.contact,
        MosquittoConfig(arguments.etc.absolute()),
        reload=not arguments.no_reload and arguments.etc == ETC,
    )
    try:
        if call in (_init, _add_user):
            _require_circuits(place)
        return call(arguments, place)
    except (AccessError, CertificateError) as error:
        print_error(str(error))
    except PermissionError as error:
        print_error(f"{error.filename}: permission denied. Run the command as root: sudo loadshed broker …")
    except OSError as error:
        print_error(f"{error.filename or arguments.etc}: {error.strerror or error}")
    return NOT_DONE


def _require_circuits(place: _BrokerHost) -> None:
    """Raise AccessError if circuits.toml has errors, or is missing although a user's device was in it.

    The lines of all users are written again: without its circuit, a device would lose its topics.
    """
    exists = (place.config_dir / CIRCUITS_FILE).exists()
    if place.panel is None and (exists or any(user.devices for user in place.files.users())):
        what = "has errors" if exists else "is missing"
        raise AccessError(f"circuits.toml {what}. Correct this first; `loadshed check` shows the details.")


def _panel(config_dir: Path, installer: Installer) -> Panel | None:
    text = read_file(config_dir / CIRCUITS_FILE)
    panel = text if isinstance(text, ConfigErrors) else parse_circuits(text)
    if not isinstance(text, ConfigErrors) and not isinstance(panel, ConfigErrors):
        panel = panel_of_house(panel, installer, text)
    return None if isinstance(panel, ConfigErrors) else panel


# --- init ------------------------------------------------------------------------------------------------------------


def _init(arguments: argparse.Namespace, place: _BrokerHost) -> int:
    tls = place.files.has_tls if arguments.tls is None else arguments.tls
    if not tls and (arguments.plain or arguments.name):
        raise AccessError("--plain and --name require --tls")
    if wrong := [name for name in arguments.name or () if not _ADDRESS.fullmatch(name)]:
        raise AccessError(f"--name {wrong[0]!r}: not a host name or IP address")
    names = tuple(arguments.name or own_names()) if tls else ()
    # Without --tls and --plain, a second run keeps both as they are: a device that connected before still connects.
    as_it_was = arguments.tls is None and place.files.is_plain
    listening = Listeners(names, plain=arguments.plain or not tls or as_it_was)
    certified = place.files.authority.exists()
    kept = place.config_dir.absolute() / PASSWORD_FILE
    password = _kept_password(kept) or new_password()
    place.files.set_up(place.house, listening, password)
    write(kept, password + "\n", mode=0o640, group=CONTROLLER_NAME)
    written = _log_in(place, kept)
    print_line(f"Mosquitto requires a user name and a password. Ports: {_ports(listening)}.")
    if names:
        if certified:
            print_line(f"Existing certificate kept. For other names: remove {place.files.authority}, run this again.")
        else:
            print_line(f"New certificate for {', '.join(names)}.")
        print_line(f"Install this file on the devices: {place.files.authority}")
    print_line(f"User of the controller: {CONTROLLER_NAME}; its password is in {kept}.{written}")
    _restart(place)
    print_line("Next, add a user for each device: sudo loadshed broker add-user NAME --role device")
    return DONE


def _kept_password(path: Path) -> str:
    """Return the password in a file that an editor of any system has saved; empty if there is none."""
    try:
        return decoded(path.read_bytes()).strip()
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise AccessError(
            f"{path} is not a text file. Save it as UTF-8, or remove it to create a new password."
        ) from error


def _ports(listening: Listeners) -> str:
    tls = "8883 (TLS)" if listening.names else ""
    plain = "1883" if listening.plain else "1883 (from this machine only)"
    return " and ".join(filter(None, (tls, plain)))


def _log_in(place: _BrokerHost, password_file: Path) -> str:
    """Write the controller's login to installer.toml; return what to add to the message about it."""
    path = place.config_dir / INSTALLER_FILE
    text = read_file(path)
    login = (f'username = "{CONTROLLER_NAME}"', f'password_file = "{password_file}"')
    by_hand = f" Add to [broker] in {path}: {'; '.join(login)}"
    read = text if isinstance(text, ConfigErrors) else parse_installer(text)
    if isinstance(text, ConfigErrors) or isinstance(read, ConfigErrors):
        return by_hand
    if read.broker.username is not None:
        return "" if read.broker.username == CONTROLLER_NAME else by_hand
    new = with_login(text, login)
    if isinstance(parse_installer(new), ConfigErrors):
        return by_hand
    rewrite(path, new)
    return f" The login was added to {path}."


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
        raise AccessError(f"user {user.name} already exists. Add --replace to replace it; its password changes.")
    password = new_password()
    if (target := arguments.password_file) is not None:
        # Before the user is added: a password that is not stored anywhere is useless.
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, password + "\n", mode=0o600)
    place.files.add_user(user, password, place.house)
    print_line(f"User {user.name}: {user}")
    print_line(f"Password: {'written to ' + str(target) if target is not None else password}")
    _reload(place)
    return DONE


def _wanted(arguments: argparse.Namespace, place: _BrokerHost) -> User:
    name, role = arguments.name, Role(arguments.role)
    if not NAME.fullmatch(name) or name == CONTROLLER_NAME:
        raise AccessError(
            f"{name!r} is not a valid user name: use letters, digits, '.', '_', '-'. {CONTROLLER_NAME!r} is reserved."
        )
    if role is not Role.GATEWAY and arguments.family:
        raise AccessError("--family requires --role gateway")
    if role is not Role.DEVICE and (arguments.circuit or arguments.contact or arguments.device):
        raise AccessError("--circuit, --device and --contact require --role device")
    if role is Role.GATEWAY:
        return User(name, role, family=_gateway_family(arguments.family, place))
    if role is not Role.DEVICE:
        return User(name, role)
    if arguments.contact and isinstance(place.contact, DeviceContact):
        raise AccessError(f'the contact is at {place.contact.device}: write --device "{place.contact.device}" instead')
    if arguments.contact and not place.house.contact:
        raise AccessError(
            '--contact: the contact is wired to a GPIO pin ([contact] source = "gpio"), not an MQTT device'
        )
    devices = tuple(arguments.device or ())
    for device in devices:
        _check_device(device, place)
    circuits = tuple(arguments.circuit or (() if arguments.contact or devices else (name,)))
    for circuit in circuits:
        _check_circuit(circuit, place)
    return User(name, role, circuits, arguments.contact, devices)


def _check_circuit(circuit: str, place: _BrokerHost) -> None:
    """Raise AccessError unless this is a circuit whose device uses loadshed's own topics."""
    known = Panel({}) if place.panel is None else place.panel
    found = next((one for one in known if one.id == circuit), None)
    if found is None:
        names = ", ".join(known.circuits) or "none"
        raise AccessError(f"no circuit {circuit!r} in circuits.toml. Name the circuit with --circuit; known: {names}")
    if found.device is not None:
        raise AccessError(
            f"circuit {circuit} is switched by {found.device.address}. Add its user with "
            f'--device "{found.device.address}" in place of --circuit'
        )


def _check_device(device: str, place: _BrokerHost) -> None:
    """Raise AccessError unless circuits.toml has this device, and it has a login of its own."""
    try:
        found = place.house.devices.of(device)
    except AddressError as error:
        raise AccessError(f"--device {device!r}: {error}") from error
    if not found:
        known = [one.address for one in place.house.devices.devices]
        likely = closest_match(device, known)
        hint = f'did you mean "{likely}"?' if likely else f"known: {', '.join(known) or 'none'}"
        raise AccessError(f"no circuit in circuits.toml has the device {device!r}; {hint} Write its line first.")
    if (gateway := found[0].gateway) is not None:
        title = family(gateway).title
        raise AccessError(
            f"{device!r} has no login of its own: {title} reports for it. Add a user for {title}: "
            f"sudo loadshed broker add-user {gateway} --role gateway --family {gateway}"
        )


def _gateway_family(name: str | None, place: _BrokerHost) -> str:
    known = tuple(place.house.devices.gateways)
    if name in known:
        return str(name)
    if name in FAMILY_NAMES:
        raise AccessError(f"{family(str(name)).title} has no gateway: each device has its own login (--role device)")
    likely = closest_match(name or "", known)
    hint = f'did you mean "{likely}"?' if likely else f"write one of: {', '.join(known)}"
    raise AccessError(f"--role gateway requires --family FAMILY; {hint}")


def _remove_user(arguments: argparse.Namespace, place: _BrokerHost) -> int:
    if arguments.name == CONTROLLER_NAME:
        raise AccessError(
            f"{CONTROLLER_NAME} is the user of the controller: without it no circuit can be shed. It was not removed."
        )
    place.files.remove_user(arguments.name)
    print_line(f"User {arguments.name} removed.")
    _reload(place)
    return DONE


def _list(_: argparse.Namespace, place: _BrokerHost) -> int:
    users = place.files.users()
    if not users:
        raise AccessError("the broker is not set up. Run: sudo loadshed broker init")
    print_line(table(("user", "role"), [(user.name, str(user)) for user in users]))
    return DONE


# --- the broker ------------------------------------------------------------------------------------------------------


def _reload(place: _BrokerHost) -> None:
    """Let the broker reload its lists; remaining users stay connected."""
    if not (place.reload and _systemctl("reload", "mosquitto.service")):
        print_line("To apply the change: sudo systemctl reload mosquitto")


def _restart(place: _BrokerHost) -> None:
    """Restart the broker, and the controller with its new login."""
    if not (
        place.reload and _systemctl("restart", "mosquitto.service") and _systemctl("try-restart", "loadshed.service")
    ):
        print_line("To apply the change: sudo systemctl restart mosquitto; sudo systemctl try-restart loadshed")


def _systemctl(*words: str) -> bool:
    """Return whether systemd executed it; False if there is no systemd."""
    if not Path("/run/systemd/system").is_dir() or os.geteuid() != 0:
        return False
    ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, errors="replace", check=False)  # noqa: S603, S607
    if ran.returncode != 0:
        sys.stderr.write(ran.stderr)
    return ran.returncode == 0
