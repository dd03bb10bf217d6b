"""What must never happen: the nine invariants of the rules, each a function that raises AssertionError.

Each is given what the observer knows (`Facts`) and what the engine wants, at the world's second. None reads the
engine's books, save number 5, which is about them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rules.ledger_entry import to_row
from rules.panel import Kind, Position, Restore, Tag
from tests.virtual.device import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from controller.core.effects import SavedState, SaveOutage
    from controller.core.engine import Engine, EngineSettings
    from rules.panel import Circuit, CircuitId
    from tests.virtual.device import Device
    from tests.virtual.facts import Facts
    from tests.virtual.meter import Meter

EPS_S = 1e-6
LONGEST_PAUSE_S = 60.0


def commandable(circuit: Circuit) -> bool:
    """Return whether a circuit may be commanded: implemented again, independent of the product."""
    return circuit.kind in (Kind.GEN2, Kind.RELAY) and not circuit.protected


def sheddable(circuit: Circuit) -> bool:
    """Return whether a transfer to standby must switch the circuit off."""
    return circuit.tag is Tag.NONESSENTIAL and commandable(circuit)


def origin(facts: Facts, circuit: CircuitId, word: Position) -> Origin:
    """Return the origin of a command."""
    known = facts[circuit]
    if known.wish is word or (word is Position.ON and known.recalled):
        return Origin.PERSON
    return Origin.RULES


def no_command_to_what_may_not_be_commanded(facts: Facts, circuit: CircuitId, word: Position, at: float) -> None:
    """1. A command to a circuit that is not controllable, or is protected."""
    facts.guards["1 commandable"] += 1
    assert circuit in facts.panel, f"{at}: {word} to {circuit}, which is in no file"
    assert commandable(facts.panel[circuit]), f"{at}: {word} to {circuit}"


def no_on_to_what_is_not_ours_to_give_back(facts: Facts, circuit: CircuitId, word: Position, at: float) -> None:
    """2. ON to a circuit not owed, or not on before, or tripped, on hold or overridden; user requests excepted."""
    if word is not Position.ON or origin(facts, circuit, word) is Origin.PERSON:
        return
    facts.guards["2 ours to give back"] += 1
    known = facts[circuit]
    assert known.owed, f"{at}: ON to {circuit}, which is not owed: {known.why_not}"
    assert not known.before_off or known.called, f"{at}: ON to {circuit}, which was off before"
    assert known.heard is not Position.TRIPPED, f"{at}: ON to {circuit}, which has tripped"
    assert not known.hold, f"{at}: ON to {circuit}, which is on hold"
    assert not known.taken_over, f"{at}: ON to {circuit}, which a person took over"
    assert facts.panel[circuit].restore is Restore.AUTO or known.called, f"{at}: ON to {circuit}, which waits"


def no_off_to_an_essential_circuit(facts: Facts, circuit: CircuitId, word: Position, at: float) -> None:
    """3. OFF to an essential circuit, other than on user request."""
    if word is not Position.OFF or origin(facts, circuit, word) is Origin.PERSON:
        return
    facts.guards["3 essential"] += 1
    assert facts.panel[circuit].tag is Tag.NONESSENTIAL, f"{at}: OFF to {circuit}"


def no_on_but_on_stable_utility(
    facts: Facts, settings: EngineSettings, circuit: CircuitId, word: Position, at: float
) -> None:
    """4. ON by the rules while the source is not utility, or while an edge is unsettled (or the wait not over)."""
    if word is not Position.ON or origin(facts, circuit, word) is Origin.PERSON:
        return
    facts.guards["4 utility"] += 1
    wait_s = max(settings.settle_s, settings.utility_stable_s)
    closed_s = facts.contact.closed_for(at)
    assert closed_s >= wait_s - EPS_S, f"{at}: ON to {circuit}, closed for {closed_s} s"


def nothing_we_switched_off_is_forgotten(
    facts: Facts, engine: Engine, devices: Mapping[CircuitId, Device], at: float
) -> None:
    """5. A circuit that we switched off and that is neither in the ledger nor restored."""
    for circuit, device in devices.items():
        if device.position is not Position.OFF or device.moved_by is not Origin.RULES or circuit not in facts.panel:
            continue
        known = facts[circuit]
        if known.exempt or not known.owed or known.before_off:
            continue  # ended by a user, a trip or a report of ON, which the observer has received as well
        facts.guards["5 in the ledger"] += 1
        entry = engine._ledger[circuit]
        assert entry.shed_record is not None or entry.off_unexplained, f"{at}: {circuit} is off by us, and nobody knows"


def no_bounce_moves_a_breaker(facts: Facts, circuit: CircuitId, word: Position, at: float) -> None:
    """6. A bounce shorter than `settle_s` that moves a breaker."""
    if word is not Position.OFF or origin(facts, circuit, word) is Origin.PERSON:
        return
    facts.guards["6 bounce"] += 1
    contact = facts.contact
    contact.settle(at)
    just_now = at <= contact.settled_at + EPS_S  # the two fell together
    in_a_drill = facts.drill is not None and facts.drill.may_hold(at)
    if in_a_drill:
        facts.guards["6 shed in a drill"] += 1
    why = "the contact has not settled open, and no drill is on"
    assert contact.settled_open is True or just_now or in_a_drill, f"{at}: OFF to {circuit}, and {why}"


def a_settled_opening_moves_them_all(facts: Facts, confirm_s: float, at: float) -> None:
    """6, 7. A settled opening that does not move a breaker; one circuit's silence that delays another's command."""
    since = _sheds_since(facts, confirm_s, at)
    if since is None or not facts.connected:
        return
    for circuit in facts.panel:
        known = facts[circuit.id]
        if not sheddable(circuit) or known.taken_over or known.wish is not None:
            continue
        if known.heard in (Position.OFF, Position.TRIPPED):
            continue
        wait_s = confirm_s if circuit.device is None else max(confirm_s, circuit.device.confirm_s or 0.0)
        if (known.live or circuit.device is not None) and at <= known.unexpected_on_at + wait_s + EPS_S:
            continue  # on again a moment ago: possibly manual
        facts.guards["6 shed"] += 1
        assert known.off_at >= max(facts.connected_at, since) - EPS_S, f"{at}: {circuit.id} was not shed"
        assert known.off_at >= at - LONGEST_PAUSE_S - 2.0, f"{at}: {circuit.id} is not tried any more"


def _sheds_since(facts: Facts, confirm_s: float, at: float) -> float | None:
    """Return since when every circuit to shed must have been commanded; None: not required."""
    contact, drill = facts.contact, facts.drill
    contact.settle(at)
    if contact.settled_open is True and at > contact.settled_at + EPS_S:
        # A circuit that the drill has just switched off is not commanded again before it had time to report.
        told = (
            drill is not None and drill.took_over(contact.settled_at) and at <= contact.settled_at + confirm_s + EPS_S
        )
        return drill.began_at if drill is not None and told else contact.settled_at
    return drill.began_at if drill is not None and drill.holds else None


def no_on_while_a_drill_holds(facts: Facts, circuit: CircuitId, word: Position, at: float) -> None:
    """2, 4. ON by the rules while a drill holds circuits off."""
    if word is not Position.ON or origin(facts, circuit, word) is Origin.PERSON:
        return
    if facts.drill is not None:
        facts.guards["drill: given back"] += 1
        assert not facts.drill.holds, f"{at}: ON to {circuit}, in the middle of a drill"


def a_drill_begins_in_a_quiet_house(
    facts: Facts, engine: Engine, devices: Mapping[CircuitId, Device], at: float
) -> None:
    """A drill where utility is not stable, the disk takes nothing, an outage is open or something is owed."""
    drill = facts.drill
    if drill is None:
        return
    assert not drill.against, f"{at}: a drill was accepted, and {drill.against}"
    if drill.began_at is not None:
        assert not drill.against_beginning, f"{at}: a drill began, and {drill.against_beginning}"
    if drill.asked_at == at:
        for circuit, device in devices.items():
            off = device.position is Position.OFF and device.moved_by is Origin.RULES and circuit in facts.panel
            known = facts[circuit]
            if off and known.owed and not known.exempt and not known.before_off:
                assert engine._ledger[circuit].off_unexplained, f"{at}: a drill was accepted, and {circuit} is owed"


def a_drill_ends(facts: Facts, at: float) -> None:
    """A drill that goes on beyond its time, or while the contact position is unknown."""
    if facts.drill is not None and facts.drill.holds:
        assert facts.drill.may_hold(at), f"{at}: the drill does not end"
        assert facts.contact.lost_since is None, f"{at}: the drill goes on, and nobody knows where the contact is"


def an_outage_is_what_opened_it(row: SaveOutage) -> None:
    """A drill in whose row an opening stands, or an outage that began without one."""
    assert row.kind in ("outage", "drill"), row
    assert row.stage == "about" or (row.kind == "drill") is not bool(row.openings), row


def no_retry_goes_before_a_first_try(
    facts: Facts, engine: Engine, circuit: CircuitId, word: Position, at: float
) -> None:
    """7. One circuit's silence that delays another's command, on the way back."""
    began = max(facts.contact.since, facts.started_at, facts.connected_at)
    if word is not Position.ON or origin(facts, circuit, word) is Origin.PERSON or facts[circuit].on_at < began:
        return
    mine = facts[circuit]
    if max(mine.called_at, mine.fresh_at, max(mine.heard_at, mine.alive_at) - facts.confirm_s + EPS_S) > mine.on_at:
        return  # requested, or available again: a first attempt
    for other in facts.panel:
        known = facts[other.id]
        if other.id == circuit or not known.owed or known.on_at >= began or other.min_off_s > 0.0:
            continue
        facts.guards["7 first tries first"] += 1
        assert other.id not in engine._scheduler._queue, f"{at}: {circuit} again, before {other.id}"


def no_command_twice_within_confirm_s(
    facts: Facts, confirm_s: float, circuit: CircuitId, word: Position, at: float
) -> None:
    """8. Two commands to one circuit nearer than `confirm_s`, unless something came back or is wanted otherwise."""
    known = facts[circuit]
    device = facts.panel[circuit].device
    confirm_s = confirm_s if device is None or device.confirm_s is None else device.confirm_s
    last, other = (known.off_at, known.on_at) if word is Position.OFF else (known.on_at, known.off_at)
    if at - last >= confirm_s - EPS_S or other > last:
        return
    facts.guards["8 paced"] += 1
    assert known.fresh_at > last, f"{at}: {word} to {circuit} again after {at - last} s"


def no_two_on_within_stagger_s(facts: Facts, stagger_s: float, circuit: CircuitId, word: Position, at: float) -> None:
    """9. Two ON by the rules nearer than `stagger_s` in real time, after any stall or restart."""
    if word is not Position.ON or origin(facts, circuit, word) is Origin.PERSON:
        return
    facts.guards["9 stagger"] += 1
    since_s = at - facts.last_on_at
    assert since_s >= stagger_s - EPS_S, f"{at}: ON to {circuit} {since_s} s after the last"


def the_next_deadline_is_to_come(engine: Engine, now: float) -> float | None:
    """A deadline that has come and gone would be a loop without end; return the one to come."""
    due = engine.deadline()
    assert due is None or due > now, f"{now}: the next deadline is {due}"
    return due


def every_circuit_is_where_it_belongs_or_is_named(
    facts: Facts, engine: Engine, devices: Mapping[CircuitId, Device], at: float
) -> None:
    """Long enough after the last fault: shed on standby, restored on utility, or named."""
    state = engine.state_view()
    named = {*state.owed, *state.unconfirmed}
    named |= {circuit for alarm in engine._outbox.alarms for circuit in alarm.circuits}
    sheds = facts.contact.settled_open is True
    assert state.state == ("standby" if sheds else "utility"), f"{at}: the house is {state.state}"
    assert state.kind != "drill", f"{at}: a drill is open"
    assert state.drill_until is None, f"{at}: a drill is on"
    for circuit in facts.panel:
        known, device = facts[circuit.id], devices[circuit.id]
        if sheds and sheddable(circuit):
            facts.guards["live: shed"] += 1
            fine = device.position is not Position.ON or known.taken_over or circuit.id in state.unconfirmed
            assert fine, f"{at}: {circuit.id} is on, on standby"
        if (
            not sheds
            and known.owed
            and not known.exempt
            and device.position is Position.OFF
            and device.moved_by is Origin.RULES
        ):
            facts.guards["live: given back"] += 1
            assert circuit.id in named or known.before_off, f"{at}: {circuit.id} is off by us, and not named"
            waits = known.hold or circuit.restore is not Restore.AUTO or known.before_off
            entry = engine._ledger[circuit.id]
            waits = waits or (
                entry.shed_record is not None
                and (entry.shed_record.before is Position.UNKNOWN or entry.shed_record.needs_request)
            )
            assert waits, f"{at}: {circuit.id} was not given back, and nothing keeps it"
    never = [circuit for circuit, entry in engine._ledger if entry.shed_record is not None and not entry.owed]
    assert sheds or not never, f"{at}: {never} are owed, and were never switched off"


def the_disk_knows_what_the_engine_knows(facts: Facts, engine: Engine, memory: SavedState) -> None:
    """5. Once every write has had its time, the ledger on the disk is the engine's: nothing is known by one alone."""
    for circuit, entry in engine._ledger:
        row, kept = _told(to_row(entry)), _told(memory.entries.get(circuit, {"position": "unknown"}))
        assert row == kept, f"{circuit}: the disk has {kept}, the engine {row}"
        if entry.owed:
            facts.guards["5 on the disk"] += 1
    known, there = engine._record.outage, memory.outage
    assert (None if known is None else (known.id, known.kind)) == (None if there is None else (there.id, there.kind))


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as it is after a restart.

    A minimum off time restarts with each boot, and is not written for that alone.
    """
    told: dict[str, Any] = json.loads(json.dumps(dict(row)))
    told.get("shed_record", {}).pop("off_at", None)
    return told


def energy_is_what_went_through(facts: Facts, energies: Sequence[float | None], meter: Meter) -> None:
    """An outage's energy is what the meter counted: never negative, and never more than went through it."""
    for energy_kwh in energies:
        if energy_kwh is not None:
            facts.guards["energy"] += 1
            most_kwh = meter.tenths / 10 + 0.1 + EPS_S
            assert 0.0 <= energy_kwh <= most_kwh, f"{energy_kwh} kWh of {most_kwh}"


OF_EACH_COMMAND: tuple[Callable[[Facts, CircuitId, Position, float], None], ...] = (
    no_command_to_what_may_not_be_commanded,
    no_on_to_what_is_not_ours_to_give_back,
    no_off_to_an_essential_circuit,
    no_bounce_moves_a_breaker,
    no_on_while_a_drill_holds,
)
