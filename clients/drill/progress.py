"""Progress of a drill, by what the controller publishes: each circuit's times, and its result. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clients.drill import messages
from clients.drill.circuit_power import CircuitPower
from clients.drill.messages import TAKEN_OVER, TRIPPED
from clients.drill.plan import return_times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clients.drill.plan import DrillPlan
    from rules.json_types import Json

_RESULTS = {
    "tripped": TRIPPED,
    "taken_over": TAKEN_OVER,
    "on_without_command": messages.ON_WITHOUT_COMMAND,
    "stayed_on": messages.STAYED_ON,
}


@dataclass(slots=True)
class CircuitProgress:
    """Progress of one circuit. `…_after_s`: from the first command to its report; None: not reported.

    `off_at`, `on_at`: when the report arrived; `off_sent_at`, `on_sent_at`: time of the first command; seconds of the
    listener's clock.
    `result`: other outcome, in words; empty: none.
    """

    off_tries: int = 0
    off_sent_at: float | None = None
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
        self.power: dict[str, CircuitPower] = {}
        self.missed = False
        self._here = True
        self._held = False
        self._plan = plan
        self._return_s: dict[str, float] = {}

    @property
    def done(self) -> bool:
        """Return whether the drill is complete."""
        return self.ended_at is not None or self.taken_over or bool(self.dropped)

    @property
    def last_on_at(self) -> float | None:
        """Return when the last circuit to be restored reported on."""
        return max((progress.on_at for progress in self.circuits.values() if progress.on_at is not None), default=None)

    def next_on_after(self, at: float) -> float | None:
        """Return when the next ON left after a moment; None: none did."""
        sent = (progress.on_sent_at for progress in self.circuits.values() if progress.on_sent_at is not None)
        return min((one for one in sent if one > at), default=None)

    # --- messages ----------------------------------------------------------------------------------------------------

    def event(self, fields: Mapping[str, Json], at: float) -> list[str]:
        """Process a message of `events`."""
        name = str(fields.get("event"))
        if name == "drill_began":
            return self._began(fields, at)
        if name == "drill_canceled" and self.id is None:
            self.dropped = str(fields.get("reason"))
            return [messages.not_started(self.dropped)]
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
            return [messages.ENDED_UNSEEN]
        if outage == self.id and fields.get("kind") == "outage":
            return [*self._taken_over(fields, at)]
        return []

    def circuit(self, circuit: str, fields: Mapping[str, Json]) -> None:
        """Process a message of `circuits/<circuit>`: its position, whatever was missed."""
        self.positions[circuit] = str(fields.get("position"))

    def measured(self, circuit: str, fields: Mapping[str, Json], at: float) -> None:
        """Process the power in a message of `circuits/<circuit>` that is published now."""
        self.power.setdefault(circuit, CircuitPower()).take(fields, at)

    def availability(self, word: str) -> list[str]:
        """Process a message of `controller/availability`."""
        was, self._here = self._here, word == "online"
        if was and not self._here:
            self.missed = True
            return [messages.CONTROLLER_OFFLINE]
        return [messages.CONTROLLER_ONLINE] if self._here and not was else []

    def away(self) -> None:
        """Record that the connection was lost: messages in the meantime are missed."""
        self.missed = True

    # --- the drill ---------------------------------------------------------------------------------------------------

    def _began(self, fields: Mapping[str, Json], at: float) -> list[str]:
        if self.id is not None or not isinstance(fields.get("outage"), int):
            return []
        self.id, self.began, self.began_at = int(str(fields["outage"])), str(fields.get("at")), at
        self.clock_trusted = "clock" not in fields
        return [messages.started(self.id)]

    def _state(self, fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        if fields.get("state") == "standby":
            self._held = True
            yield messages.held_off(self._not_off(), self.for_s, self._until_utc_s())

    def _over(self, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        if fields.get("outage") == self.id:
            self.over_at, self.because = at, str(fields.get("reason"))
            self._return_s = self._return_times(at)
            order = [
                circuit
                for circuit in self._return_s
                if self.circuits.get(circuit, CircuitProgress()).off_at is not None
            ]
            last_s = self._return_s[order[-1]] if order else None
            yield messages.ended(self.because, [self._name(circuit) for circuit in order], last_s)

    def _taken_over(self, _fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        self.taken_over = True
        yield messages.BECAME_OUTAGE

    def _ended(self, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        if fields.get("outage") != self.id:
            return
        self.ended_at, self.restore_finished = at, True
        if isinstance(not_restored := fields.get("not_restored"), dict):
            self.not_restored = {circuit: str(why) for circuit, why in not_restored.items()}
        for circuit, why in self.not_restored.items():
            yield messages.not_restored(self._name(circuit), why)
        yield messages.RESTORE_COMPLETE

    def _started(self, _fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        self.missed = True
        yield messages.CONTROLLER_RESTARTED

    def _contact_lost(self, fields: Mapping[str, Json], _at: float) -> Iterator[str]:
        yield messages.contact_unknown(str(fields.get("reason")))

    # --- circuits ----------------------------------------------------------------------------------------------------

    def _circuit(self, event: str, circuit: str, fields: Mapping[str, Json], at: float) -> Iterator[str]:
        progress, name = self.circuits.setdefault(circuit, CircuitProgress()), self._name(circuit)
        if event == "off_sent":
            progress.off_tries += 1
            progress.sent(at, first=progress.off_tries == 1)
            progress.off_sent_at = at if progress.off_sent_at is None else progress.off_sent_at
            if progress.off_tries > 1:
                yield messages.off_again(name, progress.off_tries)
        elif event == "on_sent":
            progress.on_tries += 1
            progress.sent(at, first=progress.on_tries == 1)
            progress.on_sent_at = at if progress.on_sent_at is None else progress.on_sent_at
            if progress.on_tries > 1:
                yield messages.on_again(name, progress.on_tries)
        elif event in ("confirmed_off", "confirmed_on"):
            yield self._confirmed(progress, name, fields, at, off=event == "confirmed_off")
        elif event in _RESULTS:
            progress.result = _RESULTS[event]
            yield f"{name}: {progress.result}."
        elif event in ("unexpected_on", "possible_override"):
            yield messages.unexpectedly_on(name)

    @staticmethod
    def _confirmed(progress: CircuitProgress, name: str, fields: Mapping[str, Json], at: float, *, off: bool) -> str:
        tries = progress.off_tries if off else progress.on_tries
        after_s = _number(fields.get("after_s"))
        took_s = None if after_s is None else progress.answered(at, after_s, tries)
        if off:
            progress.off_at, progress.off_after_s = at, took_s if progress.off_after_s is None else progress.off_after_s
        else:
            progress.on_at, progress.on_after_s = at, took_s
        return messages.confirmed(name, off=off, after_s=took_s)

    def _name(self, circuit: str) -> str:
        return self._names.get(circuit, circuit)

    # --- what is being waited for ------------------------------------------------------------------------------------

    def waiting_for(self, now: float) -> str:
        """Return what the drill waits for now, and for how long where that is known. `now`: the listener's clock."""
        if self.id is None or self.began_at is None:
            return messages.waiting_for_start()
        if self.over_at is not None:
            return self._waiting_for_on(now, self.over_at)
        if not self._held and (silent := self._not_off()):
            return messages.waiting_for_off(silent)
        return messages.waiting_until_end(max(0.0, self.began_at + self.for_s - now), self._until_utc_s())

    def _waiting_for_on(self, now: float, over_at: float) -> str:
        sent = [
            name for circuit, name in self._switched() if (one := self.circuits[circuit]).on_tries and not one.on_at
        ]
        if sent:
            return messages.waiting_for_on(sent)
        for circuit, after_s in self._return_s.items():
            if (last := self.circuits.get(circuit)) is not None and last.off_at is not None and not last.on_tries:
                return messages.waiting_for_turn(self._name(circuit), over_at + after_s - now)
        return messages.waiting_for_restore()

    def _return_times(self, ended_at: float) -> dict[str, float]:
        """Return when each circuit is turned on, in seconds after the end, in that order: it may have ended early."""
        held_s = self._plan.for_s if self.began_at is None else ended_at - self.began_at
        after_s = return_times(self._plan.lines, held_s, self._plan.stagger_s)
        return {str(circuit): after_s[circuit] for circuit in sorted(after_s, key=lambda one: after_s[one])}

    def _not_off(self) -> list[str]:
        """Return the names of circuits that were sent OFF and have not reported off."""
        return [name for circuit, name in self._switched() if self.circuits[circuit].off_at is None]

    def _switched(self) -> list[tuple[str, str]]:
        """Return id and name of each circuit that was sent OFF."""
        return [(circuit, self._name(circuit)) for circuit, one in self.circuits.items() if one.off_tries]

    def _until_utc_s(self) -> float | None:
        """Return the planned end in seconds since 1970; None if it, or the clock, is not known."""
        began_s = utc_s({"at": self.began})
        return began_s + self.for_s if began_s is not None and self.clock_trusted else None


def utc_s(fields: Mapping[str, Json]) -> float | None:
    """Return when an event was, in seconds since 1970 by the controller's clock; None: the event has no valid time."""
    try:
        return datetime.fromisoformat(str(fields.get("at"))).timestamp()
    except ValueError:
        return None


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
