"""Lines for the journal: an owner reads them, not a programmer."""

from __future__ import annotations

import pytest

from controller.core.effects import Happened
from controller.runtime.journal import MISTAKES_MOST, line, refusal_lines
from rules.panel import CircuitId


@pytest.mark.parametrize(
    ("event", "about", "says"),
    [
        ("meter_noted", {"meter": "", "kind": "replaced", "says": "another meter"}, "meter: another meter"),
        ("meter_noted", {"meter": "barn", "says": "it lost power"}, "meter barn: it lost power"),
        ("meter_noted", {"says": "it lost power", "unsaid": 7}, "meter: it lost power (7 more like it were left out)"),
        ("pulses_disagree", {"output": "1 kWh", "counted": 3, "says": "edges are lost"}, "meter: edges are lost"),
        ("outage_ended", {"energy_kwh": 12345.6, "owed": []}, "outage ended (energy_kwh 12345.6)"),
        ("settled", {"seen_at": 17.25}, "settled"),
        (
            "alarm_raised",
            {"alarm": "owed", "circuits": ["dryer"], "means": "Not back: dryer."},
            "ALARM owed: Not back: dryer.",
        ),
        ("alarm_raised", {"alarm": "owed", "circuits": ["dryer", "tub"]}, "ALARM owed: dryer, tub"),
        ("alarm_raised", {"alarm": "disk-failing"}, "ALARM disk-failing: "),
        ("alarm_cleared", {"alarm": "owed", "lasted_s": 65.2}, "alarm owed is over, after 65 s"),
        ("alarm_cleared", {"alarm": "owed"}, "alarm owed is over"),
        ("all_clear", {"outage": 3, "not_back": {}}, "all clear: everything is as it was before the outage"),
        ("all_clear", {"kind": "drill", "not_back": {}}, "all clear: everything is as it was before the drill"),
        (
            "drill_began",
            {"outage": 3, "by": "Ann", "for_s": 60.0},
            "DRILL 3, asked for by Ann: what is nonessential is switched off for 60 s, on utility",
        ),
        ("drill_over", {"outage": 3, "because": "x"}, "drill 3 is over (x): what it switched off is given back"),
        ("drill_taken_over", {"outage": 3}, "a transfer in drill 3: it goes on as an outage"),
        (
            "all_clear",
            {"not_back": {"dryer": "tripped", "tub": "on hold"}},
            "all clear, but not back: dryer: tripped. tub: on hold",
        ),
    ],
)
def test_an_event_is_one_readable_line(
    event: str, about: dict[str, str | int | float | list[str] | dict[str, str]], says: str
) -> None:
    """Figures as they stand, sentences as they are, and no monotonic moments."""
    assert line(Happened(1.0, event, None, about)) == says  # type: ignore[arg-type]


def test_a_line_that_concerns_a_circuit_begins_with_it() -> None:
    """Whom it concerns, then what happened."""
    assert line(Happened(1.0, "confirmed_off", CircuitId("hot-tub"))) == "hot-tub: confirmed off"


def test_what_is_on_again_is_not_said_to_be_shed() -> None:
    """On utility it is watched for a late OFF and nothing is sent; where something is, the next line says so."""
    said = line(Happened(1.0, "on_again", CircuitId("hot-tub")))
    assert said == "hot-tub: is on again, and no person's hand is proved"


def test_a_file_of_a_thousand_mistakes_does_not_fill_the_journal() -> None:
    """The first of them are said, and how many more there are."""
    assert refusal_lines(("circuits.toml:1: missing",)) == ["circuits.toml:1: missing"]
    *first, last = refusal_lines([f"circuits.toml:{number}: wrong" for number in range(1000)])
    assert len(first) == MISTAKES_MOST
    assert last.startswith(f"and {1000 - MISTAKES_MOST} more")


def test_a_generator_that_stopped_and_a_grid_that_flaps_are_sentences() -> None:
    """With what it goes by, and for how long everything waits."""
    stopped = line(Happened(1.0, "generator_stopped", None, {"devices": 4, "meter": "silent", "began_at": 7.5}))
    assert stopped.startswith(
        "generator stopped, as it seems: 4 devices fell silent at once on standby (meter: silent)"
    )
    about = {"openings": 3, "within_s": 600.0, "wait_s": 20.0, "usual_s": 10.0}
    flaps = line(Happened(1.0, "utility_flaps", None, about))
    assert flaps.startswith(
        "utility comes and goes (3 openings within 600 s): it must be unbroken for 20 s instead of 10"
    )
