"""The few things a person must know at once: each with what it means and what to do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from controller.views import AlarmView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.panel import CircuitId


class _Text(NamedTuple):
    means: str
    do: str


class Alarm(Enum):
    """All alarms there are; the value is the id on the bus."""

    CONTACT_UNKNOWN = "contact-unknown"
    BREAKER_SILENT = "breaker-silent"
    OWED = "owed"
    CONFIGURATION_REFUSED = "configuration-refused"
    DISK_FAILING = "disk-failing"
    METER_STALE = "meter-stale"
    METER_BLIND = "meter-blind"


_TEXTS = {
    Alarm.CONTACT_UNKNOWN: _Text(
        "Nobody can say where the transfer switch's contact is{detail}. No outage would be noticed, and nothing is "
        "given back.",
        "Check the contact's wire and input; with an MQTT contact, its device and the broker.",
    ),
    Alarm.BREAKER_SILENT: _Text(
        "Three commands brought no report from: {circuits}. They may still draw power on the generator, or still be "
        "off on utility.",
        "Look at the breaker and its hub; switch it by hand where it matters. It is tried again when it answers.",
    ),
    Alarm.OWED: _Text(
        "The outage is over, and these are not given back: {circuits}.",
        "Ask `loadshed status` why; then `loadshed ask restore CIRCUIT`, or switch it by hand.",
    ),
    Alarm.CONFIGURATION_REFUSED: _Text(
        "A configuration file is wrong and was not taken; the one in force stays. {detail}",
        "Mend the file (`loadshed check` names every mistake) and reload.",
    ),
    Alarm.DISK_FAILING: _Text(
        "The controller cannot write to its disk{detail}. Shedding goes on; after a power cut now it would not know "
        "what it switched off.",
        "Free space, or replace the SD card.",
    ),
    Alarm.METER_STALE: _Text(
        "The meter has not answered for three polls{detail}. Demand is not shown.",
        "Check its power and the RS485 wires (A and B); `loadshed meter doctor` looks further.",
    ),
    Alarm.METER_BLIND: _Text(
        "The meter answers, but {detail}. It may measure the utility's side only: then demand on the generator is not "
        "known.",
        "Have an electrician see that its current transformers stand on the house's side of the transfer switch.",
    ),
}


class AlarmBook:
    """The alarms that stand. `changed` collects the ids to tell, until the engine has taken them."""

    def __init__(self) -> None:
        self._standing: dict[str, AlarmView] = {}
        self.changed: set[str] = set()

    def __iter__(self) -> Iterator[AlarmView]:
        return iter(self._standing.values())

    def get(self, alarm: str) -> AlarmView | None:
        return self._standing.get(alarm)

    def stands(self, alarm: Alarm) -> bool:
        return alarm.value in self._standing

    def put(self, alarm: Alarm, at: float, detail: str = "", circuits: tuple[CircuitId, ...] = ()) -> bool:
        """Raise the alarm, or say anew what it is about; return whether it is new."""
        text = _TEXTS[alarm]
        means = text.means.format(circuits=", ".join(circuits), detail=detail)
        old = self._standing.get(alarm.value)
        new = AlarmView(alarm.value, old.since if old else at, means, text.do, circuits)
        if new != old:
            self._standing[alarm.value] = new
            self.changed.add(alarm.value)
        return old is None

    def clear(self, alarm: Alarm) -> bool:
        """Clear the alarm; return whether it stood."""
        if self._standing.pop(alarm.value, None) is None:
            return False
        self.changed.add(alarm.value)
        return True
