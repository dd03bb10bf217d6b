"""Alarms and their texts: what happened, then what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from controller.core.views import AlarmView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.panel import CircuitId


class _Text(NamedTuple):
    message: str
    action: str


class Alarm(StrEnum):
    """All alarms. The value is the id on the bus."""

    CONTACT_UNKNOWN = "contact-unknown"
    CONTACT_OPEN_LONG = "contact-open-long"
    CONTACT_CHATTER = "contact-chatter"
    CIRCUIT_TRIPPED = "circuit-tripped"
    ESSENTIAL_OFF = "essential-off"
    SHED_INCOMPLETE = "shed-incomplete"
    BREAKER_NO_RESPONSE = "breaker-no-response"
    NOT_RESTORED = "not-restored"
    OFF_AWAITING_USER = "off-awaiting-user"
    BROKER_DISCONNECTED = "broker-disconnected"
    CLOCK_UNTRUSTED = "clock-untrusted"
    CONFIGURATION_REFUSED = "configuration-refused"
    DISK_FAILING = "disk-failing"
    METER_STALE = "meter-stale"
    METER_NOT_COUNTING = "meter-not-counting"


_TEXTS = {
    Alarm.CONTACT_UNKNOWN: _Text(
        "Nobody can say where the transfer switch's contact is{detail}. No outage would be noticed, and nothing is "
        "given back.",
        "Check the contact's wire and input; with an MQTT contact, its device and the broker.",
    ),
    Alarm.CONTACT_OPEN_LONG: _Text(
        "The contact has been open for {detail} hours or more: the house runs on its generator all that time, or the "
        "contact or its wire says so wrongly.",
        "Check fuel and oil. Where the house has utility, check the contact, its wire and its input.",
    ),
    Alarm.CONTACT_CHATTER: _Text(
        "The transfer switch's contact chatters: {detail} times or more within an hour it moved and went back at once. "
        "That is no switch that moves, but a fault of the wiring.",
        "Tighten the contact's wire at both ends, look for corrosion, and keep the wire apart from the generator's "
        "ignition and from the mains.",
    ),
    Alarm.CIRCUIT_TRIPPED: _Text(
        "Tripped: {circuits}. Their own protection opened them, and nothing here switches them on.",
        "Find out why first; then reset the breaker by hand.",
    ),
    Alarm.ESSENTIAL_OFF: _Text(
        "The house is on standby, and these essential circuits are off or do not answer: {detail}.",
        "Look at the breaker. What is off comes on by hand or with `loadshed ask on CIRCUIT`; what does not answer may "
        "have lost its power, its hub or its network.",
    ),
    Alarm.SHED_INCOMPLETE: _Text(
        "The house is on standby, and these are still on, or nobody vouches that they are off: {detail}. The generator "
        "may carry them all.",
        "Switch them off by hand at the panel; they are told again and again meanwhile.",
    ),
    Alarm.BREAKER_NO_RESPONSE: _Text(
        "Three commands were not confirmed by: {circuits}. They may still draw power on the generator, or still be "
        "off on utility.",
        "Look at the breaker and its hub; switch it by hand where it matters. It is tried again when it answers.",
    ),
    Alarm.NOT_RESTORED: _Text(
        "The outage is over, and these could not be given back: {circuits}.",
        "Look at the breaker and its hub; switch it on by hand. It is tried again when it answers.",
    ),
    Alarm.OFF_AWAITING_USER: _Text(
        "The outage is over, and these stay off until a person acts: {detail}.",
        "`loadshed ask restore CIRCUIT` gives back what waits, `loadshed ask release CIRCUIT` ends a hold; or switch "
        "it on by hand. `loadshed ask forget CIRCUIT` where it is to stay off.",
    ),
    Alarm.BROKER_DISCONNECTED: _Text(
        "The broker is away{detail}. No command reaches a breaker, and nobody is told anything.",
        "See whether the broker runs and the network stands; on standby switch large loads off by hand.",
    ),
    Alarm.CLOCK_UNTRUSTED: _Text(
        "Nobody has set the clock since the machine started: times of day may be wrong, durations and order are not.",
        "Give the machine a network with a time server, or a clock module with a battery.",
    ),
    Alarm.CONFIGURATION_REFUSED: _Text(
        "A configuration file is wrong and was not taken; the one in force stays. {detail}",
        "Mend the file (`loadshed check` names every mistake) and reload.",
    ),
    Alarm.DISK_FAILING: _Text(
        "The controller cannot write to its disk{detail}. Shedding goes on; after a power cut now it would not know "
        "what it switched off.",
        "Free space, or replace the SD card. Where the reason is a right that is missing, the folder is not loadshed's "
        "own any more: `sudo chown -R loadshed: /var/lib/loadshed`.",
    ),
    Alarm.METER_STALE: _Text(
        "The meter has not answered for three polls{detail}. Demand is not shown.",
        "Check its power and the RS485 wires (A and B); `loadshed meter doctor` looks further.",
    ),
    Alarm.METER_NOT_COUNTING: _Text(
        "The meter answers, but {detail}. It may measure the utility's side only: then demand on the generator is not "
        "known.",
        "Have an electrician see that its current transformers stand on the house's side of the transfer switch.",
    ),
}


class ActiveAlarms:
    """Active alarms."""

    def __init__(self) -> None:
        self._active: dict[str, AlarmView] = {}
        self._changed: set[str] = set()

    def __iter__(self) -> Iterator[AlarmView]:
        return iter(self._active.values())

    def __getitem__(self, alarm: Alarm) -> AlarmView:
        return self._active[alarm]

    def __contains__(self, alarm: Alarm) -> bool:
        return alarm in self._active

    def get(self, alarm: str) -> AlarmView | None:
        return self._active.get(alarm)

    def set(self, alarm: Alarm, since: float, detail: str = "", circuits: tuple[CircuitId, ...] = ()) -> bool:
        """Raise the alarm, or update its text; return whether it is new. An active alarm keeps its `since`."""
        text = _TEXTS[alarm]
        message = text.message.format(circuits=", ".join(circuits), detail=detail)
        old = self._active.get(alarm)
        new = AlarmView(alarm.value, old.since if old else since, message, text.action, circuits)
        if new != old:
            self._active[new.id] = new
            self._changed.add(new.id)
        return old is None

    def take_changes(self) -> tuple[str, ...]:
        """Return the ids of the alarms that have changed since the last call."""
        changed, self._changed = tuple(self._changed), set()
        return changed

    def clear(self, alarm: Alarm) -> AlarmView | None:
        """Clear the alarm; return its last view; None: it was not active."""
        if (view := self._active.pop(alarm, None)) is not None:
            self._changed.add(view.id)
        return view
