"""The real Zigbee2MQTT, over a radio without hardware. The relays are in a file, which outlives the gateway."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.peers.peer_process import TOOLS, PeerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_HERE = Path(__file__).parent
_COORDINATOR = "0x00124b0000000000"
_BASIC, _ON_OFF, _METERING, _ELECTRICAL, _TUYA = 0, 6, 0x0702, 0x0B04, 0xEF00
_STARTED = "Zigbee2MQTT started!"


@dataclass(frozen=True, slots=True)
class ZigbeeDevice:
    """A device in the gateway's database.

    `meter`: cluster in which it reports its power; empty: it has no meter. `watts`: load in W of its circuit.
    `options`: device options of Zigbee2MQTT.
    """

    name: str
    model: str
    maker: str
    kind: Literal["plain", "tuya"] = "plain"
    gangs: int = 1
    meter: Literal["", "seMetering", "haElectricalMeasurement"] = ""
    watts: int = 4500
    options: Mapping[str, Any] = field(default_factory=dict)


OWN_REPORTS: Mapping[str, Any] = {"optimistic": False, "filtered_cache": ["state"]}
"""The two device options with which `state` is the device's own report."""


def owon(name: str, **options: Any) -> ZigbeeDevice:
    """Return a plain Zigbee breaker with an honest meter: OWON CB432."""
    return ZigbeeDevice(name, "CB432", "OWON", meter="seMetering", options=options)


def tongou_plain(name: str, **options: Any) -> ZigbeeDevice:
    """Return a TS011F breaker, for which Zigbee2MQTT invents `power: 0`: Tongou TO-Q-SY2-163JZT."""
    return ZigbeeDevice(name, "TS011F", "_TZ3000_cayepv1a", meter="haElectricalMeasurement", options=options)


def tongou_tuya(name: str, **options: Any) -> ZigbeeDevice:
    """Return a TS0601 breaker, whose position cannot be asked for: Tongou TOQCB2-80-2P."""
    return ZigbeeDevice(name, "TS0601", "_TZE284_mrffaamu", kind="tuya", options=options)


def two_gangs(name: str, **options: Any) -> ZigbeeDevice:
    """Return a relay with two gangs: Tuya TS0002."""
    return ZigbeeDevice(name, "TS0002", "_TZ3000_plain", gangs=2, options=options)


