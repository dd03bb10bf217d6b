"""What the reports of a contact's device prove: what is remembered is neither utility nor standby."""

from __future__ import annotations

import pytest

from rules.contact import PowerSource
from rules.contact_evidence import GATEWAY_START_S, ContactEvidence, ContactProof

UTILITY, STANDBY = PowerSource.UTILITY, PowerSource.STANDBY
OTHER = {UTILITY: STANDBY, STANDBY: UTILITY}
BOTH = pytest.mark.parametrize("source", [UTILITY, STANDBY])
AT = 100.0


def proof(evidence: ContactEvidence) -> ContactProof:
    """Return the proof of a contact whose broker was connected at `AT`."""
    found = ContactProof(evidence)
    found.began(AT)
    return found


@BOTH
@pytest.mark.parametrize("evidence", [ContactEvidence.DEVICE, ContactEvidence.RETAINED])
def test_a_live_report_of_the_device_counts(evidence: ContactEvidence, source: PowerSource) -> None:
    """From the first one on."""
    assert proof(evidence).report(source, AT, retained=False)


@BOTH
@pytest.mark.parametrize("evidence", [*ContactEvidence][1:])
def test_a_retained_report_counts_for_nothing(evidence: ContactEvidence, source: PowerSource) -> None:
    """Neither at once nor after a while."""
    one = proof(evidence)
    assert not one.report(source, AT, retained=True)
    assert not one.report(source, AT + 2 * GATEWAY_START_S, retained=True)


@BOTH
@pytest.mark.parametrize("retained_first", [True, False])
def test_a_retained_report_counts_once_the_device_has_answered(source: PowerSource, *, retained_first: bool) -> None:
    """In either order; a device that was away in between has to answer again."""
    one = proof(ContactEvidence.RETAINED)
    if retained_first:
        assert not one.report(source, AT, retained=True)
        assert one.alive() is source
    else:
        assert one.alive() is None
        assert one.report(source, AT, retained=True)
    one.began(AT + 1.0)
    assert one.alive() is None
    one.began(AT + 2.0)
    assert not one.report(source, AT, retained=True)


@pytest.mark.parametrize("evidence", [ContactEvidence.DEVICE, ContactEvidence.CACHE])
def test_an_answer_proves_nothing_old(evidence: ContactEvidence) -> None:
    """Of a device whose position the broker does not keep."""
    one = proof(evidence)
    one.report(UTILITY, AT, retained=False)
    assert one.alive() is None


@BOTH
def test_what_a_gateway_repeats_at_its_start_does_not_count(source: PowerSource) -> None:
    """Nor the same word later: a report of the battery carries it as well."""
    one = proof(ContactEvidence.CACHE)
    assert not one.report(source, AT + 1.0, retained=False)
    assert not one.report(source, AT + 1000.0, retained=False)


@BOTH
def test_a_change_while_the_gateway_runs_is_the_devices_own(source: PowerSource) -> None:
    """And so is all that follows, until the gateway has been away."""
    one = proof(ContactEvidence.CACHE)
    assert not one.report(source, AT + 1.0, retained=False)
    assert one.report(OTHER[source], AT + 2.0, retained=False)
    assert one.report(OTHER[source], AT + 3.0, retained=False)
    one.began(AT + 4.0)
    assert not one.report(source, AT + 5.0, retained=False)


@BOTH
def test_the_first_report_long_after_the_gateways_start_counts(source: PowerSource) -> None:
    """What it remembers it would have published before: a transfer right after a start of the program is noticed."""
    assert not proof(ContactEvidence.CACHE).report(source, AT + GATEWAY_START_S - 0.1, retained=False)
    assert proof(ContactEvidence.CACHE).report(source, AT + GATEWAY_START_S, retained=False)


def test_a_retained_word_of_a_gateway_is_compared_with_later_ones() -> None:
    """It is what the gateway remembers: another word is a change."""
    one = proof(ContactEvidence.CACHE)
    assert not one.report(UTILITY, AT, retained=True)
    assert one.report(STANDBY, AT + 1.0, retained=False)
