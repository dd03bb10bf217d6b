"""The real `ebus-panel-sim` with the circuits of a test. It runs in an environment of its own.

Arguments: port of the broker; file of the relays. Orders come on stdin, one JSON object a line; each is answered by a
line {"done": ORDER} on stdout. The published relays and the received commands are written to the file.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ebus_panel_sim import DeviceInstance, DeviceManifest, Emitter, SetterRegistry, TickInputs
from ebus_panel_sim.relay_resolver import RelayState

TICK_S = 0.25
PANEL = "panel-1"
OPEN, CLOSED = "OPEN", "CLOSED"


class Circuits:
    """Relays as the panel has them. `tripped`: circuits that a fault has opened; `stuck`: their relays do not move."""

    def __init__(self, names: list[str], locked: list[str], file: Path) -> None:
        self.names, self.locked, self._file = names, locked, file
        self.commands: dict[str, list[str]] = {name: [] for name in names}
        self.tripped: set[str] = set()
        self.stuck: set[str] = set()
        self._ticks = 0

    def manifest(self) -> DeviceManifest:
        """Return what the panel consists of: an enclosure, its lugs, and the circuits."""
        panel = {
            "vendor-name": "Span",
            "serial-number": PANEL,
            "firmware-version": "spanos2/r202639/01",
            "hardware-version": "rev2",
            "panel-size": "40",
            "main-breaker-rating-a": "200",
            "panel-model": "MAIN_40",
            "postal-code": "00000",
            "time-zone": "America/New_York",
            "schema-topology": "parent-child",
        }
        circuits = [
            DeviceInstance(
                "circuit",
                name,
                name,
                metadata={
                    "tab-numbers": str(number),
                    "breaker-rating-a": "30",
                    "default-priority": "NEVER",
                    "relay-behavior": "non-controllable" if name in self.locked else "controllable",
                    "placement": "downstream-of-lugs",
                },
            )
            for number, name in enumerate(self.names, 1)
        ]
        lugs = DeviceInstance("lugs", f"{PANEL}-lugs", "Lugs", {"direction": "upstream"})
        return DeviceManifest((DeviceInstance("panel", PANEL, "Panel", metadata=panel), lugs, *circuits))

    def watts(self) -> dict[str, float]:
        """Return the load of each circuit at the next tick: never quite the same, as in a real house."""
        self._ticks += 1
        return dict.fromkeys(self.names, 4500.0 + self._ticks % 7)

    def settle(self, resolved: Any) -> Any:
        """Return a function that replaces the simulator's own, and opens circuits that have tripped."""

        def state(circuit: str) -> tuple[Any, Any]:
            position, requester = resolved(circuit)
            return (OPEN, "FAULT") if circuit in self.tripped else (position, requester)

        return state

    def write(self, positions: dict[str, str]) -> None:
        """Write the file so that a reader sees the old one or the new one."""
        world = {name: {"on": positions[name] == CLOSED, "commands": self.commands[name]} for name in self.names}
        half = self._file.with_suffix(".half")
        half.write_text(json.dumps(world), encoding="utf-8")
        half.replace(self._file)


def main() -> None:
    """Publish a tick four times a second, and carry out orders in between."""
    port, file, names, locked = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4].split(",")
    circuits = Circuits(names, locked, file)
    emitter = Emitter(circuits.manifest(), SetterRegistry(), mqtt_cfg={"host": "127.0.0.1", "port": port})
    relays = emitter.relays
    relays.state = circuits.settle(relays.state)
    override = relays.set_user_override

    def on_set(circuit: str, position: Any) -> None:
        circuits.commands[circuit].append("ON" if str(position) == CLOSED else "OFF")
        if circuit not in circuits.stuck:
            override(circuit, position)

    relays.set_user_override = on_set
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    emitter.start()
    while True:
        emitter.publish_tick(TickInputs(time.time(), grid_online=True, circuits=circuits.watts()))
        circuits.write({name: str(relays.state(name)[0]) for name in names})
        try:
            order = orders.get(timeout=TICK_S)
        except queue.Empty:
            continue
        circuit = order.get("circuit", "")
        match order["do"]:
            case "trip":
                circuits.tripped.add(circuit)
            case "stick":
                circuits.stuck.add(circuit)
            case "free":
                circuits.stuck.discard(circuit)
            case "flip":
                override(circuit, RelayState(order["position"]))
        print(json.dumps({"done": order["number"]}), flush=True)  # noqa: T201  # the answer


def _read(orders: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(1)  # the test is gone


if __name__ == "__main__":
    main()
