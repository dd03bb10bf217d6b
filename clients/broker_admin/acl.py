"""Access list of Mosquitto: the topics that each user may read and write."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from clients.broker_admin.device_access import HouseDevices
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import DeviceCatalog
from controller.bus.topics import SiteTopics

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Valid user name. A colon, a space or a wildcard would have a meaning in one of the broker's files."""

CONTROLLER_NAME = "loadshed"

_MARK = "# loadshed: "
_OURS = re.compile(
    rf"{_MARK}(?P<role>[a-z]+)(?: of (?P<circuits>[a-z0-9, -]+?))?(?: at (?P<devices>\".*\"))?"
    r"(?P<contact> and the contact)?"
)


class Role(Enum):
    """Role of a broker user."""

    CONTROLLER = "controller"
    DEVICE = "device"
    INTEGRATOR = "integrator"
    PERSON = "person"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class User:
    """A broker user.

    `circuits`: the circuits of a device that uses loadshed's own topics. `contact`: the device is also the transfer
    switch's contact. `devices`: addresses of a device that uses its own topics, as in circuits.toml. `family`: of a
    gateway.
    """

    name: str
    role: Role
    circuits: tuple[str, ...] = ()
    contact: bool = False
    devices: tuple[str, ...] = ()
    family: str | None = None

    def __str__(self) -> str:
        of = self.circuits if self.family is None else (self.family,)
        circuits = f" of {', '.join(of)}" if of else ""
        devices = f" at {json.dumps(self.devices, ensure_ascii=False)[1:-1]}" if self.devices else ""
        return f"{self.role.value}{circuits}{devices}{' and the contact' if self.contact else ''}"


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """Topics of a house. `contact`: those of an MQTT contact, with its availability; empty if it is on a pin.

    `contact_query`: topics of requests for its position; empty: there are none. `devices`: those of circuits.toml.
    """

    site: str
    contact: tuple[str, ...] = ()
    contact_query: tuple[str, ...] = ()
    devices: HouseDevices = field(default_factory=lambda: HouseDevices(DeviceCatalog()))

    @property
    def names(self) -> SiteTopics:
        return SiteTopics(self.site)


def lines(user: User, house: TopicLayout) -> tuple[str, ...]:
    """Return the lines of the access list for a user. Everything else is denied."""
    names = house.names
    if user.role is Role.CONTROLLER:
        return _of_controller(house)
    if user.role is Role.DEVICE:
        return _of_device(user, house)
    if user.role is Role.GATEWAY:
        return _of_gateway(user, house)
    # Requests and replies are visible to the requester and the controller only.
    reads = (f"topic read {names.everything}", *(f"topic read {topic}" for topic in house.contact))
    if user.role is Role.PERSON:
        return (*reads, f"topic write {names.ask('+')}", f"topic readwrite {names.answers('#')}")
    return (*reads, f"topic deny {names.ask('#')}", f"topic deny {names.answers('#')}")


def _of_controller(house: TopicLayout) -> tuple[str, ...]:
    """Return the lines for the controller: its own topics, and of each device the reverse of what the device may do.

    It reads the command topics as well: a retained message there would switch a load by itself.
    """
    reads, writes = list(house.contact), list(house.contact_query)
    for device in house.devices.devices:
        reads += [*device.writes, *device.command]
        writes += [*device.command, *device.reads]
    for gateway in house.devices.gateways.values():
        writes += gateway.requests
    reads += house.devices.discovery
    base = house.names.base
    foreign = _access_lines(
        (topic for topic in reads if not topic.startswith(base)),
        (topic for topic in writes if not topic.startswith(base)),
    )
    return (f"topic readwrite {house.names.everything}", *foreign)


def _of_device(user: User, house: TopicLayout) -> tuple[str, ...]:
    """Return the lines for a device: it reads its own commands and writes its own reports, never another's."""
    names = house.names
    reads = [names.breaker_command(circuit) for circuit in user.circuits]
    writes = [
        topic(circuit) for circuit in user.circuits for topic in (names.breaker_state, names.breaker_availability)
    ]
    for address in user.devices:
        # An address that is no longer in the files means no device: its user may do nothing.
        with suppress(AddressError):
            for device in house.devices.of(address):
                reads += [*device.command, *device.reads]
                writes += device.writes
    if user.contact:
        reads += house.contact_query
        writes += house.contact
    return _access_lines(reads, writes)


def _of_gateway(user: User, house: TopicLayout) -> tuple[str, ...]:
    """Return the lines for a gateway: its family's base, and our topics that it reads."""
    access = house.devices.gateways.get(user.family or "")
    return () if access is None else _access_lines((*access.owns, *access.reads), access.owns)


def _access_lines(reads: Iterable[str], writes: Iterable[str]) -> tuple[str, ...]:
    """Return one line for each topic, in the order of the topics."""
    read, written = dict.fromkeys(reads), dict.fromkeys(writes)
    rights = {
        topic: "readwrite" if topic in read and topic in written else "read" if topic in read else "write"
        for topic in (*read, *written)
    }
    return tuple(f"topic {right} {topic}" for topic, right in rights.items())


def user_section(user: User, house: TopicLayout) -> str:
    """Return the section of a user in the access list. Its first line, a comment, holds the role."""
    return "\n".join((f"{_MARK}{user}", f"user {user.name}", *lines(user, house)))


def users(access_list: str) -> tuple[User, ...]:
    """Return the users that loadshed added to an access list, in its order."""
    return tuple(user for part in _parts(access_list) if (user := _user(part)) is not None)


def with_user(access_list: str, user: User, house: TopicLayout) -> str:
    """Return the list with this user, in its present place; all other lines are unchanged."""
    parts = _parts(access_list)
    place = next((n for n, part in enumerate(parts) if _name(part) == user.name), len(parts))
    return _joined([*parts[:place], user_section(user, house), *parts[place + 1 :]])


def without_user(access_list: str, name: str) -> str:
    """Return the list without the section of a user."""
    return _joined([part for part in _parts(access_list) if _name(part) != name])


def _parts(access_list: str) -> list[str]:
    return [part.strip("\n") for part in re.split(r"\n\s*\n", access_list) if part.strip()]


def _joined(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n" if parts else ""


def _name(part: str) -> str | None:
    found = re.search(r"^user (.+)$", part, re.MULTILINE)
    return found[1] if found else None


def _user(part: str) -> User | None:
    name, mark = _name(part), _OURS.fullmatch(part.partition("\n")[0])
    if name is None or mark is None or mark["role"] not in {role.value for role in Role}:
        return None
    of, role = tuple(mark["circuits"].split(", ")) if mark["circuits"] else (), Role(mark["role"])
    if role is Role.GATEWAY:
        return User(name, role, family=", ".join(of) or None)
    return User(name, role, of, mark["contact"] is not None, _devices(mark["devices"]))


def _devices(text: str | None) -> tuple[str, ...]:
    """Return the addresses in a comment; none if it was changed to something else."""
    try:
        listed = json.loads(f"[{text or ''}]")
    except ValueError:
        return ()
    return tuple(one for one in listed if isinstance(one, str))
