"""When a drill may begin, as a table: of everything that stands against it the gravest is said."""

from __future__ import annotations

import pytest

from rules.drill import DrillPreconditions, refusal_reason

FREE = DrillPreconditions(
    state="utility",
    on_utility=True,
    stable=True,
    outage_open=False,
    owed=(),
    under_way=(),
    connected=True,
    disk_failing=False,
    sheds=3,
)


def test_a_quiet_house_on_utility_may_be_drilled() -> None:
    """Nothing stands against it."""
    assert refusal_reason(FREE) is None


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (FREE._replace(on_utility=False), "not known to be closed"),
        (FREE._replace(outage_open=True), "still open"),
        (FREE._replace(state="restoring"), "still being restored"),
        (FREE._replace(state="stabilizing"), "not stable yet"),
        (FREE._replace(stable=False), "not stable yet"),
        (FREE._replace(under_way=("tub", "dryer")), "tub, dryer: try again"),
        (FREE._replace(owed=("tub",)), "still to be restored: tub. First"),
        (FREE._replace(connected=False), "broker is disconnected"),
        (FREE._replace(disk_failing=True), "does not accept writes"),
        (FREE._replace(sheds=0), "nothing to switch off"),
    ],
)
def test_what_stands_against_it_is_said(standing: DrillPreconditions, said: str) -> None:
    """One sentence, which names what is to be done first."""
    assert said in (refusal_reason(standing) or "")


def test_the_gravest_is_said_first() -> None:
    """A house whose contact is open gets that reason, whatever else applies."""
    everything = DrillPreconditions("standby", False, False, True, ("tub",), ("tub",), False, True, 0)
    assert "contact" in (refusal_reason(everything) or "")
