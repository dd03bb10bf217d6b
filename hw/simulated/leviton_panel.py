"""A simulated panel with an LWHEM-2 hub: what its breakers really do, beside what the cloud believes of them.

Fields and words: the JSON of the cloud, as other programs have recorded it. Nothing here was tried on the real cloud.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

Fields = dict[str, object]
"""Members of a JSON object."""

VOLTS = 121.0


class BreakerGeneration(Enum):
    """Generation of a breaker, by `canRemoteOn`: true, false, null."""

    SECOND = True
    FIRST = False
    STANDARD = None


@dataclass(slots=True)
class CloudBreaker:
    """A breaker in the panel.

    `position`: its lower slot; None: not placed in the app yet. `load_w`: power of its load in W while it is on.
    `stuck`: it never moves on a command. `welded`: it opens and reports so, and its contacts stay closed.
    `unheard`: its Bluetooth connection to the hub is lost. `move_s`: time from the hub's command to the movement.
    """

    id: str
    serial: str | None
    name: str
    position: int | None
    poles: int = 1
    generation: BreakerGeneration = BreakerGeneration.SECOND
    amps: int | None = 20
    load_w: float = 900.0
    critical: bool = False
    handle_on: bool = True
    remote_off: bool = False
    trip: str = ""
    stuck: bool = False
    welded: bool = False
    unheard: bool = False
    move_s: float = 0.4
    identified: bool = False

    @property
    def energized(self) -> bool:
        """Return whether its load has voltage."""
        return self.welded or (self.handle_on and not self.trip and not self.remote_off)

    @property
    def watts(self) -> float:
        """Return the power of its load in W."""
        return self.load_w if self.energized else 0.0

    def switch(self, *, on: bool) -> None:
        """Carry out a command that has reached the breaker."""
        if self.stuck or self.generation is BreakerGeneration.STANDARD:
            return
        if self.generation is BreakerGeneration.FIRST:
            if not on:
                self.trip = "SoftwareTrip"
            return
        if not self.trip:
            self.remote_off = not on

    def move_handle(self, *, on: bool) -> None:
        """Move the handle, which also resets a trip."""
        self.handle_on = on
        if on:
            self.trip, self.remote_off = "", False

    def state(self) -> Fields:
        """Return the members of its JSON that can change."""
        word = self.trip or ("ManualON" if self.handle_on else "ManualOFF")
        watts = round(self.watts / self.poles)
        second = self.generation is BreakerGeneration.SECOND
        found: Fields = {
            "currentState": word,
            "currentState2": word if self.poles > 1 else "",
            "remoteState": ("RemoteOFF" if self.remote_off else "RemoteON") if second else "",
            "power": watts,
            "rmsCurrent": round(watts / VOLTS, 2),
        }
        if self.poles > 1:
            found |= {"power2": watts, "rmsCurrent2": round(watts / VOLTS, 2)}
        return found

    def description(self) -> Fields:
        """Return the members of its JSON that stay."""
        models = {
            BreakerGeneration.SECOND: "LB120-ST",
            BreakerGeneration.FIRST: "LB120-DS",
            BreakerGeneration.STANDARD: f"NONE-{self.poles}",
        }
        found: Fields = {
            "id": self.id,
            "serialNumber": self.serial,
            "name": self.name,
            "poles": self.poles,
            "model": models[self.generation],
            "hwVersion": "basic1Pole" if self.generation is BreakerGeneration.STANDARD else "AFGF-01",
            "canRemoteOn": self.generation.value,
            "currentRating": None if self.generation is BreakerGeneration.STANDARD else self.amps,
            "operationalState": "Normal",
            "critical": self.critical,
            "priority": 0,
            "branchType": "Outlets",
        }
        return found | ({} if self.position is None else {"position": self.position})


@dataclass(slots=True)
class CloudHub:
    """An LWHEM-2 with its breakers. `connected`: it reaches the cloud. `cts`: power in W of its current transformers.

    `sheds_by_loop`: its loop is connected: `open_loop` sheds what is not `critical`.
    """

    serial: str
    breakers: list[CloudBreaker]
    name: str = "Panel"
    version: str = "2.1.2"
    connected: bool = True
    panel_size: int = 42
    cts: tuple[float, float] = (1500.0, 1400.0)
    bandwidth: int = 0
    fast_until: float = 0.0
    cached: dict[int, Fields] = field(default_factory=dict)
    """What the cloud believes of each breaker, by its number in `breakers`."""
    kept: list[tuple[int, bool]] = field(default_factory=list)
    """Commands that the cloud has accepted while the hub was away."""

    def refresh(self) -> list[tuple[int, Fields]]:
        """Report all breakers to the cloud; return what has changed, by the number of the breaker."""
        changed = []
        for number, breaker in enumerate(self.breakers):
            now: Fields = {"currentState": "NotCommunicating"} if breaker.unheard else breaker.state()
            before = self.cached.setdefault(number, breaker.state())
            news = {key: value for key, value in now.items() if before.get(key) != value}
            before |= news
            if news:
                changed.append((number, news))
        return changed

    def description(self, now_text: str) -> Fields:
        """Return the hub's JSON, with its secrets."""
        return {
            "id": self.serial,
            "serial": self.serial,
            "name": self.name,
            "model": "LWHEM",
            "version": self.version,
            "connected": self.connected,
            "bandwidth": self.bandwidth,
            "panelSize": self.panel_size,
            "breakerCount": len(self.breakers),
            "rmsVoltageA": 121,
            "rmsVoltageB": 121,
            "frequencyA": 60,
            "frequencyB": 60,
            "loadSheddingState": None,
            "ccSetup1": 0,
            "ccSetup2": 0,
            "ccState1": False,
            "ccState2": False,
            "rssi": -58,
            "lastUpdated": now_text,
            "token": "hub-token-that-must-not-leave",
            "regKey": "hub-regkey-that-must-not-leave",
            "mac": "02:00:5e:00:53:01",
            "localIP": "192.0.2.44",
        }

    def open_loop(self) -> None:
        """Open the loop, as the transfer switch does on standby: all 2nd Gen breakers that are not critical open."""
        self._by_loop(on=False)

    def close_loop(self) -> None:
        """Close the loop, as on utility."""
        self._by_loop(on=True)

    def _by_loop(self, *, on: bool) -> None:
        for breaker in self.breakers:
            if not breaker.critical and breaker.generation is BreakerGeneration.SECOND:
                breaker.switch(on=on)


def simulated_hub(count: int = 4, serial: str = "1000_0012_3456", *, first_slot: int = 1) -> CloudHub:
    """Return a hub with this number of 2nd Gen breakers in the slots from `first_slot`."""
    breakers = [
        CloudBreaker(
            id=f"4C4556{serial[-2:]}{number + 1:04X}",
            serial=f"SN{serial[-4:]}{number + 1:04d}",
            name=f"Load {number + 1}",
            position=first_slot + number,
        )
        for number in range(count)
    ]
    return CloudHub(serial, breakers)
