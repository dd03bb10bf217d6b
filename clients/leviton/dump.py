"""The cloud's answers without secrets, for a bug report: what is not known to be harmless is left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.json_types import Json

REMOVED = "(removed)"

HARMLESS = frozenset(
    (
        *("model", "hwVersion", "version", "versionBLE", "connected", "bandwidth", "panelSize", "breakerCount"),
        *("downloaded", "loadSheddingState", "ccSetup1", "ccSetup2", "ccState1", "ccState2", "rssi", "bleRSSI"),
        *("rmsVoltage", "rmsVoltage2", "rmsVoltageA", "rmsVoltageB", "frequencyA", "frequencyB", "lastUpdated"),
        *("position", "poles", "canRemoteOn", "currentRating", "currentState", "currentState2", "currentStatePrev"),
        *("remoteState", "remoteTrip", "remoteOn", "power", "power2", "rmsCurrent", "rmsCurrent2", "operationalState"),
        *("critical", "critical2", "priority", "priorityOverride", "locked", "chgReason", "branchType", "channel"),
        *("usageType", "activePower", "activePower2", "energyConsumption", "energyConsumption2", "energyImport"),
        *("energyImport2", "access", "status", "connectedTimestamp", "online", "offline"),
    )
)
"""Members that are shown. All others are secrets, names, addresses, or not known."""

NUMBERED = frozenset(("id", "serial", "serialNumber", "iotWhemId", "lsbmaId", "personId", "residenceId", "modelId"))
"""Members that are replaced by a number, so that equal ones can be recognized. A sum could be reversed by trying."""

_PLAIN = re.compile(r"[A-Za-z0-9 ./:_+-]{0,60}")


class Redactor:
    """Redacts the answers of one account: equal identifiers get equal numbers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def content(self, value: object) -> Json:
        """Return JSON with the values of harmless members only."""
        if isinstance(value, dict):
            return {str(key): self._member(str(key), one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.content(one) for one in value]
        return None if value is None else REMOVED

    def path(self, path: str) -> str:
        """Return the path of a request with its identifiers as numbers."""
        return "/".join(part if part.isalpha() else self._number(part) for part in path.split("/"))

    def _member(self, key: str, value: object) -> Json:
        if isinstance(value, dict | list):
            return self.content(value)
        if value is None:
            return None
        if key in NUMBERED:
            return self._number(str(value))
        if key not in HARMLESS:
            return REMOVED
        if isinstance(value, str):
            return value if _PLAIN.fullmatch(value) else REMOVED
        return value if isinstance(value, bool | int | float) else REMOVED

    def _number(self, identity: str) -> str:
        return f"#{self._numbers.setdefault(identity, len(self._numbers) + 1)}"
