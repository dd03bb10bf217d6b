"""Load of each circuit when it was last measured: in setup's breaker test, or in an earlier drill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clients.drill.plan import MeasuredLoad
from clients.setup import setup_record
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rules.json_types import Json

PATTERN = "drill-*.json"
MOST_BYTES = 1_000_000


def measured_loads(state_dir: Path, reports: Path, site: str) -> dict[CircuitId, MeasuredLoad]:
    """Return what is on record, the latest of each circuit. `reports`: a folder with earlier drills' JSON."""
    proofs = setup_record.load(state_dir).proofs.items()
    found = [(CircuitId(name), MeasuredLoad(one.drop_kw, one.at)) for name, one in proofs if one.drop_kw is not None]
    found += [known for path in _reports(reports) for known in _of_report(path, site)]
    # What was found to draw nothing ran not at all then: that says nothing of what it draws.
    return {circuit: known for circuit, known in sorted(found, key=lambda one: one[1].at) if known.kw > 0}


def _reports(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(PATTERN))
    except OSError:
        return []


def _of_report(path: Path, site: str) -> Iterator[tuple[CircuitId, MeasuredLoad]]:
    """Yield the loads in a drill's report; none if the file is not one."""
    try:
        fields = json.loads(path.read_bytes()[:MOST_BYTES])
        if fields["site"] != site:
            return
        at, circuits = str(fields["began"]), fields["circuits"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name, one in circuits:
        if isinstance(one, dict) and (known := _known(one, at)) is not None:
            yield CircuitId(str(name)), known


def _known(fields: Mapping[str, Json], at: str) -> MeasuredLoad | None:
    kw = fields.get("kw")
    if isinstance(kw, bool) or not isinstance(kw, int | float):
        return None
    return MeasuredLoad(float(kw), at, at_least=fields.get("kw_at_least") is True)
