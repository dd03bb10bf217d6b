"""What the project's own pages show is true: files parse, commands exist, payloads look so, functions are there."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from dataclasses import replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from controller import cli, payloads
from controller.alarm_book import Alarm, AlarmBook
from controller.check import describe
from controller.check_text import description_text, mistakes_text
from controller.effects import Happened, TellMeter
from controller.machine import diagram
from controller.mistakes import Mistakes
from controller.settings import Configuration, Sources, load, parse, parse_circuits, parse_installer
from controller.settings_read import keys_of
from controller.settings_tables import CONTACTS, SINGLE_TABLES, CircuitEntry
from controller.topics import ASK_KINDS, Arrived, Topics
from controller.views import CircuitView, StateView, Wall
from rules import requests
from rules.demand import DemandView, Quality
from rules.entry import Debt, Entry
from rules.moment import Moment
from rules.panel import Circuit, CircuitId, Kind, Panel, Position, Tag
from rules.register import Verdict
from rules.reports import Outcome
from rules.why import why

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
WALL = Wall(0.0, trusted=True)
# What stands in a page's shell blocks and is not ours.
TOOLS = {"make", "sudo", "git", "cd", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr"}

name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def block(page: Path, language: str, holds: str) -> str:
    """Return the one block that holds a text."""
    (found,) = (text for text in blocks(page, language) if holds in text)
    return found


def flat(text: str) -> str:
    """Return a text with its lines joined: where they are broken depends on the terminal."""
    return re.sub(r"\s+", " ", text).strip()


def seconds(text: str) -> float:
    """Return seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_examples_are_right_and_check_says_so() -> None:
    """Nothing is wrong in them, and the one thing unwise is the outlet that teaches what uncontrollable means."""
    configuration = load(ROOT / "docs" / "examples")
    assert isinstance(configuration, Configuration)
    (advice,) = describe(configuration).advice
    assert "garage" in str(advice)
    assert "UNCONTROLLABLE" in str(advice)


@name
def test_each_piece_of_a_file_is_right(page: Path) -> None:
    """A piece of installer.toml may leave out what another piece shows; nothing in it is unknown or out of bounds."""
    for text in blocks(page, "toml"):
        if "[circuits." in text:
            assert isinstance(parse_circuits(text), Panel)
            continue
        given = "".join(f"{table}\n" for table, head in REQUIRED.items() if head not in text)
        read = parse_installer(text + given)
        assert not isinstance(read, Mistakes), read.sentences


REQUIRED = {'[site]\nid = "home"': "[site]", '[contact]\nsource = "gpio"\npin = 4': "[contact]"}


def test_the_readme_shows_every_key_of_the_installer_with_its_default() -> None:
    """What is left out has the default shown there."""
    text = block(README, "toml", "[site]")
    shown = parse_installer(text)
    assert not isinstance(shown, Mistakes)
    tables = SINGLE_TABLES | {"contact": CONTACTS["gpio"]}
    for table, kind in tables.items():
        for key in keys_of(kind):
            if table != "broker" or key.default is not None:
                assert re.search(rf"^#?{key.name} = ", text, re.MULTILINE), f"[{table}] {key.name}"
    bare = parse_installer("\n".join((*REQUIRED, '[meter]\nport = "/dev/ttyUSB0"', "[generator]")))
    assert not isinstance(bare, Mistakes)
    assert (shown.broker, shown.shed, shown.restore) == (bare.broker, bare.shed, bare.restore)
    assert (shown.store, shown.generator, shown.meters) == (bare.store, bare.generator, bare.meters)
    assert shown.meter is not None
    assert replace(shown.meter, pulse_pin=None) == bare.meter


def test_the_readme_shows_every_key_of_a_circuit() -> None:
    """The homeowner finds all there is on the first page."""
    text = block(README, "toml", "[circuits.hot-tub]")
    for key in keys_of(CircuitEntry):
        assert re.search(rf"^{key.name} = ", text, re.MULTILINE), key.name


def test_the_readme_shows_what_check_says() -> None:
    """Of its own file, word by word."""
    minimal = "\n".join(REQUIRED)
    configuration = parse(Sources(minimal, block(README, "toml", "[circuits.hot-tub]")))
    assert isinstance(configuration, Configuration)
    said = flat(description_text(describe(configuration)))
    for piece in block(README, "text", "A transfer to standby").split("\n\n"):
        assert flat(piece) in said


def test_the_readme_shows_a_mistake_as_it_is_told() -> None:
    """With file, line, what is allowed, and what was probably meant."""
    wrong = parse_circuits('[circuits.hot-tub]\nspace = 9\nbreaker = "gen2"\ntag = "nonesential"\n')
    assert isinstance(wrong, Mistakes)
    assert block(README, "text", "nonesential").strip() in mistakes_text(wrong, Path("/etc/loadshed"))


