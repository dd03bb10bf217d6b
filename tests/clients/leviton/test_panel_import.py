"""From the account's breakers to circuits.toml."""

from __future__ import annotations

from dataclasses import replace

from clients.leviton.dump import Redactor
from clients.leviton.inventory import ListedBreaker, read_breaker, read_hub
from clients.leviton.panel_import import plan_import
from clients.setup.config_files import circuits_text
from controller.config.loader import parse_circuits
from rules.panel import CircuitId, Kind, Panel, Restore, Tag

HUB = "1000_0012_3456"


def breaker(name: str, position: int | None, serial: str | None = "S1", **changes: object) -> ListedBreaker:
    """Return a 2nd Gen breaker."""
    made = ListedBreaker("4C4556000001", HUB, serial, name, position, 1, True, 20.0, "LB120-ST")
    return replace(made, **changes)  # type: ignore[arg-type]


def imported(*breakers: ListedBreaker) -> Panel:
    """Return the circuits of a first import."""
    return plan_import(None, breakers).panel


def test_a_breaker_becomes_an_essential_circuit_bound_to_serial_numbers() -> None:
    """The owner decides what may be shed."""
    (circuit,) = imported(breaker("Hot tub", 9, poles=2, amps=50.0))
    assert (circuit.id, circuit.name, circuit.spaces, circuit.amps) == ("hot-tub", "Hot tub", (9, 11), 50.0)
    assert (circuit.kind, circuit.tag) == (Kind.GEN2, Tag.ESSENTIAL)
    assert circuit.device is not None
    assert circuit.device.address == f"leviton/{HUB}/S1"


def test_the_generation_is_decided_by_can_remote_on() -> None:
    """Nothing but the second generation gets a device."""
    kinds = [
        (one.kind, one.device) for one in imported(breaker("A", 1, remote=False), breaker("B", 2, None, remote=None))
    ]
    assert kinds == [(Kind.GEN1, None), (Kind.STANDARD, None)]


def test_names_suggest_settings() -> None:
    """A router is protected, a range waits for a request, a compressor rests."""
    router, oven, cooler = imported(
        breaker("Router", 1, "S1"), breaker("Range", 2, "S2"), breaker("Air conditioner", 3, "S3")
    )
    assert router.protected
    assert oven.restore is Restore.ASK
    assert cooler.min_off_s == 300.0


def test_doubled_names_get_their_space() -> None:
    """Two lights, two circuits."""
    panel = imported(breaker("Lights", 1, "S1"), breaker("Lights", 2, "S2"), breaker("", 4, "S4"))
    assert [(one.id, one.name) for one in panel] == [
        ("lights", "Lights"),
        ("lights-2", "Lights 2"),
        ("space-4", "Space 4"),
    ]


def test_what_is_not_placed_is_listed_and_not_imported() -> None:
    """The app's wizard was not finished."""
    plan = plan_import(None, [breaker("New", None)])
    assert plan.is_empty
    assert "not placed" in plan.notes[0]


def test_a_second_import_changes_nothing() -> None:
    """Nor do new ids in the cloud."""
    first = [breaker("Hot tub", 9, poles=2), breaker("Lights", 1, None, remote=None)]
    panel = imported(*first)
    assert plan_import(panel, [replace(one, id=f"{one.id}_3456") for one in first]).is_empty


def test_an_import_updates_facts_and_keeps_the_owners_choices() -> None:
    """Tag, rank and name stay; space and amperes follow the panel."""
    panel = imported(breaker("Hot tub", 9))
    (old,) = panel
    own = replace(old, tag=Tag.NONESSENTIAL, rank=9, name="Whirlpool")
    plan = plan_import(Panel.of(own), [breaker("Hot tub", 13, amps=30.0)])
    (new,) = plan.panel
    assert (new.tag, new.rank, new.name, new.spaces, new.amps) == (Tag.NONESSENTIAL, 9, "Whirlpool", (13,), 30.0)
    assert plan.changed == ("hot-tub: space 9 → 13, amps 20 → 30",)
    assert "the name in circuits.toml stays" in plan.notes[0]


def test_a_circuit_without_a_device_in_the_same_space_gets_the_breaker() -> None:
    """It was written by hand before."""
    panel = imported(breaker("Pool", 5))
    (old,) = panel
    plan = plan_import(Panel.of(replace(old, id=CircuitId("pool-pump"), device=None)), [breaker("Pool", 5)])
    (new,) = plan.panel
    assert new.id == "pool-pump"
    assert new.device is not None


def test_a_space_that_another_circuit_has_is_not_taken() -> None:
    """The owner compares."""
    panel = imported(breaker("Wide", 1, "S1", poles=2))
    plan = plan_import(panel, [breaker("Wide", 1, "S1", poles=2), breaker("Other", 3, "S2")])
    assert plan.is_empty
    assert "which Wide, spaces 1+3 has" in plan.notes[0]


def test_nothing_is_ever_removed() -> None:
    """A breaker that is no longer listed is only reported."""
    panel = imported(breaker("Pool", 5))
    plan = plan_import(panel, [])
    assert plan.panel == panel
    assert "no longer listed" in plan.notes[0]


def test_the_written_file_is_read_back_as_the_same_panel() -> None:
    """With the devices, and with the owner's comments."""
    panel = imported(breaker("Hot tub", 9, "S1"), breaker("Lights", 1, "S2"))
    text = circuits_text(None, panel)
    assert isinstance(text, str)
    assert parse_circuits(text) == panel
    more = plan_import(panel, [breaker("Hot tub", 9, "S1"), breaker("Lights", 1, "S2"), breaker("Pool", 5, "S3")])
    longer = circuits_text("# mine\n" + text, more.panel)
    assert isinstance(longer, str)
    assert longer.startswith("# mine\n")
    assert parse_circuits(longer) == more.panel


def test_old_hubs_and_clamps_are_not_listed() -> None:
    """They answer 404, or switch nothing."""
    assert read_hub({"id": "LDATA-1"}) is None
    assert read_breaker({"id": "x", "model": "LSBMA"}, HUB) is None


def test_a_position_of_zero_or_null_is_not_placed() -> None:
    """Other programs take it for a slot."""
    for value in (0, None, "3"):
        found = read_breaker({"id": "x", "position": value, "canRemoteOn": True}, HUB)
        assert found is not None
        assert found.position is None


def test_a_dump_holds_no_secret_name_or_address() -> None:
    """What is not known to be harmless is removed."""
    redactor = Redactor()
    raw = {
        "id": "1000_0012_3456",
        "name": "Smith's panel",
        "token": "T",
        "regKey": "R",
        "mac": "02:00:5e:00:53:01",
        "localIP": "192.0.2.44",
        "email": "a@example.org",
        "latitude": 41.2,
        "places": [41.2, "Elm Street"],
        "currentState": "ManualON",
        "branchType": "<b>'Outlets'</b>",
        "power": 900,
        "more": [{"serial": "1000_0012_3456"}],
    }
    assert redactor.content(raw) == {
        "id": "#1",
        **dict.fromkeys(("name", "token", "regKey", "mac", "localIP", "email", "latitude"), "(removed)"),
        "places": ["(removed)", "(removed)"],
        "currentState": "ManualON",
        "branchType": "(removed)",
        "power": 900,
        "more": [{"serial": "#1"}],
    }
    assert redactor.path("IotWhems/1000_0012_3456/residentialBreakers") == "IotWhems/#1/residentialBreakers"
