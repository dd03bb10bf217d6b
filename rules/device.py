"""What the rules need to know of the device that switches a circuit: what its reports prove."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Evidence(Enum):
    """What a live message about a position proves.

    `DEVICE`: the device itself reports. `ECHO`: after a command, its gateway reports what was commanded. `CACHE`: any
    message may repeat what the gateway remembers.
    """

    DEVICE = "device"
    ECHO = "echo"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class DeviceTraits:
    """Device of a circuit, as far as decisions depend on it.

    `address`: as in the file, `family/address#channel`. `settle_s`: time in seconds after a command in which a report
    may be an echo. `can_query`: it can be asked for its position. `resubscribe`: its retained state is current once it
    has shown life. `gateway`: name of the gateway or cloud that reports for it; None: it has its own connection to the
    broker. `stamped`: its reports say when the value was true. `confirm_s`: time in seconds it has to confirm a
    command; None: as the house. `availability_sources`: number of topics that together say whether it is available.
    `power_query`: it can be asked for its power.
    """

    address: str
    evidence: Evidence = Evidence.DEVICE
    settle_s: float = 0.0
    can_query: bool = False
    resubscribe: bool = False
    gateway: str | None = None
    stamped: bool = False
    confirm_s: float | None = None
    availability_sources: int = 0
    power_query: bool = False

    @property
    def family(self) -> str:
        """Return the family of devices: the part before the first slash."""
        return self.address.partition("/")[0]

    @property
    def remembers(self) -> bool:
        """Return whether a live message may be older than the last command: only proven reports count."""
        return self.evidence is not Evidence.DEVICE

    @property
    def can_be_confirmed(self) -> bool:
        """Return whether a position of the device can ever be proven."""
        return self.evidence is not Evidence.CACHE or self.can_query or self.stamped
