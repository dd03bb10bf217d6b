"""What setup writes: the owner's words stay, the text says what was meant, and no power cut leaves half a file."""

from __future__ import annotations

import asyncio
import os
import re
import string
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.setup import setup_record
from clients.setup.config_files import circuits_text, installer_text, write
from clients.setup.contact_movement import MAX_DURATION_S, MAX_EDGES, Edge, contact_movement
from clients.setup.panel_card import card_html
from clients.setup.prompt import InputClosedError, Prompt, by_key, or_nothing
from clients.setup.session import DEFAULTS, SetupSession
from clients.setup.setup_record import BreakerTestResult, ContactSeen, SetupRecord
from clients.setup.steps.circuits import slug
from clients.setup.toml_writer import with_table
from controller.config.errors import ConfigErrors
from controller.config.loader import parse_circuits, parse_installer
from controller.config.model import BrokerSettings, GeneratorSettings, GpioContact, MeterSettings, SiteSettings
from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Restore, Tag, Wakes
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from controller.config.installer import Installer

EXAMPLES = ROOT / "docs" / "examples"
INSTALLER = (EXAMPLES / "installer.toml").read_text(encoding="utf-8")
CIRCUITS = (EXAMPLES / "circuits.toml").read_text(encoding="utf-8")

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1).filter(
    lambda text: text.isprintable() and bool(text.strip())
)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)


@st.composite
def circuits(draw: st.DrawFn, number: int) -> Circuit:
    """Return any circuit that the homeowner's file can say, in spaces of its own."""
    tag = draw(st.sampled_from(Tag))
    return Circuit(
        CircuitId(f"{draw(names)}-{number}"),
        draw(words),
        (2 * number + 1,) if draw(st.booleans()) else (2 * number + 1, 2 * number + 2),
        draw(st.sampled_from(Kind)),
        tag,
        amps=draw(st.none() | st.floats(0.5, 400)),
        rank=draw(st.integers(1, 9)),
        min_off_s=draw(st.floats(0, 3600)),
        restore=draw(st.sampled_from(Restore)),
        override=draw(st.sampled_from(Override)),
        wakes=draw(st.sampled_from(Wakes)),
        protected=tag is Tag.ESSENTIAL and draw(st.booleans()),
    )


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Return any panel of a few circuits."""
    return Panel.of(*[draw(circuits(number)) for number in range(draw(st.integers(1, 4)))])


def panel_of(text: str | ConfigErrors) -> Panel:
    """Return the panel that a text describes."""
    assert isinstance(text, str), text.sentences
    panel = parse_circuits(text)
    assert isinstance(panel, Panel), panel.sentences
    return panel


def installer_of(text: str | ConfigErrors) -> Installer:
    """Return what a text says."""
    assert isinstance(text, str), text.sentences
    installer = parse_installer(text)
    assert not isinstance(installer, ConfigErrors), installer.sentences
    return installer


# --- circuits.toml ---------------------------------------------------------------------------------------------------


@given(panels(), panels())
def test_any_panel_is_written_as_it_was_meant(before: Panel, after: Panel) -> None:
    """As a new file, and over another."""
    fresh = circuits_text(None, before)
    assert panel_of(fresh).circuits == before.circuits
    assert isinstance(fresh, str)
    assert panel_of(circuits_text(fresh, after)).circuits == after.circuits


def test_one_circuit_changes_and_every_other_line_stays() -> None:
    """Comments, headings and order are the owner's."""
    panel = panel_of(CIRCUITS)
    tub = replace(panel[CircuitId("hot-tub")], rank=3)
    text = circuits_text(CIRCUITS, Panel({**panel.circuits, tub.id: tub}))
    assert isinstance(text, str)
    old, new = CIRCUITS.splitlines(), text.splitlines()
    assert [line for line in old if line not in new] == ["rank = 9"]
    assert [line for line in new if line not in old] == ["rank = 3"]


def test_a_circuit_goes_and_the_heading_of_the_next_stays() -> None:
    """What stands between two tables belongs to the second."""
    panel = panel_of(CIRCUITS)
    text = circuits_text(CIRCUITS, Panel.of(*(one for one in panel if one.id != "bedroom-lights")))
    assert isinstance(text, str)
    assert "bedroom" not in text
    assert "# --- shed at the transfer ---" in text


def test_a_file_in_another_form_is_rewritten() -> None:
    """Dotted keys are legal TOML, and no table of their own: the text says what was meant all the same."""
    text = '[circuits]\ntub.space = 1\ntub.breaker = "gen2"\ntub.tag = "essential"\n'
    tub = replace(panel_of(text)[CircuitId("tub")], rank=2)
    assert panel_of(circuits_text(text, Panel.of(tub))).circuits == {tub.id: tub}