# --- commands --------------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each line of a page's shell blocks."""
    for text in blocks(page, "sh"):
        for line in text.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def mentioned(page: Path) -> Iterator[list[str]]:
    """Yield the words of each of our commands that a page writes in passing."""
    for found in re.findall(r"`loadshed ([^`…]+)`", page.read_text(encoding="utf-8")):
        yield shlex.split(found)


@name
def test_each_command_of_ours_is_understood(page: Path) -> None:
    """Options too: a stranger types what stands there."""
    ours = [words[1:] for words in commands(page) if words[0] == "loadshed"]
    for words in ours:
        cli._parser(words).parse_args(words)


@name
def test_each_command_mentioned_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may lack what it is about, or have a word in its place: `loadshed meter set-id NEW`."""
    for words in mentioned(page):
        assert words[0] in cli._COMMANDS, words
        if not any(word.isupper() for word in words):
            try:
                cli._parser(words).parse_args(words)
            except SystemExit:
                assert "arguments are required" in capsys.readouterr().err, words


@name
def test_no_command_is_foreign(page: Path) -> None:
    """A page asks for no tool that the system does not bring."""
    assert {words[0] for words in commands(page)} <= TOOLS | {"loadshed"}


def test_the_readme_lists_every_command() -> None:
    """One row each."""
    rows = re.findall(r"^\| `loadshed ([a-z]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [*cli._COMMANDS]


@name
def test_each_make_target_exists(page: Path) -> None:
    """`make` understands what the pages ask of it."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[1] for words in commands(page) if words[0] == "make"}
    asked |= set(re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")))
    assert asked <= targets


# --- topics and payloads ---------------------------------------------------------------------------------------------

MQTT = ROOT / "docs" / "mqtt.md"


def example(holds: str) -> dict[str, Any]:
    """Return the example of docs/mqtt.md that has this key."""
    (found,) = (fields for text in blocks(MQTT, "json") if holds in (fields := json.loads(text)))
    assert isinstance(found, dict)
    return found


def test_the_state_looks_like_its_example() -> None:
    """Field by field."""
    shown = example("source")
    words: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in shown.items()}
    view = StateView(**{**words, "since": seconds(shown["since"])})
    assert json.loads(payloads.state(view, WALL)) == shown


def test_a_circuit_looks_like_its_example() -> None:
    """Also the reason: it is what the rules say of such a circuit."""
    shown = example("why")
    circuit = Circuit(CircuitId("hot-tub"), shown["name"], (9, 11), Kind.GEN2, Tag.NONESSENTIAL)
    then = Moment("boot", 1.0)
    debt = Debt(7, Position.ON, then, then, confirmed=True)
    entry = Entry(position=Position.OFF, live=True, debt=debt, reported_at=2.0)
    assert why(circuit, entry) == shown["why"]
    view = CircuitView(
        id=circuit.id,
        name=circuit.name,
        breaker=circuit.kind,
        tag=circuit.tag,
        controllable=True,
        position=entry.position,
        available=True,
        shed=True,
        why=shown["why"],
    )
    assert json.loads(payloads.circuit(view)) == shown


def test_demand_looks_like_its_example() -> None:
    """Every figure with its unit."""
    shown = example("kw")
    at = seconds(shown["at"])
    fields = {**shown, "kw_quality": Quality(shown["kw_quality"]), "partial": tuple(shown["partial"])}
    del fields["at"]
    assert json.loads(payloads.demand(DemandView(**fields, pulses_kwh=None), at, WALL)) == shown
    page = MQTT.read_text(encoding="utf-8")
    assert all(f"`{quality}`" in page for quality in Quality)


def test_a_meter_an_event_and_an_alarm_look_like_their_examples() -> None:
    """The alarm in its own words."""
    shown = example("meter")
    told = TellMeter(shown["meter"], seconds(shown["at"]), shown["energy_kwh"])
    assert json.loads(payloads.meter(told, WALL)) == shown
    shown = example("event")
    happened = Happened(seconds(shown["at"]), shown["event"], CircuitId(shown["circuit"]), {"tries": shown["tries"]})
    assert json.loads(payloads.event(happened, WALL)) == shown
    shown = example("means")
    book = AlarmBook()
    book.put(Alarm(shown["id"]), seconds(shown["since"]), circuits=(CircuitId("car-charger"),))
    (alarm,) = book
    assert json.loads(payloads.alarm(alarm, WALL)) == shown


