"""Test the text of the journal's lines."""

from __future__ import annotations

import pytest

from controller.runtime.journal import MAX_ERRORS, error_lines, format_event


@pytest.mark.parametrize(
    ("event", "details", "line"),
    [
        ("meter_finding", {"meter": "", "kind": "replaced", "text": "another meter"}, "meter: another meter"),
        ("meter_finding", {"meter": "barn", "text": "it lost power"}, "meter barn: it lost power"),
        (
            "meter_finding",
            {"text": "it lost power", "suppressed": 7},
            "meter: it lost power (7 similar messages left out)",
        ),
        ("pulse_mismatch", {"output": "1 kWh", "counted": 3, "text": "edges are lost"}, "meter: edges are lost"),
        ("outage_ended", {"energy_kwh": 12345.6, "owed": []}, "outage ended (energy_kwh 12345.6)"),
        ("settled", {"seen_at": 17.25}, "settled"),
        (
            "alarm_raised",
            {"alarm": "not-restored", "circuits": ["dryer"], "message": "Not back: dryer."},
            "ALARM not-restored: Not back: dryer.",
        ),
        ("alarm_raised", {"alarm": "not-restored", "circuits": ["dryer", "tub"]}, "ALARM not-restored: dryer, tub"),
        ("alarm_raised", {"alarm": "disk-failing"}, "ALARM disk-failing: "),
        ("alarm_cleared", {"alarm": "not-restored", "lasted_s": 65.2}, "alarm not-restored cleared after 65 s"),
        ("alarm_cleared", {"alarm": "not-restored"}, "alarm not-restored cleared"),
        (
            "restore_finished",
            {"outage": 3, "not_restored": {}},
            "restoring complete: every circuit is as it was before the outage",
        ),
        (
            "restore_finished",
            {"kind": "drill", "not_restored": {}},
            "restoring complete: every circuit is as it was before the drill",
        ),
        (
            "drill_began",
            {"outage": 3, "by": "Ann", "for_s": 60.0},
            "DRILL 3, requested by Ann: nonessential circuits are switched off for 60 s, on utility",
        ),
        ("drill_ended", {"outage": 3, "reason": "x"}, "drill 3 ended (x): its circuits are restored"),
        ("drill_became_outage", {"outage": 3}, "transfer during drill 3: it continues as an outage"),
        (
            "restore_finished",
            {"not_restored": {"dryer": "tripped", "tub": "on hold"}},
            "restoring complete, except for these circuits: dryer: tripped. tub: on hold",
        ),
    ],
)
def test_an_event_is_one_readable_line(
    event: str, details: dict[str, str | int | float | list[str] | dict[str, str]], line: str
) -> None:
    """Details are shown without monotonic times; a `text` of the meter is shown as it is."""
    assert format_event(event, None, details) == line  # type: ignore[arg-type]


def test_line_about_a_circuit_starts_with_its_id() -> None:
    """The circuit, then what happened."""
    assert format_event("confirmed_off", "hot-tub", {}) == "hot-tub: confirmed off"


def test_line_about_an_unexpected_on_does_not_say_that_the_circuit_is_shed() -> None:
    """On utility no OFF is sent: the circuit is only watched for a late OFF. An OFF that is sent has its own line."""
    line = format_event("unexpected_on", "hot-tub", {})
    assert line == "hot-tub: is on again, without evidence of a manual override"


def test_a_file_with_a_thousand_errors_does_not_fill_the_journal() -> None:
    """The first errors are shown, then the number of the others."""
    assert error_lines(("circuits.toml:1: missing",)) == ["circuits.toml:1: missing"]
    *first, last = error_lines([f"circuits.toml:{number}: wrong" for number in range(1000)])
    assert len(first) == MAX_ERRORS
    assert last.startswith(f"and {1000 - MAX_ERRORS} more")


def test_generator_stop_and_flapping_utility_are_sentences() -> None:
    """They contain the evidence, and the longer wait in seconds."""
    stopped = format_event("generator_power_lost", None, {"devices": 4, "meter": "silent", "began_at": 7.5})
    assert stopped.startswith(
        "the generator has probably stopped: 4 devices stopped responding at the same time on standby (meter: silent)"
    )
    details = {"openings": 3, "within_s": 600.0, "wait_s": 20.0, "usual_s": 10.0}
    flapping = format_event("utility_flapping", None, details)
    assert flapping.startswith(
        "utility is unstable (3 transfers within 600 s): it must be uninterrupted for 20 s instead of 10 s"
    )
