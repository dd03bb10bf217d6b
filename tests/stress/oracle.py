"""Judges a recorder's log of a real house: every command, in the broker's order, against what must never happen.

The log is all it has: the messages on the bus, and the injected faults written between them. No
verdict depends on how quick the machine is: see `tests/stress/observer_model.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from tests.stress.drill import Request
from tests.stress.invariants import (
    ENOUGH_ROUNDS,
    OF_EACH_COMMAND,
    OFF_BEFORE,
    TAKEN_OVER,
    Command,
    End,
    Facts,
    Heard,
    Rules,
    Stays,
    Tonight,
    a_drill_moves_them_all,
    a_drill_needs_a_quiet_house,
    a_settled_opening_moves_them_all,
    every_circuit_is_where_it_belongs_or_is_named,
)
from tests.stress.observer_model import NEVER, EdgeWord, Knowledge
from tests.system.on_bus import EDGE, RECONNECTED, WITNESS, witnessed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.stress.drill import Drill
    from tests.system.on_bus import Said

# What is written into the recorder's log off the bus, with JSON behind it.
NIGHT = "(the night begins)"
END = "(the night ends)"
PROGRAM_STARTED = "(the program is started)"
BROKER_STARTED = "(the broker is started)"
ASKED = "(a person asks)"
OBEYED = "(a person was answered: yes)"
DRILL_ASKED = "(a person asks for a drill)"
DRILL_ENDED = "(a person asks that the drill end)"
MOVED = "(a hand, or its own protection)"
RETAGGED = "(the file was changed)"
LEDGER_LOST = "(the ledger was damaged)"
ROLLED_BACK = "(the ledger is of another day)"

WRITTEN_S = 2.0
"""What was decided so shortly before a start may not have reached the disk."""

_STAYS = {"off": "a person asked to be off", "hold": "is on hold", "forget": "a person asked to be forgotten"}


@dataclass
class Judge:
    """Continues where it stopped. `wrong`: sentences. `checked`: commands so far. `shed_s`: opening to last OFF."""

    rules: Rules
    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    shed_s: list[float] = field(default_factory=list)
    _number: int = 0
    _judging: bool = False
    _online: bool = False
    _starting: float | None = None
    _asked_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = Facts(self.rules, Knowledge(self.rules.timing.settle_s))

    def read(self, said: Sequence[Said]) -> None:
        """Process the messages since the last call. `said`: all of them, from the beginning."""
        for one in said[self._number :]:
            self._number += 1
            if one.topic.startswith("("):
                self._noted(one.topic, one.payload.decode(), one.at)
            else:
                self._heard(one)

    # --- off the bus -------------------------------------------------------------------------------------------------

    def _noted(self, what: str, word: str, at: float) -> None:
        takes: dict[str, Callable[[], None]] = {
            EDGE: lambda: self._edge(word, at),
            WITNESS: lambda: self.facts.known.asked(int(word), at),
            PROGRAM_STARTED: lambda: self._program_started(at),
            BROKER_STARTED: lambda: self._connection_began(at, new_broker=True),
            RECONNECTED: lambda: self._recorder_back(at),
            NIGHT: lambda: self._night(json.loads(word)),
            END: lambda: self._end(json.loads(word)),
            ASKED: lambda: self._asked(**json.loads(word)),
            OBEYED: lambda: self._obeyed(**json.loads(word), at=at),
            DRILL_ASKED: lambda: self.facts.drills.requests.append(Request(at, float(word))),
            DRILL_ENDED: self.facts.drills.broken,
            MOVED: lambda: self._touched(word),
            RETAGGED: lambda: self._retagged(word),
            LEDGER_LOST: self._ledger_lost,
            ROLLED_BACK: self._rolled_back,
        }
        takes[what]()

    def _edge(self, word: str, at: float) -> None:
        facts = self.facts
        (edge,) = (one for one in get_args(EdgeWord) if one == word)
        edges = len(facts.known.edges)
        if facts.known.edge(edge, at):
            facts.opened, facts.gap = self._number, False
            if facts.drills.now is None:  # what the drill has switched off stays off
                facts.first_off.clear()
        if len(facts.known.edges) > edges:
            # A contact that was lost and found as it was changes nothing that is wanted, but its loss ends a drill.
            if facts.known.moved or facts.drills.now is not None:
                self._all_renewed()
            facts.drills.broken()

    def _program_started(self, at: float) -> None:
        """Record that a new program starts; messages of the old one may still arrive."""
        tonight = self.facts.tonight
        tonight.starts += 1
        unwritten = [
            circuit
            for circuit, stays in tonight.stays.items()
            if stays.why != OFF_BEFORE and (tonight.ledger_lost or stays.at > at - WRITTEN_S)
        ]
        for circuit in unwritten:
            del tonight.stays[circuit]
        self._starting = at
        self.facts.drills.restarted(at)
        if not self._online:
            self._connection_began(at)

    def _recorder_back(self, at: float) -> None:
        """Record that the recorder was away: the program may have been connected, and have commanded, before it."""
        self.facts.gap = True
        self._connection_began(at)

    def _connection_began(self, at: float, *, new_broker: bool = False) -> None:
        facts = self.facts
        starting, self._starting = self._starting, None
        facts.drills.broken()
        facts.known.connection_began(
            at if starting is None else starting, new_program=starting is not None, new_broker=new_broker
        )
        self._all_renewed()
        facts.tonight.doubt = True
        self._online = False

    def _all_renewed(self) -> None:
        """Record that the wanted state of every circuit starts over."""
        self.facts.renewed_at = self._number
        self.facts.tried.clear()

    def _night(self, told: dict[str, list[str]]) -> None:
        """Begin to judge: a quiet house on utility, of which the program knows everything."""
        self._judging = True
        stays = {circuit: Stays(OFF_BEFORE) for circuit in told["off_before"]}
        self.facts.tonight = Tonight(stays, {*told["owed"]})
        for circuit in self.facts.tonight.owed - self.rules.sheds:
            self._retagged(circuit)  # the night before, and an OFF of then may still take effect

    def _end(self, told: dict[str, Any]) -> None:
        """Judge where everything is; on utility, end the judging: what people ask for from here on is theirs."""
        end = End(told["on_standby"], frozenset(told["off"]), frozenset(told["named"]), told.get("said", False))
        self.wrong += every_circuit_is_where_it_belongs_or_is_named(self.facts, end)
        self._judging = self._judging and end.on_standby

    def _touched(self, circuit: str) -> None:
        self.facts.tonight.touched.add(circuit)

    def _retagged(self, circuit: str) -> None:
        self.facts.tonight.retagged.add(circuit)
        self.facts.tonight.exempt |= {(circuit, "ON"), (circuit, "OFF")}

    def _ledger_lost(self) -> None:
        self.facts.tonight.ledger_lost = True

    def _rolled_back(self) -> None:
        """Record that the disk is an older copy: what was off before is unknown now."""
        self.facts.tonight.stays.clear()
        self.facts.tonight.rolled_back = True

    def _asked(self, request: str, circuit: str) -> None:
        """Record what a user may have requested from here on, with or without a reply."""
        self._touched(circuit)
        self._asked_at[circuit] = self.facts.known.since
        tonight = self.facts.tonight
        if request in ("on", "off"):
            tonight.exempt.add((circuit, request.upper()))
        if request in ("on", "restore", "release"):
            tonight.stays.pop(circuit, None)
        if request == "restore":
            tonight.called_in.add(circuit)

    def _obeyed(self, request: str, circuit: str, at: float) -> None:
        last = self.facts.last.get(circuit)
        if request == "forget" and last is not None and last.by > self._asked_at[circuit]:
            return  # a lost row may have been shed again since
        if request in _STAYS:
            self.facts.tonight.stays[circuit] = Stays(_STAYS[request], at)

    # --- on the bus --------------------------------------------------------------------------------------------------

    def _heard(self, one: Said) -> None:
        if (number := witnessed(one.topic)) is not None:
            self._online = True
            self.facts.known.answered(number, one.at)
            self._opening_told(self.facts.known.rounds)
            self._drill_goes_on(self.facts.drills.now)
            return
        match one.topic.split("/")[2:]:
            case ["ask", "witness"]:
                self.facts.known.passed_on(int(one.payload), self._number)
            case ["controller", "availability"] if not one.retained:
                self._online = one.payload == b"online"
                if self._online:
                    self.facts.drills.online()
                else:
                    self._connection_began(NEVER)
            case ["controller", "state"] if one.payload and self.facts.tonight.rolled_back:
                # A manual override in an outage that is open on such a disk is in force again.
                self.facts.tonight.touched |= {*one.fields["taken_over"]}
            case ["breakers", circuit, "availability"]:
                self.facts.renewed[circuit] = self.facts.spoke[circuit] = self._number
            case ["breakers", circuit, "state"] if one.payload:
                self._report(circuit, one.payload.decode())
            case ["breakers", circuit, "set"]:
                self._command(circuit, one)
            case ["events"]:
                self._event(one.fields, one.at)

    def _drill_goes_on(self, drill: Drill | None) -> None:
        if drill is not None and drill.overstays(self.facts.known.since):
            self.wrong.append(f"a drill of {drill.asked.for_s:g} s goes on and on")

    def _opening_told(self, rounds: int) -> None:
        if not self._judging or rounds != ENOUGH_ROUNDS:
            return
        facts = self.facts
        self.wrong += a_settled_opening_moves_them_all(facts)
        edge = facts.known.edges[-1]
        if edge.word == "open" and facts.first_off and not edge.recalled and min(facts.first_off.values()) > edge.at:
            self.shed_s.append(max(facts.first_off.values()) - edge.at)

    def _report(self, circuit: str, word: str) -> None:
        facts = self.facts
        before = facts.heard.get(circuit)
        if before is None or before.word != word:
            facts.renewed[circuit] = self._number
            facts.heard[circuit] = Heard(self._number, word)
        facts.spoke[circuit] = self._number

    def _event(self, event: dict[str, Any], at: float) -> None:
        stays = self.facts.tonight.stays
        if event["event"].startswith("drill_") or event.get("request") == "drill":
            self._of_drill(event, at)
        if event["event"] == "off_sent" and self.facts.gap:
            # The command itself may lie in the gap; that it was given is said a moment after it.
            self.facts.first_off.setdefault(event["circuit"], at)
        if event["event"] == "taken_over":
            self.facts.tonight.touched.add(event["circuit"])
            stays[event["circuit"]] = Stays(TAKEN_OVER, self.facts.known.since)
        elif event["event"] == "outage_ended":
            for circuit in [circuit for circuit, one in stays.items() if one.why == TAKEN_OVER]:
                del stays[circuit]

    def _of_drill(self, event: dict[str, Any], at: float) -> None:
        facts = self.facts
        drills, drill = facts.drills, facts.drills.now
        if event["event"] == "request_received":
            if event["ok"] and self._judging:
                self.wrong += a_drill_needs_a_quiet_house(facts, at)
            if drills.answered(ok=event["ok"]) is not None:
                facts.first_off.clear()
        elif event["event"] == "drill_began" and drill is not None:
            drill.began = at
            drill.on = {circuit for circuit in facts.rules.sheds if facts.surely(circuit) == "ON"} | drill.told
            facts.guards["a drill begins"] += 1
        else:
            if drill is not None and event["event"] == "drill_ended" and self._judging:
                self.wrong += a_drill_moves_them_all(facts, drill, at)
            facts.guards["a drill is taken over"] += event["event"] == "drill_became_outage"
            facts.guards["a drill is given back by a start"] += "restarted" in event.get("reason", "")
            drills.now = None

    def _command(self, circuit: str, one: Said) -> None:
        facts, word = self.facts, one.payload.decode()
        said = Command(circuit, word, facts.known.since, one.at, facts.known.heard)
        if self._judging:
            self.checked += 1
            self.wrong += self._judged(said, retained=one.retained)
        facts.last[circuit] = said
        if word == "OFF":
            facts.tonight.owed.add(circuit)
            if facts.drills.now is not None:
                facts.drills.now.told.add(circuit)
            stays = facts.tonight.stays.get(circuit)
            if stays is not None and stays.why == _STAYS["forget"]:
                del facts.tonight.stays[circuit]
            facts.first_off.setdefault(circuit, one.at)
        elif (circuit, "ON") not in facts.tonight.exempt:
            facts.last_on = said
            facts.tried[circuit] = said

    def _judged(self, said: Command, *, retained: bool) -> Iterator[str]:
        if retained:
            yield f"{said.word} to {said.circuit} was retained by the broker"
        for invariant in OF_EACH_COMMAND:
            yield from invariant(self.facts, said)
