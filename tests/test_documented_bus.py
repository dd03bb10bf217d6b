"""What the pages show of the bus is true: payloads, topics, tables, and what is typed in a shell."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from controller.bus import payloads
from controller.bus.messages import ControllerId, IncomingMessage
from controller.bus.outage_classes import OutageClasses
from controller.bus.requests import ASK_KINDS
from controller.bus.topics import Topics
from controller.config.local_time import LocalTime
from controller.core.alarms import ActiveAlarms, Alarm, AlarmSubject
from controller.core.effects import LogEvent, PublishMeter
from controller.core.views import CircuitView, OutageView, StateView, WallClock
from rules import requests
from rules.boot_time import BootTime
from rules.companion import CompanionOutcome
from rules.device_reports import ReportOutcome
from rules.explain import explain
from rules.ledger_entry import CircuitEntry, ShedRecord
from rules.metering.demand import DemandView, Quality
from rules.metering.register import ReadingVerdict
from rules.panel import Circuit, CircuitId, Kind, Position, Tag
from rules.situation import HouseSituation
from tests.mosquitto import Mosquitto
from tests.pages import HOMEOWNER, INTEGRATOR, MQTT, ROOT, block, blocks, commands, each_page, table
from tests.processes import LIMIT_S, killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WALL = WallClock(0.0, trusted=True)
# By these the code names an event.
CALLS = ("log_event", "log_limited", "_log_bus_event", "MeterLogEntry")


def seconds(text: str) -> float:
    """Return seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


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


def test_the_presence_looks_like_its_example() -> None:
    """With the machine that the controller runs on."""
    shown = example("uptime_s")
    controller = ControllerId(shown["instance"], shown["host"], shown["address"])
    payload = payloads.alive(seconds(shown["at"]), shown["uptime_s"], controller, shown["on_standby"], WALL)
    assert json.loads(payload) == shown


def test_a_circuit_looks_like_its_example() -> None:
    """Also the reason: it is what the rules say of such a circuit."""
    shown = example("why")
    circuit = Circuit(CircuitId("hot-tub"), shown["name"], (9, 11), Kind.GEN2, Tag.NONESSENTIAL)
    then = BootTime("boot", 1.0)
    debt = ShedRecord(7, Position.ON, then, then, confirmed=True)
    entry = CircuitEntry(position=Position.OFF, live=True, shed_record=debt, reported_at=2.0)
    assert explain(circuit, entry, HouseSituation(sheds=True, on_utility=False)) == shown["why"]
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
        switched_at=seconds(shown["switched_at"]),
        owed=True,
        spaces=circuit.spaces,
        amps=50,
        waits_for="utility",
    )
    assert json.loads(payloads.circuit(view, WALL, LocalTime())) == shown


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
    told = PublishMeter(shown["meter"], seconds(shown["at"]), shown["energy_kwh"])
    assert json.loads(payloads.meter(told, WALL)) == shown
    shown = example("event")
    about = {key: shown[key] for key in shown if key not in ("at", "event", "circuit")}
    about["opened_at"] = seconds(shown["opened_at"])
    happened = LogEvent(seconds(shown["at"]), shown["event"], CircuitId(shown["circuit"]), about)
    assert json.loads(payloads.event(happened, WALL)) == shown
    shown = example("message")
    book = ActiveAlarms()
    book.set(
        Alarm(shown["id"]),
        seconds(shown["since"]),
        AlarmSubject("Car charger, space 16 (OFF sent, not confirmed: treat as ON)", (CircuitId("car-charger"),)),
    )
    (alarm,) = book
    assert json.loads(payloads.alarm(alarm, WALL)) == shown


def test_the_alarm_list_and_the_last_outage_look_like_their_examples() -> None:
    """The list has the same fields as each alarm."""
    shown = example("count")
    book = ActiveAlarms()
    (listed,) = shown["alarms"]
    book.set(Alarm(listed["id"]), seconds(listed["since"]), AlarmSubject())
    assert json.loads(payloads.alarm_list(tuple(book), WALL)) == shown
    shown = example("class")
    began = BootTime(WALL.boot, seconds(shown["began"]))
    view = OutageView(shown["outage"], shown["kind"], began, None, None, None)
    assert json.loads(payloads.last_outage(view, WALL, OutageClasses())) == shown


