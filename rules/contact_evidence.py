"""Which reports of an MQTT contact's device are its position now, and which are only remembered.

For a contact named by `device` a remembered position never counts, neither as utility nor as standby: an old word must
not begin an outage, and must not end one.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.contact import PowerSource

GATEWAY_START_S = 10.0
"""Time in seconds after a gateway has come online in which it may publish what it remembers. Zigbee2MQTT does so at its
start, once for each device; a gateway that was only disconnected from the broker looks the same."""


class ContactEvidence(Enum):
    """What the reports of the contact's device prove.

    `TOPIC`: the installer's file names the topics; rules for retained messages apply. `DEVICE`: every live report is
    the device's own, a retained one proves nothing. `RETAINED`: in addition, the retained report is the present one if
    the device has shown life since. `CACHE`: a gateway may repeat what it remembers.
    """

    TOPIC = "topic"
    DEVICE = "device"
    RETAINED = "retained"
    CACHE = "cache"


class ContactProof:
    """Decides for each report of the contact's device whether it is the position now."""

    def __init__(self, evidence: ContactEvidence) -> None:
        self._evidence = evidence
        self._remembered: PowerSource | None = None
        self._proven = False  # CACHE: the device has reported; RETAINED: it has shown life
        self._began_at = float("-inf")

    def began(self, at: float) -> None:
        """Note that the broker was connected, or that the device or its gateway came online or went away.

        What was reported before is void: the contact may have moved unseen.
        """
        self._remembered, self._proven, self._began_at = None, False, at

    def report(self, source: PowerSource, at: float, *, retained: bool) -> bool:
        """Return whether a report is the position now. `retained`: it is the broker's stored copy."""
        before, self._remembered = self._remembered, source
        if self._evidence is ContactEvidence.CACHE:
            return self._from_cache(before, source, at, retained=retained)
        return not retained or (self._evidence is ContactEvidence.RETAINED and self._proven)

    def alive(self) -> PowerSource | None:
        """Note a live message that holds no position; return the position that counts now, None: it proves none."""
        if self._evidence is not ContactEvidence.RETAINED:
            return None
        self._proven = True
        return self._remembered

    def _from_cache(self, before: PowerSource | None, source: PowerSource, at: float, *, retained: bool) -> bool:
        """Return whether the device itself reports.

        A value that changes while the gateway runs can only come from the device. So can the first value long after
        the gateway's start: what it remembers it publishes at its start.
        """
        if retained:
            self._remembered = before if before is not None else source
            return False
        changed = before is not None and before is not source
        first = before is None and at >= self._began_at + GATEWAY_START_S
        self._proven = self._proven or changed or first
        return self._proven
