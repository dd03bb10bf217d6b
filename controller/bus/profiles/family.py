"""A family of devices: its name, its addresses, and how its profile is made for one device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rules.contact_evidence import ContactEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.bus.profiles.schema import AvailabilityReport, OutgoingMessage, Profile, StateReport

MAX_LENGTH = 200
"""Longest address, in signs."""

Settings = dict[str, str | float | bool | tuple[str, ...]]
"""Settings of a family: `[families.NAME]`, with the family's defaults."""


class AddressError(ValueError):
    """The address, or a setting of the family, cannot be used; the text says what to write."""


class Address(NamedTuple):
    """Address of a device in the file: `family/name#channel`. `channel`: None if it is left out."""

    family: str
    name: str
    channel: str | None = None

    def __str__(self) -> str:
        channel = "" if self.channel is None else f"#{self.channel}"
        return f"{self.family}/{self.name}{channel}"


class ContactProfile(NamedTuple):
    """How a device of the family reports the auxiliary contact at its input.

    `states`: reports of the position; `on`: values while the input is active and the contact closed. `available`: all
    must be online. `proof`: what the reports prove and what they cannot, in words. `query`: the question for the
    position; None: the device cannot be asked. `alive`: topics whose live messages show that the device is there.
    `evidence`: what its reports prove. `gateway`: base of the gateway that reports for it; None: it has its own
    connection to the broker.
    """

    states: tuple[StateReport, ...]
    available: tuple[AvailabilityReport, ...]
    proof: str
    query: OutgoingMessage | None = None
    alive: tuple[str, ...] = ()
    evidence: ContactEvidence = ContactEvidence.DEVICE
    gateway: str | None = None

    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to."""
        reports = [*(one.topic for one in self.available), *(one.topic for one in self.states), *self.alive]
        return tuple(dict.fromkeys(reports))


class GatewayTopics(NamedTuple):
    """Topics of the program that reports for the devices of a family, with the family's settings in braces.

    `owns`: filters of the topics that it reads and publishes on. `reads`: topics of ours that it reads. `requests`:
    topics on which the controller's tools change its settings.
    """

    owns: tuple[str, ...]
    reads: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """Family of devices.

    `title`: its name for people. `form`: how an address is written. `settings`: keys of `[families.NAME]` with their
    defaults. `choices`: those that are one of some words, or a text of any signs (no words); every other text is part
    of a topic. `profile`: makes the profile of one address; raises `AddressError`. `contact`: makes that of an
    auxiliary contact; None: the family has no inputs. `gateway`: of the program that reports for the devices; None:
    each device has its own login at the broker. `discovery`: filters of topics on which devices describe themselves.
    """

    name: str
    title: str
    form: str
    profile: Callable[[Address, Settings], Profile]
    settings: Settings = field(default_factory=dict)
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    contact: Callable[[Address, Settings], ContactProfile] | None = None
    gateway: GatewayTopics | None = None
    discovery: tuple[str, ...] = ()


def parse_address(text: str) -> Address:
    """Return the parts of `family/name#channel`. Raises `AddressError`."""
    if text != text.strip():
        raise AddressError(f'write it without blanks at its ends: "{text.strip()}"')
    family, slash, rest = text.partition("/")
    name, sign, channel = rest.partition("#")
    if not family or not slash or not name.strip() or name != name.strip() or name.startswith("/"):
        raise AddressError('write "family/address" or "family/address#channel", such as "shelly/shellypro4pm-a1b2c3#0"')
    if sign and not channel:
        raise AddressError("write a channel after the #, or leave the # out")
    if "+" in name or "#" in channel or any(not sign.isprintable() for sign in text):
        raise AddressError("an address has no + and only one #")
    if len(text) > MAX_LENGTH:
        raise AddressError(f"an address has at most {MAX_LENGTH} signs")
    return Address(family, name, channel or None)


def numbered_channel(address: Address, first: int, last: int, default: int | None = None) -> int:
    """Return the channel of an address as a number from `first` to `last`. Raises `AddressError`."""
    channel = address.channel
    if channel is None and default is not None:
        return default
    if channel is None or not channel.isdecimal() or not first <= int(channel) <= last:
        shown = "missing" if channel is None else f"not {channel!r}"
        raise AddressError(f"the channel of a {address.family} device is a number from {first} to {last}, {shown}")
    return int(channel)


def no_channel(address: Address) -> None:
    """Raise `AddressError` if the address has a channel: the family has none."""
    if address.channel is not None:
        raise AddressError(f"a {address.family} device has no channel: leave #{address.channel} out")


def text_setting(settings: Mapping[str, object], name: str) -> str:
    """Return a setting that is a text."""
    return str(settings[name])