def test_a_request_and_its_answer_look_like_their_examples() -> None:
    """The request is understood as it stands; the answer is what the rules say."""
    topics = Topics("home", [CircuitId("hot-tub")])
    payload = json.dumps(example("by")).encode()
    asked = next(iter(topics.read(IncomingMessage(1.0, "loadshed/home/ask/on", payload, response_topic="me"))), None)
    assert getattr(asked, "by", asked) == "Ann"
    router = Circuit(CircuitId("router"), "Router", (1,), Kind.GEN2, Tag.ESSENTIAL, protected=True)
    reply = requests.switch_off(router)
    assert json.loads(payloads.answer(reply.ok, reply.reason)) == example("ok")


def noted() -> set[str]:
    """Return the names of all events that the code can note."""
    names = {f"companion_{outcome.value}" for outcome in CompanionOutcome}
    names |= {"off_sent", "on_sent"} | {outcome.value for outcome in ReportOutcome}
    names |= {f"meter_{verdict.name.lower()}" for verdict in ReadingVerdict if verdict.name not in ("GOOD", "FIRST")}
    for path in (ROOT / "controller").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in CALLS:
                names |= {str(node.args[0].value)} if node.args and isinstance(node.args[0], ast.Constant) else set()
    return names


def test_the_tables_of_the_bus_are_complete() -> None:
    """Every event, alarm and request stands there, and none that there is not."""
    assert table(MQTT, "event") == noted()
    assert table(MQTT, "id") == {alarm.value for alarm in Alarm}
    assert table(MQTT, "request") == set(ASK_KINDS)


def test_the_integrator_page_lists_the_topics_that_are_explained() -> None:
    """What the controller says, devices say and people ask."""
    page = MQTT.read_text(encoding="utf-8")
    listed = table(INTEGRATOR, "topic")
    assert listed
    assert all(f"`{topic}`" in page for topic in listed)
    said = set(re.findall(r"^### `([^`]+)`$", page, re.MULTILINE)) | table(MQTT, "topic") | {"ask/<request>"}
    assert said == listed


@each_page
def test_each_topic_in_a_shell_line_is_one_of_ours(page: Path) -> None:
    """What is typed on the bus arrives."""
    topics = Topics("home", [CircuitId("hot-tub")])
    ours = {topics.names.state, topics.names.breaker_command("hot-tub")}
    heard = {*topics.device_topics(), *(topics.names.ask(kind) for kind in ASK_KINDS)}
    typed = {words[words.index("-t") + 1] for words in commands(page) if words[0].startswith("mosquitto_")}
    assert typed <= ours | heard


ON_THE_BUS = """
[site]
id = "home"
[contact]
source = "mqtt"
topic = "ats/contact"
[broker]
port = {port}
"""


@contextmanager
def documented_house(folder: Path) -> Iterator[int]:
    """Run the daemon with the circuits of docs/homeowner.md on a real broker; yield the broker's port."""
    with Mosquitto(folder) as mosquitto:
        (folder / "installer.toml").write_text(ON_THE_BUS.format(port=mosquitto.port), encoding="utf-8")
        (folder / "circuits.toml").write_text(block(HOMEOWNER, "toml", "[circuits.hot-tub]"), encoding="utf-8")
        command = [sys.executable, "-m", "clients", "run", "--config", str(folder), "--state", str(folder / "state")]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as daemon:
            try:
                assert daemon.stderr is not None
                with killed_after(daemon):
                    assert any("connected to the broker" in line for line in daemon.stderr)
                yield mosquitto.port
            finally:
                daemon.terminate()
                daemon.wait(LIMIT_S)


def test_what_is_typed_on_the_bus_does_as_the_pages_say(tmp_path: Path) -> None:
    """Word by word, against the real daemon; only what would listen for ever is left out."""
    typed = [words for page in (INTEGRATOR, MQTT) for words in commands(page) if words[0].startswith("mosquitto_")]
    with documented_house(tmp_path) as port:
        said = [
            subprocess.run(
                [tool, "-p", str(port), *words], capture_output=True, text=True, check=True, timeout=10
            ).stdout
            for tool, *words in typed
            if tool != "mosquitto_sub" or "-C" in words
        ]
    state, answer = (json.loads(text) for text in said if text)
    assert state.keys() >= example("source").keys()
    assert answer == {"ok": True, "reason": "Hot tub is being switched off; it is left to you now"}
