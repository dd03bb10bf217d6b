"""A simulated ESPHome node with `mqtt:`, GPIO switches and power sensors. Messages: ESPHome 2026.6."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import DeviceMessage, Relay, SimulatedDevice, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

RestoreMode = Literal[
    "ALWAYS_OFF",
    "ALWAYS_ON",
    "RESTORE_DEFAULT_OFF",
    "RESTORE_DEFAULT_ON",
    "RESTORE_INVERTED_DEFAULT_OFF",
    "RESTORE_INVERTED_DEFAULT_ON",
    "DISABLED",
]


SENSOR_INTERVAL_S = 60.0
"""Interval of the sensors: `update_interval`, as it is by default."""


class SimulatedEsphome(SimulatedDevice):
    """ESPHome node. Relays are `esphome/PREFIX/OBJECT`.

    The state is the one to which the switch was set; nothing reads the relay. A `stuck` relay is therefore reported as
    commanded.

    `restore_mode`: of all switches, only settable in the node's YAML. `saved`: the state survives a power cut (on
    ESP8266 only with `restore_from_flash`). `reboot_timeout_s`: time without MQTT after which the node restarts; 0:
    never.
    `metered`: switches have a power sensor, `OBJECT_power`. `binary_sensors`: their states, by object id.
    """

    FAMILY = "esphome"
    FACTORY_FAULTS = DeviceFaults(answers_only_changes=True)
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS | {
        *("silent_after_broker", "answers_only_changes", "false_watts", "keeps_online", "welded", "recloses_s"),
        *("unretained_online", "repeats_messages", "echoes_before_switching"),
    }
    BOOT_S = 4.0

    def __init__(self, prefix: str, relays: Iterable[Relay], *, epoch_s: float = 0.0, metered: bool = True) -> None:
        super().__init__(prefix, relays, epoch_s=epoch_s, keepalive_s=15)
        self.prefix = prefix
        self.metered = metered
        self.restore_mode: RestoreMode = "ALWAYS_OFF"
        self.saved = True
        self.reboot_timeout_s = 900.0
        self.binary_sensors: dict[str, bool] = {}
        self._set = {address: relay.switched_on for address, relay in self.relays.items()}

    # --- connection ---------------------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        commands = (self._topic(relay, "command") for relay in self.relays.values())
        return (joined("esphome", "ping", self._node), joined("esphome", "discover"), *commands)

    @property
    def _node(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def will(self) -> Will | None:
        if self._has("keeps_online"):
            return None
        return Will(joined(self.prefix, "status"), b"offline", qos=0, retain=not self._has("unretained_online"))

    def _object(self, relay: Relay) -> str:
        return relay.address.removeprefix(f"{self.FAMILY}/{self.prefix}/")

    def _topic(self, relay: Relay, leaf: str) -> str:
        return joined(self.prefix, "switch", self._object(relay), leaf)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        return DeviceMessage(self._topic(relay, "command"), b"ON" if on else b"OFF", 0, retain=True)

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._repeat(now + SENSOR_INTERVAL_S, lambda: SENSOR_INTERVAL_S, self._say_sensors, "sensors")
        self._forget("reboot_timeout")
        self._say(joined(self.prefix, "status"), "online", retain=not self._has("unretained_online"))
        self._introduce()
        for relay in self.relays.values():
            self._discover(relay)
        if fresh or not self._has("silent_after_broker"):
            for relay in self.relays.values():
                self._say_state(relay)
                self._say_power(relay)
            for name in self.binary_sensors:
                self._say_sensor(name)

    def on_disconnected(self, now: float) -> None:
        """Note that the connection has ended, and restart after `reboot_timeout_s` without another one."""
        super().on_disconnected(now)
        if self.powered and self.reboot_timeout_s > 0.0:
            self._later(now + self.reboot_timeout_s, self._restart, "reboot_timeout")

    def _restart(self, now: float) -> None:
        self.power_cut(now)
        self.power_back(now)

    def _boot(self, now: float) -> None:
        if self.reboot_timeout_s > 0.0:
            self._later(now + self.reboot_timeout_s, self._restart, "reboot_timeout")

    def _introduce(self) -> None:
        """Publish its address, as at each connection and after each ping (`discover_ip`, on by default)."""
        about = {"ip": "192.0.2.7", "name": self._node, "port": 6053, "version": "2026.6.0", "platform": "ESP32"}
        self._say(joined("esphome", "discover", self._node), about, qos=2, retain=True)

    def _discover(self, relay: Relay) -> None:
        name = self._object(relay)
        device = {"ids": self.prefix, "name": self.prefix, "mf": "Espressif", "mdl": "esp32dev", "sw": "2026.6.0"}
        common = {"avty_t": joined(self.prefix, "status"), "dev": device}
        switch = {
            "name": name.replace("_", " "),
            "uniq_id": f"ESPswitch{name}",
            "stat_t": self._topic(relay, "state"),
            "cmd_t": self._topic(relay, "command"),
            **common,
        }
        self._say(joined("homeassistant", "switch", self.prefix, name, "config"), switch, retain=True)
        if self.metered:
            sensor = {
                "name": f"{name} power".replace("_", " "),
                "uniq_id": f"ESPsensor{name}_power",
                "stat_t": joined(self.prefix, "sensor", f"{name}_power", "state"),
                "unit_of_meas": "W",
                "dev_cla": "power",
                "stat_cla": "measurement",
                **common,
            }
            self._say(joined("homeassistant", "sensor", self.prefix, f"{name}_power", "config"), sensor, retain=True)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        if topic.startswith("esphome/"):
            self._introduce()
            return
        relay = next((one for one in self.relays.values() if self._topic(one, "command") == topic), None)
        word = payload.decode("utf-8", "replace").upper()
        if relay is None or relay.faults.unreachable or word not in ("ON", "OFF", "TOGGLE"):
            return
        on = not self._set[relay.address] if word == "TOGGLE" else word == "ON"
        self._note_command(relay, on, now, retained=retained)
        if relay.faults.slow_s > 0.0 and not relay.faults.echoes_before_switching:
            self._later(now + relay.faults.slow_s, lambda at: self._switch(relay, on, at), relay.address)
        elif relay.faults.slow_s > 0.0:
            self._switch_late(relay, on, now)
        else:
            self._switch(relay, on, now)

    def _switch_late(self, relay: Relay, on: bool, now: float) -> None:
        """Report at once, as an optimistic switch does, and move later."""
        changed, self._set[relay.address] = self._set[relay.address] != on, on
        if not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=changed)
        self._later(now + relay.faults.slow_s, lambda at: self._move_silently(relay, on, at), relay.address)

    def _move_silently(self, relay: Relay, on: bool, now: float) -> None:
        self._obey(relay, on, now)
        self._say_power(relay)

    def _switch(self, relay: Relay, on: bool, now: float) -> None:
        changed, self._set[relay.address] = self._set[relay.address] != on, on
        self._obey(relay, on, now)
        if not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=changed)

    # --- reports ------------------------------------------------------------------------------------------------------

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        del now
        if by in ("manual", "reclosing"):
            changed = changed or self._set[relay.address] != relay.switched_on
            self._set[relay.address] = relay.switched_on
        if changed or not relay.faults.answers_only_changes:
            self._say_state(relay)
            self._say_power(relay)

    def _report_trip(self, relay: Relay, now: float) -> None:
        """Publish a trip: there is no word for it, only the power shows it. The switch stays set as it was."""
        del now
        self._say_power(relay)

    def _report_power(self, relay: Relay, now: float) -> None:
        del now
        self._say_power(relay)

    def _say_sensors(self, now: float) -> None:
        del now
        for relay in self.relays.values():
            self._say_power(relay)

    def set_binary_sensor(self, name: str, on: bool, now: float) -> tuple[DeviceMessage, ...]:
        """Close (on) or open the input of a binary sensor."""
        self._run_due(now)
        changed, self.binary_sensors[name] = self.binary_sensors.get(name) is not on, on
        if changed:
            self._say_sensor(name)
        return self._sent()

    def _say_sensor(self, name: str) -> None:
        word = "ON" if self.binary_sensors[name] else "OFF"
        self._say(joined(self.prefix, "binary_sensor", name, "state"), word, retain=True)

    def _say_state(self, relay: Relay) -> None:
        for _ in range(3 if relay.faults.repeats_messages else 1):
            self._say(self._topic(relay, "state"), "ON" if self._set[relay.address] else "OFF", retain=True)

    def _say_power(self, relay: Relay) -> None:
        if self.metered and relay.answers and not relay.faults.mute:
            watts = 0.0 if relay.faults.false_watts and not self._set[relay.address] else relay.watts
            topic = joined(self.prefix, "sensor", f"{self._object(relay)}_power", "state")
            self._say(topic, f"{watts:.1f}", retain=True)

    # --- power-up -----------------------------------------------------------------------------------------------------

    def _power_up_state(self, relay: Relay) -> bool:
        saved = self._set[relay.address] if self.saved else None
        match self.restore_mode:
            case "ALWAYS_ON":
                return True
            case "RESTORE_DEFAULT_OFF":
                return bool(saved)
            case "RESTORE_DEFAULT_ON":
                return saved is None or saved
            case "RESTORE_INVERTED_DEFAULT_OFF":
                return saved is not None and not saved
            case "RESTORE_INVERTED_DEFAULT_ON":
                return saved is None or not saved
        return False

    def _wake(self, relay: Relay, now: float) -> None:
        super()._wake(relay, now)
        self._set[relay.address] = relay.switched_on
