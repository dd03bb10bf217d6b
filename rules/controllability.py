"""Rules on which circuits can be switched by command, and the reason if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Kind, ShedBy, Tag

if TYPE_CHECKING:
    from rules.panel import Circuit

_WHY_NOT = {
    Kind.GEN1: "1st Gen: can be tripped but not reset remotely",
    Kind.STANDARD: "standard breaker: no remote control",
}


def controllable(circuit: Circuit) -> bool:
    """Return whether the circuit can be switched off *and on* by command."""
    return circuit.kind not in _WHY_NOT


def uncontrollable_reason(circuit: Circuit) -> str | None:
    """Return why no command can switch the circuit; None if it is controllable."""
    return _WHY_NOT.get(circuit.kind)


def commandable(circuit: Circuit) -> bool:
    """Return whether the circuit may be commanded: controllable, not protected, and not shed by the panel itself."""
    return not circuit.protected and controllable(circuit) and not shed_by_panel(circuit)


def shed_by_panel(circuit: Circuit) -> bool:
    """Return whether Leviton's energy monitor sheds the circuit; this program only watches it."""
    return circuit.shed_by is ShedBy.PANEL


def watched(circuit: Circuit) -> bool:
    """Return whether the panel's own energy monitor is expected to switch the circuit off on standby."""
    return circuit.tag is Tag.NONESSENTIAL and shed_by_panel(circuit) and controllable(circuit)


def sheddable(circuit: Circuit) -> bool:
    """Return whether a transfer to standby switches the circuit off: nonessential and commandable."""
    return circuit.tag is Tag.NONESSENTIAL and commandable(circuit)
