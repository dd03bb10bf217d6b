"""What another configuration would have done, as people and programs read it: circuit by circuit, beside what was."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TextIO

from clients.replay.replay_view import moment_of, time_of
from clients.terminal.tables import table, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clients.replay.replay import IssuedCommand
    from clients.replay.what_if import WhatIf
    from rules.json_types import Json
    from rules.panel import CircuitId

ALIKE_S = 1.0
"""Commands so near to each other are told as the same."""


class CircuitComparison(NamedTuple):
    """The commands to one circuit: as recorded, and under the other configuration."""

    circuit: CircuitId
    recorded: tuple[IssuedCommand, ...]
    replayed: tuple[IssuedCommand, ...]

    @property
    def same(self) -> bool:
        pairs = zip(self.recorded, self.replayed, strict=False)
        return len(self.recorded) == len(self.replayed) and all(
            (one.word, one.start) == (other.word, other.start) and abs(one.at - other.at) <= ALIKE_S
            for one, other in pairs
        )


def compare_circuits(what_if: WhatIf, within: Callable[[IssuedCommand], bool]) -> list[CircuitComparison]:
    """Return the fate of each circuit that was commanded, or would have been, in the order in which they are shed."""
    then, now = [one for one in what_if.recorded if within(one)], [one for one in what_if.simulated if within(one)]
    circuits = dict.fromkeys(one.circuit for one in (*now, *then))
    return [CircuitComparison(circuit, _of(circuit, then), _of(circuit, now)) for circuit in circuits]


def _of(circuit: CircuitId, given: Iterable[IssuedCommand]) -> tuple[IssuedCommand, ...]:
    return tuple(one for one in given if one.circuit == circuit)


def as_text(what_if: WhatIf, found: Sequence[CircuitComparison], out: TextIO) -> None:
    """Write a table of the circuits that fared otherwise, and what is assumed in it."""
    other = [fate for fate in found if not fate.same]
    if other:
        rows = [(fate.circuit, _words(fate.recorded), _words(fate.replayed)) for fate in other]
        out.write(f"{table(('circuit', 'as it was', 'with the other configuration'), rows)}\n\n")
    out.write(f"{len(other)} of {len(found)} circuits commanded would have fared otherwise.\n")
    out.writelines(f"{wrapped(f'- {sentence}', '  ', first='')}\n" for sentence in _assumptions(what_if))


def _words(given: Sequence[IssuedCommand]) -> str:
    """Return the commands as they fell; of a row of the same the first time, and how many."""
    runs = [[*run] for _, run in groupby(given, key=lambda one: one.word)]
    said = (f"{run[0].word.value.upper()} {_time(run[0])}" + (f" ×{len(run)}" if len(run) > 1 else "") for run in runs)
    return ", ".join(said) or "not commanded"


def _time(given: IssuedCommand) -> str:
    return time_of(given.at, given.start).strip()


def _assumptions(what_if: WhatIf) -> Iterable[str]:
    devices = what_if.devices
    for circuit, words in groupby(_used(what_if), key=lambda one: one[0]):
        how = ", ".join(f"{word} after {after_s:.1f} s" for _, word, after_s in words)
        yield f"Assumed: {circuit} obeys {how}."
    if what_if.unheard:
        yield f"Not in the recording, and taken for on: {', '.join(what_if.unheard)}."
    if devices.left_out:
        yield f"Left out: {devices.left_out} answers to commands that are not given now."
    if what_if.rewritten:
        yield f"Left out: circuits.toml was changed {what_if.rewritten} times; the other configuration stays in force."
    if devices.used or devices.left_out:
        yield "What people did is as it was: nobody knows what they would have done."


def _used(what_if: WhatIf) -> list[tuple[CircuitId, str, float]]:
    used = sorted(what_if.devices.used, key=lambda one: (one[0], one[1].value))
    answers = what_if.devices.answers
    return [(circuit, word.value.upper(), answers.after_s(circuit, word) or 0.0) for circuit, word in used]


def as_json(what_if: WhatIf, found: Sequence[CircuitComparison], out: TextIO) -> None:
    """Write one object: each circuit's commands then and now, and what is assumed."""
    circuits: dict[str, Json] = {
        fate.circuit: {"same": fate.same, "recorded": _rows(fate.recorded), "replayed": _rows(fate.replayed)}
        for fate in found
    }
    assumed: list[Json] = [
        {"circuit": circuit, "command": word, "after_s": after_s} for circuit, word, after_s in _used(what_if)
    ]
    told: dict[str, Json] = {
        "circuits": circuits,
        "assumed": assumed,
        "not_recorded": [*what_if.unheard],
        "responses_omitted": what_if.devices.left_out,
        "reloads_omitted": what_if.rewritten,
    }
    out.write(json.dumps(told, indent=2) + "\n")


def _rows(given: Sequence[IssuedCommand]) -> list[Json]:
    return [{"command": one.word.value.upper(), **moment_of(one.at, one.start)} for one in given]
