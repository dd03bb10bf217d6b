"""The named mutations: each must name text that occurs exactly once in its file, or it breaks nothing."""

from __future__ import annotations

from bench.drill_mutations import DRILL_MUTATIONS
from bench.mutants import misplaced
from bench.mutations import MUTATIONS


def test_every_mutation_finds_its_place() -> None:
    """A renamed line must be renamed there as well."""
    assert misplaced([*MUTATIONS, *DRILL_MUTATIONS]) == []
