"""Which circuits may be switched by command, and the reason where not."""

from __future__ import annotations

import pytest

from rules.controllability import commandable, controllable, sheddable, uncontrollable_reason
from rules.panel import Kind, Tag
from tests.virtual_house import circuit

KINDS = (
    # kind, may be commanded, why not
    (Kind.GEN2, True, None),
    (Kind.RELAY, True, None),
    (Kind.GEN1, False, "1st Gen: can be tripped but not reset remotely"),
    (Kind.STANDARD, False, "standard breaker: no remote control"),
)


@pytest.mark.parametrize(("kind", "may", "why_not"), KINDS)
def test_only_what_can_be_switched_off_and_on_is_controllable(kind: Kind, may: bool, why_not: str | None) -> None:
    """A 1st Gen breaker can be tripped but not reset remotely: to trip it would leave the house dark."""
    one = circuit("dryer", kind=kind)
    assert controllable(one) is may
    assert uncontrollable_reason(one) == why_not


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("tag", Tag)
@pytest.mark.parametrize("protected", [False, True])
def test_a_transfer_sheds_what_is_nonessential_controllable_and_not_protected(
    kind: Kind, tag: Tag, protected: bool
) -> None:
    """What is protected is never commanded, whatever its tag."""
    one = circuit("dryer", kind=kind, tag=tag, protected=protected)
    may = kind in (Kind.GEN2, Kind.RELAY) and not protected
    assert commandable(one) is may
    assert sheddable(one) is (may and tag is Tag.NONESSENTIAL)
