"""Access list of Mosquitto: the topics that each user may read and write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from controller.bus.topics import SiteTopics

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Valid user name. A colon, a space or a wildcard would have a meaning in one of the broker's files."""

CONTROLLER_NAME = "loadshed"

_MARK = "# loadshed: "
_OURS = re.compile(rf"{_MARK}(?P<role>[a-z]+)(?: of (?P<circuits>[a-z0-9, -]+?))?(?P<contact> and the contact)?")


class Role(Enum):
    """Role of a broker user."""

    CONTROLLER = "controller"
    DEVICE = "device"
    INTEGRATOR = "integrator"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class User:
    """A broker user.

    `circuits`: the circuits of a device. `contact`: the device is also the transfer switch's contact.
    """

    name: str
    role: Role
    circuits: tuple[str, ...] = ()
    contact: bool = False

    def __str__(self) -> str:
        circuits = f" of {', '.join(self.circuits)}" if self.circuits else ""
        return f"{self.role.value}{circuits}{' and the contact' if self.contact else ''}"


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """Topics of a house. `contact`: those of an MQTT contact, with its availability; empty if it is on a pin.

    `contact_query`: topics of requests for its position; empty: there are none.
    """

    site: str
    contact: tuple[str, ...] = ()
    contact_query: tuple[str, ...] = ()

    @property
    def names(self) -> SiteTopics:
        return SiteTopics(self.site)


def lines(user: User, house: TopicLayout) -> tuple[str, ...]:
    """Return the lines of the access list for a user. Everything else is denied."""
    names = house.names
    if user.role is Role.CONTROLLER:
        return (
            f"topic readwrite {names.everything}",
            *(f"topic read {topic}" for topic in house.contact),
            *(f"topic write {topic}" for topic in house.contact_query),
        )
    if user.role is Role.DEVICE:
        return _of_device(user, house)
    # Requests and replies are visible to the requester and the controller only.
    reads = (f"topic read {names.everything}", *(f"topic read {topic}" for topic in house.contact))
    if user.role is Role.PERSON:
        return (*reads, f"topic write {names.ask('+')}", f"topic readwrite {names.answers('#')}")
    return (*reads, f"topic deny {names.ask('#')}", f"topic deny {names.answers('#')}")


def _of_device(user: User, house: TopicLayout) -> tuple[str, ...]:
    """Return the lines for a device: it reads its own commands and writes its own reports, never another's."""
    own: list[str] = []
    for circuit in user.circuits:
        names = house.names
        own.append(f"topic read {names.breaker_command(circuit)}")
        own.append(f"topic write {names.breaker_state(circuit)}")
        own.append(f"topic write {names.breaker_availability(circuit)}")
    if user.contact:
        own += [f"topic write {topic}" for topic in house.contact]
        own += [f"topic read {topic}" for topic in house.contact_query]
    return tuple(own)


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
    circuits = tuple(mark["circuits"].split(", ")) if mark["circuits"] else ()
    return User(name, Role(mark["role"]), circuits, mark["contact"] is not None)
