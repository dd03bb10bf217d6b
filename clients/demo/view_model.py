"""Content of the demo's screen: panel, contact, publications of the daemon, and log lines."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from clients.bus_client.status import HouseStatus
from clients.terminal.output import print_line
from controller.bus import topics

if TYPE_CHECKING:
    from clients.demo.clock import HouseClock
    from clients.demo.house import DemoHouse

_LINES = 200
_DEMAND_EACH_S = 120.0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `at_s`: house seconds since the start. `play`: an event of the scenario, not of the journal."""

    at_s: float
    factor: float
    text: str
    play: bool


_ON_STANDBY = ("shedding", "standby")


@dataclass
class DemoView:
    """Content of the screen. `demand`: as published, kW by house second. `over`: set when the outage has ended.

    `highest_kw`: highest momentary demand in the outage, as in its report: no upper bounds. None: none yet.
    """

    clock: HouseClock
    site: str = "demo"
    house: DemoHouse | None = None
    told: HouseStatus = field(default_factory=HouseStatus)
    lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=_LINES))
    demand: list[tuple[float, float | None]] = field(default_factory=list)
    had_outage: bool = False
    highest_kw: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, name: str, payload: bytes) -> None:
        """Process a message that the daemon published."""
        self.told.take(name, payload)
        if name == topics.DEMAND and self.told.demand is not None:
            kw = self.told.demand.get("kw")
            self.demand.append((self.clock() - self.clock.began, float(kw) if isinstance(kw, int | float) else None))
            if (
                isinstance(kw, int | float)
                and self.state in _ON_STANDBY
                and not self.told.demand.get("kw_is_upper_bound")
            ):
                self.highest_kw = max(self.highest_kw or 0.0, self.demand[-1][1] or 0.0)
        if name == topics.STATE and self.told.state is not None:
            self.had_outage = self.had_outage or self.told.state.get("outage") is not None
            if self.had_outage and self.state == "utility":
                self.over.set()

    def tell(self, text: str, *, play: bool) -> LogLine:
        said = LogLine(self.clock() - self.clock.began, self.clock.factor, text, play)
        self.lines.append(said)
        return said

    @property
    def state(self) -> str:
        """Return the published state of the daemon; empty until it has one."""
        return str(self.told.state.get("state")) if self.told.state else ""

    @property
    def demand_now(self) -> str:
        """Return demand in words."""
        told = self.told.demand
        kw = told.get("kw") if told else None
        if told is None or not isinstance(kw, int | float):
            return "unknown"
        most = "≤ " if told.get("kw_is_upper_bound") is True else ""
        return f"{most}{kw:.2f} kW"


class Screen(Protocol):
    """Interface of a screen."""

    def tell(self, text: str, *, play: bool = False) -> None:
        """Show that something happened."""

    def refresh(self) -> None:
        """Show how things are now."""


class PlainScreen:
    """Plain lines, where stdout is no terminal."""

    def __init__(self, view: DemoView) -> None:
        self._view = view
        self._demand_at = 0.0

    def tell(self, text: str, *, play: bool = False) -> None:
        said = self._view.tell(text, play=play)
        print_line(f"{mark(said)} {'──' if play else '  '} {text}")
        sys.stdout.flush()  # as it happens, also into a pipe

    def refresh(self) -> None:
        """Show the house's demand from time to time while nothing else happens."""
        at = self._view.clock()
        if self._view.state == "standby" and at - self._demand_at > _DEMAND_EACH_S:
            self._demand_at = at
            self.tell(f"demand of the house: {self._view.demand_now}")


def mark(said: LogLine) -> str:
    """Return the time of a line by the house's clock, and the factor of the clock."""
    minutes, seconds = divmod(int(said.at_s), 60)
    return f"{minutes:02}:{seconds:02} ×{said.factor:<3g}"
