"""Lines for the journal: an owner reads them, not a programmer."""

from __future__ import annotations

import pytest

from controller.core.effects import LogEvent
from controller.runtime.journal import MAX_ERRORS, format_event, refusal_lines
from rules.panel import CircuitId


@pytest.mark.parametrize(
    ("event", "about", "says"),
    [
        ("meter_finding", {"meter": "", "kind": "replaced", "text": "another meter"}, "meter: another meter"),
        ("meter_finding", {"meter": "barn", "text": "it lost power"}, "meter barn: it lost power"),
        (
            "meter_finding",
            {"text": "it lost power", "suppressed": 7},
            "meter: it lost power (7 more like it were left out)",
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
        ("alarm_cleared", {"alarm": "not-restored", "lasted_s": 65.2}, "alarm not-restored is over, after 65 s"),
        ("alarm_cleared", {"alarm": "not-restored"}, "alarm not-restored is over"),
        ("restore_finished", {"outage": 3, "not_restored": {}}, "all clear: everything is as it was before the outage"),
        (
            "restore_finished",
            {"kind": "drill", "not_restored": {}},
            "all clear: everything is as it was before the drill",
        ),
        (
            "drill_began",
            {"outage": 3, "by": "Ann", "for_s": 60.0},
            "DRILL 3, asked for by Ann: what is nonessential is switched off for 60 s, on utility",
        ),
        ("drill_ended", {"outage": 3, "reason": "x"}, "drill 3 is over (x): what it switched off is given back"),
        ("drill_became_outage", {"outage": 3}, "a transfer in drill 3: it goes on as an outage"),
        (
            "restore_finished",
            {"not_restored": {"dryer": "tripped", "tub": "on hold"}},
            "all clear, but not back: dryer: tripped. tub: on hold",
        ),
    ],
)
def test_an_event_is_one_readable_line(
    event: str, about: dict[str, str | int | float | list[str] | dict[str, str]], says: str
) -> None:
    """Figures as they stand, sentences as they are, and no monotonic moments."""
    assert format_event(LogEvent(1.0, event, None, about)) == says  # type: ignore[arg-type]


def test_a_line_that_concerns_a_circuit_begins_with_it() -> None:
    """Whom it concerns, then what happened."""
    assert format_event(LogEvent(1.0, "confirmed_off", CircuitId("hot-tub"))) == "hot-tub: confirmed off"


def test_what_is_on_again_is_not_said_to_be_shed() -> None:
    """On utility it is watched for a late OFF and nothing is sent; where something is, the next line says so."""
    said = format_event(LogEvent(1.0, "unexpected_on", CircuitId("hot-tub")))
    assert said == "hot-tub: is on again, and no person's hand is proved"


def test_a_file_of_a_thousand_mistakes_does_not_fill_the_journal() -> None:
    """The first of them are said, and how many more there are."""
    assert refusal_lines(("circuits.toml:1: missing",)) == ["circuits.toml:1: missing"]
    *first, last = refusal_lines([f"circuits.toml:{number}: wrong" for number in range(1000)])
    assert len(first) == MAX_ERRORS
    assert last.startswith(f"and {1000 - MAX_ERRORS} more")


def test_a_generator_that_stopped_and_a_grid_that_flaps_are_sentences() -> None:
    """With what it goes by, and for how long everything waits."""
    stopped = format_event(
        LogEvent(1.0, "generator_power_lost", None, {"devices": 4, "meter": "silent", "began_at": 7.5})
    )
    assert stopped.startswith(
        "generator stopped, as it seems: 4 devices fell silent at once on standby (meter: silent)"
    )
    about = {"openings": 3, "within_s": 600.0, "wait_s": 20.0, "usual_s": 10.0}
    flaps = format_event(LogEvent(1.0, "utility_flapping", None, about))
    assert flaps.startswith(
        "utility comes and goes (3 openings within 600 s): it must be unbroken for 20 s instead of 10"
    )