def test_a_request_and_its_answer_look_like_their_examples() -> None:
    """The request is understood as it stands; the answer is what the rules say."""
    topics = Topics("home", [CircuitId("hot-tub")])
    payload = json.dumps(example("by")).encode()
    asked = topics.parse(Arrived(1.0, "loadshed/home/ask/on", payload, response_topic="me"))
    assert getattr(asked, "by", asked) == "Ann"
    router = Circuit(CircuitId("router"), "Router", (1,), Kind.GEN2, Tag.ESSENTIAL, protected=True)
    reply = requests.switch_off(router)
    assert json.loads(payloads.answer(reply.ok, reply.reason)) == example("ok")


def table(page: Path, head: str) -> set[str]:
    """Return the words in backticks of the first column of the table under a heading row."""
    lines = page.read_text(encoding="utf-8").splitlines()
    rows = lines[next(n for n, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2 :]
    first = [row.split("|")[1] for row in rows[: next((n for n, row in enumerate(rows) if not row), len(rows))]]
    return {word for cell in first for word in re.findall(r"`([^`]+)`", cell)}


def noted() -> set[str]:
    """Return the names of all events that the code can note."""
    names = {"commanded_off", "commanded_on"} | {outcome.value for outcome in Outcome}
    names |= {f"meter_{verdict.name.lower()}" for verdict in Verdict if verdict.name not in ("GOOD", "FIRST")}
    for path in (ROOT / "controller").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in CALLS:
                names |= {str(node.args[0].value)} if node.args and isinstance(node.args[0], ast.Constant) else set()
    return names


CALLS = ("note", "Noted")


def test_the_tables_of_the_bus_are_complete() -> None:
    """Every event, alarm and request stands there, and none that there is not."""
    assert table(MQTT, "event") == noted()
    assert table(MQTT, "id") == {alarm.value for alarm in Alarm}
    assert table(MQTT, "request") == set(ASK_KINDS)


def test_the_readme_lists_the_topics_that_are_explained() -> None:
    """What the controller says, devices say and people ask."""
    page = MQTT.read_text(encoding="utf-8")
    listed = table(README, "topic")
    assert listed
    assert all(f"`{topic}`" in page for topic in listed)
    said = set(re.findall(r"^### `([^`]+)`$", page, re.MULTILINE)) | table(MQTT, "topic") | {"ask/<request>"}
    assert said == listed


@name
def test_each_topic_in_a_shell_line_is_one_of_ours(page: Path) -> None:
    """What is typed on the bus arrives."""
    topics = Topics("home", [CircuitId("hot-tub")])
    ours = {*(topics.base + leaf for leaf in ("controller/state", "breakers/hot-tub/set"))}
    heard = {*topics.of_circuit(CircuitId("hot-tub")), *(f"{topics.base}ask/{kind}" for kind in ASK_KINDS)}
    typed = {words[words.index("-t") + 1] for words in commands(page) if words[0].startswith("mosquitto_")}
    assert typed <= ours | heard


# --- the rest --------------------------------------------------------------------------------------------------------


def test_each_function_on_the_path_of_an_outage_exists() -> None:
    """A hop that was renamed is renamed there."""
    page = (ROOT / "docs" / "path-of-an-outage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:rules|hw|controller)\.[\w.]+)`", page))
    assert len(named) > 50
    for dotted in sorted(named):
        package, module, *path = dotted.split(".")
        assert path, dotted
        assert callable(reduce(getattr, path, importlib.import_module(f"{package}.{module}"))), dotted


def test_the_diagram_is_the_table_that_runs() -> None:
    """Drawn anew whenever the table changes."""
    assert diagram() in (ROOT / "docs" / "states.md").read_text(encoding="utf-8")


@name
def test_each_link_leads_somewhere(page: Path) -> None:
    """Pages, files and folders of this project."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@name
def test_each_file_named_exists(page: Path) -> None:
    """`rules/entry.py` is where the page says."""
    named = re.findall(
        r"`((?:rules|hw|controller|bench|tests|systemd|docs)/(?:[\w/-]+\.[\w.]+)?)`", page.read_text(encoding="utf-8")
    )
    named += [word for words in commands(page) for word in words if re.match(r"(?:systemd|docs)/|requirements", word)]
    assert all((ROOT / path).exists() for path in named), named


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_half_a_page(page: Path) -> None:
    """The question, what was decided, and what it costs."""
    text = page.read_text(encoding="utf-8")
    assert all(f"**{part}.**" in text for part in ("The question", "Decided", "The price"))
    assert len(text.split()) <= 300


@pytest.mark.parametrize(
    "truth",
    [
        "reachable only through their maker's cloud",
        "UPS that lasts ten minutes",
        'wakes = "off"',
        "on the load side of the transfer switch",
        "is **not listed**",
        "Not lock-out/tag-out",
        "Never a voltage on the pin",
    ],
)
def test_the_first_page_says_it_plainly(truth: str) -> None:
    """Before anything about use: whoever reads no further has read this."""
    first, _, _ = README.read_text(encoding="utf-8").partition("## For the homeowner")
    assert truth in flat(first)
