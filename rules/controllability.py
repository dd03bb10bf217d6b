"""Which circuits may be switched by command, and the reason where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Kind, Tag

if TYPE_CHECKING:
    from rules.panel import Circuit

_WHY_NOT = {
    Kind.GEN1: "1st Gen: can be tripped but not reset from afar",
    Kind.STANDARD: "standard breaker: no remote control",
}


def controllable(circuit: Circuit) -> bool:
    """Tell whether the circuit can be switched off *and on* by command."""
    return circuit.kind not in _WHY_NOT


def why_uncontrollable(circuit: Circuit) -> str | None:
    """Return why no command can switch the circuit; None where one can."""
    return _WHY_NOT.get(circuit.kind)


def commandable(circuit: Circuit) -> bool:
    """Tell whether the circuit may be sent a command at all: controllable, and not protected."""
    return not circuit.protected and controllable(circuit)


def sheddable(circuit: Circuit) -> bool:
    """Tell whether a transfer to standby switches the circuit off: nonessential, and may be commanded."""
    return circuit.tag is Tag.NONESSENTIAL and commandable(circuit)
