"""What setup saw, kept in the state folder: that the contact closed and opened, and which breakers obeyed.

Also what a proof is about to switch off, written before the command: whatever ends setup, the next one can name it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clients.setup.config_files import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from controller.config.model import ContactSettings

FILE = "setup.json"


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """That a contact was seen to move. `wired`: the settings it was seen under. Times: UTC, RFC 3339; None: not seen.

    `bounces`, `settled_ms`: of the opening.
    """

    wired: str
    closed_at: str | None = None
    open_at: str | None = None
    bounces: int | None = None
    settled_ms: float | None = None

    @property
    def both_ways(self) -> bool:
        return self.closed_at is not None and self.open_at is not None


@dataclass(frozen=True, slots=True)
class Proof:
    """That a breaker obeyed. `off_s`, `on_s`: from command to report. `drop_kw`: None: not measured."""

    at: str
    off_s: float
    on_s: float
    drop_kw: float | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """All that is kept. `left_off`: circuits that a proof switched off and that nobody saw on again."""

    contact: ContactSeen | None = None
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    left_off: tuple[str, ...] = ()

    def contact_seen(self, settings: ContactSettings) -> ContactSeen | None:
        """Return what was seen of this very contact; None where nothing was, or it is wired otherwise by now."""
        return self.contact if self.contact is not None and self.contact.wired == wired(settings) else None

    def with_proof(self, circuit: str, proof: Proof) -> Records:
        return replace(self, proofs={**self.proofs, circuit: proof})

    def about_to_switch_off(self, circuit: str) -> Records:
        return replace(self, left_off=tuple(dict.fromkeys((*self.left_off, circuit))))

    def back_on(self, circuit: str) -> Records:
        return replace(self, left_off=tuple(one for one in self.left_off if one != circuit))


_WIRING = ("source", "pin", "topic", "open", "closed", "normally")


def wired(settings: ContactSettings) -> str:
    """Return what a sighting of the contact holds for: another pin, or another sense, has to be seen anew."""
    fields = asdict(settings)
    return json.dumps({name: fields[name] for name in _WIRING if name in fields})


def load(state_dir: Path) -> Records:
    """Return what was kept; nothing where there is nothing, or it cannot be understood: then it is to be seen anew."""
    try:
        said = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
        contact = said["contact"]
        return Records(
            None if contact is None else ContactSeen(**contact),
            {circuit: Proof(**proof) for circuit, proof in said["proofs"].items()},
            tuple(map(str, said["left_off"])),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Records()


def keep(state_dir: Path, records: Records) -> None:
    """Keep it. Raises OSError."""
    said: dict[str, Any] = asdict(records)
    write(state_dir / FILE, json.dumps(said, indent=2) + "\n", keep_old=False)
