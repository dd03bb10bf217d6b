"""A simulated Zigbee2MQTT with the Zigbee devices behind it.

Messages and their order: Zigbee2MQTT 2.14.1 with zigbee-herdsman-converters 26.105, as run over a simulated radio.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import LINE_V, DeviceMessage, Relay, SimulatedGateway, joined, parsed
from hw.simulated.zigbee_contact import BATTERY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.simulated.zigbee_contact import ZigbeeContactSensor

ACKNOWLEDGED_S = 0.05
"""From a command to the acknowledgment of the radio."""

REPORTED_S = 0.3
"""From the acknowledgment to the device's own report."""

FAILED_S = 10.0
"""From a command to the error of a device that does not answer."""

ANNOUNCED_S = 1.0
"""From the return of power to the announcement of a device."""

READ_AFTER_ANNOUNCE_S = 2.0
SAVE_CACHE_S = 300.0
IGNORES_AT_START_S = 0.5
"""Retained messages that arrive in this time after the program's start come too early and are ignored."""


class ZigbeeModel(Enum):
    """Kinds of Zigbee devices: maker and model as in bridge/devices."""

    ZCL = ("OWON", "CB432")
    TS011F = ("Tongou", "TO-Q-SY2-163JZT")
    TS0601 = ("Tongou", "TOQCB2-80")
    TS0601_FAULTS = ("SUTON", "STB3L-125")
    TS0002 = ("Tuya", "TS0002_switch_module")


_TRIP_WORDS: dict[ZigbeeModel, tuple[str, object, object]] = {
    ZigbeeModel.TS0601: ("last_event", "trip_over_current", "manual_on"),
    ZigbeeModel.TS0601_FAULTS: ("faults", ["over_current"], []),
}
"""Key, word of a trip and word after it; the other models have no word for a trip."""

_UNREADABLE = frozenset({ZigbeeModel.TS0601, ZigbeeModel.TS0601_FAULTS})


@dataclass
class ZigbeeDevice:
    """A Zigbee device of Zigbee2MQTT, with one relay or one for each gang.

    `relays`: by gang, `l1`, `l2`…; one relay alone has the gang "". `options`: as in the device's section of
    configuration.yaml. `cache`: its last known states, which Zigbee2MQTT publishes.
    """

    name: str
    relays: dict[str, Relay]
    model: ZigbeeModel = ZigbeeModel.ZCL
    options: dict[str, object] = field(default_factory=dict)
    cache: dict[str, object] = field(default_factory=dict)
    power_on_behavior: dict[str, str] = field(default_factory=dict)
    seen_at: float = 0.0
    online: bool | None = None

    def __post_init__(self) -> None:
        self.power_on_behavior = dict.fromkeys(self.relays, "previous")
        if not any(relay.faults.missing_state_key for relay in self.relays.values()):
            self.cache = {self.key("state", gang): _word(relay.switched_on) for gang, relay in self.relays.items()}
        for relay in self.relays.values():
            if not relay.faults.echoes_before_switching:
                self.options["optimistic"] = False
            if not relay.faults.remembers:
                self.options["filtered_cache"] = [self.key("state", gang) for gang in self.relays]

    @property
    def ieee(self) -> str:
        return f"0x00124b00{zlib.crc32(self.name.encode()):08x}"

    @property
    def any_relay(self) -> Relay:
        return next(iter(self.relays.values()))

    @property
    def answers(self) -> bool:
        return all(relay.answers for relay in self.relays.values())

    @property
    def filtered(self) -> tuple[str, ...]:
        """Return the keys that are not kept in the cache."""
        keys = self.options.get("filtered_cache")
        return tuple(str(key) for key in keys) if isinstance(keys, list) else ()

    @property
    def false_watts(self) -> bool:
        """Return whether the converter reports 0 W while the cached state is OFF."""
        return self.model is ZigbeeModel.TS011F or any(relay.faults.false_watts for relay in self.relays.values())

    @property
    def readable(self) -> bool:
        """Return whether its state can be read."""
        unreadable = any(relay.faults.cannot_be_queried for relay in self.relays.values())
        return self.model not in _UNREADABLE and not unreadable

    @property
    def metered(self) -> bool:
        return self.model is not ZigbeeModel.TS0002

    def key(self, attribute: str, gang: str) -> str:
        """Return the key of an attribute of a gang, such as `state_l2`."""
        return f"{attribute}_{gang}" if gang else attribute

    def gang(self, relay: Relay) -> str:
        return next(gang for gang, one in self.relays.items() if one is relay)


