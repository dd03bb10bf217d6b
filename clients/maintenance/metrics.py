"""The house in Prometheus' words: what the controller says on the bus, as a file for node_exporter to read.

A client of the bus in a process of its own: shedding goes on without it. What is not known is left out, never 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from clients.bus_client.status import HouseStatus, is_stale
from controller.bus import topics
from controller.bus.requests import STATUS_REQUEST
from controller.bus.topics import ANY, SiteTopics
from controller.storage.atomic_file import link_target, write_bytes
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import NoReturn

    from prometheus_client.core import Metric

    from clients.bus_client.site import Site

INTERVAL_S = 15.0
RETRY_S = 2.0
GONE_AFTER_S = 12.0
"""Time in seconds without `controller/alive` after which the controller counts as gone: two intervals, and some."""
_STATES = ("starting", "utility", "shedding", "standby", "stabilizing", "restoring")
_COUNTED = ("shed", "owed", "unconfirmed", "uncontrollable", "taken_over")
_WATTS = {
    "demand_5min_kw": ("loadshed_demand_5min_watts", "Demand over the last 5 minutes."),
    "demand_15min_kw": ("loadshed_demand_15min_watts", "Demand over the last 15 minutes."),
    "peak_15min_kw": ("loadshed_peak_15min_watts", "Highest demand over 15 minutes."),
}
_JOULES_PER_KWH = 3_600_000.0


@dataclass
class MetricsState:
    """State of the metrics. `broker`: connected; `score`: of the readiness, None: not received."""

    told: HouseStatus = field(default_factory=HouseStatus)
    broker: bool = False
    score: float | None = None

    def take(self, name: str, payload: bytes) -> None:
        """Process one message; `name` is its topic below the site's."""
        if name == topics.READINESS:
            with suppress(ValueError, AttributeError):
                self.score = _number(json.loads(payload).get("score"))
            return
        self.told.take(name, payload)


class HouseCollector(Collector):
    """One house, as families of metrics. `now`: UTC seconds."""

    def __init__(self, site: Site, heard: MetricsState, now: float) -> None:
        self._site, self._heard, self._now = site, heard, now

    def collect(self) -> Iterator[Metric]:
        """Yield every family there is something to say in."""
        told = self._heard.told
        here = self._heard.broker and told.alive
        yield GaugeMetricFamily("loadshed_broker_up", "Whether the broker answers.", self._heard.broker)
        yield GaugeMetricFamily("loadshed_up", "Whether the controller is there.", here)
        yield GaugeMetricFamily("loadshed_written_timestamp_seconds", "When this was written.", self._now)
        if self._heard.score is not None and self._heard.broker:
            yield GaugeMetricFamily("loadshed_readiness_score", "Of 100, as last published.", self._heard.score)
        if here and told.trouble is None:
            yield from self._state()
            yield from self._circuits()
            yield from self._demand()

    def _state(self) -> Iterator[Metric]:
        state = self._heard.told.state or {}
        states = GaugeMetricFamily("loadshed_state", "The state the house is in: 1.", labels=["state"])
        for name in _STATES:
            states.add_metric([name], state.get("state") == name)
        yield states
        if state.get("source") in ("utility", "standby"):
            yield GaugeMetricFamily("loadshed_on_standby", "By the settled contact.", state["source"] == "standby")
        yield GaugeMetricFamily("loadshed_outage_open", "Whether an outage lasts.", state.get("outage") is not None)
        counts = GaugeMetricFamily("loadshed_circuits", "Circuits that are so.", labels=["so"])
        for key in _COUNTED:
            counts.add_metric([key], len(ids) if isinstance(ids := state.get(key), list) else 0)
        yield counts
        alarms = GaugeMetricFamily("loadshed_alarm", "An alarm that stands: 1.", labels=["alarm"])
        for name in self._heard.told.alarms:
            alarms.add_metric([name], 1)
        yield alarms

    def _circuits(self) -> Iterator[Metric]:
        position = GaugeMetricFamily(
            "loadshed_circuit_on", "By its own report; unknown is left out.", labels=["circuit"]
        )
        tripped = GaugeMetricFamily("loadshed_circuit_tripped", "By its own report.", labels=["circuit"])
        there = GaugeMetricFamily("loadshed_circuit_available", "Whether it answers.", labels=["circuit"])
        for name, circuit in sorted(self._heard.told.circuits.items()):
            if circuit.get("position") in ("on", "off", "tripped"):
                position.add_metric([name], circuit["position"] == "on")
                tripped.add_metric([name], circuit["position"] == "tripped")
            if circuit.get("controllable") is True:
                there.add_metric([name], circuit.get("available") is True)
        yield from (position, tripped, there)

    def _demand(self) -> Iterator[Metric]:
        demand = self._heard.told.demand
        if demand is None:
            return
        kw = None if is_stale(demand, self._site, self._now) else _number(demand.get("kw"))
        if kw is not None:
            says = "Demand now; an upper bound while it falls."
            yield GaugeMetricFamily("loadshed_demand_watts", says, 1000 * kw)
        for key, (name, says) in _WATTS.items():
            if (kw := _number(demand.get(key))) is not None:
                yield GaugeMetricFamily(name, says, 1000 * kw)
        if (kwh := _number(demand.get("energy_kwh"))) is not None:
            says = "The meter's register."
            yield CounterMetricFamily("loadshed_meter_energy_joules", says, _JOULES_PER_KWH * kwh)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# --- the file --------------------------------------------------------------------------------------------------------


async def watch(
    site: Site, path: Path, every_s: float = INTERVAL_S, *, written: Callable[[], None] = lambda: None
) -> NoReturn:
    """Write the file again and again, for ever. Cancelled, it takes the file away: nothing old is left to be read.

    `written`: called after each time. Raises OSError where the file cannot be written.
    """
    heard = MetricsState()

    def write() -> None:
        registry = CollectorRegistry()
        registry.register(HouseCollector(site, heard, time.time()))
        # For all to read. It is written again at once after a power cut.
        write_bytes(path, generate_latest(registry), mode=0o644, durable=False)
        written()

    with _taken_away(path):
        while True:
            try:
                await _follow(site, heard, every_s, write)
            except BrokerError:
                heard.broker = False
                write()
                await asyncio.sleep(RETRY_S)


@contextmanager
def _taken_away(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        link_target(path).unlink(missing_ok=True)


async def _follow(site: Site, heard: MetricsState, every_s: float, write: Callable[[], None]) -> NoReturn:
    """Follow one connection, and write at intervals. Raises BrokerError when it ends."""
    names = SiteTopics(site.id)
    link = await MqttConnection.open(site.broker, f"loadshed-metrics-{site.id}-{os.getpid()}")
    heard.told, heard.broker = HouseStatus(), True
    try:
        circuits = (ANY,) if link.limits.wildcards else site.circuits
        link.subscribe([*names.status_filters(circuits), names.readiness])
        link.publish(names.ask(STATUS_REQUEST), b"")
        link.flush()
        write_at, alive_at = time.monotonic() + min(1.0, every_s), float("-inf")
        while True:
            for message in link.read():
                heard.take(names.name_of(message.topic), message.payload)
                if message.topic == names.alive and not message.retained:
                    alive_at = time.monotonic()
                elif message.topic == names.availability and message.payload == b"offline":
                    alive_at = float("-inf")
            if time.monotonic() >= write_at:
                heard.told.alive = time.monotonic() - alive_at <= GONE_AFTER_S
                write()
                write_at = time.monotonic() + every_s
            await link.wait(min(1.0, every_s))
    finally:
        link.abort()
