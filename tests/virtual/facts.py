"""What a just observer knows of the virtual house: kept from events and commands alone, not from the engine's books."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core import events as ev
from rules.panel import CircuitId, Position, Tag
from tests.virtual.drill import Drill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import LogEvent, SavedState
    from rules.json_types import Json
    from rules.panel import Panel

NEVER = float("-inf")
_PAID = {
    "confirmed_on": "given back",
    "on_without_command": "came back",
    "tripped": "tripped",
    "taken_over": "taken over",
}


def _changes_what_is_wanted(change: Mapping[str, Json]) -> bool:
    """Return whether a change of state changes what is wanted of the circuits.

    Shedding that begins again on standby does not: a contact that was lost and found open is as it was.
    """
    sheds = ("shedding", "standby")
    return change["state"] == "stabilizing" or (change["state"] == "shedding" and change["was"] not in sheds)


@dataclass(slots=True)
class Contact:
    """The contact as published, settled by a second implementation of the rules.

    `retained_utility`: may count at once.
    """

    settle_s: float
    on_lost_shed: bool
    on_bus: bool = False
    open: bool | None = None
    since: float = 0.0
    lost_since: float | None = 0.0
    settled_open: bool | None = None
    settled_at: float = NEVER
    distrust: bool = False
    offline: bool = False

    def take(self, is_open: bool, at: float, *, retained: bool) -> None:
        """Take a word about the position."""
        self.settle(at)
        if retained and is_open:
            self.open, self.since, self.lost_since = True, at - self.settle_s, None
            self.settle(at)
            return
        if retained and (self.distrust or self.offline):
            self.open, self.since = False, float("inf")
            return
        self.distrust = self.offline = False
        self.lost_since = None
        if is_open is not self.open or self.since > at:
            self.open, self.since = is_open, at

    def alive(self, at: float) -> None:
        """Take a live word that is no position."""
        if self.open is not None:
            self.take(self.open, at, retained=False)
        self.distrust = self.offline = False

    def lost(self, at: float, *, offline: bool) -> None:
        """Record that the position is unknown."""
        self.settle(at)
        self.offline = offline
        if self.lost_since is None:
            self.lost_since = at
        self.since = float("inf")
        if not offline:
            self.open = None

    def settle(self, at: float) -> None:
        """Let what has held for long enough count."""
        if self.open is not None and at >= self.since + self.settle_s - 1e-9 and self.settled_open is not self.open:
            self.settled_open, self.settled_at = self.open, self.since + self.settle_s
        gone = self.lost_since is not None and at >= self.lost_since + 15.0 - 1e-9
        if self.on_lost_shed and gone and self.settled_open is not True:
            self.settled_open, self.settled_at = True, at

    def closed_for(self, at: float) -> float:
        """Return for how long the contact has been closed without a word to the contrary; below 0: it is not."""
        return at - self.since if self.open is False and self.lost_since is None else -1.0


@dataclass(slots=True)
class Circuit:
    """What is known of one circuit. Times are the world's seconds."""

    heard: Position | None = None
    heard_at: float = NEVER
    unexpected_on_at: float = NEVER
    live: bool = False
    online: bool = True
    fresh_at: float = NEVER
    alive_at: float = NEVER
    off_at: float = NEVER
    on_at: float = NEVER
    owed: bool = False
    owed_at: float = NEVER
    why_not: str = "never switched off"
    before_off: bool = False
    at_first_edge: Position | None = None
    at_first_off: Position | None = None
    called: bool = False
    called_at: float = NEVER
    recalled: bool = False
    wish: Position | None = None
    hold: bool = False
    taken_over: bool = False
    exempt: bool = False