def test_what_may_not_be_is_not_written() -> None:
    """Two circuits in one space: the mistakes come back in place of a text."""
    one = Circuit(CircuitId("a"), "a", (1,), Kind.GEN2, Tag.ESSENTIAL)
    found = circuits_text(None, Panel.of(one, replace(one, id=CircuitId("b"))))
    assert isinstance(found, ConfigErrors)
    assert "has space 1" in str(found.found[0])


# --- installer.toml --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"contact": GpioContact("gpio", 22, "open", 0.2)},
        {"broker": BrokerSettings("broker.lan", 8883, "ann", "/etc/pw", "/etc/ca.pem")},
        {"meter": None},
        {"meter": MeterSettings("tcp://10.0.0.9:502", "S1240N-01-01-021-01", 7, pulse_pin=23)},
        {"generator": GeneratorSettings(12.5)},
        {"generator": None},
        {"site": SiteSettings("cabin")},
    ],
)
def test_one_table_changes_and_the_others_stay(change: dict[str, object]) -> None:
    """Over the example's own text, and as a new file."""
    (name,) = change
    wanted = replace(installer_of(INSTALLER), **change)  # type: ignore[arg-type]
    text = installer_text(INSTALLER, wanted)
    assert installer_of(text) == wanted
    assert installer_of(installer_text(None, wanted)) == wanted
    assert isinstance(text, str)
    others = [line for line in INSTALLER.split(f"[{name}]", maxsplit=1)[0].splitlines() if line]
    assert all(line in text.splitlines() for line in others)


def test_a_missing_file_can_be_written() -> None:
    """A bare box."""
    assert installer_of(installer_text(None, DEFAULTS)) == DEFAULTS


def test_pins_that_clash_are_not_written() -> None:
    """The contact and the meter on one pin."""
    clash = replace(DEFAULTS, meter=MeterSettings("/dev/ttyUSB0", pulse_pin=17))
    found = installer_text(None, clash)
    assert isinstance(found, ConfigErrors)
    assert "use another pin" in str(found.found[0])


def test_a_new_table_is_appended_at_the_end() -> None:
    """With a blank line before it."""
    assert with_table("[a]\nx = 1", "b", "[b]\ny = 2\n") == "[a]\nx = 1\n\n[b]\ny = 2\n"
    assert with_table("", "b", "[b]\n") == "[b]\n"
    assert with_table("# mine\n", "b", None) == "# mine\n"


def test_an_unchanged_example_is_not_a_house(tmp_path: Path) -> None:
    """A fresh box has it: its circuits are not offered, and are gone with the first that is written."""
    for name in ("installer.toml", "circuits.toml"):
        (tmp_path / name).write_text((EXAMPLES / name).read_text("utf-8"), encoding="utf-8")
    ground = SetupSession.of(tmp_path, tmp_path / "state", Prompt(0, lambda _text: None), EXAMPLES)
    assert isinstance(ground, SetupSession)
    assert (ground.installer, len(ground.panel)) == (DEFAULTS, 0)
    tub = Circuit(CircuitId("tub"), "Tub", (1,), Kind.GEN2, Tag.ESSENTIAL)
    assert ground.write_panel(Panel.of(tub))
    assert panel_of((tmp_path / "circuits.toml").read_text("utf-8")).circuits == {tub.id: tub}
    with_own_words = SetupSession.of(tmp_path, tmp_path / "state", Prompt(0, lambda _text: None), tmp_path / "none")
    assert isinstance(with_own_words, SetupSession)
    assert with_own_words.installer.meter is not None


# --- the disk --------------------------------------------------------------------------------------------------------


def test_the_old_file_lies_beside_the_new_one_with_its_mode(tmp_path: Path) -> None:
    """Each change has a copy of its own; what says the same is not written again."""
    path = tmp_path / "new" / "installer.toml"
    assert write(path, "one") is None
    path.chmod(0o640)
    first = write(path, "two")
    second = write(path, "three")
    assert write(path, "three") is None
    assert first is not None
    assert second is not None
    assert (first.read_text("utf-8"), second.read_text("utf-8"), path.read_text("utf-8")) == ("one", "two", "three")
    assert path.stat().st_mode & 0o777 == first.stat().st_mode & 0o777 == 0o640
    assert len([*path.parent.iterdir()]) == 3


def test_what_was_seen_is_read_back_and_damage_means_that_nothing_was_seen(tmp_path: Path) -> None:
    """A contact whose movement may have been missed must be tested again."""
    seen = SetupRecord(ContactSeen("w", "a", "b", 3, 6.0), {"tub": BreakerTestResult("c", 0.2, 0.3, 6.1)}, ("car",))
    setup_record.save(tmp_path, seen)
    assert setup_record.load(tmp_path) == seen
    for damage in ("", "[]", '{"contact": null}', '{"contact": 1, "proofs": {}, "left_off": []}'):
        (tmp_path / setup_record.FILE).write_text(damage, encoding="utf-8")
        assert setup_record.load(tmp_path) == SetupRecord()


