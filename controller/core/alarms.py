"""Alarms and their texts: what happened, then what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from controller.core.views import AlarmView
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.json_types import Json


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
    COMPANION_BLIND = "companion-blind"
    BREAKER_NO_RESPONSE = "breaker-no-response"
    STILL_DRAWING = "still-drawing"
    RETAINED_COMMAND = "retained-command"
    NOT_RESTORED = "not-restored"
    OFF_AWAITING_USER = "off-awaiting-user"
    BROKER_DISCONNECTED = "broker-disconnected"
    BROKER_LIMITED = "broker-limited"
    CERTIFICATE_DATES = "certificate-dates"
    TWO_CONTROLLERS = "two-controllers"
    CLOCK_UNTRUSTED = "clock-untrusted"
    CONFIGURATION_REFUSED = "configuration-refused"
    DISK_FAILING = "disk-failing"
    METER_STALE = "meter-stale"
    METER_NOT_COUNTING = "meter-not-counting"


RETIRED_IDS = ("broker-away", "breaker-silent", "owed", "still-off", "meter-blind")
"""Ids of earlier versions. Their retained topics are cleared at each connection, like those of inactive alarms."""


_TEXTS = {
    Alarm.CONTACT_UNKNOWN: _Text(
        "Transfer switch contact position unknown{detail}. Outages cannot be detected, and no circuit is restored.",
        "Check the contact and how it is read. {remedies}",
    ),
    Alarm.CONTACT_OPEN_LONG: _Text(
        "The transfer switch contact has been open for {detail} hours or more. The house has been on its generator "
        "since then, or the contact or its wire is faulty.",
        "Check fuel and oil. If the house is on utility, check the contact, its wire and its input.",
    ),
    Alarm.CONTACT_CHATTER: _Text(
        "The transfer switch contact chatters: {detail} times or more within an hour it moved and went straight back. "
        "This is a wiring fault, not the switch.",
        "Tighten the contact's wire at both ends, look for corrosion, and keep the wire apart from the generator's "
        "ignition and from mains wiring.",
    ),
    Alarm.CIRCUIT_TRIPPED: _Text(
        "Tripped: {circuits}. The breaker's own protection opened. The controller does not switch them on.",
        "Find the cause first. Then reset the breaker by hand.",
    ),
    Alarm.ESSENTIAL_OFF: _Text(
        "The house is on standby, and these essential circuits are off or do not respond: {detail}.",
        "Check the breaker. {remedies}A circuit that does not respond may have lost its power, its hub or its network.",
    ),
    Alarm.SHED_INCOMPLETE: _Text(
        "The house is on standby, and these circuits are still on or not confirmed off: {detail}. The generator may "
        "be supplying all of them.",
        "Turn them off by hand at the panel. The controller keeps sending OFF to the circuits that it sheds.",
    ),
    Alarm.COMPANION_BLIND: _Text(
        "Leviton's energy monitor should have switched these circuits off, but they do not report: {circuits}. Whether "
        "they are on is unknown.",
        "Look at the panel or at Leviton's app. Check what reports these breakers to the broker.",
    ),
    Alarm.BREAKER_NO_RESPONSE: _Text(
        "No response after three commands: {detail}.",
        "Check the breaker and its hub. Switch it by hand if needed. The controller tries again when it responds.",
    ),
    Alarm.STILL_DRAWING: _Text(
        "These circuits report off but still draw power: {detail}. A contact is welded, or the meter's clamp is on "
        "another circuit. They count as on.",
        "Turn them off by hand at the panel, and have an electrician check the relay and its clamp.",
    ),
    Alarm.RETAINED_COMMAND: _Text(
        "A retained command is stored at the broker for: {circuits}. Whenever the device reconnects, it can switch the "
        "circuit by itself.",
        "Clear it: publish an empty retained message to the command topic (`loadshed devices --clear-retained`). Find "
        "the program that sends commands with the retain flag.",
    ),
    Alarm.NOT_RESTORED: _Text(
        "The house is on utility, and these circuits could not be restored: {circuits}.",
        "Check the breaker and its hub. Turn it on by hand. {remedies}The controller tries again when it responds.",
    ),
    Alarm.OFF_AWAITING_USER: _Text(
        "The house is on utility, and these circuits stay off until you act: {detail}.",
        "{remedies}You can also turn it on by hand. If it is to stay off: `loadshed ask forget` and the circuit's id.",
    ),
    Alarm.BROKER_DISCONNECTED: _Text(
        "The broker is disconnected{detail}. No command reaches a breaker, and no status is published.",
        "Check that the broker is running and the network works. On standby, turn off large loads by hand.",
    ),
    Alarm.BROKER_LIMITED: _Text(
        "The broker limits what the controller can do. {detail}",
        "Change the broker's configuration, or use another broker. For Mosquitto: remove `retain_available false` and "
        "`max_packet_size`, then restart it.",
    ),
    Alarm.CERTIFICATE_DATES: _Text(
        "The dates of the broker's certificate do not fit: {detail}. The controller stays connected; the certificate's "
        "name and issuer are still checked. Other programs may lose the broker.",
        "Check this machine's clock. If the certificate has expired, issue a new one: `sudo loadshed broker init "
        "--tls` for the house's own Mosquitto.",
    ),
    Alarm.TWO_CONTROLLERS: _Text(
        "Two controllers run for this site: {detail}. Both command the circuits. Nothing is restored while the other "
        "one reports standby.",
        "Switch one of them off, or give it another [site] id. The usual cause is a copied SD card.",
    ),
    Alarm.CLOCK_UNTRUSTED: _Text(
        "The clock has not been set since the machine started. Times of day may be wrong; durations and order are "
        "correct.",
        "Connect the machine to a network with a time server, or fit a clock module with a battery.",
    ),
    Alarm.CONFIGURATION_REFUSED: _Text(
        "A configuration file has errors and was not loaded. The previous configuration stays in force. {detail}",
        "Correct the file (`loadshed check` lists every error) and reload.",
    ),
    Alarm.DISK_FAILING: _Text(
        "The controller cannot write to its disk{detail}. Shedding goes on, but after a power cut it would not know "
        "which circuits it switched off.",
        "Free space, or replace the SD card. If permission was denied, the folder does not belong to loadshed any "
        "more: `sudo chown -R loadshed: /var/lib/loadshed`.",
    ),
    Alarm.METER_STALE: _Text(
        "The meter has not responded for three polls{detail}. Demand is not shown.",
        "Check the meter's power and the RS485 wires (A and B). `loadshed meter doctor` helps to find the cause.",
    ),
    Alarm.METER_NOT_COUNTING: _Text(
        "The meter responds, but {detail}. It may measure the utility side only. Demand on the generator is then "
        "unknown.",
        "Have an electrician check that its current transformers are on the house side of the transfer switch.",
    ),
}


@dataclass(frozen=True, slots=True)
class AlarmSubject:
    """What an alarm is about. `circuits`: ids; `labels`: their names and spaces. `detail`: text for the message.

    `remedies`: sentence with the commands that the controller accepts now; empty if no command helps.
    """

    detail: str = ""
    circuits: tuple[CircuitId, ...] = ()
    labels: tuple[str, ...] = ()
    remedies: str = ""


class ActiveAlarms:
    """Active alarms."""

    def __init__(self) -> None:
        self._active: dict[str, AlarmView] = {}
        self._changed: set[str] = set()
        self._of_clients: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[AlarmView]:
        return iter(self._active.values())

    def __getitem__(self, alarm: Alarm) -> AlarmView:
        return self._active[alarm]

    def __contains__(self, alarm: Alarm) -> bool:
        return alarm in self._active

    def get(self, alarm: str) -> AlarmView | None:
        return self._active.get(alarm)

    def set(self, alarm: Alarm, since: float, subject: AlarmSubject) -> bool:
        """Raise the alarm, or update its text; return whether it is new. An active alarm keeps its `since`."""
        text = _TEXTS[alarm]
        message = text.message.format(circuits="; ".join(subject.labels), detail=subject.detail)
        action = text.action.format(remedies=f"{subject.remedies} " if subject.remedies else "").strip()
        old = self._active.get(alarm)
        new = AlarmView(alarm.value, old.since if old else since, message, action, subject.circuits)
        if new != old:
            self._active[new.id] = new
            self._changed.add(new.id)
        return old is None

    def set_of_client(
        self, client: str, at: float, problems: Sequence[Mapping[str, Json]]
    ) -> tuple[list[AlarmView], list[AlarmView]]:
        """Take over the problems of a client as alarms `<client>-<id>`; return those raised and those cleared."""
        raised = []
        current = self._of_clients.setdefault(client, set())
        named: set[str] = set()
        for problem in problems:
            name, circuits = f"{client}-{problem['id']}", problem["circuits"]
            old = self._active.get(name)
            since = at if old is None else old.since
            ids = tuple(CircuitId(str(one)) for one in circuits) if isinstance(circuits, list) else ()
            new = AlarmView(name, since, str(problem["message"]), str(problem["action"]), ids)
            named.add(name)
            if new != old:
                self._active[name] = new
                self._changed.add(name)
            if old is None:
                raised.append(new)
        cleared = [self._active.pop(name) for name in sorted(current - named)]
        self._changed.update(view.id for view in cleared)
        self._of_clients[client] = named
        return raised, cleared

    def take_changes(self) -> tuple[str, ...]:
        """Return the ids of the alarms that have changed since the last call."""
        changed, self._changed = tuple(self._changed), set()
        return changed

    def clear(self, alarm: Alarm) -> AlarmView | None:
        """Clear the alarm; return its last view; None: it was not active."""
        if (view := self._active.pop(alarm, None)) is not None:
            self._changed.add(view.id)
        return view
