"""Parts of the virtual house as tests use them: contact, broker, and the handle of a breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.core import events as ev
from hw.simulated.breakers import SOUND, BreakerFaults, SimulatedBreaker
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.simulated.breakers import Report
    from tests.virtual_house import VirtualHouse

LATENCY_S = 0.02
RECONNECT_S = 0.2


class Contact:
    """The auxiliary contact on its wire: closed on utility, open on standby."""

    def __init__(self, house: VirtualHouse, *, is_open: bool) -> None:
        self._house = house
        self.is_open = is_open

    def open(self) -> None:
        self._moves(is_open=True)

    def close(self) -> None:
        self._moves(is_open=False)

    def is_read(self) -> None:
        """Poll the level, in addition to the edges."""
        self._house.happens(ev.ContactChanged(self._house.mono, self.is_open))

    def is_lost(self, reason: str = "the chip failed") -> None:
        self._house.happens(ev.ContactLost(self._house.mono, reason))

    def says(self, *, is_open: bool, retained: bool = False) -> None:
        """MQTT contact: its device reports a position, or (retained) the broker has it stored."""
        self._house.happens(ev.ContactChanged(self._house.mono, is_open, retained))

    def is_alive(self) -> None:
        """MQTT contact: its device reports that it is available."""
        self._house.happens(ev.ContactAlive(self._house.mono))

    def will(self, *, be_open: bool, in_s: float) -> None:
        """Move the contact in `in_s` seconds. The kernel stamps the edge even while the program is suspended."""

        def move() -> None:
            self.is_open = be_open
            self._house.put(ev.ContactChanged(self._house.mono, be_open))

        self._house.later(in_s, move)

    def _moves(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.is_read()


class Broker:
    """Broker: keeps the retained message of each topic and may be stopped."""

    def __init__(self, house: VirtualHouse) -> None:
        self._house = house
        self._retained: dict[tuple[CircuitId, str], str] = {}
        self.up = True

    def takes(self, report: Report) -> None:
        if self.up:
            self._retained[report.circuit, report.leaf] = report.word
            self._house.later(LATENCY_S, lambda: self._says(report.circuit, report.leaf, report.word, retained=False))

    def remembers(self, name: str, word: str, leaf: str = "state") -> None:
        """Set a retained message that differs from the last report, as after a power cut of the broker."""
        self._retained[CircuitId(name), leaf] = word

    def forgets(self, name: str) -> None:
        for leaf in ("state", "availability"):
            self._retained.pop((CircuitId(name), leaf), None)

    def greets(self) -> None:
        """Accept the controller and send it the retained messages."""
        self._house.happens(ev.BusConnected(self._house.mono))
        for (circuit, leaf), word in sorted(self._retained.items()):
            self._says(circuit, leaf, word, retained=True)
        self._house.turn()

    def goes_away(self) -> None:
        self.up = False
        self._house.happens(ev.BusLost(self._house.mono, "gone"))

    def comes_back(self) -> None:
        """Accept the controller again and, a moment later, the devices, which report their positions."""
        self.up = True
        self.greets()
        for breaker in self._house.breakers.values():
            self._house.later(RECONNECT_S, lambda it=breaker: self._house.publish(it.greeting()))  # type: ignore[misc]

    def drops_us(self) -> None:
        """End the connection of the controller and accept it again at once. The devices stay connected."""
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
    """Handle of one breaker: what a user, a power loss or a fault does to it."""

    def __init__(self, house: VirtualHouse, breaker: SimulatedBreaker) -> None:
        self._house = house
        self._it = breaker

    @property
    def position(self) -> Position:
        """Actual position of its contacts."""
        return self._it.position

    def turn_off_by_hand(self) -> None:
        self._says(self._it.flip_by_hand(Position.OFF))

    def turn_on_by_hand(self) -> None:
        self._says(self._it.flip_by_hand(Position.ON))

    def trip(self) -> None:
        self._says(self._it.trip())

    def has(self, **faults: Any) -> None:
        """Set its faults by name; without names it works correctly again."""
        self._it.faults = BreakerFaults(**faults) if faults else SOUND

    def says(self, word: str, leaf: str = "state") -> None:
        """Send a report of it, true or not."""
        at, circuit = self._house.mono, self._it.circuit
        if leaf == "state":
            self._house.happens(ev.BreakerReported(at, circuit, Position[word]))
        else:
            self._house.happens(ev.AvailabilityReported(at, circuit, word == "online"))

    def loses_power(self) -> None:
        """Its electronics lose power, and the broker publishes its last will."""
        self._it.power_lost()
        self.says("offline", "availability")

    def gets_power(self) -> None:
        self._says(self._it.power_back())

    def reboots(self) -> None:
        """Its power dips too briefly for its last will."""
        self._says(self._it.reboot())

    def _says(self, reports: Iterable[Report]) -> None:
        self._house.publish(reports)
        self._house.wait(2 * LATENCY_S)
