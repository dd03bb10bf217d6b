"""Results of setup, saved in the state folder: contact seen closed and open, and tested breakers.

A test also saves what it is about to switch off, before the command: however setup ends, the next one can name it.
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
    """A contact was seen to move. `wired`: the settings at that time. Times: UTC, RFC 3339; None: not seen.

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
class BreakerTestResult:
    """A breaker obeyed. `off_s`, `on_s`: from command to report. `drop_kw`: None: not measured."""

    at: str
    off_s: float
    on_s: float
    drop_kw: float | None = None


@dataclass(frozen=True, slots=True)
class SetupRecord:
    """All saved results. `left_off`: circuits that a test switched off and that were not seen on again."""

    contact: ContactSeen | None = None
    proofs: Mapping[str, BreakerTestResult] = field(default_factory=dict)
    left_off: tuple[str, ...] = ()

    def contact_seen(self, settings: ContactSettings) -> ContactSeen | None:
        """Return the result for this contact; None if there is none, or its wiring settings have changed."""
        return self.contact if self.contact is not None and self.contact.wired == wired(settings) else None

    def with_test_result(self, circuit: str, proof: BreakerTestResult) -> SetupRecord:
        return replace(self, proofs={**self.proofs, circuit: proof})

    def about_to_switch_off(self, circuit: str) -> SetupRecord:
        return replace(self, left_off=tuple(dict.fromkeys((*self.left_off, circuit))))

    def back_on(self, circuit: str) -> SetupRecord:
        return replace(self, left_off=tuple(one for one in self.left_off if one != circuit))


_WIRING = ("source", "pin", "topic", "open", "closed", "device", "normally")


def wired(settings: ContactSettings) -> str:
    """Return the settings for which a result holds: another pin, or another sense, must be tested again."""
    fields = asdict(settings)
    return json.dumps({name: fields[name] for name in _WIRING if name in fields})


def load(state_dir: Path) -> SetupRecord:
    """Return the saved results; empty if there are none, or they cannot be read: then tests must be repeated."""
    try:
        said = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
        contact = said["contact"]
        return SetupRecord(
            None if contact is None else ContactSeen(**contact),
            {circuit: BreakerTestResult(**proof) for circuit, proof in said["proofs"].items()},
            tuple(map(str, said["left_off"])),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return SetupRecord()


def save(state_dir: Path, records: SetupRecord) -> None:
    """Keep it. Raises OSError."""
    said: dict[str, Any] = asdict(records)
    write(state_dir / FILE, json.dumps(said, indent=2) + "\n", keep_old=False)
