"""Parts of the engine that the handlers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.core.circuit_loads import LoadRecorder
    from controller.core.engine import EngineSettings
    from controller.core.outage_record import OutageRecord
    from controller.core.outbox import Outbox
    from rules.device_reports import DeviceReports
    from rules.ledger import Ledger
    from rules.panel import Panel


class PanelInForce:
    """Panel in force. A reload of `circuits.toml` replaces it as a whole."""

    __slots__ = ("current",)

    def __init__(self, panel: Panel) -> None:
        self.current = panel

    def replace(self, panel: Panel) -> None:
        """Put another panel in force."""
        self.current = panel


@dataclass(frozen=True, slots=True)
class CoreContext:
    """Parts that several handlers of one engine use. Each part owns its fields and changes them by its methods.

    `defer` queues work of this turn on which no command depends. The engine does it in order, after the commands
    have left and before it handles another event.
    """

    settings: EngineSettings
    panel: PanelInForce
    ledger: Ledger
    reports: DeviceReports
    record: OutageRecord
    outbox: Outbox
    loads: LoadRecorder
    defer: Callable[[Callable[[], None]], None]
