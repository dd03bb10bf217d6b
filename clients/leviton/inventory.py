"""What the cloud lists: hubs and their breakers, and which of them a circuit is bound to.

A circuit is bound to the serial numbers of hub and breaker. The cloud's id of a breaker may change overnight, and is
looked up each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rules.panel import Circuit, CircuitId

FAMILY = "leviton"
SLOTS_APART = 2
"""The second pole of a breaker is in the next slot on the same side: two slots further."""


@dataclass(frozen=True, slots=True)
class ListedHub:
    """A hub. `serial` is its id, too. `connected`: None: the cloud does not say. `version`: of its firmware."""

    serial: str
    name: str
    connected: bool | None
    version: str
    loop_is_set_up: bool = False


@dataclass(frozen=True, slots=True)
class ListedBreaker:
    """A breaker. `id`: the cloud's, of today. `serial`: None for a standard one. `position`: None: not placed yet.

    `remote`: `canRemoteOn`: true for the second generation, false for the first, None for standard. `amps`: None: not
    known. `fields`: all members, as the cloud sent them.
    """

    id: str
    hub: str
    serial: str | None
    name: str
    position: int | None
    poles: int
    remote: bool | None
    amps: float | None
    model: str
    critical: bool | None = None
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def spaces(self) -> tuple[int, ...]:
        """Return its spaces in the panel; empty if it is not placed."""
        if self.position is None:
            return ()
        return (self.position,) if self.poles < 2 else (self.position, self.position + SLOTS_APART)  # noqa: PLR2004

    @property
    def generation(self) -> str:
        """Return its generation in words."""
        return {True: "2nd Gen", False: "1st Gen", None: "standard"}[self.remote]


def read_hub(raw: object) -> ListedHub | None:
    """Return a hub of the cloud's list; None: not a hub, or an old one that is listed twice."""
    if not isinstance(raw, dict):
        return None
    serial = _text(raw.get("id")) or _text(raw.get("serial"))
    if not serial or serial.startswith("LDATA-"):
        return None
    connected = raw.get("connected")
    return ListedHub(
        serial=serial,
        name=_text(raw.get("name")).strip() or serial,
        connected=connected if isinstance(connected, bool) else None,
        version=_text(raw.get("version")),
        loop_is_set_up=raw.get("ccSetup1") not in (0, None, False),
    )


def read_breaker(raw: object, hub: str) -> ListedBreaker | None:
    """Return a breaker of the cloud's list; None: not a breaker, or a clamp."""
    if not isinstance(raw, dict) or not (identity := _text(raw.get("id"))) or raw.get("model") == "LSBMA":
        return None
    position, poles = _number(raw.get("position")), _number(raw.get("poles"))
    remote, critical = raw.get("canRemoteOn"), raw.get("critical")
    return ListedBreaker(
        id=identity,
        hub=hub,
        serial=_text(raw.get("serialNumber")) or None,
        name=_text(raw.get("name")).strip(),
        position=int(position) if position is not None and position >= 1 else None,
        poles=2 if poles == 2 else 1,  # noqa: PLR2004
        remote=remote if isinstance(remote, bool) else None,
        amps=amps if (amps := _number(raw.get("currentRating"))) else None,
        model=_text(raw.get("model")),
        critical=critical if isinstance(critical, bool) else None,
        fields=raw,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Binding:
    """A circuit and the breaker that it is bound to, by the serial numbers of hub and breaker."""

    circuit: Circuit
    hub: str
    serial: str


def bindings(circuits: Iterable[Circuit]) -> dict[CircuitId, Binding]:
    """Return the circuits whose device is `leviton/HUB/BREAKER`, in their order."""
    found: dict[CircuitId, Binding] = {}
    for circuit in circuits:
        if circuit.device is not None and circuit.device.family == FAMILY:
            _, hub, serial = circuit.device.address.split("/", 2)
            found[circuit.id] = Binding(circuit, hub, serial)
    return found


def mismatch(binding: Binding, listed: Sequence[ListedBreaker]) -> tuple[ListedBreaker | None, str]:
    """Return the breaker of a binding, and why it must not be commanded; empty: it may be.

    `listed`: the breakers of the circuit's hub.
    """
    breaker = next((one for one in listed if one.serial == binding.serial), None)
    if breaker is None:
        spaces = sorted(binding.circuit.spaces)
        other = next((one for one in listed if one.position == spaces[0]), None)
        if other is not None:
            return None, f"another breaker is in space {spaces[0]} now ({other.name or other.model})"
        return None, "the breaker is no longer listed"
    if breaker.remote is not True:
        return breaker, "the breaker cannot be switched on remotely"
    if breaker.position is None:
        return breaker, "the breaker is not placed in the panel in the My Leviton app"
    if breaker.spaces != tuple(sorted(binding.circuit.spaces)):
        place = "+".join(map(str, breaker.spaces))
        return breaker, f"the breaker is in space {place} by the app, and circuits.toml says otherwise"
    return breaker, ""
