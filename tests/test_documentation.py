"""What the project's own pages show is true: files parse, commands exist, functions are there."""

from __future__ import annotations

import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import pytest

from clients.bus_client.check import describe
from clients.bus_client.check_view import description_text, errors_text
from clients.cli import dispatcher
from controller.bus.profiles.registry import FAMILY_NAMES
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, load, parse, parse_circuits, parse_installer
from controller.config.model import CONTACTS, SINGLE_TABLES, CircuitSettings
from controller.config.table_reader import keys_of
from controller.core.state_machine import diagram
from rules.panel import Panel
from tests.pages import (
    COMMANDS,
    CONFIGURATION,
    HOMEOWNER,
    README,
    ROOT,
    block,
    blocks,
    commands,
    each_page,
    flat,
    mentioned,
    table,
)

# What stands in a page's shell blocks and is not ours.
TOOLS = {"make", "sudo", "git", "cd", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr"}

# What every installer.toml must hold, and how one sees that a piece of it does.
REQUIRED = {'[site]\nid = "home"': "[site]", '[contact]\nsource = "gpio"\npin = 4': "[contact]"}


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_examples_are_right_and_check_says_so() -> None:
    """Nothing is wrong in them, and the one thing unwise is the outlet that teaches what uncontrollable means."""
    configuration = load(ROOT / "docs" / "examples")
    assert isinstance(configuration, Configuration)
    (advice,) = describe(configuration).advice
    assert "garage" in str(advice)
    assert "UNCONTROLLABLE" in str(advice)


@each_page
def test_each_piece_of_a_file_is_right(page: Path) -> None:
    """A piece of installer.toml may leave out what another piece shows; nothing in it is unknown or out of bounds."""
    for text in blocks(page, "toml"):
        if "[circuits." in text:
            assert isinstance(parse_circuits(text), Panel)
            continue
        given = "".join(f"{table}\n" for table, head in REQUIRED.items() if head not in text)
        read = parse_installer(text + given)
        assert not isinstance(read, ConfigErrors), read.sentences


def test_the_reference_shows_every_key_of_the_installer_with_its_default() -> None:
    """An omitted key has the default shown in docs/configuration.md."""
    text = block(CONFIGURATION, "toml", "[site]")
    shown = parse_installer(text)
    assert not isinstance(shown, ConfigErrors)
    tables = SINGLE_TABLES | {"contact": CONTACTS["gpio"]}
    for section, kind in tables.items():
        for key in keys_of(kind):
            if section != "broker" or key.default is not None:
                assert re.search(rf"^#?{key.name} = ", text, re.MULTILINE), f"[{section}] {key.name}"
    bare = parse_installer("\n".join((*REQUIRED, '[meter]\nport = "/dev/ttyUSB0"', "[generator]")))
    assert not isinstance(bare, ConfigErrors)
    assert (shown.broker, shown.shed, shown.restore) == (bare.broker, bare.shed, bare.restore)
    assert (shown.store, shown.generator, shown.meters) == (bare.store, bare.generator, bare.meters)
    assert shown.meter is not None
    assert replace(shown.meter, pulse_pin=None) == bare.meter


@pytest.mark.parametrize("family", [*FAMILY_NAMES, "profile"])
def test_the_page_of_each_family_shows_a_circuit_that_the_program_accepts(family: str) -> None:
    """Its first piece of circuits.toml, with the profile that the page of profiles shows."""
    folder = ROOT / "docs" / "devices"
    profile = block(folder / "profile.md", "toml", "[profiles.workshop]")
    text = block(folder / f"{family}.md", "toml", "[circuits.")
    read = parse(Sources("\n".join((*REQUIRED, profile)), text))
    assert isinstance(read, Configuration), read.sentences
    devices = [circuit.device for circuit in read.panel]
    assert all(
        device is not None and device.family == {"profile": "workshop"}.get(family, family) for device in devices
    )
    assert f"]({family}.md)" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_homeowner_page_shows_every_key_of_a_circuit() -> None:
    """The example has each key, and the reference has a row for each."""
    text = block(HOMEOWNER, "toml", "[circuits.hot-tub]")
    for key in keys_of(CircuitSettings):
        assert re.search(rf"^{key.name} = ", text, re.MULTILINE), key.name
    assert table(CONFIGURATION, "key") == {key.name for key in keys_of(CircuitSettings)}


def test_the_homeowner_page_shows_the_output_of_check() -> None:
    """The output for the example on the same page, word by word."""
    minimal = "\n".join(REQUIRED)
    configuration = parse(Sources(minimal, block(HOMEOWNER, "toml", "[circuits.hot-tub]")))
    assert isinstance(configuration, Configuration)
    said = flat(description_text(describe(configuration)))
    for piece in block(HOMEOWNER, "text", "A transfer to standby").split("\n\n"):
        assert flat(piece) in said


def test_the_homeowner_page_shows_an_error_as_check_prints_it() -> None:
    """With file, line, allowed values, and the closest match."""
    wrong = parse_circuits('[circuits.hot-tub]\nspace = 9\nbreaker = "gen2"\ntag = "nonesential"\n')
    assert isinstance(wrong, ConfigErrors)
    assert block(HOMEOWNER, "text", "nonesential").strip() in errors_text(wrong, Path("/etc/loadshed"))


# --- commands --------------------------------------------------------------------------------------------------------


@each_page
def test_each_command_of_ours_is_understood(page: Path) -> None:
    """Options too: a stranger types what stands there."""
    ours = [words[1:] for words in commands(page) if words[0] == "loadshed"]
    for words in ours:
        dispatcher.build_parser(words).parse_args(words)


@each_page
def test_each_command_mentioned_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may lack what it is about, or have a word in its place: `loadshed meter set-id NEW`."""
    for words in mentioned(page):
        assert words[0] in dispatcher.COMMANDS, words
        if not any(word.isupper() for word in words):
            try:
                dispatcher.build_parser(words).parse_args(words)
            except SystemExit:
                assert "arguments are required" in capsys.readouterr().err, words


@each_page
def test_no_command_is_foreign(page: Path) -> None:
    """A page asks for no tool that the system does not bring."""
    assert {words[0] for words in commands(page)} <= TOOLS | {"loadshed"}


def test_the_reference_lists_every_command() -> None:
    """One row each."""
    rows = re.findall(r"^\| `loadshed ([a-z-]+)` \|", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [*dispatcher.COMMANDS]


@each_page
def test_each_make_target_exists(page: Path) -> None:
    """`make` understands what the pages ask of it."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[1] for words in commands(page) if words[0] == "make"}
    asked |= set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")))
    assert asked <= targets


# --- the rest --------------------------------------------------------------------------------------------------------


def test_each_function_on_the_path_of_an_outage_exists() -> None:
    """A hop that was renamed is renamed there."""
    page = (ROOT / "docs" / "path-of-an-outage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:rules|hw|controller)\.[\w.]+)`", page))
    assert len(named) > 50
    for dotted in sorted(named):
        assert dotted.count(".") > 1, dotted
        assert callable(pkgutil.resolve_name(dotted)), dotted


