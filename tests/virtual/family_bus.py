"""The part of the virtual house that speaks the messages of MQTT families, between program and simulated devices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from controller.bus.messages import IncomingMessage
from controller.bus.profiles.registry import profile_of
from controller.bus.topics import Topics
from controller.core.effects import SwitchOff, SwitchOn
from hw.simulated.device_catalog import parse_address, simulated_devices
from hw.simulated.mqtt_device import DeviceMessage, SimulatedGateway
from hw.simulated.virtual_broker import VirtualBroker
from rules.panel import CircuitId, Position
from tests.virtual.device import Origin
from tests.virtual.family_device import FamilyDevice

if TYPE_CHECKING:
    from controller.core import events as ev
    from controller.core.effects import QueryDevice
    from hw.simulated.mqtt_device import SimulatedDevice
    from rules.panel import Panel
    from tests.virtual.family_device import DrawnDevices
    from tests.virtual.random_house import RandomHouse

EPOCH_S = 1_700_000_000.0
LOAD_W = 4500.0
_STALL_S = 0.3
_LATE_S = 2.0


class FamilyBus:
    """Simulated devices at a broker of their own, which stops and starts with that of the house.

    `devices`: by circuit. `pump` lets happen what is due: call it after everything that changes.
    """

    def __init__(self, house: RandomHouse, panel: Panel, drawn: DrawnDevices) -> None:
        self._house = house
        self._profiles = {one.id: profile_of(one, "home", drawn.catalog) for one in panel if one.id in drawn.devices}
        texts = [*drawn.devices.values()]
        self.units = simulated_devices(
            texts, faults=drawn.faults, models=drawn.models, off=drawn.off, load_w=LOAD_W, epoch_s=EPOCH_S
        )
        self.broker = VirtualBroker(self.units)
        self.devices: dict[CircuitId, FamilyDevice] = {}
        for circuit, text in drawn.devices.items():
            address = parse_address(text).text
            unit = next(one for one in self.units if address in one.relays)
            relay = unit.relays[address]
            device = FamilyDevice(circuit, text=text, unit=unit, relay=relay, born=drawn.faults[text])
            device.position = relay.position
            self.devices[circuit] = device
        self._of_relay = {device.relay.address: device for device in self.devices.values()}
        self._saved: dict[str, bytes] = {}
        self._sent: dict[str, tuple[Position, Origin]] = {}
        self._next: float | None = None
        self._pumping = False
        self.topics = self._new_topics()
        self._subscribed = set(self.topics.device_topics())

    def _new_topics(self) -> Topics:
        return Topics("home", [*self._profiles], profiles=self._profiles)

    # --- time --------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Apply the faults, let the devices do what is due, and pass on what they publish."""
        if self._pumping or not self.devices:
            return
        self._pumping = True
        at = self._house.at
        for device in self.devices.values():
            self._apply_faults(device, at)
        self.broker.advance(at)
        self._drain()
        self._pumping = False
        due = self.broker.next_due
        if due is not None and (self._next is None or due < self._next or self._next < at):
            self._next = due
            self._house.after(max(0.0, due - at), self._is_due)

    def _is_due(self) -> None:
        self._next = None
        self.pump()

    def _drain(self) -> None:
        heard, self.broker.heard = self.broker.heard, []
        for one in heard:
            if one.topic in self._subscribed:
                self._deliver(one.topic, one.payload, retained=False)
        self._follow()

    def _follow(self) -> None:
        """Account for the movements of the contacts."""
        at = self._house.at
        for device in self.devices.values():
            relay = device.relay
            for move in relay.moves[device.moves_seen :]:
                device.moved_by = self._mover(device, on=move.on, by=move.by)
                device.on_at = at if move.on else device.on_at
                self._house.log(
                    f"{device.circuit} is {'on' if move.on else 'off'}: {device.moved_by.value} ({move.by})"
                )
                if not move.on and device.moved_by is Origin.RULES:
                    self._house.program.facts.fell_late(device.circuit)
                    self._excuse_late(device, at)
            device.moves_seen = len(relay.moves)
            device.position = relay.position
            if relay.faults.welded:
                device.welded_at = at
            self._note_what_hinders(device, at)

    def _excuse_late(self, device: FamilyDevice, at: float) -> None:
        """Expect nothing of a relay that moves long after its command, and whose gateway does not report that."""
        known = self._house.program.facts[device.circuit]
        if isinstance(device.unit, SimulatedGateway) and at > known.off_at + _LATE_S:
            known.exempt = True

    def _mover(self, device: FamilyDevice, *, on: bool, by: str) -> Origin:
        if by == "manual":
            return Origin.HAND
        if by != "command":
            return Origin.POWER
        sent = self._sent.get(device.circuit)
        last = next((one for one in reversed(device.unit.log) if one.address == device.relay.address), None)
        if sent is None or sent[0] is not (Position.ON if on else Position.OFF) or (last is not None and last.retained):
            return Origin.HAND  # a retained command of another program
        return sent[1]

    # --- what an honest program can know -----------------------------------------------------------------------------

    def _note_what_hinders(self, device: FamilyDevice, at: float) -> None:
        house, faults = self._house, device.relay.faults
        wire, program = house.wire, house.program
        late = bool(wire.loses or wire.repeats or wire.late_s or wire.slow_s) or program.busy_until > at + _STALL_S
        late = late or not self.broker.up or program.engine is None
        if late:
            device.disturbed_at = at
        silent = faults.mute or faults.unreachable or faults.cannot_be_queried or faults.slow_s > 0.0
        away = not device.relay.powered or not device.unit.connected
        if late or silent or away or not house.broker.link:
            device.clear_since = float("inf")
        elif device.clear_since == float("inf"):
            device.clear_since = at

    def look(self) -> None:
        """Note what hinders the devices from being heard now."""
        for device in self.devices.values():
            self._note_what_hinders(device, self._house.at)

    def _apply_faults(self, device: FamilyDevice, at: float) -> None:
        if (key := device.fault_key) == device.applied:
            return
        device.applied = key
        faults, old = device.wanted_faults, device.relay.faults
        if faults == old:
            return
        device.unit.set_faults(device.relay.address, faults)
        if old.welded and not faults.welded and not device.relay.switched_on:
            device.relay.meter(at)
            device.relay.energized = False  # an electrician has replaced it
        if (old.mute or old.unreachable) and not (faults.mute or faults.unreachable):
            self._reconnect(device.unit, at)

    def _reconnect(self, unit: SimulatedDevice, at: float) -> None:
        """Let a device that was not heard connect again. A gateway has been connected all the time."""
        if not isinstance(unit, SimulatedGateway) and unit.connected:
            unit.on_disconnected(at)

    # --- the program -------------------------------------------------------------------------------------------------

    def program_starts(self) -> None:
        """Forget what the last program's reader knew."""
        self.topics = self._new_topics()

    def connected(self) -> None:
        """Deliver the retained messages to the program, which has just connected."""
        self.pump()
        for one in self.broker.retained_messages(self._house.at):
            if one.topic in self._subscribed:
                self._deliver(one.topic, one.payload, retained=True)
        self.look()

    def command(self, circuit: CircuitId, word: Position, origin: Origin, expires_s: int) -> None:
        """Publish a command in the device's own words."""
        switch = SwitchOff(circuit, expires_s) if word is Position.OFF else SwitchOn(circuit, expires_s)
        sent = self.topics.command(switch)
        for due in self._house.wire.arrivals(sent.topic, self._house.at):
            self._house.after(
                due - self._house.at, lambda: self._arrives(circuit, word, origin, sent.topic, sent.payload)
            )

    def _arrives(self, circuit: CircuitId, word: Position, origin: Origin, topic: str, payload: bytes) -> None:
        self._sent[circuit] = word, origin
        self._publish(topic, payload)

    def query(self, effect: QueryDevice) -> None:
        """Ask a device, or have its retained messages delivered again."""
        if effect.ask == "retained":
            for topic in self.topics.devices.state_topics(effect.circuit):
                if topic in self.broker.retained and self.broker.up:
                    self._deliver(topic, self.broker.retained[topic], retained=True)
        elif (question := self.topics.device_query(effect)) is not None:
            for due in self._house.wire.arrivals(question.topic, self._house.at):
                self._house.after(due - self._house.at, lambda: self._publish(question.topic, question.payload))

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if self.broker.up:
            self.pump()
            self.broker.publish(topic, payload, self._house.at, retain=retain)
            self.pump()

    def _deliver(self, topic: str, payload: bytes, *, retained: bool) -> None:
        house = self._house

        def read(now: float) -> list[ev.Event]:
            trusted = house.program.trusts_clock
            offset_s = house.program.disk.offset_s + house.program.boot_at if trusted else None
            message = IncomingMessage(now, topic, payload, retained, offset_s=offset_s)
            return [one for one in self.topics.read(message) if isinstance(one, tuple)]  # type: ignore[misc]

        house.over_the_wire_all(read, topic)

    # --- the broker --------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the broker's memory."""
        self._saved = dict(self.broker.retained)

    def broker_down(self) -> None:
        """Stop the broker."""
        self.pump()
        self.broker.goes_down(self._house.at)
        self.look()

    def broker_up(self, memory: str) -> None:
        """Start the broker, with its memory `kept`, `old` or `lost`."""
        if memory != "kept":
            self.broker.retained = dict(self._saved) if memory == "old" else {}
        self.broker.comes_up(self._house.at)
        self._drain()
        self.pump()

    # --- what happens to devices -------------------------------------------------------------------------------------

    def _take(self, messages: tuple[DeviceMessage, ...]) -> None:
        self.broker.take(messages, self._house.at)
        self.pump()

    def hand(self, device: FamilyDevice, position: Position) -> None:
        """Move a handle."""
        if device.position is not position:
            self.pump()
            on = position is Position.ON
            self._take(device.unit.move_manually(device.relay.address, on, self._house.at))

    def trip(self, device: FamilyDevice) -> None:
        """Trip a breaker that is on."""
        if device.position is Position.ON:
            self.pump()
            self._take(device.unit.trip(device.relay.address, self._house.at))

    def leave(self, device: FamilyDevice, seconds: float, *, power: bool) -> None:
        """Cut a device's power, or its network, for this time."""
        self.pump()
        if power:
            self.broker.power_cut(device.unit, self._house.at, device.relay.address)
        else:
            device.off_bus = True
        self._house.after(seconds, lambda: self._back(device))
        self.pump()

    def _back(self, device: FamilyDevice) -> None:
        device.off_bus = False
        self.pump()
        if not device.relay.powered:
            self.broker.power_back(device.unit, self._house.at, device.relay.address)
        self.pump()

    def gateway_away(self, place: int, seconds: float, *, power: bool, moves: bool) -> None:
        """Stop a gateway for this time, or cut the power of its computer. `moves`: a relay is moved meanwhile."""
        gateways = [one for one in self.units if isinstance(one, SimulatedGateway)]
        if not gateways:
            return
        gateway = gateways[place % len(gateways)]
        if not gateway.powered:
            return
        self.pump()
        at = self._house.at
        if power:
            self.broker.power_cut(gateway, at)
        else:
            self._take(gateway.stop(at))
        self.pump()
        if moves:
            members = [one for one in self.devices.values() if one.unit is gateway]
            chosen = members[place % len(members)]
            self.hand(chosen, Position.OFF if chosen.position is Position.ON else Position.ON)
        self._house.after(seconds, lambda: self._gateway_back(gateway))

    def _gateway_back(self, gateway: SimulatedGateway) -> None:
        self.pump()
        if not gateway.powered:
            self.broker.power_back(gateway, self._house.at)
        self.pump()

    def leave_retained(self, device: FamilyDevice, position: Position) -> None:
        """Have somebody publish a command with the retain flag."""
        switch = SwitchOff(device.circuit, 9) if position is Position.OFF else SwitchOn(device.circuit, 9)
        sent = self._new_topics().command(switch)
        self._sent.pop(device.circuit, None)
        self._publish(sent.topic, sent.payload, retain=True)

    def heal(self) -> None:
        """End every fault, and clear the retained commands."""
        for device in self.devices.values():
            device.heal()
            device.born = replace(device.born, welded=False, stuck=False, cannot_be_queried=False)
            for topic in self.topics.devices.command_topics():
                self.broker.retained.pop(topic, None)
        self.pump()
        for unit in self.units:
            if not unit.powered:
                self.broker.power_back(unit, self._house.at)
        for device in self.devices.values():
            self._back(device)
