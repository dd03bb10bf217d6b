"""2nd Gen breakers of Leviton behind the bridge `loadshed leviton run`.

The bridge uses loadshed's own topics for each circuit. One connection to the broker has one last will, so the bridge's
own state covers all of its circuits: a circuit is available if its own topic and the bridge both say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, no_channel
from controller.bus.profiles.native import NATIVE
from controller.bus.profiles.schema import AvailabilityReport, Measurement, Profile

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

BRIDGE = "loadshed/{site}/clients/leviton"

_PROFILE = Profile(
    command=NATIVE.command,
    states=NATIVE.states,
    confirm_s=15.0,
    available=(
        AvailabilityReport(f"{BRIDGE}/state", "state", ("online",), ("offline", "starting"), gateway=True),
        *NATIVE.available,
    ),
    power=(Measurement(f"{BRIDGE}/circuits/{{circuit}}", "power_w"),),
    gateway="leviton",
)


def _profile(address: Address, _settings: Settings) -> Profile:
    no_channel(address)
    hub, slash, breaker = address.name.partition("/")
    if not slash or not hub.strip() or not breaker.strip() or "/" in breaker:
        raise AddressError(
            "the address of a Leviton breaker is the serial numbers of its hub and of the breaker: "
            '"leviton/1000_0012_3456/ABC123"; `loadshed leviton import` writes it'
        )
    return _PROFILE


FAMILY = Family(
    name="leviton",
    title="Leviton Load Center, 2nd Gen breakers",
    form="leviton/HUB SERIAL/BREAKER SERIAL, as `loadshed leviton import` writes it",
    profile=_profile,
)
