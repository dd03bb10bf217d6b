"""From the breakers of an account to circuits.toml: what is missing is added, and the owner's choices stay.

A tag is never changed and a circuit never removed. A breaker is recognized by the serial numbers of hub and breaker,
so that new ids in the cloud change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clients.setup.circuit_line import COMPRESSOR_REST_S, with_defaults
from controller.config.advice import named
from controller.config.load_words import COMPRESSOR, STARTS_UNATTENDED
from controller.config.validators import plain_id
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Panel, Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clients.leviton.inventory import ListedBreaker

KINDS = {True: Kind.GEN2, False: Kind.GEN1, None: Kind.STANDARD}
_SWITCHED_BY_NOTHING = (Kind.GEN1, Kind.STANDARD)
MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would write. `added`, `changed`: lines for the owner. `notes`: what needs a look."""

    panel: Panel
    added: tuple[str, ...]
    changed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing would be written."""
        return not self.added and not self.changed


def plan_import(panel: Panel | None, breakers: Iterable[ListedBreaker]) -> ImportPlan:
    """Return what to write. `panel`: of the present circuits.toml; None: no such file."""
    circuits = dict(panel.circuits) if panel is not None else {}
    added: list[str] = []
    changed: list[str] = []
    notes: list[str] = []
    seen: set[CircuitId] = set()
    for breaker in breakers:
        label = f"{breaker.name or breaker.model} ({breaker.generation})"
        if breaker.position is None:
            notes.append(f"{label}: not placed in the panel in the My Leviton app yet; not imported")
            continue
        if breaker.remote and (breaker.serial is None or _is_unusable(f"{breaker.hub}/{breaker.serial}")):
            notes.append(f"{label}: the cloud lists no usable serial number; not imported")
            continue
        known = _known(circuits, breaker)
        if known is None:
            taken = [one for one in circuits.values() if {*one.spaces} & {*breaker.spaces}]
            if taken:
                notes.append(f"{label}: in space {_spaces(breaker.spaces)}, which {taken[0].label} has; not imported")
                continue
            circuit = _new(circuits, breaker)
            circuits[circuit.id] = circuit
            seen.add(circuit.id)
            added.append(_line(circuit))
            continue
        seen.add(known.id)
        updated = _updated(known, breaker)
        if updated != known:
            circuits[known.id] = updated
            changed.append(f"{known.id}: {_difference(known, updated)}")
        if breaker.name and breaker.name != known.name:
            notes.append(f"{known.label}: the app calls it {breaker.name!r}; the name in circuits.toml stays")
    gone = (one for one in circuits.values() if one.id not in seen and _device(one))
    notes += [f"{one.label}: its breaker is no longer listed; nothing is removed" for one in gone]
    return ImportPlan(Panel(circuits), tuple(added), tuple(changed), tuple(notes))


def _is_unusable(address: str) -> bool:
    return any(sign in address for sign in "+#") or not address.isprintable() or address.count("/") != 1


def address_of(breaker: ListedBreaker) -> str | None:
    """Return the device of a circuit with this breaker; None: it cannot be commanded."""
    return f"leviton/{breaker.hub}/{breaker.serial}" if breaker.remote else None


def _device(circuit: Circuit) -> str:
    device = circuit.device
    return device.address if device is not None and device.family == "leviton" else ""


def _known(circuits: dict[CircuitId, Circuit], breaker: ListedBreaker) -> Circuit | None:
    """Return the circuit of a breaker: by its serial numbers, else by its spaces."""
    address = address_of(breaker)
    same = next((one for one in circuits.values() if address and _device(one) == address), None)
    if same is not None:
        return same
    for one in circuits.values():
        is_free = one.device is None or bool(_device(one))
        if is_free and sorted(one.spaces) == sorted(breaker.spaces) and one.kind is not Kind.RELAY:
            return one
    return None


def _new(circuits: dict[CircuitId, Circuit], breaker: ListedBreaker) -> Circuit:
    name = (breaker.name or f"Space {_spaces(breaker.spaces)}")[:MAX_NAME]
    if any(one.name == name for one in circuits.values()):
        name = f"{name} {_spaces(breaker.spaces)}"
    identity = plain_id(name)
    if identity in circuits or identity == "all":
        identity = f"{identity}-{'-'.join(map(str, breaker.spaces))}"
    address = address_of(breaker)
    circuit = Circuit(
        CircuitId(identity),
        name,
        breaker.spaces,
        KINDS[breaker.remote],
        Tag.ESSENTIAL,
        amps=breaker.amps,
        device=None if address is None else DeviceTraits(address),
    )
    circuit = with_defaults(circuit)
    if circuit.kind is Kind.GEN2 and not circuit.protected:
        # Without effect while it is essential, and right as soon as the owner makes it nonessential.
        restore = Restore.ASK if named(circuit, STARTS_UNATTENDED) else Restore.AUTO
        circuit = replace(
            circuit, restore=restore, min_off_s=COMPRESSOR_REST_S if named(circuit, COMPRESSOR) else circuit.min_off_s
        )
    return circuit


def _updated(known: Circuit, breaker: ListedBreaker) -> Circuit:
    address = address_of(breaker)
    kind = KINDS[breaker.remote]
    return replace(
        known,
        spaces=known.spaces if sorted(known.spaces) == sorted(breaker.spaces) else breaker.spaces,
        kind=kind,
        amps=known.amps if breaker.amps is None else breaker.amps,
        device=None if kind in _SWITCHED_BY_NOTHING else DeviceTraits(address) if address else known.device,
    )


def _difference(old: Circuit, new: Circuit) -> str:
    parts = []
    if old.spaces != new.spaces:
        parts.append(f"space {_spaces(old.spaces)} → {_spaces(new.spaces)}")
    if old.kind is not new.kind:
        parts.append(f"breaker {old.kind.value} → {new.kind.value}")
    if old.amps != new.amps:
        parts.append(f"amps {_amps(old.amps)} → {_amps(new.amps)}")
    if old.device != new.device:
        parts.append(f"device → {new.device.address if new.device else 'none'}")
    return ", ".join(parts)


def _line(circuit: Circuit) -> str:
    extra = [f"{circuit.amps:g} A"] if circuit.amps else []
    extra += ["protected"] if circuit.protected else []
    extra += ['restore "ask"'] if circuit.restore is Restore.ASK else []
    extra += [f"min_off_s {circuit.min_off_s:g}"] if circuit.min_off_s else []
    more = f", {', '.join(extra)}" if extra else ""
    return f"{circuit.id}: space {_spaces(circuit.spaces)}, {circuit.name}, {circuit.kind.value}, essential{more}"


def _amps(amps: float | None) -> str:
    return "none" if amps is None else f"{amps:g}"


def _spaces(spaces: Iterable[int]) -> str:
    return "+".join(map(str, spaces))
