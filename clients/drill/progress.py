"""Progress of a drill, by what the controller publishes: each circuit's times, and its result. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clients.terminal.tables import format_duration, format_span, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clients.drill.plan import DrillPlan
    from rules.json_types import Json

TRIPPED, TAKEN_OVER = "tripped", "manual override"
_FATES = {
    "tripped": TRIPPED,
    "taken_over": TAKEN_OVER,
    "on_without_command": "came on by itself or by hand",
    "stayed_on": "stayed on: OFF was never confirmed",
}


@dataclass(slots=True)
class CircuitProgress:
    """Progress of one circuit. `…_after_s`: from the first command to its report; None: not reported.

    `off_at`, `on_at`: when the report arrived; `on_sent_at`: time of the first ON; seconds of the listener's clock.
    `result`: other outcome, in words; empty: none.
    """

    off_tries: int = 0
    off_after_s: float | None = None
    off_at: float | None = None
    on_tries: int = 0
    on_sent_at: float | None = None
    on_after_s: float | None = None
    on_at: float | None = None
    result: str = ""
    _first_sent_at: float | None = None

    @property
    def switched(self) -> bool:
        """Return whether any command was sent to it."""
        return self.off_tries > 0 or self.on_tries > 0

    def sent(self, at: float | None, *, first: bool) -> None:
        """Note when a command left, by the listener's clock: the controller's may be set in between."""
        self._first_sent_at = at if first else self._first_sent_at

    def answered(self, at: float, after_last_s: float, tries: int) -> float:
        """Return the response time from the first command; the reported one is from the last."""
        since_first_s = None if self._first_sent_at is None else at - self._first_sent_at
        return after_last_s if tries <= 1 or since_first_s is None else round(max(after_last_s, since_first_s), 3)


class DrillProgress:
    """One drill, followed by its messages. Each returns the lines to show the user.

    `id`: None: it has not begun. `began`: RFC 3339; `clock_trusted`: by a clock known to be right. `began_at`,
    `over_at`: of the listener's clock. `because`: why it ended. `dropped`: why it never began. `taken_over`: a transfer
    occurred. `restore_finished`: the controller reported that restoring is complete, and `not_restored` is what it
    named then, each circuit with the reason. `missed`: the connection, or the controller, was unavailable in between.
    """

    def __init__(self, plan: DrillPlan) -> None:
        self._names = {str(line.id): line.name for line in plan.lines}
        self.circuits: dict[str, CircuitProgress] = {}
        self.id: int | None = None
        self.began = ""
        self.clock_trusted = True
        self.began_at: float | None = None
        self.for_s = plan.for_s
        self.over_at: float | None = None
        self.because = ""
        self.dropped = ""
        self.taken_over = False
        self.ended_at: float | None = None
        self.not_restored: dict[str, str] = {}
        self.restore_finished = False
        self.positions: dict[str, str] = {}
        self.missed = False
        self._here = True

    @property
    def done(self) -> bool:
        """Return whether the drill is complete."""
        return self.ended_at is not None or self.taken_over or bool(self.dropped)

    @property
    def last_on_at(self) -> float | None:
        """Return when the last circuit that came back was heard to be on."""
        return max((fare.on_at for fare in self.circuits.values() if fare.on_at is not None), default=None)

    def next_on_after(self, at: float) -> float | None:
        """Return when the next ON left after a moment; None: none did."""
        sent = (fare.on_sent_at for fare in self.circuits.values() if fare.on_sent_at is not None)
        return min((one for one in sent if one > at), default=None)

    # --- what is heard -----------------------------------------------------------------------------------------------

    def event(self, fields: Mapping[str, Json], at: float) -> list[str]:
        """Process a message of `events`."""
        name = str(fields.get("event"))
        if name == "drill_began":
            return self._began(fields, at)
        if name == "drill_canceled" and self.id is None:
            self.dropped = str(fields.get("reason"))
            return [f"The drill does not begin: {self.dropped}."]
        if self.id is None or self.done:
            return []
        if (lines := self._house_event(name, fields, at)) is not None:
            return [*lines]
        circuit = fields.get("circuit")
        return [*self._circuit(name, str(circuit), fields, at)] if circuit is not None else []

    def _house_event(self, name: str, fields: Mapping[str, Json], at: float) -> Iterator[str] | None:
        """Return the lines for an event of the house; None if it is not one."""
        lines: Iterator[str] | None = None
        match name:
            case "state_changed":
                lines = self._state(fields, at)
            case "drill_ended":
                lines = self._over(fields, at)
            case "drill_became_outage":
                lines = self._taken_over(fields, at)
            case "restore_finished":
                lines = self._ended(fields, at)
            case "started":
                lines = self._started(fields, at)
            case "contact_lost":
                lines = self._contact_lost(fields, at)
        return lines

    def state(self, fields: Mapping[str, Json], at: float) -> list[str]:
        """Process a message of `controller/state`: it also shows what was missed."""
        outage = fields.get("outage")
        if self.id is None:
            if self.missed and fields.get("kind") == "drill" and isinstance(outage, int):
                self.id, self.began_at = outage, at
            return []
        if self.done:
            return []
        if outage is None and fields.get("state") == "utility" and self.missed:
            self.ended_at = at
            return ["The drill is over, and the house on utility, at rest."]
        if outage == self.id and fields.get("kind") == "outage":
            return [*self._taken_over(fields, at)]
        return []

    def circuit(self, circuit: str, fields: Mapping[str, Json]) -> None:
        """Process a message of `circuits/<circuit>`: its position, whatever was missed."""
        self.positions[circuit] = str(fields.get("position"))

    def availability(self, word: str) -> list[str]:
        """Process a message of `controller/availability`."""
        was, self._here = self._here, word == "online"
        if was and not self._here:
            self.missed = True
            return ["THE CONTROLLER IS OFFLINE (last will). A start that finds the drill open restores its circuits."]
        return ["The controller is there again."] if self._here and not was else []

    def away(self) -> None:
        """Record that the connection was lost: messages in the meantime are missed."""
        self.missed = True

    # --- the drill ---------------------------------------------------------------------------------------------------

    def _began(self, fields: Mapping[str, Json], at: float) -> list[str]:
        if self.id is not None or not isinstance(fields.get("outage"), int):
            return []
        self.id, self.began, self.began_at = int(str(fields["outage"])), str(fields.get("at")), at
        self.clock_trusted = "clock" not in fields
        return [f"Drill {self.id} has begun: every nonessential, controllable circuit is sent OFF."]

    def _state(self, fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        if fields.get("state") == "standby":
            silent = [name for circuit, name in self._told() if self.circuits[circuit].off_at is None]
            yield (
                f"Not confirmed after three tries: {', '.join(silent)}."
                if silent
                else "All of these circuits are confirmed off."
            ) + f" It is held so until {format_span(self.for_s)} are over; Ctrl-C ends it at once."

    def _over(self, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        if fields.get("outage") == self.id:
            self.over_at, self.because = at, str(fields.get("reason"))
            yield f"The drill is over: {self.because}. Everything comes back, one by one."

    def _taken_over(self, _fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        self.taken_over = True
        yield "A REAL TRANSFER: the contact has opened. The drill is an outage now, and goes on as one."

    def _ended(self, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        if fields.get("outage") != self.id:
            return
        self.ended_at, self.restore_finished = at, True
        if isinstance(not_restored := fields.get("not_restored"), dict):
            self.not_restored = {circuit: str(why) for circuit, why in not_restored.items()}
        for circuit, why in self.not_restored.items():
            yield sentence(f"{self._name(circuit)} is not back: {why}")
        yield "All clear."

    def _started(self, _fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        self.missed = True
        yield "The controller has restarted: it restores what the drill switched off."

    def _contact_lost(self, fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        yield f"CONTACT POSITION UNKNOWN: {fields.get('reason')}. Nothing is switched on until it is known."

    # --- circuits ----------------------------------------------------------------------------------------------------

    def _circuit(self, event: str, circuit: str, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        fare, name = self.circuits.setdefault(circuit, CircuitProgress()), self._name(circuit)
        if event == "off_sent":
            fare.off_tries += 1
            fare.sent(at, first=fare.off_tries == 1)
            if fare.off_tries > 1:
                yield f"{name}: OFF again, try {fare.off_tries}."
        elif event == "on_sent":
            fare.on_tries += 1
            fare.sent(at, first=fare.on_tries == 1)
            fare.on_sent_at = at if fare.on_sent_at is None else fare.on_sent_at
            if fare.on_tries > 1:
                yield f"{name}: ON again, try {fare.on_tries}."
        elif event in ("confirmed_off", "confirmed_on"):
            yield self._confirmed(fare, name, fields, at, off=event == "confirmed_off")
        elif event in _FATES:
            fare.result = _FATES[event]
            yield f"{name}: {fare.result}."
        elif event in ("unexpected_on", "possible_override"):
            yield f"{name}: on again though it was off."

    @staticmethod
    def _confirmed(fare: CircuitProgress, name: str, fields: Mapping[str, Json], at: float, *, off: bool) -> str:
        tries = fare.off_tries if off else fare.on_tries
        after_s = _number(fields.get("after_s"))
        took_s = None if after_s is None else fare.answered(at, after_s, tries)
        if off:
            fare.off_at, fare.off_after_s = at, took_s if fare.off_after_s is None else fare.off_after_s
        else:
            fare.on_at, fare.on_after_s = at, took_s
        how = "" if took_s is None else f", after {format_duration(took_s)}"
        return f"{name}: {'off' if off else 'on again'}, it says{how}."

    def _name(self, circuit: str) -> str:
        return self._names.get(circuit, circuit)

    def _told(self) -> list[tuple[str, str]]:
        return [(circuit, self._name(circuit)) for circuit, fare in self.circuits.items() if fare.off_tries]


def utc_s(fields: Mapping[str, Json]) -> float | None:
    """Return when an event was, in seconds since 1970 by the controller's clock; None: it does not say."""
    try:
        return datetime.fromisoformat(str(fields.get("at"))).timestamp()
    except ValueError:
        return None


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
