"""A simulated Z-Wave JS UI gateway with the nodes behind it. Messages: zwave-js-ui 11.22.2 with zwave-js 15.29."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from hw.mqtt_messages import Will
from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults
from hw.simulated.mqtt_device import DeviceMessage, Relay, SimulatedGateway, joined, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

ACKNOWLEDGED_S = 0.05
"""From a command to the acknowledgment of the radio."""

VERIFIED_S = 1.1
"""From the acknowledgment to the value read from the node."""

DEAD_S = 3.2
"""From a command without acknowledgment to the status Dead."""

IGNORES_AT_START_S = 0.5
"""Retained messages that arrive in this time after the program's start come too early and are ignored."""

_WORDS = {"true": True, "on": True, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class PowerOnParameter:
    """Configuration parameter of a product for the state after a power failure, and the meaning of its numbers."""

    number: int = 21
    off: int = 0
    on: int = 1
    last: int = 2


ZEN15 = PowerOnParameter(number=21, off=2, on=1, last=0)
"""Zooz ZEN15. The numbers differ from maker to maker."""


@dataclass
class ZwaveNode:
    """A Z-Wave node with one relay for each endpoint.

    `name`: as in topics; an unnamed node is `nodeID_3`. `cache`: the gateway's value and its time (in seconds) by
    endpoint. `parameter`: the value of its power-on parameter.
    """

    name: str
    node_id: int
    relays: dict[int, Relay]
    power_on: PowerOnParameter = ZEN15
    parameter: int = 0
    status: str = "Alive"
    cache: dict[int, tuple[float, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameter = self.power_on.last
        self.cache = {endpoint: (0.0, relay.switched_on) for endpoint, relay in self.relays.items()}

    @property
    def answers(self) -> bool:
        return all(relay.answers for relay in self.relays.values())

    @property
    def any_relay(self) -> Relay:
        return next(iter(self.relays.values()))


class SimulatedZwaveGateway(SimulatedGateway):
    """Z-Wave JS UI. Relays are `zwave/NODE#0`, with the number of the endpoint.

    `names`: type of the topics. `payload`: format of the values, JSON with time and value, or the plain value.
    `stop` and `start` end and start the program. Nodes are not queried at a start; their cached values are published.
    """

    FAMILY = "zwave"
    FACTORY_FAULTS = DeviceFaults(echoes_before_switching=True, remembers=True, silent_after_broker=True)
    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS | {
        *("echoes_before_switching", "remembers", "silent_after_broker", "missing_state_key", "repeats_messages"),
        *("splits_trip", "keeps_online", "welded", "recloses_s", "cannot_be_queried", "false_watts"),
    }
    BOOT_S = 5.0

    def __init__(
        self,
        nodes: Iterable[ZwaveNode],
        *,
        base: str = "zwave",
        gateway: str = "zwave-js-ui",
        names: Literal["value-id", "named"] = "value-id",
        payload: Literal["json", "raw"] = "json",
        epoch_s: float = 0.0,
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        relays = [relay for node in self.nodes.values() for relay in node.relays.values()]
        super().__init__(f"ZWAVE_GATEWAY-{gateway}", relays, epoch_s=epoch_s, keepalive_s=60)
        self.base = base
        self.names = names
        self.payload = payload
        self._started_at = 0.0
        self._client = joined(base, "_CLIENTS", f"ZWAVE_GATEWAY-{gateway}")
        self._of = {relay.address: node for node in self.nodes.values() for relay in node.relays.values()}

    # --- the program --------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Report the driver as stopped; the gateway's own status stays as it is."""
        self._say(joined(self.base, "driver", "status"), "false", qos=1, retain=True)

    def _siblings(self, relay: Relay) -> tuple[Relay, ...]:
        return tuple(self._of[relay.address].relays.values())

    # --- connection ---------------------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        own = joined(self._client, "api", "#")
        values = (joined(self.base, node.name, "+", "+", "+", "set") for node in self.nodes.values())
        return (own, *values)

    @property
    def will(self) -> Will | None:
        return Will(joined(self._client, "status"), b'{"value":false}', qos=1, retain=True)

    def _value_topic(self, node: ZwaveNode, endpoint: int, *value: str) -> str:
        if self.names == "named":
            return joined(self.base, node.name, "switch_binary", f"endpoint_{endpoint}", *value)
        return joined(self.base, node.name, "37", str(endpoint), *value)

    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        node = self._of[relay.address]
        topic = self._value_topic(node, self._endpoint(node, relay), "targetValue", "set")
        return DeviceMessage(topic, b'{"value":true}' if on else b'{"value":false}', 1, retain=True)

    def _endpoint(self, node: ZwaveNode, relay: Relay) -> int:
        return next(endpoint for endpoint, one in node.relays.items() if one is relay)

    def _greet(self, now: float, *, fresh: bool) -> None:
        self._keep(joined(self._client, "status"), {"value": True})
        self._started_at = now if fresh else self._started_at
        if not fresh:
            for relay in self.relays.values():
                if not relay.faults.silent_after_broker:
                    self._publish(self._of[relay.address], relay)
            return
        self._keep(joined(self.base, "driver", "status"), "true")
        for node in self.nodes.values():
            node.status = "Alive"
            for _ in range(6):
                self._say_status(node, now)
            for endpoint, relay in node.relays.items():
                if relay.faults.remembers:
                    self._publish(node, relay)
                    self._keep(self._value_topic(node, endpoint, "targetValue"), self._stamped(now, None))
            self._say_parameter(node, now)

    def _keep(self, topic: str, content: object) -> None:
        self._say(topic, content, qos=1, retain=True)

    def _say_status(self, node: ZwaveNode, now: float) -> None:
        alive = node.status not in ("Dead", "Unknown")
        content = {"time": self._ms(now), "value": alive, "status": node.status, "nodeId": node.node_id}
        self._keep(joined(self.base, node.name, "status"), content)

    def _ms(self, now: float) -> int:
        return round((self.epoch_s + now) * 1000.0)

    def _stamped(self, at: float, value: object) -> object:
        """Return a value in the format of the payload; None: a value that the gateway does not have."""
        if self.payload == "raw":
            return "" if value is None else value
        return {"time": self._ms(at)} if value is None else {"time": self._ms(at), "value": value}

    # --- commands -----------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        content = parsed(payload)
        if topic == joined(self._client, "api", "pollValue", "set"):
            self._poll(content, now)
            return
        if retained and now < self._started_at + IGNORES_AT_START_S:
            return  # at the program's own start, a retained command comes before the driver is ready
        for node in self.nodes.values():
            for endpoint, relay in node.relays.items():
                targets = (self._value_topic(node, endpoint, one, "set") for one in ("targetValue", "currentValue"))
                if topic in targets and (on := _commanded(content)) is not None:
                    self._command(node, relay, on, retained, now)
            if topic == joined(self._parameter_topic(node), "set"):
                self._set_parameter(node, content, now)

    def _command(self, node: ZwaveNode, relay: Relay, on: bool, retained: bool, now: float) -> None:
        if not self._reached(node, now):
            return
        self._note_command(relay, on, now, retained=retained)
        endpoint = self._endpoint(node, relay)

        def acknowledged(at: float) -> None:
            self._keep(self._value_topic(node, endpoint, "targetValue"), self._stamped(at, on))
            if relay.faults.echoes_before_switching and self.powered:
                node.cache[endpoint] = (at, on)
                self._publish(node, relay)

        self._later(now + ACKNOWLEDGED_S, acknowledged, relay.address)
        moved_at = now + ACKNOWLEDGED_S + relay.faults.slow_s
        self._later(moved_at, lambda at: self._moves(relay, on, at), relay.address)
        self._later(now + ACKNOWLEDGED_S + VERIFIED_S, lambda at: self._verify(node, relay, at), relay.address)

    def _moves(self, relay: Relay, on: bool, now: float) -> None:
        changed = self._obey(relay, on, now)
        if changed and relay.faults.slow_s > VERIFIED_S and not relay.faults.mute:
            self._report_movement(relay, now, "command", changed=True)

    def _reached(self, node: ZwaveNode, now: float) -> bool:
        """Return whether a node acknowledges, and report Dead and Alive as they become known."""
        status = "Alive" if node.answers else "Dead"
        if status != node.status and not (status == "Dead" and node.any_relay.faults.keeps_online):

            def known(at: float) -> None:
                node.status = status
                self._say_status(node, at)

            self._later(now + (ACKNOWLEDGED_S if node.answers else DEAD_S), known)
        return node.answers

    def _verify(self, node: ZwaveNode, relay: Relay, now: float) -> None:
        if relay.answers and not relay.faults.mute:
            self._learn(node, relay, now)

    def _learn(self, node: ZwaveNode, relay: Relay, now: float) -> None:
        """Receive the present value from the node and publish it."""
        if not self.powered:
            return
        node.cache[self._endpoint(node, relay)] = (now, relay.switched_on)
        self._publish(node, relay)

    def _poll(self, content: object, now: float) -> None:
        """Handle pollValue: read a value from its node, publish it, and reply."""
        arguments = content.get("args") if isinstance(content, dict) else None
        value = arguments[0] if isinstance(arguments, list) and arguments and isinstance(arguments[0], dict) else {}
        node = next((one for one in self.nodes.values() if one.node_id == value.get("nodeId")), None)
        endpoint = value.get("endpoint", 0)
        relay = node.relays.get(endpoint) if node is not None and isinstance(endpoint, int) else None
        origin = {"origin": content}
        if node is None or relay is None or relay.faults.cannot_be_queried:
            self._reply({"success": False, "message": "Invalid node or value", **origin})
        elif not self._reached(node, now):
            failed = {"success": False, "message": f"Node {node.node_id} did not respond", **origin}
            self._later(now + DEAD_S, lambda _at: self._reply(failed))
        else:
            self._later(now + ACKNOWLEDGED_S, partial(self._answer, node, relay, value, origin), relay.address)

    def _answer(
        self, node: ZwaveNode, relay: Relay, value: dict[str, object], origin: dict[str, object], now: float
    ) -> None:
        if value.get("commandClass") == 50:
            self._publish_power(node, relay, now)
            self._reply({"success": True, "message": "Success zwave api call", "result": relay.watts, **origin})
            return
        self._learn(node, relay, now)
        self._reply({"success": True, "message": "Success zwave api call", "result": relay.switched_on, **origin})

    def _reply(self, content: dict[str, object]) -> None:
        self._say(joined(self._client, "api", "pollValue"), content, qos=1)

    # --- reports ------------------------------------------------------------------------------------------------------

    def _publish(self, node: ZwaveNode, relay: Relay) -> None:
        endpoint = self._endpoint(node, relay)
        at, value = node.cache[endpoint]
        content = self._stamped(at, None if relay.faults.missing_state_key else value)
        for _ in range(3 if relay.faults.repeats_messages else 1):
            self._keep(self._value_topic(node, endpoint, "currentValue"), content)

    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        node = self._of[relay.address]
        if by == "manual":
            self._say_trip(node, relay, 0, now)
        if changed or by == "manual":
            self._learn(node, relay, now)

    def _report_trip(self, relay: Relay, now: float) -> None:
        node = self._of[relay.address]
        if relay.faults.splits_trip == "state-first":
            self._learn(node, relay, now)
            self._later(now + 1.0, lambda at: self._say_trip(node, relay, 6, at), relay.address)
            return
        self._say_trip(node, relay, 6, now)
        wait_s = 1.0 if relay.faults.splits_trip else 0.1
        self._later(now + wait_s, lambda at: self._learn(node, relay, at), relay.address)

    def _say_trip(self, node: ZwaveNode, relay: Relay, value: int, now: float) -> None:
        """Publish the over-current status: 6 while it is present, 0 when idle."""
        endpoint = self._endpoint(node, relay)
        status = ("Power_Management", "Over-current_status")
        if self.names == "named":
            topic = joined(self.base, node.name, "notification", f"endpoint_{endpoint}", *status)
        else:
            topic = joined(self.base, node.name, "113", str(endpoint), *status)
        self._keep(topic, self._stamped(now, value))

    def _publish_power(self, node: ZwaveNode, relay: Relay, now: float) -> None:
        relay.meter(now)
        endpoint = self._endpoint(node, relay)
        level = ("meter", f"endpoint_{endpoint}") if self.names == "named" else ("50", str(endpoint))
        watts = 0.0 if relay.faults.false_watts and not node.cache[endpoint][1] else relay.watts
        base = joined(self.base, node.name, *level, "value")
        self._keep(joined(base, "66049"), self._stamped(now, round(watts, 1)))
        self._keep(joined(base, "65537"), self._stamped(now, round(relay.energy_wh / 1000.0, 3)))

    # --- power-up -----------------------------------------------------------------------------------------------------

    def _parameter_topic(self, node: ZwaveNode) -> str:
        level = "configuration" if self.names == "named" else "112"
        endpoint = "endpoint_0" if self.names == "named" else "0"
        return joined(self.base, node.name, level, endpoint, str(node.power_on.number))

    def _say_parameter(self, node: ZwaveNode, now: float) -> None:
        self._keep(self._parameter_topic(node), self._stamped(now, node.parameter))

    def _set_parameter(self, node: ZwaveNode, content: object, now: float) -> None:
        value = content.get("value") if isinstance(content, dict) else content
        if isinstance(value, int) and self._reached(node, now):
            node.parameter = value
            self._later(now + ACKNOWLEDGED_S, lambda at: self._say_parameter(node, at))

    def _power_up_state(self, relay: Relay) -> bool:
        node = self._of[relay.address]
        if node.parameter == node.power_on.off:
            return False
        return node.parameter == node.power_on.on or relay.switched_on


def _commanded(content: object) -> bool | None:
    """Return the commanded state; None: the gateway does not accept this payload."""
    value = content.get("value") if isinstance(content, dict) else content
    return value if isinstance(value, bool) else _WORDS.get(str(value).lower())
