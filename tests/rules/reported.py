"""A ledger and what devices say of it, for the tests of reports: no engine, no commands but those a test gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.device_reports import DeviceReports, ReportContext
from rules.ledger import Ledger
from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Position, Wakes
from tests.virtual_house import circuit, essential

if TYPE_CHECKING:
    from rules.boot_time import BootTime
    from rules.device_reports import ReportOutcome
    from rules.json_types import Json
    from rules.ledger_entry import CircuitEntry, ShedRecord

CONFIRM_S = 5.0
LATE_S = 65.0
"""From an OFF that lives 5 s in the broker, until it can take effect no more."""

TUB, CHARGER, SAUNA = CircuitId("hot-tub"), CircuitId("ev-charger"), CircuitId("sauna")
USUAL = (
    circuit("hot-tub"),
    circuit("ev-charger", kind=Kind.RELAY, wakes=Wakes.OFF),
    circuit("sauna", override=Override.NEVER),
    essential("fridge"),
)
SHEDS, DOUBTS, UTILITY = ReportContext.SHEDDING, ReportContext.UNCERTAIN, ReportContext.UTILITY


class Night:
    """A program that started at 10 s, and has been connected ever since. `outage`: the open one; None: none is.

    `disk`: the position that each circuit's row holds. Seconds are of the boot's monotonic clock.
    """

    def __init__(
        self,
        *circuits: Circuit,
        outage: int | None = 1,
        rebooted: bool = False,
        disk: Position = Position.ON,
    ) -> None:
        self.panel = Panel.of(*(circuits or USUAL))
        self.ledger = Ledger(self.panel, "boot", 10.0)
        rows: dict[CircuitId, dict[str, Json]] = {one.id: {"position": disk.value} for one in self.panel}
        self.ledger.load(rows)
        self.ledger.rebooted, self.ledger.outage = rebooted, outage
        self.reports = DeviceReports(self.ledger, CONFIRM_S)
        self.reports.connected()
        self.ledger.changed.clear()

    def entry(self, name: CircuitId = TUB) -> CircuitEntry:
        return self.ledger[name]

    def debt(self, name: CircuitId = TUB) -> ShedRecord:
        debt = self.ledger[name].shed_record
        assert debt is not None
        return debt

    def at(self, seconds: float) -> BootTime:
        return self.ledger.boot_time(seconds)

    def off(self, at: float, name: CircuitId = TUB, *, ours: bool = True) -> None:
        """Send an OFF; `ours`: by the rules, else on user request."""
        self.ledger.off_sent(name, at, CONFIRM_S, ours=ours)

    def on(self, at: float, name: CircuitId = TUB) -> None:
        """Let an ON leave."""
        self.ledger.on_sent(name, at, CONFIRM_S)

    def says(
        self, position: Position, at: float, name: CircuitId = TUB, *, phase: ReportContext = SHEDS
    ) -> ReportOutcome | None:
        """Let the device itself report."""
        return self.reports.live(self.panel[name], position, at, phase)

    def remembers(self, position: Position, name: CircuitId = TUB) -> None:
        """Deliver the broker's retained report of the device."""
        self.reports.retained(self.panel[name], position)

    def comes(
        self, at: float, name: CircuitId = TUB, *, phase: ReportContext = SHEDS, retained: bool = False
    ) -> ReportOutcome | None:
        """Let the device say that it answers."""
        return self.reports.availability(self.panel[name], at, phase, online=True, retained=retained)

    def goes(
        self, at: float, name: CircuitId = TUB, *, phase: ReportContext = SHEDS, retained: bool = False
    ) -> ReportOutcome | None:
        """Let its last will say that it does not."""
        return self.reports.availability(self.panel[name], at, phase, online=False, retained=retained)

    def passes(self, at: float, name: CircuitId = TUB, *, phase: ReportContext = SHEDS) -> ReportOutcome | None:
        """Let time pass until `at`."""
        return self.reports.on_deadline(self.panel[name], at, phase)

    def shed(self, name: CircuitId = TUB) -> None:
        """Switch it off at 100 s; it says so at once."""
        self.off(100.0, name)
        self.says(Position.OFF, 100.1, name)
        self.ledger.changed.clear()
