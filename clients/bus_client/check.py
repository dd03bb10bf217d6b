"""Content of `loadshed check`: what a transfer does to each circuit and why, and advice about the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.config.advice import advice
from rules.controllability import controllable, sheddable, uncontrollable_reason, watched
from rules.panel import Override, Restore, Tag, Wakes
from rules.shed import shed_order

if TYPE_CHECKING:
    from controller.config.errors import ConfigError
    from controller.config.loader import Configuration
    from rules.panel import Circuit, CircuitId


@dataclass(frozen=True, slots=True)
class CircuitLine:
    """One circuit of `check`.

    `action`: what a transfer to standby does to it. `why`: the reason. `restore`: how it is restored, empty if it is
    not shed. `uncontrollable`: it cannot be switched off and on by command.
    """

    circuit: CircuitId
    name: str
    spaces: str
    amps: str
    breaker: str
    tag: str
    action: str
    why: str
    restore: str
    uncontrollable: bool

    def __str__(self) -> str:
        back = f"; {self.restore}" if self.restore else ""
        return f"{self.circuit} ({self.spaces}, {self.breaker}, {self.tag}): {self.action}: {self.why}{back}"


@dataclass(frozen=True, slots=True)
class Description:
    """All of what `check` shows. `advice`: what is legal but unwise; it changes no exit code."""

    circuits: tuple[CircuitLine, ...]
    summary: str
    advice: tuple[ConfigError, ...]


def describe(configuration: Configuration) -> Description:
    """Return what a transfer will do to this house, in the order of the homeowner's file."""
    shed = [circuit for circuit in shed_order(configuration.panel) if sheddable(configuration.panel[circuit])]
    lines = tuple(_line(circuit, shed) for circuit in configuration.panel)
    return Description(lines, _summary(lines, len(shed)), advice(configuration))


def _line(circuit: Circuit, shed: list[CircuitId]) -> CircuitLine:
    action, why = _action(circuit, shed)
    return CircuitLine(
        circuit=circuit.id,
        name=circuit.name,
        spaces=" + ".join(str(space) for space in circuit.spaces),
        amps="" if circuit.amps is None else f"{circuit.amps:g} A",
        breaker=circuit.kind.value,
        tag=circuit.tag.value,
        action=action,
        why=why,
        restore=_back(circuit) if sheddable(circuit) else "",
        uncontrollable=not controllable(circuit),
    )


def _action(circuit: Circuit, shed: list[CircuitId]) -> tuple[str, str]:
    reason = uncontrollable_reason(circuit)
    if circuit.tag is Tag.NONESSENTIAL and reason is not None:
        return "UNCONTROLLABLE, stays ON", f"{reason}; it must be switched off manually"
    if watched(circuit):
        return "shed by Leviton", "its energy monitor switches this circuit; loadshed watches"
    if circuit.protected:
        return "stays on", "protected: never commanded"
    if circuit.tag is Tag.ESSENTIAL:
        return "stays on", "essential" if reason is None else f"essential ({reason})"
    place = shed.index(circuit.id) + 1
    return "shed", f"nonessential, rank {circuit.rank}: command {place} of {len(shed)}"


def _back(circuit: Circuit) -> str:
    ways = {
        Restore.AUTO: "restored automatically if it was on",
        Restore.ASK: "restored on user request",
        Restore.NEVER: "stays off until a user switches it on",
    }
    parts = [ways[circuit.restore]]
    if circuit.min_off_s:
        parts.append(f"after at least {circuit.min_off_s:g} s off")
    if circuit.override is Override.NEVER:
        parts.append("always shed again after manual switching")
    if circuit.wakes is Wakes.OFF:
        parts.append("also turned on after a power loss of its relay")
    return ", ".join(parts)


def _summary(lines: tuple[CircuitLine, ...], shed: int) -> str:
    stuck = sum(1 for line in lines if line.uncontrollable and line.tag == Tag.NONESSENTIAL.value)
    by_leviton = sum(1 for line in lines if line.action == "shed by Leviton")
    kept = len(lines) - shed - stuck - by_leviton
    summary = f"A transfer to standby sheds {shed} of {len(lines)} circuits and keeps {kept} on."
    if by_leviton:
        summary += f" Leviton's energy monitor sheds {by_leviton}; loadshed watches these."
    if not stuck:
        return summary
    which = "1 nonessential circuit" if stuck == 1 else f"{stuck} nonessential circuits"
    return f"{summary} {which} cannot be controlled: ON unless switched off manually."
