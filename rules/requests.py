"""Whether a person's request is obeyed, and the reason where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.controllability import why_uncontrollable
from rules.lean import dataclass
from rules.panel import Position

if TYPE_CHECKING:
    from rules.ledger_entry import Entry
    from rules.panel import Circuit, Panel

NOT_A_LOCK = "a hold is a request to this program, not a lock-out: lock the breaker before you work on the circuit"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, and a sentence for the person."""

    ok: bool
    reason: str


def switch_off(circuit: Circuit) -> Reply:
    """Answer a request to switch the circuit off."""
    if (why := _may_not(circuit)) is not None:
        return Reply(ok=False, reason=why)
    return Reply(ok=True, reason=f"{circuit.name} is being switched off; it is yours now")


def switch_on(circuit: Circuit, entry: Entry, wait_s: float, *, insists: bool) -> Reply:
    """Answer a request to switch the circuit on; `wait_s`: how long the load must still rest."""
    if (why := _may_not(circuit)) is not None:
        return Reply(ok=False, reason=why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return Reply(ok=False, reason=why)
    if wait_s > 0 and not insists:
        return Reply(
            ok=True, reason=f"{circuit.name} must rest: it is switched on in {wait_s:.0f} s (now: true insists)"
        )
    return Reply(ok=True, reason=f"{circuit.name} is being switched on; it is yours now")


def give_back(circuit: Circuit, entry: Entry, *, on_utility: bool) -> Reply:
    """Answer a request to give back what is owed."""
    if not on_utility:
        return Reply(ok=False, reason="not on utility: nothing is given back before it returns (`on` switches one on)")
    if not entry.owed:
        return Reply(ok=False, reason=f"{circuit.name} is not owed: {circuit.id} was not switched off by us")
    if (why := _may_not(circuit)) is not None:
        return Reply(ok=False, reason=why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return Reply(ok=False, reason=why)
    return Reply(ok=True, reason=f"{circuit.name} is given back in its turn")


def release(circuit: Circuit, entry: Entry) -> Reply:
    """Answer a request to release a hold."""
    if entry.hold is None:
        return Reply(ok=False, reason=f"{circuit.name} is not on hold")
    return Reply(ok=True, reason="released; nothing was switched: `restore` or `on` brings it back")


def forget(circuit: Circuit, entry: Entry) -> Reply:
    """Answer a request to forget a debt."""
    if entry.debt is None and not entry.left_off:
        return Reply(ok=False, reason=f"{circuit.name} is not owed")
    return Reply(ok=True, reason=f"{circuit.name} is no longer owed: it stays as it is")


def objections(old: Panel, new: Panel, owed: tuple[Circuit, ...]) -> tuple[str, ...]:
    """Say what a changed file would take from our reach while it is still owed; nothing said, nothing wrong."""
    said = []
    for circuit in owed:
        if circuit.id not in old:
            continue
        if circuit.id not in new:
            said.append(
                f"circuits.toml: [circuits.{circuit.id}] is missing, but it was switched off by us and is still owed"
            )
        elif (why := _may_not(new[circuit.id])) is not None:
            said.append(
                f"circuits.toml: [circuits.{circuit.id}] {why}, but it was switched off by us and is still owed"
            )
    how = ": leave it until it is given back, or `loadshed ask forget CIRCUIT` first"
    return tuple(sentence + how for sentence in said)


def _may_not(circuit: Circuit) -> str | None:
    if circuit.protected:
        return f"{circuit.name} is protected: it is never commanded"
    why = why_uncontrollable(circuit)
    return None if why is None else f"{circuit.name} cannot be switched: {why}"


def _must_not_come_on(circuit: Circuit, entry: Entry) -> str | None:
    if (hold := entry.hold) is not None:
        return f"{circuit.name} is on hold by {hold.by or 'somebody'}{f' ({hold.note})' if hold.note else ''}"
    if entry.position is Position.TRIPPED:
        return f"{circuit.name} has tripped: find out why, and reset it by hand"
    return None
