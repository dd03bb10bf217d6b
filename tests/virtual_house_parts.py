"""What the virtual house is made of, as a test takes hold of it: the contact, the broker, a breaker's handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.core import events as ev
from hw.simulated.breakers import SOUND, Faults, SimulatedBreaker
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.simulated.breakers import Report
    from tests.virtual_house import House

LATENCY_S = 0.02
RECONNECT_S = 0.2


class Contact:
    """The auxiliary contact on its wire: closed on utility, open on standby."""

    def __init__(self, house: House, *, is_open: bool) -> None:
        self._house = house
        self.is_open = is_open

    def open(self) -> None:
        self._moves(is_open=True)

    def close(self) -> None:
        self._moves(is_open=False)

    def is_read(self) -> None:
        """The level is polled, besides the edges."""
        self._house.happens(ev.ContactChanged(self._house.mono, self.is_open))

    def is_lost(self, reason: str = "the chip failed") -> None:
        self._house.happens(ev.ContactLost(self._house.mono, reason))

    def says(self, *, is_open: bool, retained: bool = False) -> None:
        """A contact on the bus: its device says it, or (retained) the broker remembers it."""
        self._house.happens(ev.ContactChanged(self._house.mono, is_open, retained))

    def is_alive(self) -> None:
        """A contact on the bus: its device says that it is there."""
        self._house.happens(ev.ContactAlive(self._house.mono))

    def will(self, *, be_open: bool, in_s: float) -> None:
        """Move the contact in so many seconds; the kernel stamps the edge, whoever sleeps meanwhile."""

        def move() -> None:
            self.is_open = be_open
            self._house.put(ev.ContactChanged(self._house.mono, be_open))

        self._house.later(in_s, move)

    def _moves(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.is_read()


class Broker:
    """The broker: it remembers the last word on each topic, and may be away."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._retained: dict[tuple[CircuitId, str], str] = {}
        self.up = True

    def takes(self, report: Report) -> None:
        if self.up:
            self._retained[report.circuit, report.leaf] = report.word
            self._house.later(LATENCY_S, lambda: self._says(report.circuit, report.leaf, report.word, retained=False))

    def remembers(self, name: str, word: str, leaf: str = "state") -> None:
        """Let the broker's memory be another than what was last said: it came back from a power cut."""
        self._retained[CircuitId(name), leaf] = word

    def forgets(self, name: str) -> None:
        for leaf in ("state", "availability"):
            self._retained.pop((CircuitId(name), leaf), None)

    def greets(self) -> None:
        """Accept the controller, and tell it what is remembered."""
        self._house.happens(ev.BusConnected(self._house.mono))
        for (circuit, leaf), word in sorted(self._retained.items()):
            self._says(circuit, leaf, word, retained=True)
        self._house.turn()

    def goes_away(self) -> None:
        self.up = False
        self._house.happens(ev.BusLost(self._house.mono, "gone"))

    def comes_back(self) -> None:
        """Accept the controller again, and a moment later the devices, who say how they are."""
        self.up = True
        self.greets()
        for breaker in self._house.breakers.values():
            self._house.later(RECONNECT_S, lambda it=breaker: self._house.publish(it.greeting()))  # type: ignore[misc]

    def drops_us(self) -> None:
        """End our own connection and accept it again at once; the devices notice nothing."""
        self._house.happens(ev.BusLost(self._house.mono, "a blink"))
        self.greets()

    def _says(self, circuit: CircuitId, leaf: str, word: str, *, retained: bool) -> None:
        if not self.up:
            return
        if leaf == "state":
            self._house.put(ev.BreakerReported(self._house.mono, circuit, Position[word], retained))
        else:
            self._house.put(ev.AvailabilityReported(self._house.mono, circuit, word == "online", retained))


class Hand:
    """What a person, the power or bad luck does to one breaker."""

    def __init__(self, house: House, breaker: SimulatedBreaker) -> None:
        self._house = house
        self._it = breaker

    @property
    def position(self) -> Position:
        """Where its contacts really are."""
        return self._it.position

    def turn_off_by_hand(self) -> None:
        self._says(self._it.flip_by_hand(Position.OFF))

    def turn_on_by_hand(self) -> None:
        self._says(self._it.flip_by_hand(Position.ON))

    def trip(self) -> None:
        self._says(self._it.trip())

    def has(self, **faults: Any) -> None:
        """Give it faults by name; none: it is sound again."""
        self._it.faults = Faults(**faults) if faults else SOUND

    def says(self, word: str, leaf: str = "state") -> None:
        """Let it say something, true or not."""
        at, circuit = self._house.mono, self._it.circuit
        if leaf == "state":
            self._house.happens(ev.BreakerReported(at, circuit, Position[word]))
        else:
            self._house.happens(ev.AvailabilityReported(at, circuit, word == "online"))

    def loses_power(self) -> None:
        """Its electronics go dark, and the broker says so for it."""
        self._it.power_lost()
        self.says("offline", "availability")

    def gets_power(self) -> None:
        self._says(self._it.power_back())

    def reboots(self) -> None:
        """A blink of its power, too short for its last will."""
        self._says(self._it.reboot())

    def _says(self, reports: Iterable[Report]) -> None:
        self._house.publish(reports)
        self._house.wait(2 * LATENCY_S)
