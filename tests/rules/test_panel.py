"""The panel: what the homeowner wrote, in the order of the file."""

from __future__ import annotations

from rules.panel import CircuitId, Panel
from tests.virtual_house import circuit, essential

PANEL = Panel.of(essential("fridge"), circuit("hot-tub"), circuit("dryer"))


def test_a_panel_keeps_the_order_of_the_file() -> None:
    """Where ranks tie, the homeowner's order decides."""
    assert [one.id for one in PANEL] == ["fridge", "hot-tub", "dryer"]


def test_a_panel_is_asked_by_the_circuits_id() -> None:
    """And says how many there are."""
    assert PANEL[CircuitId("hot-tub")].name == "Hot tub"
    assert CircuitId("hot-tub") in PANEL
    assert CircuitId("sauna") not in PANEL
    assert len(PANEL) == 3