@dataclass
class Facts:
    """The observer. `guards` counts how often each invariant had something to hold.

    `drill`: the last that was accepted, until its outage ends; None: there is none. `drills`: asked for in this turn.
    """

    panel: Panel
    contact: Contact
    confirm_s: float = 5.0
    utility_stable_s: float = 10.0
    circuits: dict[CircuitId, Circuit] = field(default_factory=dict)
    guards: Counter[str] = field(default_factory=Counter)
    connected: bool = False
    started_at: float = 0.0
    connected_at: float = NEVER
    last_on_at: float = NEVER
    outage: bool = False
    disk_fails: bool = False
    drill: Drill | None = None
    drills: deque[Drill] = field(default_factory=deque)

    def __getitem__(self, circuit: CircuitId) -> Circuit:
        return self.circuits.setdefault(circuit, Circuit())

    # --- the program starts ------------------------------------------------------------------------------------------

    def start(self, at: float, memory: SavedState, *, rebooted: bool) -> None:
        """Restart with the data on disk."""
        self.started_at, self.connected = at, False
        old = self.contact
        self.contact = Contact(old.settle_s, old.on_lost_shed, old.on_bus, lost_since=at)
        self.contact.distrust = rebooted and memory.outage is not None
        self.outage = memory.outage is not None
        about = memory.outage is not None and memory.outage.stage == "about"
        self.disk_fails, self.drill = False, None
        self.drills.clear()
        if memory.outage is not None and memory.outage.kind == "drill":
            self.guards["drill: over a crash"] += 1
        for circuit in self.panel:
            self._reload(self[circuit.id], memory.entries.get(circuit.id, {}), at, circuit.tag, about=about)

    @staticmethod
    def _reload(known: Circuit, row: Mapping[str, Json], at: float, tag: Tag, *, about: bool) -> None:
        known.fresh_at, known.wish, known.live, known.heard, known.online = at, None, False, None, True
        debt = row.get("shed_record")
        # A circuit that was off when it was about to be shed is not shed by us; one of unknown position is.
        known.owed = known.owed or debt is not None or (about and row.get("position") not in ("off", "tripped"))
        known.called = isinstance(debt, dict) and debt["released"] is True
        known.hold, known.taken_over = "hold" in row, "taken_over" in row
        shed = isinstance(debt, dict) and debt["cause"] == "shed" and debt["needs_request"] is not True
        known.recalled = shed and tag is Tag.ESSENTIAL

    # --- events ------------------------------------------------------------------------------------------------------

    def take(self, event: ev.Event, at: float, *, boot_at: float) -> None:
        """Process an event that the program receives at `at`; `boot_at` converts its seconds."""
        drill = self.drill
        if drill is not None and drill.against_beginning is None and event.at + boot_at >= drill.due_at - 1e-6:
            self._drill_is_due(drill)
        match event:
            case ev.BusConnected():
                self.connected, self.connected_at = True, at
                for known in self.circuits.values():
                    known.fresh_at = at
            case ev.BreakerReported() | ev.AvailabilityReported():
                self._of_device(self[event.circuit], event, at)
            case ev.DeviceRestarted() | ev.CommandRefused():
                self[event.circuit].fresh_at = self[event.circuit].alive_at = at
            case ev.DeviceAlive() | ev.PowerReported():
                self[event.circuit].alive_at = at
            case ev.DiskFailed() | ev.DiskRecovered():
                self.disk_fails = isinstance(event, ev.DiskFailed)
            case ev.Requested(request="drill"):
                for_s = 60.0 if event.for_s is None else event.for_s
                self.drills.append(Drill(at, for_s, self._forbids_a_drill(at)))
            case _:
                self._of_contact(event, at, boot_at)

    def _of_contact(self, event: ev.Event, at: float, boot_at: float) -> None:
        match event:
            case ev.ContactChanged():
                was = self.contact.open
                self.contact.take(event.open, event.at + boot_at, retained=event.retained)
                if event.open and was is not True:
                    self._about()
            case ev.ContactAlive():
                self.contact.alive(at)
            case ev.ContactLost():
                self._lost(event.at + boot_at, offline=True)
            case ev.BusLost():
                self.connected = False
                if self.contact.on_bus:
                    self._lost(at, offline=False)
            case _:
                pass

    def _lost(self, at: float, *, offline: bool) -> None:
        self.contact.lost(at, offline=offline)
        if not self.outage and self.contact.settled_open is not True:
            for known in self.circuits.values():
                known.at_first_edge = None  # no outage began with that edge

    def _about(self) -> None:
        """Note which circuits are off beyond doubt as an outage begins."""
        if not self.outage and self.contact.settled_open is not True:
            for circuit, known in self.circuits.items():
                known.at_first_edge = None if self._has_family(circuit) else known.heard
                if not known.owed:
                    known.before_off = known.live and known.heard is Position.OFF and self.connected

    def _of_device(self, known: Circuit, event: ev.BreakerReported | ev.AvailabilityReported, at: float) -> None:
        has_family = self._has_family(event.circuit)
        if isinstance(event, ev.BreakerReported):
            (self._said if has_family else self._reported)(known, event, at)
            return
        # A retained `online` is as old as the connection, which has made the circuit fresh already.
        back = not known.online or has_family  # one of several topics
        if event.online and back and not event.retained:
            known.fresh_at = at
        known.online = event.online
        if event.online and not event.retained:
            known.alive_at = at

    def _has_family(self, circuit: CircuitId) -> bool:
        return circuit in self.panel.circuits and self.panel[circuit].device is not None

    @staticmethod
    def _said(known: Circuit, event: ev.BreakerReported, at: float) -> None:
        """Note what a device of a family, or its gateway, says: `family_checks` judges by its contacts instead."""
        if event.position is Position.ON and known.heard is not Position.ON:
            known.unexpected_on_at = at
        known.heard = event.position
        if not event.retained:
            known.heard_at = at

    @staticmethod
    def _reported(known: Circuit, event: ev.BreakerReported, at: float) -> None:
        if event.retained and known.live and known.heard is event.position:
            return
        if event.position is Position.ON and known.heard is not Position.ON:
            known.unexpected_on_at = at
        known.heard, known.live, known.heard_at = event.position, not event.retained, at
        if event.position is Position.ON:
            known.before_off = False

    # --- what the engine says it did ---------------------------------------------------------------------------------

    def happened(self, rows: Iterable[LogEvent], panel: Panel, at: float) -> None:
        """Process the engine's log of this turn, in order; `panel`: the one in force after it."""
        for row in rows:
            if row.event == "request_received":
                answered = {"drill": self._drill_answered, "drill-end": self._told_to_end}
                answered.get(str(row.details["request"]), self._asked)(row, at)
            elif row.circuit is not None:
                self._of_circuit(self[row.circuit], row.event, at)
            elif row.event.startswith("drill_"):
                self._of_drill(row.event, at)
            elif row.event == "circuits_reloaded":
                self._reloaded(panel, at)
            else:
                self._of_outage(row, at)

    def _of_outage(self, row: LogEvent, at: float) -> None:
        if row.event == "state_changed" and _changes_what_is_wanted(row.details):
            for known in self.circuits.values():
                known.fresh_at = at
        elif row.event == "outage_began":
            self.outage = True
        elif row.event == "outage_ended":
            self.outage, self.drill = False, None
            for known in self.circuits.values():
                known.taken_over, known.at_first_edge = False, None

    # --- a drill -----------------------------------------------------------------------------------------------------

    def _forbids_a_drill(self, at: float) -> list[str]:
        """Say what of the contact and the disk does, as things stand at `at`."""
        stable = self.contact.closed_for(at) >= max(self.contact.settle_s, self.utility_stable_s) - 1e-6
        return ["utility is not stable"] * (not stable) + ["the disk takes nothing"] * self.disk_fails

    def _drill_is_due(self, drill: Drill) -> None:
        """Note how the house is as the drill begins: where each circuit is then is its `before`."""
        drill.against_beginning = self._forbids_a_drill(drill.due_at)
        self._about()

    def _drill_answered(self, row: LogEvent, _at: float) -> None:
        drill, ok = self.drills.popleft(), row.details["ok"] is True
        self.guards["drill: asked for" if ok else "drill: refused"] += 1
        if ok:
            drill.against += [f"{circuit} is under way" for circuit in self.panel.circuits if self[circuit].wish]
            drill.against += ["an outage is open"] * self.outage + ["another is on"] * (self.drill is not None)
            self.drill = drill

    def _told_to_end(self, row: LogEvent, at: float) -> None:
        drill, ok = self.drill, row.details["ok"] is True
        if ok:
            self.guards["drill: ended by a person"] += 1
        assert drill is None or drill.over_at is not None, f"{at}: a person was told {ok}, and the drill goes on"

    def _of_drill(self, event: str, at: float) -> None:
        drill = self.drill
        if event == "drill_began":
            assert drill is not None, f"{at}: a drill begins that nobody asked for"
            assert at >= drill.due_at - 1e-6, f"{at}: a drill begins before the disk can know of it"
            if drill.against_beginning is None:
                self._drill_is_due(drill)
            drill.began_at, self.outage = at, True
            self.guards["drill: began"] += 1
        elif event == "drill_canceled":
            assert drill is not None, f"{at}: a drill is dropped that nobody asked for"
            assert drill.began_at is None, f"{at}: a drill is dropped that has begun"
            self.drill = None
        elif event == "drill_became_outage":
            self.guards["drill: taken over by a transfer"] += 1
        else:
            self.guards["drill: over"] += 1
        if event in ("drill_ended", "drill_became_outage") and drill is not None and drill.over_at is None:
            drill.over_at, drill.taken_over = at, event == "drill_became_outage"

    def fell_late(self, circuit: CircuitId) -> None:
        """Record that an OFF of the rules took effect: a circuit that was restored in between is ours again."""
        known = self[circuit]
        if known.why_not in ("came back", "given back") and not known.owed:
            self.guards["5 late off"] += 1
            known.owed = True

    def left_off(self, circuit: CircuitId) -> None:
        """Record that the engine leaves a circuit off because it was off before, and check that it was."""
        known = self[circuit]
        self.guards["5 was off before"] += 1
        # What is owed from an earlier outage keeps the before of that one.
        was_on = known.at_first_edge is Position.ON and known.at_first_off is Position.ON
        assert not was_on, f"{circuit} is left off, and was on when the outage began"
        known.owed, known.why_not = False, "was off before"

    def _of_circuit(self, known: Circuit, event: str, at: float) -> None:
        if event in ("off_after_power_loss", "off_unexplained"):
            known.owed, known.owed_at, known.before_off = True, at, False
        elif event in ("request_completed", "request_failed"):
            known.wish = None
        elif event in _PAID:
            known.wish = None if event == "tripped" else known.wish
            theirs = event == "taken_over" or (event == "tripped" and known.owed)
            known.taken_over = known.taken_over or (theirs and self.outage)
            known.owed = known.called = known.recalled = False
            known.why_not = _PAID[event]

    def _asked(self, row: LogEvent, at: float) -> None:
        if row.details["ok"] is not True:
            return
        request = row.details["request"]
        for circuit in [row.circuit] if row.circuit is not None else self.panel.circuits:
            known = self[circuit]
            known.fresh_at = at
            if request in ("on", "off"):
                known.wish = Position.ON if request == "on" else Position.OFF
                known.taken_over = known.taken_over or self.outage
            if request in ("on", "off", "forget"):
                known.owed, known.why_not = False, f"a person asked: {request}"
            if request == "restore":
                known.called, known.called_at = True, at
            if request == "hold":
                known.hold, known.wish = True, None
            elif request == "release":
                known.hold = known.called = False

    def _reloaded(self, panel: Panel, at: float) -> None:
        for circuit in panel:
            known = self[circuit.id]
            known.fresh_at = at
            was = self.panel.circuits.get(circuit.id)
            if known.owed and was is not None and was.tag is Tag.NONESSENTIAL and circuit.tag is Tag.ESSENTIAL:
                known.recalled = True
            elif circuit.tag is Tag.NONESSENTIAL:
                known.recalled = False
        self.panel = panel
