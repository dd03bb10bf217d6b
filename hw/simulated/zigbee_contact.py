"""A battery contact sensor behind the simulated Zigbee2MQTT: it reports by itself and cannot be asked."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

BATTERY = {"battery": 100, "voltage": 3000}


@dataclass
class ZigbeeContactSensor:
    """Contact sensor by its name. `closed`: actual position. `reachable`: its reports reach the gateway.

    `filtered`: the device option `filtered_cache: [contact]` is set. `cache`: its last known values, which Zigbee2MQTT
    publishes with every message and at its start.
    """

    name: str
    closed: bool = True
    filtered: bool = False
    reachable: bool = True
    cache: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cache:
            self.learn({"contact": self.closed, **BATTERY})
            self.forget()

    @property
    def ieee(self) -> str:
        return f"0x00158d00{zlib.crc32(self.name.encode()):08x}"

    def learn(self, values: dict[str, object]) -> dict[str, object]:
        """Return the message that Zigbee2MQTT publishes after these values have arrived."""
        self.cache |= values
        return {**self.cache, "linkquality": 90}

    def forget(self) -> None:
        """Drop the filtered value, once its message is published."""
        if self.filtered:
            self.cache.pop("contact", None)

    @property
    def options(self) -> dict[str, object]:
        return {"filtered_cache": ["contact"]} if self.filtered else {}

    def described(self) -> dict[str, object]:
        """Return its entry in bridge/devices."""
        contact = {
            "type": "binary",
            "name": "contact",
            "property": "contact",
            "access": 1,
            "value_on": False,
            "value_off": True,
        }
        battery = {"type": "numeric", "name": "battery", "property": "battery", "access": 1, "unit": "%"}
        return {
            "ieee_address": self.ieee,
            "friendly_name": self.name,
            "type": "EndDevice",
            "network_address": zlib.crc32(self.name.encode()) % 65_000,
            "supported": True,
            "disabled": False,
            "interview_completed": True,
            "interview_state": "SUCCESSFUL",
            "model_id": "lumi.sensor_magnet.aq2",
            "manufacturer": "LUMI",
            "power_source": "Battery",
            "definition": {"vendor": "Aqara", "model": "MCCGQ11LM", "exposes": [contact, battery], "options": []},
        }
