"""For all tests: how many examples Hypothesis tries where each run must be short."""

from __future__ import annotations

from hypothesis import settings

# `make mutation` runs the tests of each of some thousand mutants: few examples, and the same ones each time.
settings.register_profile("few", parent=settings.get_profile("ci"), max_examples=10)