class ZigbeeGateway:
    """Gateway, radio and devices. `folder`: for its data; `port`: of the broker. `availability`: publish it."""

    def __init__(
        self,
        folder: Path,
        port: int,
        devices: Iterable[ZigbeeDevice],
        on_news: Callable[[], None],
        *,
        availability: bool = True,
    ) -> None:
        self._devices = tuple(devices)
        self._availability = availability
        self._data = folder
        folder.mkdir()
        self._world = folder / "relays.json"
        self._write_world()
        (folder / "database.db").write_text("".join(f"{json.dumps(row)}\n" for row in self._rows()), encoding="utf-8")
        # JSON is YAML.
        (folder / "configuration.yaml").write_text(json.dumps(self._configuration(port)), encoding="utf-8")
        modules = TOOLS / "zigbee2mqtt" / "node_modules"
        command = (str(modules / ".bin" / "node"), str(_HERE / "zigbee" / "main.js"), str(self._world))
        environment = {"ZIGBEE2MQTT_DATA": str(folder), "NODE_PATH": str(modules)}
        self.process = PeerProcess(command, environment, on_news)

    @property
    def started(self) -> bool:
        """Return whether it has started, since it was started last."""
        return any(_STARTED in line for line in self.process.log)

    # --- what the relays do and are ----------------------------------------------------------------------------------

    def relay(self, device: str, gang: int = 1) -> dict[str, Any]:
        """Return the truth about a relay: `on`, `moves`, and the `commands` it has received."""
        world = json.loads(self._world.read_text(encoding="utf-8"))
        return dict(world[device]["relays"][str(gang)])

    async def change(self, device: str, gang: int | None = None, **facts: Any) -> None:
        """Change facts of a relay (`stuck`, `welded`) or of a device (`reachable`, `delay_ms`, `watts`).

        The gateway may be down.
        """
        if self.process.running:
            about = {} if gang is None else {"gang": str(gang)}
            await self.process.order("facts", device=device, facts=facts, **about)
            return
        world = json.loads(self._world.read_text(encoding="utf-8"))
        (world[device] if gang is None else world[device]["relays"][str(gang)]).update(facts)
        self._world.write_text(json.dumps(world), encoding="utf-8")

    async def flip(self, device: str, gang: int = 1, *, on: bool) -> None:
        """Move a relay by hand. While the gateway is down, no report reaches it."""
        if self.process.running:
            await self.process.order("move", device=device, gang=str(gang), on=on)
        else:
            await self.change(device, gang, on=on, moves=self.relay(device, gang)["moves"] + 1)

    # --- files -------------------------------------------------------------------------------------------------------

    def write_memory(self, positions: Mapping[str, Mapping[str, str]]) -> None:
        """Write what the gateway remembers of its devices, as it does each five minutes and at a clean stop."""
        memory = {self._ieee(number): dict(positions[one.name]) for number, one in enumerate(self._devices, 1)}
        (self._data / "state.json").write_text(json.dumps(memory), encoding="utf-8")

    def _write_world(self) -> None:
        relay = {"on": True, "stuck": False, "welded": False, "moves": 0}
        world = {
            one.name: {
                "ieee": self._ieee(number),
                "address": number,
                "kind": one.kind,
                "meter": one.meter,
                "watts": one.watts,
                "reachable": True,
                "delay_ms": 0,
                "settings": {},
                "relays": {str(gang): {**relay, "commands": []} for gang in range(1, one.gangs + 1)},
            }
            for number, one in enumerate(self._devices, 1)
        }
        self._world.write_text(json.dumps(world), encoding="utf-8")

    @staticmethod
    def _ieee(number: int) -> str:
        return f"0x{0xA4C138 << 40 | number:016x}"

    def _rows(self) -> list[dict[str, Any]]:
        common = {"manufId": 0, "interviewCompleted": True, "interviewState": "SUCCESSFUL"}
        coordinator = {
            "id": 1,
            "type": "Coordinator",
            "ieeeAddr": _COORDINATOR,
            "nwkAddr": 0,
            "epList": [1],
            "meta": {},
        }
        rows: list[dict[str, Any]] = [{**common, **coordinator, "endpoints": {"1": self._endpoint(1, [])}}]
        for number, one in enumerate(self._devices, 1):
            tuya = one.kind == "tuya"
            inputs = [_BASIC, _TUYA] if tuya else [_BASIC, _ON_OFF, _METERING, _ELECTRICAL]
            gangs = range(1, one.gangs + 1)
            row = {
                "id": number + 1,
                "type": "Router",
                "ieeeAddr": self._ieee(number),
                "nwkAddr": number,
                "manufName": one.maker,
                "powerSource": "Mains (single phase)",
                "modelId": one.model,
                "epList": list(gangs),
                "endpoints": {str(gang): self._endpoint(gang, inputs) for gang in gangs},
                "meta": {"configured": 1},
                "lastSeen": int(time.time() * 1000),
            }
            rows.append({**common, **row})
        return rows

    @staticmethod
    def _endpoint(number: int, inputs: list[int]) -> dict[str, Any]:
        clusters = {"seMetering": {"attributes": {"multiplier": 1, "divisor": 1000}}} if inputs else {}
        lists = {"inClusterList": inputs, "outClusterList": [], "binds": [], "configuredReportings": []}
        return {"profId": 260, "epId": number, "devId": 256, **lists, "clusters": clusters, "meta": {}}

    def _configuration(self, port: int) -> dict[str, Any]:
        devices = {
            self._ieee(number): {"friendly_name": one.name, **one.options}
            for number, one in enumerate(self._devices, 1)
        }
        return {
            "version": 5,
            "mqtt": {"server": f"mqtt://127.0.0.1:{port}", "base_topic": "zigbee2mqtt"},
            "serial": {"port": "/dev/null", "adapter": "zstack"},
            "frontend": {"enabled": False},
            "availability": {"enabled": self._availability},
            "ota": {"disable_automatic_update_check": True},
            "advanced": {"network_key": list(range(1, 17)), "channel": 11, "log_output": ["console"]},
            "devices": devices,
        }
