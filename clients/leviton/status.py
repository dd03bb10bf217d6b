"""State of the bridge, as it is published on the bus."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.leviton.inventory import bindings
from clients.terminal.tables import table
from controller.bus.topics import SiteTopics
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from hw.broker_socket import Broker
    from rules.json_types import Json
    from rules.panel import Panel

CLIENT = "leviton"
LISTEN_S = 1.0
"""Time in seconds in which a broker delivers its retained messages."""


@dataclass(slots=True)
class BridgeSeen:
    """What the bridge has published. `bridge`: None if it has published nothing."""

    bridge: dict[str, Json] | None = None
    circuits: dict[str, dict[str, Json]] = field(default_factory=dict)

    @property
    def is_online(self) -> bool:
        """Return whether breakers can be commanded."""
        return self.bridge is not None and self.bridge.get("state") == "online"


async def fetch_bridge(broker: Broker, site: str, panel: Panel) -> BridgeSeen:
    """Return what the bridge has published. Raises BrokerError."""
    names = SiteTopics(site)
    topics = {names.client_circuit(CLIENT, circuit): circuit for circuit in bindings(panel)}
    seen = BridgeSeen()
    link = await MqttConnection.open(broker, f"loadshed-leviton-status-{site}-{os.getpid()}")
    try:
        link.subscribe([*topics, names.client_state(CLIENT)])
        link.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                while True:
                    for message in link.read():
                        _take(seen, topics.get(message.topic), message.payload)
                    await link.wait()
    finally:
        link.abort()
    return seen


def _take(seen: BridgeSeen, circuit: str | None, payload: bytes) -> None:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    if circuit is None:
        seen.bridge = fields
    else:
        seen.circuits[circuit] = fields


def status_fields(seen: BridgeSeen, panel: Panel) -> dict[str, Json]:
    """Return the state as JSON."""
    circuits: dict[str, Json] = {one: seen.circuits.get(one) for one in bindings(panel)}
    return {"bridge": seen.bridge, "circuits": circuits}


def status_text(seen: BridgeSeen, panel: Panel) -> str:
    """Return the state for a reader: problems first, then each breaker."""
    lines = [_bridge_line(seen)]
    problems = seen.bridge.get("problems") if seen.bridge is not None else None
    found = problems if isinstance(problems, list) else []
    lines += [f"! {one.get('message')} {one.get('action')}" for one in found if isinstance(one, dict)]
    if seen.bridge is not None and isinstance(observed := seen.bridge.get("observed"), str):
        lines.append(observed)
    rows = []
    for circuit, binding in bindings(panel).items():
        details = seen.circuits.get(circuit, {})
        reachable = seen.is_online and details.get("reachable") is True
        position = details.get("position") if reachable else None
        command = f"{details['command']} {details.get('level')}" if details.get("command") else ""
        note = "" if reachable else str(details.get("reason") or "the bridge is not connected")
        spaces = "+".join(map(str, binding.circuit.spaces))
        rows.append((spaces, binding.circuit.name, str(position or "unknown"), command, note))
    if rows:
        lines += ["", table(("space", "name", "position", "last command", "note"), rows)]
    else:
        lines.append("circuits.toml has no circuit with a Leviton breaker. Run: sudo loadshed leviton import")
    return "\n".join(lines)


def _bridge_line(seen: BridgeSeen) -> str:
    bridge = seen.bridge
    if bridge is None or "cloud" not in bridge:
        return "The bridge is not running. Start it: sudo systemctl start loadshed-leviton"
    if not seen.is_online:
        return (
            f"The bridge is running, and not connected to Leviton's cloud: {bridge.get('reason') or 'unknown reason'}."
        )
    days = bridge.get("login_ends_in_days")
    ends = f"; the login ends in {days} days" if days is not None else ""
    mode = " It commands nothing: the hub sheds by its own loop." if bridge.get("companion") else ""
    return f"Connected to Leviton's cloud{ends}.{mode}"