def test_the_twenty_questions_of_a_newcomer_have_answers_that_exist() -> None:
    """`docs/finding-your-way.md` names one function or class for each question."""
    page = (ROOT / "docs" / "finding-your-way.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| .+ \| `((?:rules|hw|controller|clients)\.[\w.]+)` \|$", page, re.MULTILINE)
    assert len(named) == 20
    for dotted in named:
        assert callable(pkgutil.resolve_name(dotted)), dotted


def test_the_diagram_is_the_table_that_runs() -> None:
    """Drawn again whenever the table changes."""
    assert diagram() in (ROOT / "docs" / "states.md").read_text(encoding="utf-8")


@each_page
def test_each_link_leads_somewhere(page: Path) -> None:
    """Pages, files and folders of this project."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue  # the source of a fact
        assert (page.parent / target).exists(), target


@each_page
def test_each_file_named_exists(page: Path) -> None:
    """`rules/ledger_entry.py` is where the page says."""
    named = re.findall(
        r"`((?:rules|hw|controller|bench|tests|systemd|docs)/(?:[\w/-]+\.[\w.]+)?)`", page.read_text(encoding="utf-8")
    )
    named += [word for words in commands(page) for word in words if re.match(r"(?:systemd|docs)/|requirements", word)]
    assert all((ROOT / path).exists() for path in named), named


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_half_a_page(page: Path) -> None:
    """It states the question, the decision and the cost, in 300 words or fewer."""
    text = page.read_text(encoding="utf-8")
    assert all(f"**{part}.**" in text for part in ("Question", "Decision", "Cost"))
    assert len(text.split()) <= 300


@pytest.mark.parametrize(
    "truth",
    [
        "reachable only through the manufacturer's cloud",
        "UPS with a runtime of at least ten minutes",
        'wakes = "off"',
        "current transformers on the load side of the transfer switch",
        "is **not listed**",
        "Not a lockout/tagout device",
        "Never apply a voltage to a GPIO pin",
    ],
)
def test_the_readme_states_each_limit_before_the_features(truth: str) -> None:
    """A reader who stops at the features has read the limits."""
    first, _, _ = README.read_text(encoding="utf-8").partition("## Features")
    assert truth in flat(first)
