"""Output of `loadshed replay --with`: what another configuration would have done, circuit by circuit."""

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

SAME_WITHIN_S = 1.0
"""Maximum difference in time of commands that count as the same."""


class CircuitComparison(NamedTuple):
    """The commands to one circuit: as recorded, and with the other configuration."""

    circuit: CircuitId
    recorded: tuple[IssuedCommand, ...]
    replayed: tuple[IssuedCommand, ...]

    @property
    def same(self) -> bool:
        pairs = zip(self.recorded, self.replayed, strict=False)
        return len(self.recorded) == len(self.replayed) and all(
            (old.word, old.start) == (new.word, new.start) and abs(old.at - new.at) <= SAME_WITHIN_S
            for old, new in pairs
        )


def compare_circuits(what_if: WhatIf, within: Callable[[IssuedCommand], bool]) -> list[CircuitComparison]:
    """Return each circuit that was or would have been commanded, in shed order."""
    recorded = [command for command in what_if.recorded if within(command)]
    simulated = [command for command in what_if.simulated if within(command)]
    circuits = dict.fromkeys(command.circuit for command in (*simulated, *recorded))
    return [CircuitComparison(name, _to(name, recorded), _to(name, simulated)) for name in circuits]


def _to(circuit: CircuitId, commands: Iterable[IssuedCommand]) -> tuple[IssuedCommand, ...]:
    return tuple(command for command in commands if command.circuit == circuit)


def as_text(what_if: WhatIf, comparisons: Sequence[CircuitComparison], out: TextIO) -> None:
    """Write a table of the circuits that are treated differently, and the assumptions."""
    different = [comparison for comparison in comparisons if not comparison.same]
    if different:
        rows = [(one.circuit, _commands(one.recorded), _commands(one.replayed)) for one in different]
        out.write(f"{table(('circuit', 'as recorded', 'with the other configuration'), rows)}\n\n")
    out.write(f"{len(different)} of {len(comparisons)} commanded circuits would be treated differently.\n")
    out.writelines(f"{wrapped(f'- {sentence}', '  ', first='')}\n" for sentence in _assumptions(what_if))


def _commands(commands: Sequence[IssuedCommand]) -> str:
    """Return the commands in order. Of repeated commands, the time of the first and their number are shown."""
    runs = [[*run] for _, run in groupby(commands, key=lambda command: command.word)]
    texts = (f"{run[0].word.value.upper()} {_time(run[0])}" + (f" ×{len(run)}" if len(run) > 1 else "") for run in runs)
    return ", ".join(texts) or "not commanded"


def _time(command: IssuedCommand) -> str:
    return time_of(command.at, command.start).strip()


def _assumptions(what_if: WhatIf) -> Iterable[str]:
    devices = what_if.devices
    for circuit, answers in groupby(_used(what_if), key=lambda answer: answer[0]):
        times = ", ".join(f"{command} after {after_s:.1f} s" for _, command, after_s in answers)
        yield f"Assumed: {circuit} responds to {times}."
    if what_if.unheard:
        yield f"Not in the recording, assumed to be on: {', '.join(what_if.unheard)}."
    if devices.left_out:
        yield f"Omitted: {devices.left_out} responses to commands that are no longer sent."
    if what_if.rewritten:
        yield f"Omitted: {what_if.rewritten} changes of circuits.toml. The other configuration stays in force."
    if devices.used or devices.left_out:
        yield "User actions are replayed as recorded; users might have acted differently."


def _used(what_if: WhatIf) -> list[tuple[CircuitId, str, float]]:
    used = sorted(what_if.devices.used, key=lambda answer: (answer[0], answer[1].value))
    answers = what_if.devices.answers
    return [(circuit, word.value.upper(), answers.after_s(circuit, word) or 0.0) for circuit, word in used]


def as_json(what_if: WhatIf, comparisons: Sequence[CircuitComparison], out: TextIO) -> None:
    """Write one object: the commands to each circuit, recorded and replayed, and the assumptions."""
    circuits: dict[str, Json] = {
        one.circuit: {"same": one.same, "recorded": _rows(one.recorded), "replayed": _rows(one.replayed)}
        for one in comparisons
    }
    assumed: list[Json] = [
        {"circuit": circuit, "command": command, "after_s": after_s} for circuit, command, after_s in _used(what_if)
    ]
    fields: dict[str, Json] = {
        "circuits": circuits,
        "assumed": assumed,
        "not_recorded": [*what_if.unheard],
        "responses_omitted": what_if.devices.left_out,
        "reloads_omitted": what_if.rewritten,
    }
    out.write(json.dumps(fields, indent=2) + "\n")


def _rows(commands: Sequence[IssuedCommand]) -> list[Json]:
    return [{"command": one.word.value.upper(), **moment_of(one.at, one.start)} for one in commands]
