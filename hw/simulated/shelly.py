"""A simulated Shelly of the second generation or later, with switches and inputs.

Messages: the Shelly API documentation, version 1.0. Names and types of members: status and configuration of a Pro 4PM
(firmware 1.0.3) and a Pro 3 (firmware 1.1.0), without power metering.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import DeviceMessage, Relay, SimulatedDevice, joined, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE_V, _LINE_HZ = 121.7, 60.0
_BAD_ARGUMENT, _NOT_FOUND, _NO_HANDLER = -103, -105, 404
_WORDS = {"on": True, "off": False}


class SimulatedShelly(SimulatedDevice):
    """Shelly. Relays are `shelly/PREFIX#0` and so on.

    `metered`: a model with power metering. `inputs`: states of the inputs; their number is that of the relays, if it is
    not given. `configs`: the
    configuration of each switch. `mqtt`: settings of the MQTT component, of which `rpc_ntf`, `status_ntf`, `enable_rpc`
    and `enable_control` have an effect.
    """

    FAMILY = "shelly"
    FACTORY_FAULTS = DeviceFaults(
        silent_after_broker=True, answers_only_changes=True, partial_notices=True, unretained_online=True
    )
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS | {
        *("echoes_before_switching", "silent_after_broker", "answers_only_changes", "partial_notices", "false_watts"),
        *("keeps_online", "unretained_online", "welded", "recloses_s", "splits_trip", "missing_state_key", "locked"),
        *("repeats_messages", "cannot_be_queried"),
    }
    BOOT_S = 5.0

    def __init__(
        self,
        prefix: str,
        relays: Iterable[Relay],
        *,
        epoch_s: float = 0.0,
        metered: bool = True,
        inputs: int | None = None,
    ) -> None:
        super().__init__(prefix, relays, epoch_s=epoch_s, keepalive_s=60)
        self.prefix = prefix
        self.metered = metered
        self.mqtt: dict[str, object] = {
            "enable": True,
            "client_id": prefix,
            "topic_prefix": prefix,
            "rpc_ntf": True,
            "status_ntf": False,
            "enable_rpc": True,
            "enable_control": True,
        }
        self.inputs = [False] * (len(self.relays) if inputs is None else inputs)
        self.configs = [self._factory_config(index) for index in range(len(self.relays))]
        self.restart_required = False
        self._sources = ["init"] * len(self.relays)
        self._errors: list[list[str]] = [[] for _ in self.relays]
        self._toggles: dict[int, tuple[float, float]] = {}

    def _factory_config(self, index: int) -> dict[str, object]:
        config: dict[str, object] = {
            "id": index,
            "name": None,
            "in_mode": "follow",
            "in_locked": False,
            "initial_state": "match_input",
            "auto_on": False,
            "auto_on_delay": 60.0,
            "auto_off": False,
            "auto_off_delay": 60.0,
        }
        if self.metered:
            limits = {"power_limit": 4480, "voltage_limit": 280, "undervoltage_limit": 0, "current_limit": 16.0}
            config |= {"autorecover_voltage_errors": False, **limits}
        return config

    # --- connection ---------------------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        rpc = (joined(self.prefix, "rpc"),) if self.mqtt["enable_rpc"] else ()
        control = (joined(self.prefix, "command"), joined(self.prefix, "command", "#"))
        return rpc + (control if self.mqtt["enable_control"] else ())

    @property
    def will(self) -> Will | None:
        if self._has("keeps_online"):
            return None
        return Will(joined(self.prefix, "online"), b"false", qos=0, retain=not self._has("unretained_online"))

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        index = self._index(relay)
        return DeviceMessage(joined(self.prefix, "command", f"switch:{index}"), b"on" if on else b"off", 1, retain=True)

    def _greet(self, now: float, *, fresh: bool) -> None:
        del fresh
        self._say(joined(self.prefix, "online"), "true", retain=not self._has("unretained_online"))
        if not self._has("silent_after_broker"):
            for relay in self.relays.values():
                self._notify(relay, now, ("output", "source"))

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        if self._has("unreachable"):
            return
        rest = topic.removeprefix(f"{self.prefix}/")
        content = parsed(payload)
        if rest == "rpc" and isinstance(content, dict):
            self._rpc(content, retained, now)
        elif rest == "command" and content == "status_update":
            for index in range(len(self.relays)):
                self._say_status(index, now)
        elif match := re.fullmatch(r"command/switch:(\d+)", rest):
            self._control(int(match[1]), str(content), retained, now)

    def _control(self, index: int, text: str, retained: bool, now: float) -> None:
        """Handle `on`, `off`, `toggle`, each with an optional time after which it is reversed, and `status_update`."""
        word, _, after = text.partition(",")
        if (relay := self._relay(index)) is None:
            return
        if word == "status_update":
            self._say_status(index, now)
        elif word == "toggle" or word in _WORDS:
            on = _WORDS.get(word, not relay.switched_on)
            self._commanded(relay, on, retained, now, float(after) if after.replace(".", "", 1).isdigit() else 0.0)

    def _rpc(self, request: dict[str, object], retained: bool, now: float) -> None:
        """Handle a request and reply on `<src>/rpc`. A request without source has no reply."""
        params = request.get("params")
        outcome = self._call(request.get("method"), params if isinstance(params, dict) else {}, retained, now)
        source = request.get("src")
        if isinstance(source, str) and source and outcome is not None:
            frame = {"id": request.get("id"), "src": self.prefix, "dst": source, **outcome}
            self._say(joined(source, "rpc"), frame, qos=1)

    def _call(self, method: object, params: dict[str, object], retained: bool, now: float) -> dict[str, object] | None:
        """Return the result or the error of a method; None: it does not reply."""
        match method:
            case "Switch.Set" | "Switch.Toggle" | "Switch.GetStatus" | "Switch.GetConfig" | "Switch.SetConfig":
                index = params.get("id")
                relay = self._relay(index) if isinstance(index, int) else None
                if relay is None:
                    return _error(_NOT_FOUND, f"Argument 'id', value {index} not found!")
                return self._switch_call(method, relay, params, retained, now)
            case "Input.GetStatus":
                index = params.get("id")
                if not isinstance(index, int) or not 0 <= index < len(self.inputs):
                    return _error(_NOT_FOUND, f"Argument 'id', value {index} not found!")
                return {"result": {"id": index, "state": self.inputs[index]}}
            case "Mqtt.SetConfig" | "MQTT.SetConfig":
                config = params.get("config")
                self.mqtt |= config if isinstance(config, dict) else {}
                self.restart_required = True
                return {"result": {"restart_required": True}}
        answers = self._readings(now)
        return (
            {"result": answers[str(method)]}
            if str(method) in answers
            else _error(_NO_HANDLER, f"No handler for {method}")
        )

    def _readings(self, now: float) -> dict[str, object]:
        """Return the results of the methods that only read, by name."""
        status = {f"switch:{index}": self.status(index, now) for index in range(len(self.relays))}
        configs = {f"switch:{index}": config for index, config in enumerate(self.configs)}
        return {
            "Shelly.GetStatus": {**status, "mqtt": {"connected": True}},
            "Shelly.GetConfig": {**configs, "mqtt": self.mqtt},
            "Shelly.GetDeviceInfo": self.device_info,
            "Schedule.List": {"jobs": [], "rev": 0},
            "MQTT.GetConfig": self.mqtt,
            "Mqtt.GetConfig": self.mqtt,
        }

    @property
    def device_info(self) -> dict[str, object]:
        """Return the result of Shelly.GetDeviceInfo."""
        many = len(self.relays)
        return {
            "name": None,
            "id": self.prefix,
            "mac": self.prefix.rsplit("-", 1)[-1].upper(),
            "slot": 0,
            "model": f"SPSW-{many:03}{'PE' if self.metered else 'XE'}16EU",
            "gen": 2,
            "fw_id": "20251001-120000/1.7.1-gd336f31",
            "ver": "1.7.1",
            "app": f"Pro{many}{'PM' if self.metered else ''}",
            "auth_en": False,
            "auth_domain": None,
        }

    def _switch_call(
        self, method: object, relay: Relay, params: dict[str, object], retained: bool, now: float
    ) -> dict[str, object] | None:
        index = self._index(relay)
        if method == "Switch.GetStatus":
            return None if relay.faults.cannot_be_queried else {"result": self.status(index, now)}
        if method == "Switch.GetConfig":
            return {"result": self.configs[index]}
        if method == "Switch.SetConfig":
            config = params.get("config")
            if not isinstance(config, dict):
                return _error(_BAD_ARGUMENT, "Missing required argument 'config'!")
            self.configs[index] |= config
            return {"result": {"restart_required": False}}
        wanted = params.get("on") if method == "Switch.Set" else not relay.switched_on
        if not isinstance(wanted, bool):
            return _error(_BAD_ARGUMENT, "Missing required argument 'on'!")
        was_on = relay.switched_on
        after = params.get("toggle_after")
        self._commanded(relay, wanted, retained, now, float(after) if isinstance(after, int | float) else 0.0)
        return {"result": {"was_on": was_on}}

    def _commanded(self, relay: Relay, on: bool, retained: bool, now: float, toggle_after: float) -> None:
        self._note_command(relay, on, now, retained=retained)
        if relay.faults.locked:
            return
        if relay.faults.echoes_before_switching and not relay.faults.mute:
            self._notify(relay, now, ("output",), output=on)
        at = now + relay.faults.slow_s
        if at > now:
            self._later(at, lambda then: self._moves(relay, on, "MQTT", then), relay.address)
        else:
            self._moves(relay, on, "MQTT", now)
        if toggle_after > 0.0:
            self._toggles[self._index(relay)] = (now, toggle_after)
            self._later(at + toggle_after, lambda then: self._timer_ends(relay, not on, then), relay.address)

    def _timer_ends(self, relay: Relay, on: bool, now: float) -> None:
        self._toggles.pop(self._index(relay), None)
        self._moves(relay, on, "timer", now)

    def _moves(self, relay: Relay, on: bool, by: str, now: float) -> None:
        changed = self._obey(relay, on, now)
        if changed and on:
            self._errors[self._index(relay)] = []
        if not relay.faults.mute:
            self._report_movement(relay, now, by, changed=changed)
        config = self.configs[self._index(relay)]
        timer, delay = ("auto_off", config["auto_off_delay"]) if on else ("auto_on", config["auto_on_delay"])
        if changed and config[timer] is True and isinstance(delay, int | float):
            self._later(now + delay, lambda at: self._moves(relay, not on, "timer", at), relay.address)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def set_input(self, index: int, on: bool, now: float) -> tuple[DeviceMessage, ...]:
        """Close or open an input. A switch that follows its input moves with it."""
        self._run_due(now)
        self.inputs[index] = on
        if self.mqtt["rpc_ntf"]:
            self._event({f"input:{index}": {"id": index, "state": on}}, now)
        relay = self._relay(index)
        if relay is not None and self.configs[index]["in_mode"] == "follow" and not relay.tripped:
            changed = relay.move(on, now, "input")
            if not relay.faults.mute:
                self._report_movement(relay, now, "switch", changed=changed)
        return self._sent()

    # --- reports ------------------------------------------------------------------------------------------------------

    def _relay(self, index: int) -> Relay | None:
        return self.relays.get(f"{self.FAMILY}/{self.prefix}#{index}")

    def _index(self, relay: Relay) -> int:
        return int(relay.address.rsplit("#", 1)[-1])

    def status(self, index: int, now: float) -> dict[str, object]:
        """Return the result of Switch.GetStatus."""
        relay = self.relays[f"{self.FAMILY}/{self.prefix}#{index}"]
        relay.meter(now)
        content: dict[str, object] = {"id": index, "source": self._sources[index], "output": relay.switched_on}
        if self.metered:
            watts = self._watts(relay)
            content |= {
                "apower": round(float(watts), 1),
                "voltage": _LINE_V,
                "freq": _LINE_HZ,
                "current": round(watts / _LINE_V, 3),
                "pf": 1.0 if watts else 0.0,
                "aenergy": {
                    "total": round(relay.energy_wh, 3),
                    "by_minute": [0.0, 0.0, 0.0],
                    "minute_ts": int(self.epoch_s + now) // 60 * 60,
                },
            }
        content["temperature"] = {"tC": 37.5, "tF": 99.5}
        if index in self._toggles:
            started, duration = self._toggles[index]
            content |= {"timer_started_at": self.epoch_s + started, "timer_duration": duration}
        if self._errors[index]:
            content["errors"] = self._errors[index]
        return content

    def _watts(self, relay: Relay) -> float:
        return 0.0 if relay.faults.false_watts and not relay.switched_on else relay.watts

    def _notify(self, relay: Relay, now: float, members: tuple[str, ...], *, output: bool | None = None) -> None:
        """Publish a notice: of these members only, or of all without `partial_notices`."""
        index = self._index(relay)
        status = self.status(index, now)
        if output is not None:
            status["output"] = output
        if relay.faults.partial_notices:
            status = {key: value for key, value in status.items() if key == "id" or key in members}
        if relay.faults.missing_state_key:
            status.pop("output", None)
        for _ in range(3 if relay.faults.repeats_messages else 1):
            if self.mqtt["rpc_ntf"]:
                self._event({f"switch:{index}": status}, now)
            if self.mqtt["status_ntf"]:
                self._say_status(index, now)

    def _event(self, content: dict[str, object], now: float) -> None:
        frame = {
            "src": self.prefix,
            "dst": joined(self.prefix, "events"),
            "method": "NotifyStatus",
            "params": {"ts": round(self.epoch_s + now, 2), **content},
        }
        self._say(joined(self.prefix, "events", "rpc"), frame, qos=1)

    def _say_status(self, index: int, now: float) -> None:
        relay = self.relays[f"{self.FAMILY}/{self.prefix}#{index}"]
        if not relay.faults.cannot_be_queried:
            self._say(joined(self.prefix, "status", f"switch:{index}"), self.status(index, now), qos=1)

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        if not changed and relay.faults.answers_only_changes:
            return
        index = self._index(relay)
        if by == "manual":
            self._errors[index] = []
            by = "button"
        self._sources[index] = by
        self._notify(relay, now, ("output", "source"))
        if self.metered and relay.load_w:
            self._later(now + 0.5, lambda at: self._report_power(relay, at), relay.address)

    def _report_trip(self, relay: Relay, now: float) -> None:
        index = self._index(relay)
        self._errors[index] = ["overpower"]
        self._sources[index] = "limit"
        match relay.faults.splits_trip:
            case "word-first":
                self._notify(relay, now, ("errors",))
                self._later(now + 0.5, lambda at: self._notify(relay, at, ("output", "source")), relay.address)
            case "state-first":
                self._notify(relay, now, ("output", "source"))
                self._later(now + 0.5, lambda at: self._notify(relay, at, ("errors",)), relay.address)
            case _:
                self._notify(relay, now, ("output", "source", "errors"))

    def _report_power(self, relay: Relay, now: float) -> None:
        if self.metered and not relay.faults.mute:
            self._notify(relay, now, ("apower", "current"))

    # --- power-up -----------------------------------------------------------------------------------------------------

    def _power_up_state(self, relay: Relay) -> bool:
        index = self._index(relay)
        self._errors[index], self._sources[index] = [], "init"
        self._toggles.pop(index, None)
        match self.configs[index]["initial_state"]:
            case "off":
                return False
            case "on":
                return True
            case "match_input":
                return self.inputs[index]
        return relay.switched_on


def _error(code: int, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}
