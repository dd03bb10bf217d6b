"""Simulated Homie 4 and 5 devices, and the panel of SPAN, which is Homie 5 in a domain of its own.

Messages: the Homie conventions 4.0 and 5.0; of SPAN, the nodes and properties that ebus-panel-sim 0.9 publishes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import DeviceMessage, Relay, SimulatedDevice, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

_POSSIBLE = PHYSICAL_FAULTS | {
    *("echoes_before_switching", "remembers", "silent_after_broker", "answers_only_changes", "false_watts"),
    *("keeps_online", "welded", "recloses_s", "locked", "repeats_messages"),
}


class SimulatedHomie(SimulatedDevice):
    """Homie device. Relays are `homie/DEVICE/NODE/PROPERTY`; all of one device.

    `version`: 4 or 5. `restores`: the state after a power cut is the one before. With the fault `remembers` the device
    rebuilds its state from the retained messages of the broker, which the convention allows.
    """

    FAMILY = "homie"
    FACTORY_FAULTS = DeviceFaults()
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = _POSSIBLE
    BOOT_S = 3.0

    def __init__(
        self, device: str, relays: Iterable[Relay], *, epoch_s: float = 0.0, version: int = 5, metered: bool = True
    ) -> None:
        super().__init__(device, relays, epoch_s=epoch_s, keepalive_s=30)
        self.device = device
        self.version = version
        self.metered = metered
        self.restores = False
        self._base = joined("homie", "5") if version == 5 else "homie"
        self._reported = {address: relay.switched_on for address, relay in self.relays.items()}

    # --- connection ---------------------------------------------------------------------------------------------------

    def _topic(self, *levels: str) -> str:
        return joined(self._base, self.device, *levels)

    def _property(self, relay: Relay) -> str:
        return relay.address.removeprefix(f"{self.FAMILY}/{self.device}/")

    @property
    def subscriptions(self) -> tuple[str, ...]:
        commands = tuple(self._topic(self._property(relay), "set") for relay in self.relays.values())
        remembering = (relay for relay in self.relays.values() if relay.faults.remembers)
        return commands + tuple(self._topic(self._property(relay)) for relay in remembering)

    @property
    def will(self) -> Will | None:
        if any(relay.faults.keeps_online for relay in self.relays.values()):
            return None
        return Will(self._topic("$state"), b"lost", qos=1, retain=True)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        topic = self._topic(self._property(relay), "set")
        return DeviceMessage(topic, b"true" if on else b"false", 2, retain=True)

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._keep(self._topic("$state"), "init")
        self._describe()
        for relay in self.relays.values():
            if fresh and relay.faults.remembers:
                # It first waits for the message that the broker has retained.
                self._later(now + 1.0, partial(self._say_late, relay), relay.address)
            elif (fresh or not relay.faults.silent_after_broker) and relay.answers and not relay.faults.mute:
                self._say_state(relay)
                self._say_power(relay)
        self._keep(self._topic("$state"), "ready")

    def _keep(self, topic: str, content: object) -> None:
        self._say(topic, content, qos=2 if self.version == 5 else 1, retain=True)

    def _describe(self) -> None:
        nodes: dict[str, dict[str, dict[str, object]]] = {}
        for relay in self.relays.values():
            node, _, name = self._property(relay).partition("/")
            nodes.setdefault(node, {})[name] = {"datatype": "boolean", "settable": True, "retained": True}
            if self.metered:
                nodes[node][f"{name}-watts"] = {"datatype": "float", "unit": "W", "retained": True}
        if self.version == 5:
            described = {node: {"name": node, "properties": properties} for node, properties in nodes.items()}
            description = {"homie": "5.0", "version": 1, "name": self.device, "nodes": described}
            self._keep(self._topic("$description"), description)
            return
        self._keep(self._topic("$homie"), "4.0")
        self._keep(self._topic("$name"), self.device)
        self._keep(self._topic("$nodes"), ",".join(nodes))
        for node, properties in nodes.items():
            self._keep(self._topic(node, "$properties"), ",".join(properties))
            for name, attributes in properties.items():
                for key, value in attributes.items():
                    text = str(value).lower() if isinstance(value, bool) else str(value)
                    self._keep(self._topic(node, name, f"${key}"), text)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        word = payload.decode("utf-8", "replace")
        for relay in self.relays.values():
            state = self._topic(self._property(relay))
            if topic == joined(state, "set") and word in ("true", "false") and relay.answers:
                self._commanded(relay, word == "true", retained, now)
            elif topic == state and retained and relay.faults.remembers and self._obey(relay, word == "true", now):
                self._say_state(relay)

    def _commanded(self, relay: Relay, on: bool, retained: bool, now: float) -> None:
        self._note_command(relay, on, now, retained=retained)
        if relay.faults.locked:
            return
        if self.version == 5:
            self._keep(self._topic(self._property(relay), "$target"), _boolean(on))
        if relay.faults.echoes_before_switching and not relay.faults.mute:
            self._keep(self._topic(self._property(relay)), _boolean(on))
        if relay.faults.slow_s > 0.0:
            self._later(now + relay.faults.slow_s, lambda at: self._moves(relay, on, at), relay.address)
        else:
            self._moves(relay, on, now)

    def _moves(self, relay: Relay, on: bool, now: float) -> None:
        changed = self._obey(relay, on, now)
        if not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=changed)

    # --- reports ------------------------------------------------------------------------------------------------------

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        del now, by
        if changed or not relay.faults.answers_only_changes:
            self._say_state(relay)
            self._say_power(relay)

    def _report_trip(self, relay: Relay, now: float) -> None:
        self._report_movement(relay, now, "trip", changed=True)
        if self.version == 5:
            self._keep(self._topic("$alert", "trip"), f"{self._property(relay)} tripped")

    def _report_power(self, relay: Relay, now: float) -> None:
        del now
        self._say_power(relay)

    def _say_state(self, relay: Relay) -> None:
        self._reported[relay.address] = relay.switched_on
        for _ in range(3 if relay.faults.repeats_messages else 1):
            self._keep(self._topic(self._property(relay)), _boolean(relay.switched_on))

    def _say_late(self, relay: Relay, _now: float) -> None:
        if relay.answers and not relay.faults.mute:
            self._say_state(relay)
            self._say_power(relay)

    def _say_power(self, relay: Relay) -> None:
        if self.metered and relay.answers and not relay.faults.mute:
            topic = f"{self._topic(self._property(relay))}-watts"
            self._keep(topic, f"{_watts(relay, reported_on=self._reported[relay.address]):.1f}")

    def _power_up_state(self, relay: Relay) -> bool:
        return self.restores and relay.switched_on


METER_INTERVAL_S = 10.0
"""Interval in which the simulated panel publishes the power of its circuits. Real ones publish more often."""


class SimulatedSpan(SimulatedDevice):
    """SPAN panel. Relays are `span/CIRCUIT`. The panel is the root device; each circuit is a child.

    Only the root has a last will, so that children stay `ready` when the panel is lost. `locked` circuits have
    `relay-controllable` false and ignore commands.
    """

    FAMILY = "span"
    FACTORY_FAULTS = DeviceFaults()
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = _POSSIBLE | {"splits_trip"}
    BOOT_S = 10.0

    def __init__(self, serial: str, relays: Iterable[Relay], *, epoch_s: float = 0.0) -> None:
        super().__init__(serial, relays, epoch_s=epoch_s, keepalive_s=30)
        self.serial = serial
        self.requesters = dict.fromkeys(self.relays, "NONE")

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return tuple(self._topic(relay, "switch", "relay", "set") for relay in self.relays.values())

    @property
    def will(self) -> Will | None:
        if any(relay.faults.keeps_online for relay in self.relays.values()):
            return None
        return Will(joined("ebus", "5", self.serial, "$state"), b"lost", qos=1, retain=True)

    def _topic(self, relay: Relay, *levels: str) -> str:
        return joined("ebus", "5", relay.address.removeprefix(f"{self.FAMILY}/"), *levels)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        topic = self._topic(relay, "switch", "relay", "set")
        return DeviceMessage(topic, b"CLOSED" if on else b"OPEN", 2, retain=True)

    def _keep(self, topic: str, content: object) -> None:
        self._say(topic, content, qos=2, retain=True)

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._repeat(now + METER_INTERVAL_S, lambda: METER_INTERVAL_S, self._say_meters, "meters")
        root = joined("ebus", "5", self.serial)
        children = [address.removeprefix(f"{self.FAMILY}/") for address in self.relays]
        self._keep(joined(root, "$state"), "init")
        description = {
            "homie": "5.0",
            "version": 1,
            "name": "Panel",
            "type": "energy.ebus.device.distribution-enclosure",
            "nodes": {},
        }
        self._keep(joined(root, "$description"), {**description, "children": children})
        for relay in self.relays.values():
            self._keep(self._topic(relay, "$state"), "init")
            self._keep(self._topic(relay, "$description"), self._description(relay))
            self._keep(self._topic(relay, "switch", "relay-controllable"), _boolean(not relay.faults.locked))
            if (fresh or not relay.faults.silent_after_broker) and not relay.faults.mute:
                self._say_relay(relay)
                self._say_requester(relay)
                self._say_power(relay, now)
            self._keep(self._topic(relay, "$state"), "ready")
        self._keep(joined(root, "$state"), "ready")

    def _description(self, relay: Relay) -> dict[str, object]:
        requesters = "UNKNOWN,NONE,LOAD_SHED,USER,PCS,CONFIGURATION,FAULT"
        switch: dict[str, object] = {
            "relay": {"datatype": "enum", "format": "UNKNOWN,OPEN,CLOSED", "settable": not relay.faults.locked},
            "relay-requester": {"datatype": "enum", "format": requesters},
            "relay-controllable": {"datatype": "boolean"},
        }
        meter: dict[str, object] = {
            "active-power": {"datatype": "float", "unit": "W"},
            "exported-energy": {"datatype": "float", "unit": "Wh"},
        }
        nodes = {
            "switch": {"name": "switch", "type": "energy.ebus.capability.switch", "properties": switch},
            "meter": {"name": "meter", "type": "energy.ebus.capability.meter", "properties": meter},
        }
        return {
            "homie": "5.0",
            "version": 1,
            "type": "energy.ebus.device.circuit",
            "name": relay.address.removeprefix(f"{self.FAMILY}/"),
            "nodes": nodes,
            "children": [],
            "root": self.serial,
            "parent": self.serial,
            "extensions": [],
        }

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        word = payload.decode("utf-8", "replace")
        for relay in self.relays.values():
            if topic != self._topic(relay, "switch", "relay", "set") or word not in ("OPEN", "CLOSED"):
                continue
            self._note_command(relay, word == "CLOSED", now, retained=retained)
            if relay.faults.locked or relay.faults.unreachable:
                continue
            on = word == "CLOSED"
            if relay.faults.echoes_before_switching and not relay.faults.mute:
                self._keep(self._topic(relay, "switch", "relay"), word)
            if relay.faults.slow_s > 0.0:
                self._later(now + relay.faults.slow_s, partial(self._moves, relay, on), relay.address)
            else:
                self._moves(relay, on, now)

    def _moves(self, relay: Relay, on: bool, now: float) -> None:
        changed = self._obey(relay, on, now)
        if changed:
            self.requesters[relay.address] = "USER"
        if not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=changed)

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        if by == "manual":
            self.requesters[relay.address] = "USER"
        elif by == "reclosing":
            self.requesters[relay.address] = "NONE"
        if changed or not relay.faults.answers_only_changes:
            self._say_relay(relay)
            self._say_requester(relay)
            self._say_power(relay, now)

    def _report_trip(self, relay: Relay, now: float) -> None:
        self.requesters[relay.address] = "FAULT"
        first, second = self._say_requester, self._say_relay
        if relay.faults.splits_trip == "state-first":
            first, second = second, first
        first(relay)
        if relay.faults.splits_trip:
            self._later(now + 1.0, lambda _at: second(relay), relay.address)
        else:
            second(relay)
        self._say_power(relay, now)

    def _report_power(self, relay: Relay, now: float) -> None:
        self._say_power(relay, now)

    def _say_relay(self, relay: Relay) -> None:
        for _ in range(3 if relay.faults.repeats_messages else 1):
            self._keep(self._topic(relay, "switch", "relay"), "CLOSED" if relay.switched_on else "OPEN")

    def _say_requester(self, relay: Relay) -> None:
        self._keep(self._topic(relay, "switch", "relay-requester"), self.requesters[relay.address])

    def _say_meters(self, now: float) -> None:
        for relay in self.relays.values():
            self._say_power(relay, now)

    def _say_power(self, relay: Relay, now: float) -> None:
        if relay.answers and not relay.faults.mute:
            # The panel measures what flows into its busbar: a load has negative power, and its energy is exported.
            relay.meter(now)
            watts = _watts(relay, reported_on=relay.switched_on)
            self._keep(self._topic(relay, "meter", "active-power"), f"{-watts or 0.0:.1f}")
            self._keep(self._topic(relay, "meter", "exported-energy"), f"{relay.energy_wh:.3f}")

    def _power_up_state(self, relay: Relay) -> bool:
        return relay.switched_on


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _watts(relay: Relay, *, reported_on: bool) -> float:
    return 0.0 if relay.faults.false_watts and not reported_on else relay.watts
