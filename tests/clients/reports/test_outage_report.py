"""Reports of an outage: for a user, for a program, for a spreadsheet, and on paper."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from clients.cli import main
from controller.config import history
from controller.config.loader import Configuration, Sources, parse
from controller.core.effects import LogEvent, SaveEntry, SaveHistory, SaveLoad, SaveOutage, SaveSample
from controller.storage.store import Store
from rules.boot_time import BootTime
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from controller.core.effects import DiskEffect, OutageStage
    from rules.json_types import Json

BOOT, LATER = "boot-1", "boot-2"
BEGAN_UTC = 1_790_000_000.0
BEGAN = 100.0
INSTALLER = """
[site]
id = "home"
[contact]
source = "gpio"
pin = 17
[meter]
model = "2N208-021"
port = "/dev/ttyUSB0"
[generator]
kw = 14.0
"""
CIRCUITS = """
[circuits.hot-tub]
name = "Hot <tub>"
space = 1
breaker = "gen2"
tag = "nonessential"
rank = 8
[circuits.range]
space = 2
breaker = "gen2"
tag = "nonessential"
restore = "ask"
[circuits.pool]
space = 3
breaker = "gen2"
tag = "nonessential"
[circuits.garage]
space = 4
breaker = "standard"
tag = "nonessential"
[circuits.fridge]
space = 5
breaker = "gen2"
tag = "essential"
"""
HOT_TUB, RANGE, POOL = CircuitId("hot-tub"), CircuitId("range"), CircuitId("pool")


def write(folder: Path, rows: Iterable[DiskEffect], boot: str = BOOT, *, trusted: bool = True, utc: float = 0) -> None:
    """Write rows as the daemon of one boot does; `utc`: seconds since 1970 at its monotonic 0."""
    store = Store(folder, boot, pytest.fail, lambda: None)
    store.load()
    store.clock(utc or BEGAN_UTC - BEGAN, trusted)
    store.put([*rows])
    store.close()


def outage(ended: float | None = BEGAN + 1200.0, peak_kw: float | None = 6.5) -> SaveOutage:
    """Return an outage of 20 minutes with two transfers."""
    openings = (BootTime(BOOT, BEGAN), BootTime(BOOT, BEGAN + 600.0))
    before = {HOT_TUB: "on", RANGE: "on", POOL: "off"}
    end = None if ended is None else BootTime(BOOT, ended)
    stage: OutageStage = "open" if ended is None else "closed"
    return SaveOutage(1, stage, "outage", openings[0], end, openings, before, 1.5, peak_kw)


def histories() -> list[DiskEffect]:
    """Return a hot tub that came back, and a range that never confirmed and waits to be asked for."""
    shed = BootTime(BOOT, BEGAN)
    back = SaveHistory(1, HOT_TUB, shed, 0.25, BootTime(BOOT, BEGAN + 1230.0), "restored")
    return [back, SaveHistory(1, RANGE, shed, None, None, None)]


def sample(
    seconds: float, kw: float | None = 4.0, fifteen_kw: float | None = 5.0, quality: str = "pulses"
) -> SaveSample:
    """Return a row of the demand log, this number of seconds after the beginning."""
    return SaveSample(BEGAN + seconds, 1, kw, False, quality, 0.5, 4.5, fifteen_kw, 1234.5, 7)


def event(seconds: float, name: str, **about: Json) -> LogEvent:
    """Return an event, this number of seconds after the beginning."""
    return LogEvent(BEGAN + seconds, name, None, about)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder with an outage in full, and the configuration that was in force."""
    samples = [sample(at, fifteen_kw=6.0 if at == 1000 else 5.0) for at in range(0, 1200, 5) if not 300 < at < 400]
    silent = [sample(at, None, quality="stale") for at in range(1200, 1260, 5)]
    note = event(1210.0, "meter_finding", kind="power_lost", text="the meter lost its power")
    write(tmp_path, [outage(), *histories(), *samples, *silent, note, event(390.0, "started", rebooted=True)])
    configuration = parse(Sources(INSTALLER, CIRCUITS))
    assert isinstance(configuration, Configuration)
    history.save(tmp_path, configuration)
    return tmp_path