class SimulatedZigbee2Mqtt(SimulatedGateway):
    """Zigbee2MQTT. Relays are `zigbee2mqtt/NAME`, gangs `zigbee2mqtt/NAME#l2`.

    `availability_timeout_s`: None: availability is off, as shipped. The default for mains-powered
    devices is 600 s once it is on.
    `sensors`: battery contact sensors. `retain`: the device option of this name. `logs_publishes`: repeats every
    message on bridge/logging, as at log level info. `stop` and `start` end and start the program. `power_cut` without
    an address cuts the power of its computer: states cached since the last saving are forgotten.
    """

    FAMILY = "zigbee2mqtt"
    FACTORY_FAULTS = DeviceFaults(echoes_before_switching=True, remembers=True, silent_after_broker=True)
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS | {
        *("echoes_before_switching", "remembers", "silent_after_broker", "answers_only_changes", "false_watts"),
        *("missing_state_key", "repeats_messages", "splits_trip", "keeps_online", "never_announces", "welded"),
        *("recloses_s", "cannot_be_queried"),
    }
    BOOT_S = 1.0

    def __init__(
        self,
        devices: Iterable[ZigbeeDevice],
        *,
        base: str = "zigbee2mqtt",
        epoch_s: float = 0.0,
        availability_timeout_s: float | None = None,
        output: Literal["json", "attribute", "attribute_and_json"] = "json",
        logs_publishes: bool = True,
        sensors: Iterable[ZigbeeContactSensor] = (),
    ) -> None:
        self.devices = {device.name: device for device in devices}
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self._cached: dict[str, ZigbeeDevice | ZigbeeContactSensor] = {**self.devices, **self.sensors}
        relays = [relay for device in self.devices.values() for relay in device.relays.values()]
        super().__init__("mqttjs_zigbee2mqtt", relays, epoch_s=epoch_s, keepalive_s=60)
        self.base = base
        self.availability_timeout_s = availability_timeout_s
        self.output = output
        self.logs_publishes = logs_publishes
        self._of = {relay.address: device for device in self.devices.values() for relay in device.relays.values()}
        self._started_at = 0.0
        self._saved = self._caches()
        self._boot(0.0)

    def device_of(self, address: str) -> ZigbeeDevice:
        """Return the device of a relay."""
        return self._of[address]

    # --- the program --------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Save the cache and report the program as offline."""
        self._saved = self._caches()
        self._say(self._bridge("state"), {"state": "offline"}, qos=1, retain=True)

    def _siblings(self, relay: Relay) -> tuple[Relay, ...]:
        return tuple(self._of[relay.address].relays.values())

    def _boot(self, now: float) -> None:
        self._started_at = now
        for name, cache in self._saved.items():
            self._cached[name].cache = dict(cache)
        self._save_from(now)
        for device in self.devices.values():
            device.online = None
            self._watch(device, now)

    def _caches(self) -> dict[str, dict[str, object]]:
        return {name: dict(device.cache) for name, device in self._cached.items()}

    def _save_from(self, now: float) -> None:
        def save(at: float) -> None:
            self._saved = self._caches()
            self._later(at + SAVE_CACHE_S, save)

        self._later(now + SAVE_CACHE_S, save)

    # --- connection ---------------------------------------------------------------------------------------------------

    def _bridge(self, *levels: str) -> str:
        return joined(self.base, "bridge", *levels)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return (joined(self.base, "#"),)

    @property
    def will(self) -> Will | None:
        return Will(self._bridge("state"), b'{"state":"offline"}', qos=1, retain=True)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        device = self._of[relay.address]
        payload = f'{{"{device.key("state", device.gang(relay))}":"{_word(on)}"}}'
        return DeviceMessage(joined(self.base, device.name, "set"), payload.encode(), 0, retain=True)

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._say(self._bridge("state"), {"state": "online"}, qos=1, retain=True)
        self._started_at = now if fresh else self._started_at
        if not fresh:
            for device in self.devices.values():
                if not device.any_relay.faults.silent_after_broker:
                    self._publish_cache(device)
            return
        self._say(self._bridge("info"), self._info(), retain=True)
        sensors = [sensor.described() for sensor in self.sensors.values()]
        described = [*(self._described(one) for one in self.devices.values()), *sensors]
        self._say(self._bridge("devices"), described, retain=True)
        self._say(self._bridge("groups"), [], retain=True)
        for device in self.devices.values():
            if self.availability_timeout_s is not None:
                recent = now - device.seen_at < self.availability_timeout_s
                self._set_online(device, recent or device.any_relay.faults.keeps_online)
            if any(relay.faults.remembers for relay in device.relays.values()):
                self._publish_cache(device)
        for sensor in self.sensors.values():
            if sensor.cache:
                self._say_logged(joined(self.base, sensor.name), sensor.learn({}), retain=False)

    def _info(self) -> dict[str, object]:
        devices = {one.ieee: {"friendly_name": one.name, **one.options} for one in self._cached.values()}
        return {
            "version": "2.14.1",
            "commit": "unknown",
            "coordinator": {"ieee_address": "0x00124b0000000001", "type": "zStack3x0", "meta": {"revision": 20240710}},
            "network": {"channel": 11, "pan_id": 6754, "extended_pan_id": "0xdddddddddddddddd"},
            "log_level": "info",
            "permit_join": False,
            "restart_required": False,
            "config": {
                "advanced": {"output": self.output, "cache_state": True, "cache_state_send_on_startup": True},
                "availability": {"enabled": self.availability_timeout_s is not None},
                "devices": devices,
                "mqtt": {"base_topic": self.base},
            },
        }

    def _described(self, device: ZigbeeDevice) -> dict[str, object]:
        """Return the entry of a device in bridge/devices. Access: 1 published, 2 set, 4 get."""
        access = 7 if device.readable else 3
        switches = [_switch_expose(device, gang, access) for gang in device.relays]
        more: list[dict[str, object]] = []
        if device.metered:
            more = [_number("power", "W"), _number("energy", "kWh"), _number("voltage", "V"), _number("current", "A")]
        for gang in device.relays:
            more.append(_enum(device.key("power_on_behavior", gang), access, ("off", "on", "previous")))
        maker, model = device.model.value
        return {
            "ieee_address": device.ieee,
            "friendly_name": device.name,
            "type": "Router",
            "network_address": zlib.crc32(device.name.encode()) % 65_000,
            "supported": True,
            "disabled": False,
            "interview_completed": True,
            "interview_state": "SUCCESSFUL",
            "model_id": device.model.name.split("_")[0],
            "manufacturer": maker,
            "power_source": "Mains (single phase)",
            "definition": {"vendor": maker, "model": model, "exposes": switches + more, "options": []},
        }

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        rest = topic.removeprefix(f"{self.base}/")
        if rest == topic or (retained and now < self._started_at + IGNORES_AT_START_S):
            return
        if rest.startswith("bridge/request/"):
            self._request(rest.removeprefix("bridge/request/"), parsed(payload))
        elif (found := self._addressed(rest)) is not None:
            device, gang, verb, attribute = found
            wanted = self._wanted(device, gang, attribute, payload)
            for key, value in wanted.items():
                if verb == "set":
                    self._set(device, key, value, retained, now)
                else:
                    self._get(device, key, now)

    def _addressed(self, rest: str) -> tuple[ZigbeeDevice, str, str, str] | None:
        """Return device, gang, verb and attribute of a topic, such as `pool/duo/l2/set/state`."""
        for device in self.devices.values():
            for name in (device.name, device.ieee):
                if not rest.startswith(f"{name}/"):
                    continue
                levels = rest.removeprefix(f"{name}/").split("/")
                gang = levels.pop(0) if levels[0] in device.relays else ""
                if levels and levels[0] in ("set", "get") and len(levels) <= 2:
                    return device, gang, levels[0], levels[1] if len(levels) == 2 else ""
        return None

    def _wanted(self, device: ZigbeeDevice, gang: str, attribute: str, payload: bytes) -> dict[str, object]:
        """Return the values by key that a payload asks for."""
        content = parsed(payload)
        if attribute:
            content = {attribute: content}
        elif not isinstance(content, dict):
            content = {"state": content} if str(content).lower() in ("on", "off", "toggle") else {}
        return {
            device.key(key, gang) if gang and not key.endswith(f"_{gang}") else key: content[key] for key in content
        }

    def _relay_of(self, device: ZigbeeDevice, key: str, attribute: str) -> Relay | None:
        """Return the relay of a key. The plain key of a device with gangs is the first gang's."""
        for gang, relay in device.relays.items():
            if key == device.key(attribute, gang):
                return relay
        return device.any_relay if key == attribute else None

    def _set(self, device: ZigbeeDevice, key: str, value: object, retained: bool, now: float) -> None:
        if (relay := self._relay_of(device, key, "state")) is not None:
            word = str(value).upper()
            if word == "TOGGLE":
                word = _word(not relay.switched_on)
            if word in ("ON", "OFF"):
                self._command(device, relay, key, word == "ON", now, retained=retained)
            else:
                self._failed("set", key, device, "Invalid value")
        elif (relay := self._relay_of(device, key, "power_on_behavior")) is not None and value in (
            *("off", "on", "previous"),
        ):
            if not device.answers:
                self._later(now + FAILED_S, lambda _at: self._failed("set", key, device, "Timeout"))
                return
            device.power_on_behavior[device.gang(relay)] = str(value)
            self._later(now + ACKNOWLEDGED_S, lambda _at: self._publish(device, {key: value}))
        else:
            self._log_error(f"No converter available for '{key}' on '{device.name}': ({value})")

    def _command(self, device: ZigbeeDevice, relay: Relay, key: str, on: bool, now: float, *, retained: bool) -> None:
        if not device.answers:
            self._later(now + FAILED_S, lambda _at: self._failed("set", key, device, "Timeout"))
            return
        self._note_command(relay, on, now, retained=retained)
        if device.options.get("optimistic", True):
            self._later(now + ACKNOWLEDGED_S, lambda _at: self._publish(device, {key: _word(on)}))
        at = now + ACKNOWLEDGED_S + relay.faults.slow_s
        self._later(at, lambda then: self._moves(device, relay, on, then), relay.address)

    def _moves(self, device: ZigbeeDevice, relay: Relay, on: bool, now: float) -> None:
        changed = self._obey(relay, on, now)
        silent = relay.faults.mute or relay.faults.stuck or relay.tripped
        if silent or (not changed and relay.faults.answers_only_changes):
            return
        self._later(now + REPORTED_S, lambda at: self._device_reports(device, relay, at), relay.address)

    def _get(self, device: ZigbeeDevice, key: str, now: float) -> None:
        relay = self._relay_of(device, key, "state") or self._relay_of(device, key, "power_on_behavior")
        if not device.readable or (relay is None and key != "power"):
            self._log_error(f"No converter available for 'get' '{key}' ()")
        elif not device.answers:
            self._later(now + FAILED_S, lambda _at: self._failed("get", key, device, "Timeout"))
        else:
            self._later(now + ACKNOWLEDGED_S, lambda at: self._answer(device, key, at), device.any_relay.address)

    def _answer(self, device: ZigbeeDevice, key: str, now: float) -> None:
        if (relay := self._relay_of(device, key, "state")) is not None:
            self._heard_from(device, {device.key("state", device.gang(relay)): _word(relay.switched_on)}, now)
        elif (relay := self._relay_of(device, key, "power_on_behavior")) is not None:
            self._heard_from(device, {key: device.power_on_behavior[device.gang(relay)]}, now)
        else:
            self._heard_from(device, self._measured(device), now)

    def _request(self, name: str, content: object) -> None:
        request = content if isinstance(content, dict) else {}
        transaction = {"transaction": request["transaction"]} if "transaction" in request else {}
        device = next((one for one in self.devices.values() if request.get("id") in (one.name, one.ieee)), None)
        options = request.get("options")
        if name == "device/options" and device is not None and isinstance(options, dict):
            before = dict(device.options)
            device.options |= options
            for key in device.filtered:
                device.cache.pop(key, None)
            data = {"from": before, "to": device.options, "id": device.name, "restart_required": False}
            self._say(self._bridge("response", *name.split("/")), {"data": data, "status": "ok", **transaction})
            self._say(self._bridge("info"), self._info(), retain=True)
        elif name == "health_check":
            data = {"healthy": True}
            self._say(self._bridge("response", name), {"data": data, "status": "ok", **transaction})
        else:
            error = {"data": {}, "status": "error", "error": "Invalid payload", **transaction}
            self._say(self._bridge("response", *name.split("/")), error)

    # --- contact sensors ----------------------------------------------------------------------------------------------

    def move_contact(self, name: str, closed: bool, now: float) -> tuple[DeviceMessage, ...]:
        """Move the contact of a sensor, which reports it once. While the program is down the report is lost."""
        self.sensors[name].closed = closed
        return self.report_contact(name, now)

    def report_contact(self, name: str, now: float) -> tuple[DeviceMessage, ...]:
        """Have a sensor report its contact, as some do every hour."""
        return self._sensor_reports(name, {"contact": self.sensors[name].closed}, now)

    def report_battery(self, name: str, now: float) -> tuple[DeviceMessage, ...]:
        """Have a sensor report its battery. Zigbee2MQTT publishes the cached contact with it."""
        return self._sensor_reports(name, {**BATTERY}, now)

    def _sensor_reports(self, name: str, values: dict[str, object], now: float) -> tuple[DeviceMessage, ...]:
        self._run_due(now)
        sensor = self.sensors[name]
        if self.powered and sensor.reachable:
            self._say_logged(joined(self.base, name), sensor.learn(values), retain=False)
            sensor.forget()
        return self._sent()

    # --- reports ------------------------------------------------------------------------------------------------------

    def _heard_from(self, device: ZigbeeDevice, values: dict[str, object], now: float) -> None:
        """Receive values from the device itself: cache and publish them."""
        if not self.powered:
            return
        device.seen_at = now
        if device.online is False:
            self._set_online(device, online=True)
        if "power" in values and device.false_watts:
            states = [device.cache.get(device.key("state", gang)) for gang in device.relays]
            if "OFF" in states:
                values = {**values, "power": 0, "current": 0}
        self._publish(device, values)

    def _publish(self, device: ZigbeeDevice, values: dict[str, object]) -> None:
        """Publish values together with the cache, then forget the filtered ones."""
        device.cache |= values
        remembers = any(relay.faults.remembers for relay in device.relays.values()) or device.filtered
        content = dict(device.cache) if remembers else dict(values)
        self._publish_content(device, content)
        for key in device.filtered:
            device.cache.pop(key, None)

    def _publish_cache(self, device: ZigbeeDevice) -> None:
        if device.cache:
            self._publish_content(device, dict(device.cache))

    def _publish_content(self, device: ZigbeeDevice, content: dict[str, object]) -> None:
        if any(relay.faults.missing_state_key for relay in device.relays.values()) and "power" in content:
            content = {key: value for key, value in content.items() if not key.startswith("state")}
        content = {**content, "linkquality": 120}
        retain = device.options.get("retain") is True
        topic = joined(self.base, device.name)
        for _ in range(3 if device.any_relay.faults.repeats_messages else 1):
            if self.output != "json":
                for key, value in content.items():
                    self._say_logged(joined(topic, key), value, retain)
            if self.output != "attribute":
                self._say_logged(topic, content, retain)

    def _say_logged(self, topic: str, content: object, retain: bool) -> None:
        self._say(topic, content, retain=retain)
        if self.logs_publishes and self._outbox:
            text = f"z2m:mqtt: MQTT publish: topic '{topic}', payload '{self._outbox[-1].payload.decode()}'"
            self._log("info", text, "z2m:mqtt")

    def _log(self, level: str, message: str, namespace: str = "z2m") -> None:
        self._say(self._bridge("logging"), {"level": level, "message": message, "namespace": namespace})

    def _log_error(self, message: str) -> None:
        self._log("error", f"z2m: {message}")

    def _failed(self, verb: str, key: str, device: ZigbeeDevice, why: str) -> None:
        text = (
            f"Publish '{verb}' '{key}' to '{device.name}' failed: 'Error: ZCL command {device.ieee}/1 failed ({why})'"
        )
        self._log_error(text)

    def _device_reports(self, device: ZigbeeDevice, relay: Relay, now: float) -> None:
        self._heard_from(device, {device.key("state", device.gang(relay)): _word(relay.switched_on)}, now)
        if device.metered and relay.load_w:
            self._later(now + 1.0, lambda at: self._report_power(relay, at), relay.address)

    def _measured(self, device: ZigbeeDevice) -> dict[str, object]:
        relays = device.relays.values()
        watts = sum(relay.watts for relay in relays)
        return {
            "power": round(watts),
            "current": round(watts / LINE_V, 2),
            "voltage": round(LINE_V),
            "energy": round(sum(relay.energy_wh for relay in relays) / 1000.0, 2),
        }

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        device = self._of[relay.address]
        if key := self._trip_key(device):
            name, _, after = key
            if by in ("manual", "reclosing") and name in device.cache:
                self._heard_from(device, {name: after}, now)
        if changed or not relay.faults.answers_only_changes:
            self._device_reports(device, relay, now)

    def _trip_key(self, device: ZigbeeDevice) -> tuple[str, object, object] | None:
        return _TRIP_WORDS.get(device.model)

    def _report_trip(self, relay: Relay, now: float) -> None:
        """Publish a trip: word and state are two datapoints, and so two messages."""
        device = self._of[relay.address]
        state: dict[str, object] = {device.key("state", device.gang(relay)): "OFF"}
        words = self._trip_key(device)
        messages = [{words[0]: words[1]}, state] if words else [state]
        if relay.faults.splits_trip == "state-first":
            messages.reverse()
        self._heard_from(device, messages[0], now)
        for content in messages[1:]:
            wait_s = 1.0 if relay.faults.splits_trip else 0.1
            self._later(now + wait_s, partial(self._heard_from, device, content), relay.address)

    def _report_power(self, relay: Relay, now: float) -> None:
        device = self._of[relay.address]
        if device.metered and device.answers and not relay.faults.mute:
            self._heard_from(device, self._measured(device), now)

    # --- availability and power-up ------------------------------------------------------------------------------------

    def _set_online(self, device: ZigbeeDevice, online: bool) -> None:
        device.online = online
        topic = joined(self.base, device.name, "availability")
        self._say(topic, {"state": "online" if online else "offline"}, qos=1, retain=True)

    def _watch(self, device: ZigbeeDevice, now: float) -> None:
        """Ping a device after a time of silence, and report one that does not answer as offline."""
        if self.availability_timeout_s is None:
            return
        timeout_s = self.availability_timeout_s

        def check(at: float) -> None:
            if at - device.seen_at >= timeout_s:
                if device.answers:
                    device.seen_at = at
                    if device.online is False:
                        self._set_online(device, online=True)
                elif device.online and not device.any_relay.faults.keeps_online:
                    self._set_online(device, online=False)
            wait_s = timeout_s if device.online is False else max(1.0, device.seen_at + timeout_s - at)
            self._later(at + wait_s, check)

        self._later(max(now, device.seen_at) + timeout_s, check)

    def _wake(self, relay: Relay, now: float) -> None:
        super()._wake(relay, now)
        device = self._of[relay.address]
        if relay is device.any_relay and self.powered and not relay.faults.never_announces:
            self._later(now + ANNOUNCED_S, lambda at: self._announce(device, at), relay.address)

    def _announce(self, device: ZigbeeDevice, now: float) -> None:
        if not device.answers:
            return
        device.seen_at = now
        data = {"friendly_name": device.name, "ieee_address": device.ieee}
        self._say(self._bridge("event"), {"type": "device_announce", "data": data})
        if device.online is False:
            self._set_online(device, online=True)
        if device.readable and not device.any_relay.faults.mute:
            # Of the default endpoint only: other gangs keep their cached states.
            key = device.key("state", next(iter(device.relays)))
            wait_s = READ_AFTER_ANNOUNCE_S
            self._later(now + wait_s, lambda at: self._answer(device, key, at), device.any_relay.address)

    def _power_up_state(self, relay: Relay) -> bool:
        device = self._of[relay.address]
        match device.power_on_behavior[device.gang(relay)]:
            case "off":
                return False
            case "on":
                return True
        return relay.switched_on


def _word(on: bool) -> str:
    return "ON" if on else "OFF"


def _switch_expose(device: ZigbeeDevice, gang: str, access: int) -> dict[str, object]:
    feature = {
        "type": "binary",
        "name": "state",
        "property": device.key("state", gang),
        "access": access,
        "value_on": "ON",
        "value_off": "OFF",
        "value_toggle": "TOGGLE",
    }
    if gang:
        return {"type": "switch", "features": [{**feature, "endpoint": gang}], "endpoint": gang}
    return {"type": "switch", "features": [feature]}


def _number(name: str, unit: str) -> dict[str, object]:
    return {"type": "numeric", "name": name, "property": name, "access": 5, "unit": unit}


def _enum(name: str, access: int, values: tuple[str, ...]) -> dict[str, object]:
    return {"type": "enum", "name": name, "property": name, "access": access, "values": list(values)}
