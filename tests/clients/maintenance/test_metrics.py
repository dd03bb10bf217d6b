"""The house in Prometheus' words, read back with the library's own parser."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from clients.bus_client.site import Site
from clients.maintenance.metrics import HouseCollector, MetricsState, watch
from controller.bus.payloads import rfc3339
from hw.broker_socket import Broker
from hw.mqtt import MqttConnection
from tests.controller_stub import controller_stub
from tests.mosquitto import Mosquitto
from tests.processes import killed_after

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_769_882_531.0
STATE = {
    "state": "standby",
    "source": "standby",
    "outage": 7,
    "shed": ["tub", "car"],
    "owed": ["tub", "car", "pump"],
    "unconfirmed": ["car"],
    "uncontrollable": [],
    "taken_over": [],
}
TUB = {"position": "off", "available": True, "controllable": True}
CAR = {"position": "unknown", "available": False, "controllable": True}
PORCH = {"position": "unknown", "available": True, "controllable": False}
DEMAND = {
    "kw": 4.8,
    "demand_5min_kw": 4.5,
    "demand_15min_kw": None,
    "peak_15min_kw": None,
    "energy_kwh": 10.0,
    "at": rfc3339(NOW),
}


def heard(**more: object) -> MetricsState:
    """Return what was heard of a house on standby, with other words on some topics."""
    found = MetricsState(broker=True)
    words = {
        "controller/state": STATE,
        "circuits/tub": TUB,
        "circuits/car": CAR,
        "circuits/porch": PORCH,
        "demand": DEMAND,
        "controller/alarms": {"count": 1, "alarms": [{"id": "breaker-no-response"}]},
        "readiness": {"score": 85},
        **more,
    }
    found.told.alive = True
    for name, fields in words.items():
        found.take(name, json.dumps(fields).encode())
    return found


def figures(found: MetricsState, now: float = NOW) -> dict[str, float]:
    """Return every sample as it stands in the file, its labels behind its name."""
    registry = CollectorRegistry()
    registry.register(HouseCollector(Site("home", Broker()), found, now))
    return read(generate_latest(registry).decode())


def read(text: str) -> dict[str, float]:
    """Return every sample of a file."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {"/".join((sample.name, *sample.labels.values())): sample.value for sample in samples}


def test_units_stand_in_the_names_and_figures_in_base_units() -> None:
    """Watts and joules, as Prometheus wants them."""
    found = figures(heard())
    assert found["loadshed_demand_watts"] == pytest.approx(4800)
    assert found["loadshed_demand_5min_watts"] == pytest.approx(4500)
    assert found["loadshed_meter_energy_joules_total"] == pytest.approx(36e6)


def test_state_circuits_and_alarms_are_exported() -> None:
    """One sample for each circuit, alarm and state."""
    found = figures(heard())
    assert (found["loadshed_up"], found["loadshed_broker_up"], found["loadshed_on_standby"]) == (1, 1, 1)
    assert [found[f"loadshed_state/{state}"] for state in ("utility", "standby")] == [0, 1]
    assert [found[f"loadshed_circuits/{so}"] for so in ("shed", "owed", "unconfirmed")] == [2, 3, 1]
    assert (found["loadshed_circuit_on/tub"], found["loadshed_circuit_available/car"]) == (0, 0)
    assert found["loadshed_alarm/breaker-no-response"] == 1
    assert found["loadshed_readiness_score"] == 85


def test_what_is_not_known_is_left_out_and_never_0() -> None:
    """An unknown position, a partial window, a stale value, an unknown source, no meter."""
    found = figures(heard())
    assert not found.keys() & {
        "loadshed_circuit_on/car",
        "loadshed_demand_15min_watts",
        "loadshed_circuit_available/porch",
    }
    assert "loadshed_demand_watts" not in figures(heard(), NOW + 60)
    assert "loadshed_on_standby" not in figures(heard(**{"controller/state": {**STATE, "source": "unknown"}}))
    assert not [name for name in figures(heard(demand=None)) if "watts" in name or "joules" in name]
    assert "loadshed_readiness_score" not in figures(heard(readiness={"score": None}))


def test_without_the_controller_only_its_absence_is_exported() -> None:
    """What it said last is not the present."""
    found = heard()
    found.told.alive = False
    assert {name for name in figures(found) if not name.startswith("loadshed_written")} == {
        "loadshed_broker_up",
        "loadshed_up",
        "loadshed_readiness_score",
    }
    assert figures(MetricsState())["loadshed_broker_up"] == 0


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_follows_the_bus_and_goes_with_the_program(tmp_path: Path) -> None:
    """Real broker: it comes, the controller's words come, the broker goes, and nothing old is left at the end."""
    (file := tmp_path / "loadshed.prom").symlink_to(tmp_path / "target.prom")

    async def story() -> None:
        news = asyncio.Event()

        async def shows(sample: str, value: float) -> None:
            async with asyncio.timeout(30):
                while not (file.exists() and read(file.read_text(encoding="utf-8")).get(sample) == value):
                    news.clear()
                    await news.wait()

        mosquitto = Mosquitto(tmp_path)
        watching = asyncio.create_task(watch(Site("home", mosquitto.broker), file, 0.05, written=news.set))
        await shows("loadshed_broker_up", 0)
        with mosquitto:
            await shows("loadshed_broker_up", 1)
            link = await MqttConnection.open(mosquitto.broker, "controller")
            link.publish("loadshed/home/controller/availability", b"online", retain=True)
            link.publish("loadshed/home/controller/state", json.dumps(STATE).encode(), retain=True)
            await link.close()
            await shows("loadshed_up", 0)  # what is retained shows no presence
            with controller_stub(mosquitto.broker, {"controller/state": json.dumps(STATE).encode()}):
                await shows("loadshed_state/standby", 1)
        await shows("loadshed_broker_up", 0)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    asyncio.run(story())
    assert (file.is_symlink(), file.exists()) == (True, False)


def test_the_command_ends_as_a_service_does(tmp_path: Path) -> None:
    """SIGTERM: done, and the file is gone."""
    (tmp_path / "installer.toml").write_text(
        '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = 1\n', encoding="utf-8"
    )
    file = tmp_path / "loadshed.prom"
    words = [sys.executable, "-m", "clients", "metrics", "--file", str(file), "--config", str(tmp_path)]
    with subprocess.Popen(words) as process:
        with killed_after(process):
            while not file.exists():
                assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not file.exists()
