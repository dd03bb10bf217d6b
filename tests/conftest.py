"""For all tests: how many examples Hypothesis tries where each run must be short, and that none is timed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and of the program nothing.
settings.register_profile(
    "untimed",
    parent=settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

# `make mutation` runs the tests of each of some thousand mutants: few examples, and the same ones each time.
settings.register_profile("few", parent=settings.get_profile("ci"), max_examples=10)