def told(state: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command writes about this state folder; it must succeed."""
    assert main([*words, "--state", str(state)]) == 0
    return capsys.readouterr().out


def test_the_report_shows_time_duration_and_each_circuit(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nonessential circuits that were not shed are shown, too, with the reason."""
    text = told(state, capsys, "report")
    assert "lasted     20 min 00 s" in text
    assert "transfers  2, at " in text
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "0.2 s" in lines["Hot <tub>, space 1"]
    assert lines["Hot <tub>, space 1"].endswith("restored")
    assert "NEVER" in lines["range, space 2"]
    assert lines["range, space 2"].endswith("OFF was never confirmed: on or off is unknown")
    assert lines["pool, space 3"].endswith("was off before, and stayed so")
    assert "UNCONTROLLABLE, stayed ON: standard breaker" in lines["garage, space 4"]
    assert "fridge" not in text


def test_the_report_shows_energy_peaks_and_their_accuracy(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The peak has its time; the meter has its accuracy class."""
    text = told(state, capsys, "report", "1")
    assert "energy     1.5 kWh" in text
    assert "6.5 kW over 15 minutes, at " in text
    assert "±0.5 % at power factor 1, ±0.75 % at 0.5" in text


def test_gaps_in_the_demand_have_their_reasons(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A controller that was down, and a meter that was silent, are two things."""
    text = told(state, capsys, "report")
    assert "(1 min 40 s): the controller was not running because the machine restarted" in " ".join(text.split())
    assert "the meter was silent (the meter lost its power)" in " ".join(text.split())


LOADS = (
    SaveLoad(1, HOT_TUB, 4480.0, 130.0, 4500.0, 3.0, 0.2, energy_is_lower_bound=True, first_kwh=10.0),
    SaveLoad(1, CircuitId("fridge"), None, None, 120.0, None, None),
    SaveLoad(1, RANGE, first_kwh=5.0),
)


def test_the_report_shows_what_the_devices_of_circuits_measured(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of an essential circuit. Unknown is a dash, an old power has its age, and a lower bound its sign."""
    assert "as their devices measured it" not in told(state, capsys, "report")
    write(state, LOADS, LATER)
    text = told(state, capsys, "report").partition("Power of circuits, as their devices measured it")[2]
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert " ".join(lines["Hot <tub>, space 1"][4:]) == "4.5 kW (2 min 10 s old) 4.5 kW 3 W ≥ 0.20 kWh"
    assert " ".join(lines["fridge, space 5"][3:]) == "– 120 W – –"
    assert "range, space 2" not in text.partition("A dash is unknown")[0], "it measured nothing"
    page = told(state, capsys, "report", "--html")
    assert "≥ 0.20 kWh" in page


def test_programs_get_null_for_what_was_not_measured(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never zero."""
    write(state, LOADS, LATER)
    loads = json.loads(told(state, capsys, "report", "--json"))["loads"]
    assert loads["hot-tub"] == {
        "before_w": 4480.0,
        "before_age_s": 130.0,
        "peak_w": 4500.0,
        "off_w": 3.0,
        "energy_kwh": 0.2,
        "energy_is_lower_bound": True,
    }
    assert (loads["fridge"]["before_w"], loads["fridge"]["energy_kwh"]) == (None, None)
    assert [*loads] == ["fridge", "hot-tub"]


def test_json_has_the_fields_of_the_contract(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the list and in the report, by the same names; times in UTC."""
    (listed,) = json.loads(told(state, capsys, "outages", "--json"))
    full = json.loads(told(state, capsys, "report", "--json"))
    assert listed == {key: full[key] for key in listed}
    assert listed["began"] == "2026-09-21T14:13:20.000Z"
    assert (listed["id"], listed["kind"], listed["transfers"]) == (1, "outage", 2)
    assert (listed["energy_kwh"], listed["peak_15min_kw"]) == (1.5, 6.5)
    assert listed["circuits"]["hot-tub"] == {
        "shed_at": "2026-09-21T14:13:20.000Z",
        "confirmed_after_s": 0.25,
        "restored_at": "2026-09-21T14:33:50.000Z",
        "end": "restored",
    }
    assert listed["circuits"]["range"]["restored_at"] is None
    assert "clock" not in listed


def test_the_peak_of_a_short_outage_is_marked_for_programs_too(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No window of 15 minutes fits in it, so the figure is over all of it; and it has no digit too many."""
    (full,) = json.loads(told(state, capsys, "outages", "--json"))
    assert full["partial"] == []
    short = tmp_path / "short"
    write(short, [outage(ended=BEGAN + 899.0, peak_kw=1 / 3)])
    (listed,) = json.loads(told(short, capsys, "outages", "--json"))
    assert (listed["peak_15min_kw"], listed["partial"]) == (0.333, ["peak_15min_kw"])
    assert json.loads(told(short, capsys, "report", "--json"))["partial"] == ["peak_15min_kw"]


def test_the_peaks_do_not_contradict_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shorter time has no lower peak: the log has a momentary figure each few seconds only."""
    write(tmp_path, [outage(peak_kw=6.5), *(sample(at, kw=4.0) for at in range(0, 1200, 5))])
    peaks = json.loads(told(tmp_path, capsys, "report", "--json"))["peaks"]
    assert [(peak["over"], peak["kw"], peak["at_least"]) for peak in peaks] == [
        ("15 minutes", 6.5, False),
        ("5 minutes", 6.5, True),
        ("a moment", 6.5, True),
    ]
    assert "at least 6.5 kW for a moment" in told(tmp_path, capsys, "report")


def test_the_peak_of_a_short_outage_is_its_average_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the list, in the report and for programs; if demand was unknown for a while, of the measured part."""
    short = [outage(ended=BEGAN + 600.0, peak_kw=4.2)]
    write(tmp_path, [*short, *(sample(at) for at in range(0, 600, 5))])
    assert "4.2 kW (average)" in told(tmp_path, capsys, "outages")
    assert "4.2 kW average over its whole time (shorter than 15 minutes)" in told(tmp_path, capsys, "report")
    silent = (sample(at, None, quality="stale") for at in range(100, 300, 5))
    write(tmp_path / "gap", [*short, *(sample(at) for at in range(0, 100, 5)), *silent])
    assert "4.2 kW average over the measured part of it" in told(tmp_path / "gap", capsys, "report")


def test_an_untrusted_clock_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Pi has no clock of its own: times are marked, durations stand."""
    write(tmp_path, [outage()], trusted=False)
    (listed,) = json.loads(told(tmp_path, capsys, "outages", "--json"))
    assert listed["clock"] == "untrusted"
    assert "times of day may be wrong" in told(tmp_path, capsys, "report")


def test_an_outage_that_lasts_has_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Null for programs, "not yet" for people; the peak so far comes from the demand log."""
    rows = [sample(at, fifteen_kw=5.5) for at in range(0, 1000, 5)]
    write(tmp_path, [outage(ended=None, peak_kw=None), *histories(), *rows])
    assert json.loads(told(tmp_path, capsys, "report", "--json"))["ended"] is None
    text = told(tmp_path, capsys, "report")
    assert "ended      not yet" in text
    assert "OFF was never confirmed" in text
    assert "5.5 kW over 15 minutes" in text


def test_a_circuit_that_reports_on_and_never_confirmed_off_stayed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a restart an OFF may still take effect for a minute.

    Neither the final event nor the report names a circuit.
    """
    write(tmp_path, [outage(), *histories()])
    assert "1 of 2 off, 1 not confirmed" in told(tmp_path, capsys, "outages")
    write(tmp_path, [SaveEntry(RANGE, {"position": "on"})], LATER)
    assert "stayed on: OFF was never confirmed" in told(tmp_path, capsys, "report")
    (listed,) = json.loads(told(tmp_path, capsys, "outages", "--json"))
    assert listed["circuits"]["range"]["end"] == "stayed_on"


def test_demand_from_before_the_outage_is_no_peak_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The trailing average of the first minutes is that of the whole house on utility."""
    rows = [sample(at, fifteen_kw=20.0 if at < 900 else 5.0) for at in range(0, 1200, 5)]
    write(tmp_path, [outage(peak_kw=None), *rows])
    assert "5.0 kW over 15 minutes" in told(tmp_path, capsys, "report")


def test_an_outage_across_a_restart_uses_the_wall_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two boots have two monotonic clocks; what they have in common is the time of day."""
    write(tmp_path, [outage(ended=None)])
    ended = SaveOutage(
        1, "closed", "outage", BootTime(BOOT, BEGAN), BootTime(LATER, 50.0), (BootTime(BOOT, BEGAN),), {}
    )
    write(tmp_path, [ended], LATER, utc=BEGAN_UTC + 250.0)
    assert "lasted     5 min 00 s" in told(tmp_path, capsys, "report")


def rebooted(folder: Path, *later: DiskEffect, behind_s: float = 3300.0) -> None:
    """Write an outage during which the machine lost power 300 s later, and booted with a clock behind and not set."""
    write(folder, [outage(ended=None), sample(290.0), event(300.0, "contact_settled", source="standby")])
    closed = replace(outage(), stage="closed", ended=BootTime(LATER, 60.0), openings=(BootTime(BOOT, BEGAN),))
    write(folder, [closed, *later], LATER, trusted=False, utc=BEGAN_UTC + 400.0 - behind_s)


STARTED = LogEvent(20.0, "started", None, {"rebooted": True})
OPEN_AT_START = LogEvent(20.1, "contact_settled", None, {"source": "standby"})


def test_a_duration_over_two_clocks_is_a_labeled_lower_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 s before the power cut, 40 s after the second start. No end stands before its beginning."""
    rebooted(tmp_path, STARTED, OPEN_AT_START)
    assert "lasted     at least 5 min 40 s" in told(tmp_path, capsys, "report")
    assert "at least 5 min 40 s" in told(tmp_path, capsys, "outages")
    assert "at least 5 min 40 s" in told(tmp_path, capsys, "report", "--html")
    (listed,) = json.loads(told(tmp_path, capsys, "outages", "--json"))
    full = json.loads(told(tmp_path, capsys, "report", "--json"))
    assert (listed["lasted_s"], listed["lasted_at_least_s"]) == (None, 340.0)
    assert (full["lasted_s"], full["lasted_at_least_s"]) == (None, 340.0)
    assert listed["ended"] >= listed["began"]
    assert listed["clock"] == "untrusted"


def test_a_known_duration_has_no_lower_bound(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two fields exclude each other."""
    full = json.loads(told(state, capsys, "report", "--json"))
    assert (full["lasted_s"], full["lasted_at_least_s"]) == (1200.0, None)


def test_an_unobserved_end_makes_the_duration_a_lower_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Utility had returned before the program ran again: the outage lasted at least until its last record."""
    rebooted(tmp_path, STARTED, LogEvent(20.1, "contact_settled", None, {"source": "utility"}), behind_s=0.0)
    text = told(tmp_path, capsys, "report")
    assert "lasted     at least 5 min 00 s" in text
    assert "The controller was not running when the outage ended" in " ".join(text.split())


def test_the_seconds_of_a_spreadsheet_are_marked_where_they_are_a_lower_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row after the power cut counts from the beginning, and never before it."""
    rebooted(tmp_path, STARTED, OPEN_AT_START, SaveSample(50.0, 1, 4.0, False, "pulses", 0.5, 4.5, 5.0, 1234.5, 7))
    rows = [*csv.DictReader(io.StringIO(told(tmp_path, capsys, "report", "--csv")))]
    assert [(row["since began (s)"], row["since began at least"]) for row in rows] == [
        ("290.0", "no"),
        ("330.0", "yes"),
    ]


def test_csv_has_units_in_its_head_and_nothing_for_the_unknown(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet must not take silence for 0 kW."""
    head, *rows = csv.reader(io.StringIO(told(state, capsys, "report", "--csv")))
    assert head[:4] == ["at (UTC)", "clock", "since began (s)", "demand (kW)"]
    assert rows[1][:4] == ["2026-09-21T14:13:25.000Z", "trusted", "5.0", "4.0"]
    assert rows[-1][3] == ""
    assert {len(row) for row in rows} == {len(head)}


def test_the_page_stands_alone_and_shows_the_curve(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No script, nothing fetched; what owners write is text there, never markup."""
    pytest.importorskip("pygal")
    page = told(state, capsys, "report", "--html")
    assert "<svg" in page
    assert "<script" not in page
    assert all(word not in page for word in ("src=", "href=", "@import", "url(http"))
    assert "Hot &lt;tub&gt;" in page
    assert "Hot <tub>" not in page
    ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  # our own


def test_no_log_and_no_such_outage_end_with_1(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, and the command that helps."""
    assert main(["report", "7", "--state", str(state)]) == 1
    assert "no outage 7" in capsys.readouterr().err
    assert main(["outages", "--state", str(tmp_path / "elsewhere")]) == 1
    assert "There is no event log" in capsys.readouterr().err


def test_a_house_without_outages_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty log is not an error for a list."""
    write(tmp_path, [event(0.0, "started")])
    assert told(tmp_path, capsys, "outages") == "No outage recorded.\n"
    assert told(tmp_path, capsys, "outages", "--json") == "[]\n"


def test_a_drill_is_reported_as_a_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The contact did not open, and power was never lost: it is listed as a drill all the same."""
    drill = replace(outage(BEGAN + 70.0), kind="drill", openings=())
    back = SaveHistory(1, HOT_TUB, BootTime(BOOT, BEGAN), 0.25, BootTime(BOOT, BEGAN + 65.0), "restored")
    coming = SaveOutage(2, "about", "drill", BootTime(BOOT, BEGAN + 500.0), None, (), {})
    write(tmp_path, [drill, back, coming])
    assert [row.split()[:2] for row in told(tmp_path, capsys, "outages").splitlines()[2:]] == [["1", "drill"]]
    (listed,) = json.loads(told(tmp_path, capsys, "outages", "--json"))
    assert (listed["kind"], listed["transfers"]) == ("drill", 0)
    text = told(tmp_path, capsys, "report", "1")
    assert text.startswith("Drill 1\n")
    assert "none: a drill on user request" in text
    page = told(tmp_path, capsys, "report", "1", "--html")
    assert "<h1>Drill 1</h1>" in page
    assert "standby" not in page
