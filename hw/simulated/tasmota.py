"""A simulated Tasmota device with one or more relays.

Words, topics and order of messages: Tasmota's source and documentation of August 2026.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import LINE_V, DeviceMessage, Relay, SimulatedDevice, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

_ON, _OFF, _TOGGLE = frozenset({"1", "ON", "TRUE"}), frozenset({"0", "OFF", "FALSE"}), frozenset({"2", "TOGGLE"})
_COMMAND = re.compile(r"([A-Z]+(?:OPTION)?)(\d*)")
_DISCOVERY_S = 10.0
_FIRST_TELEMETRY_S = 5.0
_DISCOVERY_OPTIONS = ("4", "11", "13", "17", "20", "30", "68", "73", "82", "114", "117")


class SimulatedTasmota(SimulatedDevice):
    """Tasmota. Relays are `tasmota/TOPIC#1` and so on. One relay alone answers as POWER, several as POWER1 and so on.

    `options`: SetOptions by number. `power_on_state`: PowerOnState, 0 to 5. `state_texts`: words for OFF and ON.
    `pulse_times`: PulseTime of each relay, 0: none. `tele_period_s`: interval of STATE and SENSOR.
    """

    FAMILY = "tasmota"
    FACTORY_FAULTS = DeviceFaults(silent_after_broker=True)
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS | {
        *("echoes_before_switching", "silent_after_broker", "answers_only_changes", "two_formats", "keeps_online"),
        *("welded", "recloses_s", "false_watts", "missing_state_key", "splits_trip", "repeats_messages"),
    }
    BOOT_S = 4.0

    def __init__(
        self,
        topic: str,
        relays: Iterable[Relay],
        *,
        epoch_s: float = 0.0,
        full_topic: str = "%prefix%/%topic%/",
        metered: bool = True,
    ) -> None:
        self.topic = topic
        self.mac = f"{zlib.crc32(topic.encode()):08X}".rjust(12, "A")
        super().__init__(f"DVES_{self.mac[-6:]}", relays, epoch_s=epoch_s, keepalive_s=30)
        self.full_topic = full_topic
        self.metered = metered
        self.options = {0: 1, 4: 0, 26: 0, 65: 0, 90: 0}
        self.power_on_state = 3
        self.state_texts = ["OFF", "ON", "TOGGLE", "HOLD"]
        self.pulse_times = dict.fromkeys(self.relays, 0)
        self.power_retain = False
        self.tele_period_s = 300.0
        self._restarted = "Power On"
        if any(relay.faults.two_formats for relay in self.relays.values()):
            self.options[4] = 1
        self._boot(0.0)

    # --- connection ---------------------------------------------------------------------------------------------------

    def _topic(self, prefix: str, *levels: str) -> str:
        return self.full_topic.replace("%prefix%", prefix).replace("%topic%", self.topic) + joined(*levels)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return (
            self._topic("cmnd", "#"),
            self.full_topic.replace("%prefix%", "cmnd").replace("%topic%", "tasmotas") + "#",
            self.full_topic.replace("%prefix%", "cmnd").replace("%topic%", f"{self.client_id}_fb") + "#",
        )

    @property
    def will(self) -> Will | None:
        if any(relay.faults.keeps_online for relay in self.relays.values()):
            return None
        return Will(self._topic("tele", "LWT"), b"Offline", qos=1, retain=True)

    def reconnect_s(self, attempt: int) -> float:
        """Return 10, 20, 30 … 120 s: MqttRetry times the number of attempts."""
        return min(10.0 * attempt, 120.0)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        return DeviceMessage(self._topic("cmnd", self._key(relay)), b"ON" if on else b"OFF", 0, retain=True)

    def _boot(self, now: float) -> None:
        self._telemetry_from(now + self.BOOT_S + _FIRST_TELEMETRY_S)

    def _telemetry_from(self, at: float) -> None:
        self._repeat(at, lambda: self.tele_period_s, self._telemetry, "telemetry")

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._say(self._topic("tele", "LWT"), "Online", retain=True)
        # The device sends this query to itself before it has subscribed, so that it has no effect.
        self._say(self._topic("cmnd", "POWER"), "")
        if fresh:
            self._later(now + _DISCOVERY_S, self._discover)
            info = {"Module": "Sonoff 4CHPRO", "Version": "15.1.0(release-tasmota)", "FallbackTopic": self.client_id}
            self._say(self._topic("tele", "INFO1"), {"Info1": info})
            self._say(self._topic("tele", "INFO2"), {"Info2": {"WebServerMode": "Admin", "IPAddress": "192.0.2.7"}})
            self._say(self._topic("tele", "INFO3"), {"Info3": {"RestartReason": self._restarted, "BootCount": 1}})
        if fresh or not self._has("silent_after_broker"):
            for relay in self.relays.values():
                if not relay.faults.mute:
                    self._publish_power(relay)

    def _discover(self, _now: float) -> None:
        count = len(self.relays)
        content = {
            "ip": "192.0.2.7",
            "dn": self.topic,
            "fn": [self.topic if index == 0 else f"{self.topic} {index + 1}" for index in range(count)]
            + [None] * (8 - count),
            "hn": f"{self.topic}-0001",
            "mac": self.mac,
            "md": "Sonoff 4CHPRO",
            "ty": 0,
            "if": 0,
            "cam": 0,
            "ofln": "Offline",
            "onln": "Online",
            "state": self.state_texts,
            "sw": "15.1.0",
            "t": self.topic,
            "ft": self.full_topic,
            "tp": ["cmnd", "stat", "tele"],
            "rl": [1] * count + [0] * (32 - count),
            "swc": [-1] * 8,
            "swn": [None] * 8,
            "btn": [0] * 8,
            "so": {option: self.options.get(int(option), 0) for option in _DISCOVERY_OPTIONS},
            "lk": 0,
            "lt_st": 0,
            "bat": 0,
            "dslp": 0,
            "sho": [],
            "sht": [],
            "ver": 1,
        }
        self._say(joined("tasmota", "discovery", self.mac, "config"), content, retain=True)
        sensors = {"Time": self._time(_now), **self._energy()}
        self._say(joined("tasmota", "discovery", self.mac, "sensors"), {"sn": sensors, "ver": 1}, retain=True)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        if self._has("unreachable"):
            return
        match = _COMMAND.fullmatch(topic.rsplit("/", 1)[-1].upper())
        name, index = (match[1], match[2]) if match else ("", "")
        text = payload.decode("utf-8", "replace").strip()
        if name == "POWER":
            self._power(int(index) if index else 1, text, retained, now)
        elif name in ("STATE", "STATUS"):
            self._status(name, text, now)
        else:
            self._setting(name, index, text, now)

    def _setting(self, name: str, index: str, text: str, now: float) -> None:
        """Set or, without a value, read a setting."""
        if name == "POWERONSTATE":
            if text.isdigit() and int(text) <= 5:
                self.power_on_state = int(text)
            self._result("POWERONSTATE", {"PowerOnState": self.power_on_state})
        elif name == "PULSETIME":
            self._pulse_time(int(index or 1), text)
        elif name == "SETOPTION":
            number = int(index or 0)
            if text in ("0", "1"):
                self.options[number] = int(text)
            self._result("SETOPTION", {f"SetOption{number}": "ON" if self.options.get(number) else "OFF"})
        elif name == "TELEPERIOD":
            if text.isdigit():
                self.tele_period_s = 300.0 if text == "1" else min(3600.0, max(10.0, float(text)))
                self._telemetry_from(now + 1.0)
            self._result("TELEPERIOD", {"TelePeriod": int(self.tele_period_s)})
        else:
            self._result(name, {"Command": "Unknown", "Input": name})

    def _power(self, number: int, text: str, retained: bool, now: float) -> None:
        relays = list(self.relays.values())
        chosen = relays if number == 0 else relays[number - 1 : number]
        if not chosen:
            self._result("POWER", {"Command": "Unknown", "Input": f"POWER{number}"})
        for relay in chosen:
            word = text.upper()
            if word in _TOGGLE:
                word = "OFF" if relay.switched_on else "ON"
            if word in _ON or word in _OFF:
                self._commanded(relay, word in _ON, retained, now)
            elif not relay.faults.mute:
                self._publish_power(relay)

    def _commanded(self, relay: Relay, on: bool, retained: bool, now: float) -> None:
        self._note_command(relay, on, now, retained=retained)
        if relay.faults.locked or self.power_on_state == 4:
            on = relay.switched_on
        if relay.faults.echoes_before_switching:
            self._publish_power(relay, on)
        if relay.faults.slow_s > 0.0:
            self._later(now + relay.faults.slow_s, lambda at: self._moves(relay, on, at), relay.address)
        else:
            self._moves(relay, on, now)

    def _moves(self, relay: Relay, on: bool, now: float) -> None:
        changed = self._obey(relay, on, now)
        if relay.switched_on and (pulse := self.pulse_times[relay.address]):
            self._later(now + _pulse_s(pulse), lambda at: self._pulse_ends(relay, at), relay.address)
        if not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=changed)

    def _pulse_ends(self, relay: Relay, now: float) -> None:
        changed = relay.move(False, now, "PulseTime")
        self._report_movement(relay, now, "PulseTime", changed=changed)

    def _pulse_time(self, number: int, text: str) -> None:
        relays = list(self.relays)
        if not 1 <= number <= len(relays):
            self._result("PULSETIME", {"Command": "Unknown", "Input": f"PULSETIME{number}"})
            return
        if text.isdigit():
            self.pulse_times[relays[number - 1]] = int(text)
        setting = {"Set": self.pulse_times[relays[number - 1]], "Remaining": 0}
        self._result("PULSETIME", {f"PulseTime{number}": setting})

    def _status(self, name: str, text: str, now: float) -> None:
        if name == "STATE":
            self._result("STATE", self._state(now))
        elif text == "10":
            self._say(self._topic("stat", "STATUS10"), {"StatusSNS": {"Time": self._time(now), **self._energy()}})
        elif text == "11":
            self._say(self._topic("stat", "STATUS11"), {"StatusSTS": self._state(now)})
        else:
            status = {"Topic": self.topic, "Power": self._powers_word(), "PowerOnState": self.power_on_state}
            self._say(self._topic("stat", "STATUS"), {"Status": status})

    # --- reports ------------------------------------------------------------------------------------------------------

    def _key(self, relay: Relay) -> str:
        if len(self.relays) == 1 and not self.options.get(26):
            return "POWER"
        return f"POWER{list(self.relays).index(relay.address) + 1}"

    def _result(self, command: str, content: dict[str, object]) -> None:
        """Publish a reply: on RESULT, or on the command's own topic with SetOption4."""
        self._say(self._topic("stat", command if self.options.get(4) else "RESULT"), content)

    def _publish_power(self, relay: Relay, on: bool | None = None) -> None:
        word = self.state_texts[relay.switched_on if on is None else on]
        key = self._key(relay)
        for _ in range(3 if relay.faults.repeats_messages else 1):
            self._result(key, {key: word})
            if not self.options.get(90):
                self._say(self._topic("stat", key), word, retain=self.power_retain)

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        del now, by
        if changed or not relay.faults.answers_only_changes:
            self._publish_power(relay)

    def _report_trip(self, relay: Relay, now: float) -> None:
        warning = {"MaxPowerReached": {"Value": round(relay.load_w)}}
        if relay.faults.splits_trip == "state-first":
            self._publish_power(relay)
            self._later(now + 1.0, lambda _at: self._say(self._topic("stat", "WARNING"), warning), relay.address)
        else:
            self._say(self._topic("stat", "WARNING"), warning)
            self._publish_power(relay)

    def _telemetry(self, now: float) -> None:
        if not self._has("mute") and not self._has("unreachable"):
            self._say(self._topic("tele", "STATE"), self._state(now))
            if self.metered:
                self._say(self._topic("tele", "SENSOR"), {"Time": self._time(now), **self._energy()})

    def _state(self, now: float) -> dict[str, object]:
        powers = {} if self._has("missing_state_key") else self._powers()
        wifi = {"AP": 1, "SSId": "house", "RSSI": 70, "Signal": -65, "LinkCount": 1, "Downtime": "0T00:00:03"}
        return {
            "Time": self._time(now),
            "Uptime": "0T01:00:00",
            "Heap": 26,
            "MqttCount": 1,
            **powers,
            "Wifi": wifi,
        }

    def _powers(self) -> dict[str, str]:
        return {self._key(relay): self.state_texts[relay.switched_on] for relay in self.relays.values()}

    def _powers_word(self) -> str:
        return "".join("1" if relay.switched_on else "0" for relay in self.relays.values())

    def _energy(self) -> dict[str, object]:
        """Return the ENERGY object, or nothing without metering hardware. With the relay off it reads 0."""
        if not self.metered:
            return {}
        watts = [0.0 if relay.faults.false_watts and not relay.switched_on else relay.watts for relay in self._all]
        amperes = [round(power / LINE_V, 3) for power in watts]
        powers = [round(power) for power in watts]
        one = len(watts) == 1
        total = round(sum(relay.energy_wh for relay in self._all) / 1000.0, 3)
        return {
            "ENERGY": {
                "Total": total,
                "Today": total,
                "Yesterday": 0.0,
                "Power": powers[0] if one else powers,
                "Voltage": round(LINE_V),
                "Current": amperes[0] if one else amperes,
            }
        }

    @property
    def _all(self) -> tuple[Relay, ...]:
        return tuple(self.relays.values())

    def _time(self, now: float) -> str:
        return datetime.fromtimestamp(int(self.epoch_s + now), UTC).strftime("%Y-%m-%dT%H:%M:%S")

    # --- power-up -----------------------------------------------------------------------------------------------------

    def _power_up_state(self, relay: Relay) -> bool:
        match self.power_on_state:
            case 0:
                return False
            case 1 | 4 | 5:
                return True
            case 2:
                return not relay.switched_on
        return relay.switched_on and bool(self.options.get(0, 1))


def _pulse_s(pulse: int) -> float:
    """Return the seconds of a PulseTime: 1 to 111 are tenths, larger ones are seconds plus 100."""
    return pulse / 10.0 if pulse <= 111 else pulse - 100.0
