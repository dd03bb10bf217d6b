"""The plan of a drill before confirmation, from the files alone or with the running controller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clients.cli import main
from clients.cli.argument_types import duration
from clients.drill.demand_readings import PowerReading
from clients.drill.measured_loads import measured_loads
from clients.drill.plan import DrillPlan, MeasuredLoad, PlannedAction, RestoreMode
from clients.drill.plan_text import plan_fields, plan_text, what_to_do
from clients.setup import setup_record
from clients.setup.setup_record import BreakerTestResult, SetupRecord
from controller.core.engine import EngineSettings
from rules.panel import CircuitId, Kind, Position, Restore
from tests.clients.drill.drill_house import INSTALLER, Drilled
from tests.pages import flat
from tests.virtual_house import circuit, essential

if TYPE_CHECKING:
    from pathlib import Path

TUB = CircuitId("hot-tub")
AT = "2026-01-31T18:02:11.204Z"
HOUSE = (
    essential("fridge"),
    essential("router", protected=True),
    circuit("pump", rank=2, min_off_s=90.0),
    circuit("dryer", rank=6, restore=Restore.ASK),
    circuit("heater", rank=6, restore=Restore.NEVER),
    circuit("hot-tub", rank=8),
    circuit("car", rank=9, kind=Kind.RELAY),
    circuit("porch", rank=9, kind=Kind.GEN1),
)
RELAXED = EngineSettings(stagger_s=5.0)


def fates(plan: DrillPlan) -> dict[str, PlannedAction]:
    """Return what becomes of each circuit, in the order of shedding."""
    return {str(line.id): line.action for line in plan.lines}


def test_each_circuit_has_its_fate_in_the_order_of_shedding() -> None:
    """Falling rank; what cannot be switched, what stays, what goes."""
    plan = Drilled(*HOUSE, settings=RELAXED).plan()
    assert fates(plan) == {
        "car": PlannedAction.GOES_OFF,
        "porch": PlannedAction.BY_HAND,
        "hot-tub": PlannedAction.GOES_OFF,
        "dryer": PlannedAction.GOES_OFF,
        "heater": PlannedAction.GOES_OFF,
        "fridge": PlannedAction.STAYS,
        "router": PlannedAction.STAYS,
        "pump": PlannedAction.GOES_OFF,
    }
    assert [*fates(plan)][:3] == ["car", "porch", "hot-tub"]
    assert plan.refused is None


def test_the_way_back_is_by_rank_and_stagger_and_rest() -> None:
    """Rank 1 first; a circuit in its minimum off time lets others go first; circuits waiting for a user are named."""
    plan = Drilled(*HOUSE, settings=RELAXED).plan(for_s=60.0)
    assert [(str(line.id), line.restored_after_s) for line in plan.in_turn] == [
        ("hot-tub", 0.0),
        ("car", 5.0),
        ("pump", 30.0),
    ]
    assert {str(line.id): line.restore for line in plan.waiting} == {
        "dryer": RestoreMode.ASK,
        "heater": RestoreMode.NEVER,
    }


def test_the_plan_comes_true() -> None:
    """What goes off, in which order, and when each is on again: as the engine then does it."""
    house = Drilled(*HOUSE, settings=RELAXED)
    plan = house.plan(for_s=60.0)
    began = house.now
    house.follow(60.0)
    house.wait(200.0)
    assert house.offs(began) == [line.id for line in plan.goes_off]
    assert house.ons(began) == [line.id for line in plan.in_turn]
    for line in plan.in_turn:
        (on_at,) = [at for at in house.times("ON", line.id) if at > began]
        assert on_at - began == pytest.approx(1.0 + 60.0 + (line.restored_after_s or 0.0), abs=0.2)
    assert {line.id for line in plan.waiting} == {*house.owed()}


def test_off_unknown_and_silent_circuits_are_distinguished() -> None:
    """Off stays off; unknown goes off and the user is asked; one does not respond."""
    house = Drilled(circuit("pump"), circuit("hot-tub"), circuit("car"))
    house.breaker("pump").turn_off_by_hand()
    house.wait(5.0)
    for name, word in (("hot-tub", {"position": "unknown"}), ("car", {"available": False})):
        house.told.circuits[name] |= word
    plan = house.plan()
    assert fates(plan) == {
        "pump": PlannedAction.IS_OFF,
        "hot-tub": PlannedAction.GOES_OFF,
        "car": PlannedAction.NO_RESPONSE,
    }
    assert plan_fields(plan)["circuits"]["car"]["action"] == "no-response"  # type: ignore[index,call-overload]
    assert [str(line.id) for line in plan.silent] == ["car"]
    assert [line.restore for line in plan.waiting] == [RestoreMode.UNKNOWN]
    text = flat(plan_text(plan))
    assert "is off, and stays off at the end" in text
    assert "Does not respond now, and would not be confirmed: Car" in text
    assert "on, SILENT" in text


@pytest.mark.parametrize("position", ["on", "off", "unknown"])
def test_a_breaker_without_response_in_an_outage_is_not_listed_as_going_off(position: str) -> None:
    """OFF is sent, and nothing confirms it: whatever it reported last, it counts as on."""
    house = Drilled(circuit("hot-tub"), circuit("car"))
    house.told.state = {**(house.told.state or {}), "state": "standby", "source": "standby", "outage": 4}
    house.told.circuits["car"] |= {"available": False, "position": position}
    plan = house.plan()
    assert fates(plan)["car"] is PlannedAction.NO_RESPONSE
    assert [str(line.id) for line in plan.goes_off] == ["hot-tub"]
    (row,) = [line for line in plan_text(plan).splitlines() if line.startswith("Car ")]
    assert "GOES OFF" not in row
    assert "OFF sent, NOT CONFIRMED" in row
    assert "Does not respond now, and would not be confirmed: Car" in flat(plan_text(plan))


def test_a_breaker_without_response_on_utility_is_not_shown_as_going_off() -> None:
    """OFF would be sent to it, and nothing would confirm it."""
    house = Drilled(circuit("hot-tub"), circuit("car"))
    house.told.circuits["car"] |= {"available": False}
    plan = house.plan()
    (row,) = [line for line in plan_text(plan).splitlines() if line.startswith("Car ")]
    assert "GOES OFF" not in row
    fields = json.loads(json.dumps(plan_fields(plan)))["circuits"]["car"]
    assert (fields["action"], fields["restore"], fields["restored_after_s"]) == ("no-response", None, None)


def test_a_silent_breaker_that_last_reported_off_is_not_shown_as_off() -> None:
    """It may have been turned on since. The engine sends no OFF after a live report of off, and the plan states it."""
    house = Drilled(circuit("hot-tub"), circuit("car"))
    house.breaker("car").turn_off_by_hand()
    house.wait(5.0)
    house.breaker("car").loses_power()
    house.wait(5.0)
    plan = house.plan()
    assert fates(plan)["car"] is PlannedAction.LAST_REPORTED_OFF
    assert "no OFF is sent after a report of off" in flat(plan_text(plan))
    assert "Does not respond now, and would not be confirmed: Car" in flat(plan_text(plan))
    began = house.now
    house.follow(60.0)
    house.wait(10.0)
    assert house.offs(began) == ["hot-tub"]


def test_what_is_on_hold_does_not_come_back() -> None:
    """It goes off as any other, and nothing here switches it on: that must be known before."""
    house = Drilled(circuit("hot-tub"))
    assert house.ask("hold", "hot-tub", by="Ann").ok
    house.wait(1.0)
    (line,) = house.plan().waiting
    assert line.restore is RestoreMode.ON_HOLD
    assert "release hot-tub" in what_to_do(line)
    house.follow(10.0)
    house.wait(60.0)
    assert house.breaker("hot-tub").position is Position.OFF


def test_without_a_broker_the_files_say_what_they_can() -> None:
    """And what cannot be known is said, not guessed."""
    plan = Drilled(*HOUSE).plan(trouble="the broker at home:1883 refuses")
    assert {line.position for line in plan.lines} == {None}
    assert fates(plan)["hot-tub"] is PlannedAction.GOES_OFF
    assert plan.refused == "the broker at home:1883 refuses"
    assert "demand of the house: the broker at home:1883 refuses." in flat(plan_text(plan))
    asks = flat(plan_text(Drilled(*HOUSE).plan(trouble="the broker at home:1883 says nothing: does it hang?")))
    assert "does it hang?" in asks
    assert "?." not in asks


def _in_an_outage(house: Drilled) -> None:
    house.contact.open()
    house.wait(10.0)


def _in_a_drill(house: Drilled) -> None:
    house.follow(60.0)
    house.wait(10.0)


def _with_nothing_on(house: Drilled) -> None:
    house.breaker("hot-tub").turn_off_by_hand()
    house.wait(5.0)


@pytest.mark.parametrize("happens", [_in_an_outage, _in_a_drill, _with_nothing_on])
def test_a_refusal_is_foretold_in_the_controllers_own_words(happens: Any) -> None:
    """The same rule says it, by what stands on the bus."""
    house = Drilled(circuit("hot-tub"))
    happens(house)
    refused = house.plan().refused
    answer = house.ask("drill", by="Ann", for_s=60.0)
    assert (answer.ok, answer.reason) == (False, refused)


def test_a_failing_disk_and_an_unsteady_utility_are_reasons_too() -> None:
    """Both stand on the bus."""
    house = Drilled(circuit("hot-tub"))
    house.told.alarms["disk-failing"] = {}
    assert "disk" in str(house.plan().refused)
    house.told.alarms.clear()
    assert house.told.state is not None
    house.told.state["stable_at"] = AT
    assert "not stable yet" in str(house.plan().refused)


@pytest.mark.parametrize(
    ("field", "says"), [("late_off_watch", "try again in a minute"), ("owed", "`loadshed ask restore all`")]
)
def test_a_late_off_is_waited_for_and_what_is_owed_needs_a_request(field: str, says: str) -> None:
    """For a minute after an outage, a circuit that is on is only watched: to `forget` it would be the wrong advice."""
    house = Drilled(circuit("hot-tub"), circuit("car"))
    assert house.told.state is not None
    house.told.state[field] = ["hot-tub"]
    plan = house.plan()
    assert "Hot tub" in str(plan.refused)
    assert says in str(plan.refused)
    assert ("forget" in str(plan.refused)) is (field == "owed")
    first, second = plan_text(plan).split("\n\n")[:2]
    assert flat(first) == f"A live drill would be REFUSED now: {plan.refused}."
    assert second.startswith("Once it is possible, a drill would switch 2 circuits off")


@pytest.mark.parametrize("alarm", ["still-drawing", "breaker-no-response", None])
@pytest.mark.parametrize("position", ["on", "off"])
def test_what_counts_as_on_is_not_listed_as_going_off(alarm: str | None, position: str) -> None:
    """A welded relay, a device that did not respond, an OFF without a report; for people and for programs."""
    house = Drilled(circuit("hot-tub"), circuit("car"))
    house.told.circuits[TUB]["position"] = position
    if alarm is None:
        assert house.told.state is not None
        house.told.state["unconfirmed"] = ["hot-tub"]
    else:
        house.told.alarms[alarm] = {"circuits": ["hot-tub"]}
    plan = house.plan()
    line = next(one for one in plan.lines if one.id == TUB)
    assert (line.action, line in plan.silent) == (PlannedAction.NO_RESPONSE, True)
    assert line.why.endswith("treat it as ON")
    fields = json.loads(json.dumps(plan_fields(plan)))["circuits"]
    assert (fields["hot-tub"]["action"], fields["car"]["action"]) == ("no-response", "goes-off")
    assert "OFF sent, NOT CONFIRMED" in flat(plan_text(plan))
    assert "switch 1 circuit off" in plan_text(plan)


# --- kW --------------------------------------------------------------------------------------------------------------


def test_kw_are_those_that_were_measured_and_never_amperes() -> None:
    """What was measured stands there with its date; what was not is unknown, and not in the sum."""
    house = Drilled(circuit("hot-tub", amps=50.0), circuit("car", amps=40.0))
    known = {TUB: MeasuredLoad(5.4, AT, at_least=True)}
    plan = house.plan(known=known, demand=PowerReading(6.2, is_upper_bound=True))
    assert plan.known_kw == 5.4
    text = flat(plan_text(plan))
    assert "5.4 kW when last measured for 1 of them; the rest is unknown" in text
    assert "≥ 5.4 kW (2026-01-31)" in text
    assert "Load in kW of circuits that were never measured: Car." in text
    assert "Demand of the house now: ≤ 6.20 kW; the generator is rated 14 kW." in text
    assert "50" not in text
    fields = plan_fields(plan)
    assert (fields["known_kw"], fields["demand_kw"], fields["demand_kw_is_upper_bound"]) == (5.4, 6.2, True)
    assert json.loads(json.dumps(fields))["circuits"]["car"]["last_measured_kw"] is None


def test_nothing_to_shed_is_said_so() -> None:
    """A house of essential circuits has nothing to drill."""
    plan = Drilled(essential("fridge")).plan()
    assert "nothing to switch off" in str(plan.refused)
    refused, summary = plan_text(plan).split("\n\n")[:2]
    assert "nothing to switch off" in refused
    assert summary == "Once it is possible, a drill would switch no circuit off."


def test_what_was_measured_last_counts(tmp_path: Path) -> None:
    """The test in setup, or a later drill's report; another house's report and other files are ignored."""
    proofs = {
        "hot-tub": BreakerTestResult(AT, 0.1, 0.1, 5.0),
        "pump": BreakerTestResult(AT, 0.1, 0.1, -0.2),
        "car": BreakerTestResult(AT, 0.1, 0.1),
    }
    setup_record.save(tmp_path, SetupRecord(proofs=proofs))
    report = {"site": "home", "began": "2026-02-01T00:00:00.000Z", "circuits": {"hot-tub": {"kw": 5.5}, "car": {}}}
    (tmp_path / "drill-2026-02-01-3.json").write_text(json.dumps(report), encoding="utf-8")
    (tmp_path / "drill-2026-02-02-4.json").write_text(json.dumps({**report, "site": "barn"}), encoding="utf-8")
    for number, wrong in enumerate(
        ("no json", "[]", '{"site": "home"}', '{"site": "home", "began": 1, "circuits": []}')
    ):
        (tmp_path / f"drill-wrong-{number}.json").write_text(wrong, encoding="utf-8")
    assert measured_loads(tmp_path, tmp_path, "home") == {TUB: MeasuredLoad(5.5, "2026-02-01T00:00:00.000Z")}
    assert measured_loads(tmp_path, tmp_path / "elsewhere", "home") == {TUB: MeasuredLoad(5.0, AT)}


def test_a_breaker_that_refuses_is_no_reason_to_refuse() -> None:
    """That is what a drill is for."""
    house = Drilled(circuit("hot-tub"))
    house.breaker("hot-tub").has(refuses=True)
    assert house.plan().refused is None


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "seconds"), [("90", 90.0), ("60s", 60.0), ("1.5min", 90.0), ("5 min", 300.0), ("1h", 3600.0)]
)
def test_a_time_is_typed_as_people_write_it(typed: str, seconds: float) -> None:
    """With its unit, or in seconds."""
    assert duration(typed) == seconds


@pytest.mark.parametrize(
    ("typed", "says"), [("4s", "use 5s to 60min"), ("2h", "use 5s to 60min"), ("soon", "90s, 5min or 1h")]
)
def test_an_invalid_time_is_refused_with_what_is_allowed(
    typed: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is looked at."""
    with pytest.raises(SystemExit, match="2"):
        main(["drill", "--dry", "--for", typed])
    assert says in capsys.readouterr().err


def test_wrong_files_are_named_all_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for every command: 78."""
    assert main(["drill", "--dry", "--config", str(tmp_path)]) == 78
    assert "installer.toml" in capsys.readouterr().err
    (tmp_path / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    assert main(["drill", "--dry", "--config", str(tmp_path)]) == 78
    assert "circuits.toml" in capsys.readouterr().err
