"""A house of real device families in virtual time: the real engine, the real topics, simulated devices and a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.bus.messages import IncomingMessage
from controller.bus.profiles.registry import DeviceCatalog, profile_of
from controller.bus.topics import Topics
from controller.core import events as ev
from controller.core.effects import LogEvent, QueryDevice, SavedState, SwitchOff, SwitchOn
from controller.core.engine import Engine, EngineSettings
from hw.simulated.device_catalog import simulated_devices
from hw.simulated.virtual_broker import VirtualBroker
from rules.panel import Circuit, CircuitId, Kind, Panel, Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.core.effects import Effect
    from hw.simulated.device_faults import DeviceFaults
    from hw.simulated.mqtt_device import Relay, SimulatedDevice

EPOCH_S = 1_800_000_000.0
STEP_S = 0.05


class DeviceHouse:
    """The house. `now`: monotonic seconds of the only boot. `log`: events. `commands`: (second, circuit, word).

    `devices`: by circuit, as in circuits.toml. `faults`: by device.
    """

    def __init__(
        self,
        devices: Mapping[str, str],
        *,
        faults: Mapping[str, DeviceFaults] | None = None,
        catalog: DeviceCatalog | None = None,
        is_open: bool = False,
        **simulated: Any,
    ) -> None:
        self.now = 100.0
        catalog = catalog or DeviceCatalog()
        self.panel = Panel.of(
            *(
                Circuit(
                    CircuitId(name),
                    name.capitalize(),
                    (2 * place + 1, 2 * place + 3),
                    Kind.RELAY,
                    Tag.NONESSENTIAL,
                    amps=30.0,
                    device=catalog.traits(device),
                )
                for place, (name, device) in enumerate(devices.items())
            )
        )
        self._addresses = dict(devices)
        self.simulated = simulated_devices(
            devices.values(), faults=faults, epoch_s=EPOCH_S, **{"load_w": 4500.0, **simulated}
        )
        self.broker = VirtualBroker(self.simulated)
        profiles = {one.id: profile_of(one, "home", catalog) for one in self.panel}
        self.topics = Topics("home", [*profiles], profiles=profiles)
        self._subscribed = set(self.topics.device_topics())
        self.log: list[LogEvent] = []
        self.commands: list[tuple[float, str, str]] = []
        self.queries: list[tuple[float, str, str]] = []
        self._inbox: list[ev.Event] = []
        self._heard = 0
        self._connected = False
        self.engine = Engine(self.panel, EngineSettings(), SavedState(), "boot", self.now)
        self.broker.advance(self.now)
        self.run(20.0)  # the devices have started
        self._put(ev.ContactChanged(self.now, open=is_open))
        self.connect()

    # --- what happens ------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the controller to the broker: it receives the retained messages."""
        self._heard = len(self.broker.heard)
        self._connected = True
        self._put(ev.BusConnected(self.now))
        for one in self.broker.retained_messages(self.now):
            self._receive(one.topic, one.payload, retained=True)
        self.run(0.0)

    def disconnect(self) -> None:
        """Lose the controller's connection to the broker."""
        self._connected = False
        self._put(ev.BusLost(self.now, "lost"))
        self.run(0.0)

    def transfer(self) -> None:
        """Open the contact."""
        self._put(ev.ContactChanged(self.now, open=True))
        self.run(0.2)

    def utility_returns(self) -> None:
        """Close the contact."""
        self._put(ev.ContactChanged(self.now, open=False))
        self.run(0.2)

    def move(self, circuit: str, on: bool) -> None:
        """Move a relay by hand."""
        device, relay = self._device(circuit)
        self.broker.take(device.move_manually(relay.address, on, self.now), self.now)
        self.run(0.0)

    def load(self, circuit: str, watts: float) -> None:
        """Change the load of a circuit."""
        device, relay = self._device(circuit)
        self.broker.take(device.set_load(relay.address, watts, self.now), self.now)
        self.run(0.0)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.broker.advance(self.now)
            self._hear()
            self._turn()
            if self.now >= end:
                if not self._inbox and self._heard == len(self.broker.heard):
                    return
                continue
            due = [at for at in (self.engine.deadline(), self.broker.next_due) if at is not None and at > self.now]
            self.now = min([end, *due])

    # --- what is seen ------------------------------------------------------------------------------------------------

    def relay(self, circuit: str) -> Relay:
        """Return the simulated relay of a circuit."""
        return self._device(circuit)[1]

    def device(self, circuit: str) -> SimulatedDevice:
        """Return the simulated device or gateway of a circuit."""
        return self._device(circuit)[0]

    def energized(self) -> set[str]:
        """Return the circuits that are really on."""
        return {one for one in self._addresses if self.relay(one).energized}

    def shed(self) -> set[str]:
        """Return the circuits that are reported as switched off and confirmed."""
        return {*self.engine.state_view().shed}

    def unconfirmed(self) -> set[str]:
        """Return the circuits whose command is not confirmed."""
        return {*self.engine.state_view().unconfirmed}

    def alarms(self) -> dict[str, str]:
        """Return the active alarms: id → message."""
        return {one.id: one.message for one in self.engine.alarm_views()}

    def events(self, name: str) -> list[str | None]:
        """Return the circuits of the events of this name."""
        return [one.circuit for one in self.log if one.event == name]

    def moves(self, circuit: str) -> list[bool]:
        """Return the movements of a relay: True is on."""
        return [one.on for one in self.relay(circuit).moves]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _device(self, circuit: str) -> tuple[SimulatedDevice, Relay]:
        address = self._addresses[circuit]
        for device in self.simulated:
            for name, relay in device.relays.items():
                if name in (address, f"{address}#0", f"{address}#1"):
                    return device, relay
        raise LookupError(address)

    def _put(self, event: ev.Event) -> None:
        self._inbox.append(event)

    def _hear(self) -> None:
        while self._heard < len(self.broker.heard):
            one = self.broker.heard[self._heard]
            self._heard += 1
            if self._connected:
                self._receive(one.topic, one.payload, retained=False)

    def _receive(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if topic in self._subscribed:
            message = IncomingMessage(self.now, topic, payload, retained, offset_s=EPOCH_S)
            self._inbox += [one for one in self.topics.read(message) if isinstance(one, tuple)]  # type: ignore[misc]

    def _turn(self) -> None:
        events, self._inbox = self._inbox, []
        deadline = self.engine.deadline()
        if not events and (deadline is None or deadline > self.now):
            return
        for effect in self.engine.advance(events, self.now):
            self._carry_out(effect)
        self.engine.commands_sent(self.now)
        deadline = self.engine.deadline()
        assert deadline is None or deadline > self.now, "a deadline in the past would be a turn without end"

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SwitchOff() | SwitchOn():
                sent = self.topics.command(effect)
                self.commands.append((self.now, effect.circuit, "OFF" if isinstance(effect, SwitchOff) else "ON"))
                self.broker.publish(sent.topic, sent.payload, self.now)
            case QueryDevice(circuit, "retained"):
                self.queries.append((self.now, circuit, "retained"))
                for topic in self.topics.devices.state_topics(circuit):
                    if topic in self.broker.retained:
                        self._receive(topic, self.broker.retained[topic], retained=True)
            case QueryDevice(circuit, ask):
                self.queries.append((self.now, circuit, ask))
                if (question := self.topics.device_query(effect)) is not None:
                    self.broker.publish(question.topic, question.payload, self.now)
            case LogEvent():
                self.log.append(effect)
            case _:
                pass