# --- what a contact did ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "told"),
    [
        ([(True, 1.0)], "no bounce"),
        ([(True, 1.0), (False, 1.001), (True, 1.004)], "1 bounce, settled after 4 ms"),
        ([(True, 1.0), (False, 1.002), (True, 1.003), (False, 1.005), (True, 1.006)], "2 bounces, settled after 6 ms"),
        ([(True, 1.0), (False, 1.0 + MAX_DURATION_S)], "CHATTER: 2 changes in 3.0 s, and no rest"),
        ([(bool(n % 2), n / 1000) for n in range(MAX_EDGES)], "CHATTER: 40 changes in 0.0 s, and no rest"),
    ],
)
def test_a_movement_is_described_for_the_user_at_the_contact(edges: list[tuple[bool, float]], told: str) -> None:
    """Bounces are changes there and back; too many, or too long, is chatter."""
    found = contact_movement([Edge(*edge) for edge in edges])
    assert found.told == told
    assert found.open is edges[-1][0]


@pytest.mark.parametrize(
    ("name", "topic"), [("Hot tub", "hot-tub"), ("  Küche / WC ", "k-che-wc"), ("A" * 80, "a" * 64), ("!!", "")]
)
def test_a_name_as_it_may_stand_in_topics(name: str, topic: str) -> None:
    """What is left of it is offered, and can be changed."""
    assert slug(name) == topic


# --- the card --------------------------------------------------------------------------------------------------------


def test_the_card_says_of_each_circuit_what_becomes_of_it() -> None:
    """Shed in the order of the commands, kept, and in a box of its own what no command can switch."""
    seen = SetupRecord(proofs={"hot-tub": BreakerTestResult("2026-11-20T10:00:00.000Z", 0.2, 0.3)})
    card = card_html(panel_of(CIRCUITS), "home", seen, "2026-11-21", "0.1.0")
    off, _, rest = card.partition("<h2>Stays on</h2>")
    on, _, hand = rest.partition("<h2>Stays ON until you switch it off by hand</h2>")
    shed = re.findall(r"<td class='name'>([^<]+)<", off)
    assert sorted(shed) == ["Air conditioner", "Car charger", "Dishwasher", "Hot tub", "Kitchen range", "Water heater"]
    assert "rank 9: turned on again automatically; tested&nbsp;2026-11-20" in off
    assert "rank 7: turned on again automatically, after 5 min of rest; NOT&nbsp;TESTED&nbsp;YET" in off
    assert len(re.findall(r"<td class='name'>", on)) == 5
    assert re.findall(r"<td class='name'>([^<]+)<", hand) == ["Garage outlets"]
    assert "These stay off until you act:" in hand
    assert "Not Car charger: shed again each time." in hand
    assert "not a lockout" in hand
    assert "loadshed 0.1.0 on 2026-11-21" in hand


def test_a_name_is_no_markup() -> None:
    """Whatever the owner called it."""
    circuit = Circuit(CircuitId("a"), "<b>Shop & <script>", (1,), Kind.STANDARD, Tag.NONESSENTIAL)
    card = card_html(Panel.of(circuit), "home", SetupRecord(), "2026-11-21", "0.1.0")
    assert "&lt;b&gt;Shop &amp; &lt;script&gt;" in card
    assert "<script" not in card


# --- the person ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_meant_is_asked_again() -> None:
    """Yes or no, one of the words, a number within its bounds: asked until valid; then the input ends."""
    ours, theirs = os.pipe()
    os.write(theirs, b"perhaps\nYES\nre\nrel\nx\n99\n17\n-")
    os.close(theirs)
    said: list[str] = []
    person = Prompt(ours, said.append)

    async def story() -> None:
        pin = by_key(GpioContact, "pin")
        assert await person.confirm("Go?")
        assert await person.choose("Which?", ("relay", "reset", "gen2")) == "relay"
        assert await person.value("Pin", pin) == 17
        assert await person.value("Other pin", or_nothing(pin), "4") is None
        with pytest.raises(InputClosedError):
            await person.ask("More")

    asyncio.run(story())
    os.close(ours)
    assert sum(line.startswith("use a BCM pin number from 0 to 27") for line in said) == 2
    assert "use one of relay, reset, gen2\n" in said


def test_a_lost_terminal_stops_nothing() -> None:
    """A circuit to restore is restored, also if no output is possible."""

    def gone(_text: str) -> None:
        raise OSError(5, "Input/output error")

    person = Prompt(0, gone)
    person.say("on again")
    ours, theirs = os.pipe()
    os.close(theirs)
    with pytest.raises(InputClosedError):
        asyncio.run(Prompt(ours, gone).ask("And now?"))
    os.close(ours)
