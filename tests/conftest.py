"""For all tests: a broker, how many examples Hypothesis tries, that none is timed, and which tests stay together."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.mosquitto import Mosquitto
from tests.processes import use_default_signals_in_children

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest import Function  # noqa: PT013  # a type alone
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# Whatever environment the tests are started from, a program under test receives the signals that a test sends.
use_default_signals_in_children()

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


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker for one test."""
    with Mosquitto(tmp_path) as running:
        yield running


TOGETHER = ("tests/virtual/test_random_outages.py", "tests/clients/demo/test_clock.py", "tests/packaging/test_deb.py")
"""Tests that share something expensive, per file: a campaign of nights, a demo, a package."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share the tests among processes one by one, save those that belong together.

    By hand: the plugin's own groups are lost on pytest 9.2, which keeps the names of tests elsewhere.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  # optional in some environments

    class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return OneByOne(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Function) -> bool | None:
    """Run coroutine functions in a loop of their own; leave the rest to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True
