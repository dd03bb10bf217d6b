"""One circuit on one line: `9+11 Hot tub relay n 8`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.config.advice import named
from controller.config.load_words import COMPRESSOR, HARMS, PROTECTED, STARTS_UNATTENDED
from controller.config.validators import InvalidValueError, Spaces
from rules.controllability import controllable
from rules.panel import Circuit, CircuitId, Kind, Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Sequence

FORM = "9+11 Hot tub relay n 8"
HELP = (
    "Spaces, name, breaker (gen2, gen1, standard, relay), n for nonessential or e for essential, and for a "
    "nonessential circuit its rank from 1 (restored first) to 9 (shed first). A rating such as 50A may be added."
)

COMPRESSOR_REST_S = 300.0
USUAL_RANK = 5

_KINDS = {kind.value: kind for kind in Kind} | {"2nd": Kind.GEN2, "1st": Kind.GEN1, "std": Kind.STANDARD}
_TAGS = {
    **dict.fromkeys(("n", "no", "nonessential"), Tag.NONESSENTIAL),
    **dict.fromkeys(("e", "essential"), Tag.ESSENTIAL),
}
_SPACES = re.compile(r"(\d+)(?:\s*[+,/&]\s*(\d+))?(?=\s|$)")
_AMPS = re.compile(r"(\d+(?:\.\d+)?)\s?[aA]")
_PLAIN_AMPS = re.compile(r"[1-9]\d{1,2}")
"""A rating without its unit: two or three digits, because one digit is a rank."""


@dataclass(frozen=True, slots=True)
class CircuitAnswer:
    """What a line says. None: not said. `name`: empty if it is not said."""

    spaces: tuple[int, ...] | None
    name: str
    kind: Kind | None
    tag: Tag | None
    rank: int | None
    amps: float | None

    @property
    def complete(self) -> bool:
        """Return whether nothing has to be asked any more."""
        return self.spaces is not None and bool(self.name) and self.kind is not None and self.tag is not None


def read_line(text: str) -> CircuitAnswer:
    """Return what a line says of a circuit. Raises `InvalidValueError` if it cannot be meant."""
    spaces, words = _read_spaces(text.strip())
    rank, amps, kind, tag = None, None, None, None
    plain: list[str] = []  # numbers without a unit, which may belong to the name
    # From the end: a name may contain any word, such as `Relay cabinet`.
    while words:
        last = words[-1].lower()
        before_tag = tag is None and kind is None and len(words) > 1
        if rank is None and before_tag and re.fullmatch(r"[1-9]", last):
            rank = int(last)
            plain.insert(0, last)
        elif amps is None and kind is None and (found := _AMPS.fullmatch(last)) is not None:
            amps = float(found.group(1))
        elif amps is None and before_tag and _PLAIN_AMPS.fullmatch(last):
            amps = float(last)
            plain.insert(0, last)
        elif tag is None and kind is None and last in _TAGS:
            tag = _TAGS[last]
        elif kind is None and last in _KINDS:
            kind = _KINDS[last]
        else:
            break
        words = words[:-1]
    if plain and tag is None and kind is None:  # numbers at the end of a name: `Bedroom 2`, `Unit 20`
        words, rank, amps = [*words, *plain], None, None
    return CircuitAnswer(spaces, " ".join(words), kind, tag, rank, amps)


def _read_spaces(text: str) -> tuple[tuple[int, ...] | None, Sequence[str]]:
    found = _SPACES.match(text)
    if found is None:
        return None, text.split()
    numbers = [int(number) for number in found.groups() if number is not None]
    return Spaces().read(numbers), text[found.end() :].split()


def circuit_of(answer: CircuitAnswer, circuit_id: CircuitId, amps: float | None = None) -> Circuit:
    """Return the circuit of a complete answer, with what its name and kind suggest for the rest."""
    if answer.spaces is None or answer.kind is None or answer.tag is None:
        raise InvalidValueError(f"write it like this: {FORM}")
    circuit = Circuit(circuit_id, answer.name, answer.spaces, answer.kind, answer.tag, amps=answer.amps or amps)
    return with_defaults(replace(circuit, rank=answer.rank or USUAL_RANK))


def with_defaults(circuit: Circuit) -> Circuit:
    """Return a new circuit with the settings that its name and kind suggest."""
    if circuit.tag is Tag.ESSENTIAL:
        return replace(circuit, protected=named(circuit, PROTECTED))
    if not controllable(circuit):
        return circuit
    restore = Restore.ASK if named(circuit, STARTS_UNATTENDED) else circuit.restore
    rest_s = COMPRESSOR_REST_S if named(circuit, COMPRESSOR) and not circuit.min_off_s else circuit.min_off_s
    return replace(circuit, restore=restore, min_off_s=rest_s)


def harm_of(circuit: Circuit) -> str | None:
    """Return the harm that shedding this circuit may do, by its name; None: none is known."""
    if circuit.tag is not Tag.NONESSENTIAL or not controllable(circuit):
        return None
    return next((harm.consequence for harm in HARMS if named(circuit, harm.words)), None)
