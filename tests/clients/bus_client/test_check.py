"""What `loadshed check` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.bus_client.check import CircuitLine, describe
from clients.bus_client.named_files import unreadable_files
from controller.config.loader import Configuration, Sources, load, parse
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "docs" / "examples"
INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
NETWORK = '[circuits.network]\nspace = 1\nbreaker = "gen2"\ntag = "essential"\nprotected = true\n'
HOT_TUB = '[circuits.hot-tub]\nspace = [9, 11]\nbreaker = "gen2"\ntag = "nonessential"\n'


def configured(installer: str = INSTALLER, circuits: str = NETWORK + HOT_TUB) -> Configuration:
    """Return the configuration of two texts that are right."""
    configuration = parse(Sources(installer, circuits))
    assert isinstance(configuration, Configuration), [*configuration]
    return configuration


def advised(installer: str = INSTALLER, circuits: str = NETWORK + HOT_TUB) -> list[str]:
    """Return what `check` advises."""
    return [str(mistake) for mistake in describe(configured(installer, circuits)).advice]


def line(more: str, name: str = "load") -> CircuitLine:
    """Return how a circuit with these lines is shown."""
    text = f"{NETWORK}{HOT_TUB}[circuits.{name}]\nspace = 20\n{more}\n"
    return describe(configured(circuits=text)).circuits[-1]


def test_the_examples_are_a_house_that_check_accepts() -> None:
    """Twelve circuits, and the only advice is about the uncontrollable outlet."""
    configuration = load(EXAMPLES)
    assert isinstance(configuration, Configuration), [*configuration]
    described = describe(configuration)
    assert len(described.circuits) == 12
    assert [str(advice)[:40] for advice in described.advice] == ["circuits.toml:105: [circuits.garage] bre"]
    assert "sheds 6 of 12 circuits and keeps 5 on" in described.summary
    assert unreadable_files(configuration) == ()


def test_plain_files_are_advised_nothing() -> None:
    """Advice that always appears helps no one."""
    assert advised() == []


@pytest.mark.parametrize(
    ("more", "fate", "why", "uncontrollable"),
    [
        ('breaker = "gen2"\ntag = "essential"', "stays on", "essential", False),
        ('breaker = "standard"\ntag = "essential"', "stays on", "no remote control", True),
        ('breaker = "gen1"\ntag = "essential"\nprotected = true', "stays on", "protected: never commanded", True),
        ('breaker = "gen1"\ntag = "nonessential"', "UNCONTROLLABLE, stays ON", "can be tripped but not reset", True),
        ('breaker = "standard"\ntag = "nonessential"', "UNCONTROLLABLE, stays ON", "no remote control", True),
        ('breaker = "gen2"\ntag = "nonessential"', "shed", "rank 5: command 2 of 2", False),
        ('breaker = "relay"\ntag = "nonessential"\nrank = 9', "shed", "rank 9: command 1 of 2", False),
    ],
)
def test_each_circuit_shows_its_action_and_reason(more: str, fate: str, why: str, uncontrollable: bool) -> None:
    """The homeowner sees before the outage what will happen in it."""
    shown = line(more)
    assert (shown.action, shown.uncontrollable) == (fate, uncontrollable)
    assert why in shown.why


@pytest.mark.parametrize(
    ("more", "back"),
    [
        ("", "restored automatically if it was on"),
        ('restore = "ask"\nmin_off_s = 300', "restored on user request, after at least 300 s off"),
        ('restore = "never"', "stays off until a user switches it on"),
        (
            'override = "never"\nwakes = "off"',
            "if it was on, always shed again after manual switching, also turned on after a power loss",
        ),
    ],
)
def test_each_shed_circuit_shows_how_it_is_restored(more: str, back: str) -> None:
    """A circuit that stays on shows no restore."""
    assert back in str(line(f'breaker = "gen2"\ntag = "nonessential"\n{more}'))
    assert line('breaker = "gen2"\ntag = "essential"').restore == ""


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        ("[shed]\nconfirm_s = 0.4", "installer.toml:7: [shed] confirm_s = 0.4: less than a tenth of what is usual (5)"),
        ("settle_s = 0", "installer.toml:6: [contact] settle_s = 0.0: less than a tenth of what is usual (0.1)"),
        ("[store]\nsamples_days = 39", "[store] samples_days = 39: less than a tenth of what is usual (400)"),
        ('normally = "open"', 'installer.toml:6: [contact] normally = "open": a cut wire then reads as utility'),
        ("[restore]\nutility_stable_s = 9", "shorter than 10 s: utility may fail again at once"),
        ("[restore]\nutility_stable_s = 0", "longer than the switch's own wait"),
        ('[broker]\nversion = "3.1.1"', "commands cannot expire there"),
        ('[broker]\nhost = "hub"\nusername = "me"', "without ca_file (TLS) the password is readable on the way"),
        (
            "[generator]\nkw = 22000",
            "installer.toml:7: [generator] kw = 22000.0: more than any house has: in kilowatts",
        ),
        ('[meter]\nport = "/dev/x"\nmodel = "EM-340"', 'model = "EM-340": not a model number we know'),
        ('[meter]\nport = "/dev/x"\nmodel = "BL3-240-200-SP-PKG"', "undocumented"),
        ('[meter]\nport = "/dev/x"\n[meters.a]\ndevice_id = 2\nmodel = "x"', '[meters.a] model = "x": not a model'),
    ],
)
def test_what_is_unwise_in_the_installer_is_said_not_refused(table: str, advice: str) -> None:
    """With its line, as a mistake is."""
    assert [advice in told for told in advised(f"{INSTALLER}{table}\n")] == [True]


@pytest.mark.parametrize(("pin", "advice"), [(0, "expansion board"), (15, "serial console")])
def test_a_pin_that_the_pi_uses_itself_is_advised_against(pin: int, advice: str) -> None:
    """Legal, for who knows what he does."""
    (told,) = advised(INSTALLER.replace("17", str(pin)))
    assert advice in told


def test_a_contact_on_the_bus_is_asked_for_its_availability_and_a_longer_wait() -> None:
    """It may sense the grid, and its silence is no position."""
    wait, availability = sorted(
        advised('[site]\nid = "home"\n[contact]\nsource = "mqtt"\ntopic = "ats"\n'), key=lambda told: "without" in told
    )
    assert "utility_stable_s = 10.0: too short if this device senses the grid" in wait
    assert "without availability_topic" in availability


MQTT = '[site]\nid = "home"\n[contact]\nsource = "mqtt"\ntopic = "ats"\n[restore]\nutility_stable_s = 20\n'


@pytest.mark.parametrize(
    ("keys", "sentences"),
    [
        ("", ("without availability_topic", "set query_topic")),
        ('availability_topic = "ats"', ("joined by a bridge", "set expect_every_s", "set query_topic")),
        ("expect_every_s = 60", ("publishes only changes, and not retained",)),
        ('query_topic = "ats/get"', ("without availability_topic",)),
        ('expect_every_s = 60\nquery_topic = "ats/get"', ()),
    ],
)
def test_the_ways_in_which_a_contact_on_the_bus_goes_unheard_are_advised_on(
    keys: str, sentences: tuple[str, ...]
) -> None:
    """A device that disappears, one behind a bridge, and one that publishes only changes. Never about a pin."""
    found = advised(MQTT.replace("[restore]", f"{keys}\n[restore]"))
    assert len(found) == bool(sentences)
    assert all(sentence in found[0] for sentence in sentences)
    assert all(" pin" not in one and "GPIO" not in one for one in found)


@pytest.mark.parametrize(
    ("name", "more", "advice"),
    [
        ("Electric oven", "", "it would start unattended"),
        ("Space heaters", "", "it would start unattended"),
        ("Kiln", 'restore = "ask"', None),
        ("Orange room", "", None),
        ("A/C upstairs", "", "a compressor must rest"),
        ("A/C upstairs", "min_off_s = 300", None),
        ("Chest freezer", "min_off_s = 300", "food spoils"),
        ("Router and modem", "", 'tag = "essential" keeps it on, and protected = true too'),
    ],
)
def test_a_name_that_makes_one_think_is_advised_on(name: str, more: str, advice: str | None) -> None:
    """Where the name says what would start, or what people depend on."""
    told = advised(circuits=f'{NETWORK}{HOT_TUB}name = "{name}"\n{more}\n')
    assert [advice is not None and advice in one for one in told] == ([] if advice is None else [True])


def test_a_house_that_sheds_nothing_or_protects_nothing_is_advised() -> None:
    """Nor should two poles of one handle be far apart."""
    assert any("nothing would be shed" in told for told in advised(circuits=NETWORK))
    assert any("none is protected" in told for told in advised(circuits=HOT_TUB))
    apart = advised(circuits=NETWORK + HOT_TUB.replace("11", "10"))
    assert [told.startswith("circuits.toml:7: [circuits.hot-tub] space = [9, 10]: two poles") for told in apart] == [
        True
    ]


def test_an_unreadable_file_of_the_broker_is_an_error(tmp_path: Path) -> None:
    """Looked at by `check`, not at a start."""
    (tmp_path / "secret").write_text("word", encoding="utf-8")
    broker = f'[broker]\nusername = "a"\npassword_file = "{tmp_path}/secret"\nca_file = "{tmp_path}/nowhere"\n'
    (mistake,) = unreadable_files(configured(INSTALLER + broker))
    assert "[broker] ca_file" in str(mistake)
    assert "cannot be read: No such file or directory" in str(mistake)
