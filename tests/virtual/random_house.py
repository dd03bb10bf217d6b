"""The virtual house: the world around the program, with its faults by name."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from controller.core import events as ev
from rules.panel import CircuitId, Kind, Position
from tests.virtual.bus import Broker, Queued
from tests.virtual.device import Device, Origin
from tests.virtual.disk import Loss
from tests.virtual.family_bus import FamilyBus
from tests.virtual.family_device import DrawnDevices, FamilyDevice
from tests.virtual.meter import POLL_S, Meter
from tests.virtual.program import Program
from tests.virtual.virtual_clock import Clockwork
from tests.virtual.wire import WIRE_S, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.core.engine import EngineSettings
    from controller.core.events import Event
    from rules.panel import Panel
    from rules.requests import AskKind

_REMOTE = (Kind.GEN2, Kind.RELAY)


class RandomHouse(Clockwork):
    """`at`: the world's seconds. Everything random comes from `seed`: the same seed, the same night."""

    def __init__(
        self,
        panel: Panel,
        settings: EngineSettings,
        seed: int = 0,
        *,
        metered: bool = False,
        drawn: DrawnDevices | None = None,
    ) -> None:
        super().__init__()
        self.random = Random(seed)  # noqa: S311  # a replay, not a secret
        self.panel = panel
        self.settings = settings
        self.devices: dict[CircuitId, Device] = {}
        self.families = FamilyBus(self, panel, drawn or DrawnDevices())
        self.devices |= self.families.devices
        self._install(panel)
        self.broker = Broker()
        self.contact_open = False
        self.contact_on_bus = settings.contact_on_bus
        self.contact_there = True
        self.stuck: bool | None = None
        self.edges_lost = False
        self.drop_until = 0.0
        self.log: Callable[[str], None] = lambda _: None
        self._link_number = 0
        self._read_open: bool | None = None
        self.wire = Wire(self.random)
        self.meter = Meter(self.at) if metered else None
        self.program = Program(
            panel, settings, self.devices, self._sent, self.random, query=self.families.query, metered=metered
        )
        if metered:
            self.after(POLL_S, self._poll_meter)

    def _turn_due(self) -> float | None:
        return self.program.due(self.at)

    def _turn(self) -> None:
        self.program.disk.commit(self.at)
        self.families.look()
        self.program.turn(self.at)
        if self.program.engine is None:
            self._after_the_end()

    def corrupt_disk(self) -> None:
        """Overwrite some sectors of the ledger."""
        self.program.disk.corrupt(self.random)

    def close(self) -> None:
        """Throw away what is on the disk."""
        self.program.disk.close()

    def _tell(self, make: Callable[[float], Event]) -> None:
        if self.program.engine is not None:
            self.program.inbox.append(make)

    # --- the program's life ------------------------------------------------------------------------------------------

    def start(self, *, rebooted: bool = False) -> None:
        """Start the program, as systemd does."""
        if self.program.engine is not None:
            return
        self.program.disk.commit(self.at)
        self.families.program_starts()
        self.program.start(self.at, rebooted=rebooted)
        if not self.contact_on_bus:
            self._read_open = None
            self._read_level()
        self._dial()

    def crash(self, down_s: float = 2.0, *, reboot: bool = False) -> None:
        """Kill the program now, or cut the machine's power (`reboot`); it is started again `down_s` later."""
        if self.program.engine is not None:
            self.program.die(self.at, Loss.POWER if reboot else Loss.KILL)
            self._after_the_end(down_s, reboot=reboot)

    def stop(self, down_s: float = 2.0) -> None:
        """End the program regularly, as an upgrade does; it is started again `down_s` later."""
        if self.program.engine is not None:
            self.program.stop(self.at)
            self._after_the_end(down_s)

    def crash_in_next_turn(self, commands: int) -> None:
        """Kill the program in the next turn with commands, after this number was sent and before any row."""
        self.program.crash_after = commands

    def stall(self, seconds: float) -> None:
        """Stall the program for this time."""
        self.program.busy_until = max(self.program.busy_until, self.at + seconds)
        self.families.look()

    def _after_the_end(self, down_s: float = 2.0, *, reboot: bool = False) -> None:
        self._link_lost("the program has ended")
        self.after(down_s, lambda: self.start(rebooted=reboot))

    def _poll_meter(self) -> None:
        meter = self.meter
        assert meter is not None
        meter.live(self.at)
        edges = meter.new_edges()
        if self.program.engine is not None:
            for place in range(min(edges, 3)):  # enough to compute a rate
                self._tell(lambda now, place=place: ev.PulseSeen(now - 1.0 + place / 4))  # type: ignore[misc]
            self._tell(meter.polled)
        self.after(POLL_S, self._poll_meter)

    # --- the contact -------------------------------------------------------------------------------------------------

    def contact(self, *, is_open: bool) -> None:
        """Move the auxiliary contact (or try to, if it is stuck)."""
        if self.stuck is not None or is_open == self.contact_open:
            return
        self.contact_open = is_open
        if self.contact_on_bus:
            self._contact_says()
        elif self.edges_lost:
            self.after(self.random.uniform(0.0, 0.25), self._read_level)
        else:
            self._read_level()

    def bounce(self, seconds: float) -> None:
        """Move the contact and back within this time."""
        was = self.contact_open
        self.contact(is_open=not was)
        self.after(seconds, lambda: self.contact(is_open=was))

    def stick(self, seconds: float) -> None:
        """Block the contact for this time, whatever the switch does."""
        self.stuck = self.contact_open
        self.after(seconds, lambda: setattr(self, "stuck", None))

    def contact_gone(self, seconds: float) -> None:
        """Take the contact's device from the bus, or its GPIO chip from the program."""
        self.contact_there = False
        if self.contact_on_bus:
            self._contact_online(online=False)
        else:
            self._read_open = None
            at = self.at
            self._tell(lambda now: ev.ContactLost(min(at - self.program.boot_at, now), "the chip has failed"))
        self.after(seconds, self._contact_back)

    def _contact_back(self) -> None:
        self.contact_there = True
        if self.contact_on_bus:
            self._contact_online(online=True)
            self._contact_says()
        else:
            self._read_level()

    def _read_level(self) -> None:
        is_open, at = self.contact_open, self.at
        if is_open is self._read_open or not self.contact_there or self.program.engine is None:
            return
        self._read_open = is_open
        boot_at = self.program.boot_at
        self._tell(lambda now: ev.ContactChanged(min(at - boot_at, now), is_open))

    def _contact_says(self) -> None:
        if not self.contact_there or not self.broker.up:
            return
        is_open = self.broker.contact_open = self.contact_open
        self._over_the_wire(lambda now: ev.ContactChanged(now, is_open), "contact")

    def _contact_online(self, *, online: bool) -> None:
        if not self.broker.up:
            return
        self.broker.contact_online = online
        if online:
            self._over_the_wire(ev.ContactAlive, "contact/status")
        else:
            self._over_the_wire(lambda now: ev.ContactLost(now, "its device is offline"), "contact/status")

    # --- the bus -----------------------------------------------------------------------------------------------------

    def _over_the_wire(self, make: Callable[[float], Event], topic: str = "") -> None:
        """Have the program hear of it. `topic`: where messages may be lost, repeated or late; empty: none of that."""
        number = self._link_number

        def arrive() -> None:
            if self.broker.link and number == self._link_number:
                self._tell(make)

        for due in self.wire.arrivals(topic, self.at) if topic else (self.at + WIRE_S,):
            self.after(due - self.at, arrive)

    def over_the_wire_all(self, read: Callable[[float], list[Event]], topic: str) -> None:
        """Have the program read a message of a device, which may be several events."""
        number = self._link_number

        def arrive() -> None:
            if self.broker.link and number == self._link_number and self.program.engine is not None:
                self.program.inbox.append(read)

        for due in self.wire.arrivals(topic, self.at):
            self.after(due - self.at, arrive)

    def _dial(self) -> None:
        number = self._link_number
        self.after(self.random.uniform(0.02, 2.0), lambda: self._connect(number))

    def _connect(self, number: int) -> None:
        broker = self.broker
        if self.program.engine is None or broker.link or number != self._link_number:
            return
        if not broker.up or self.at < self.drop_until:
            self._tell(lambda now: ev.BusLost(now, "refused"))
            self._dial()
            return
        broker.link = True
        self._tell(ev.BusConnected)
        if self.contact_on_bus:
            if broker.contact_open is not None:
                was = broker.contact_open
                self._over_the_wire(lambda now: ev.ContactChanged(now, was, retained=True))
            if broker.contact_online is False:
                self._over_the_wire(lambda now: ev.ContactLost(now, "its device is offline"))
        self.families.connected()
        for circuit, online in broker.availability.items():
            self._over_the_wire(
                lambda now, circuit=circuit, online=online: ev.AvailabilityReported(  # type: ignore[misc]
                    now, circuit, online, retained=True
                )
            )
        for circuit, position in broker.states.items():
            self._over_the_wire(
                lambda now, circuit=circuit, position=position: ev.BreakerReported(  # type: ignore[misc]
                    now, circuit, position, retained=True
                )
            )

    def _link_lost(self, reason: str) -> None:
        self._link_number += 1
        if self.broker.link:
            self.broker.link = False
            self._tell(lambda now: ev.BusLost(now, reason))
            self.families.look()
        if self.program.engine is not None:
            self._dial()

    def drop_link(self, seconds: float) -> None:
        """Disconnect the program from the broker for this time; the devices stay connected."""
        self.drop_until = max(self.drop_until, self.at + seconds)
        self._link_lost("the line is cut")

    def stop_broker(self, seconds: float, *, memory: str = "kept", wills: bool = False) -> None:
        """Stop the broker; it comes back with its memory `kept`, `old` (as last saved) or `lost`.

        `wills`: it publishes the last wills of its clients as it stops.
        """
        if not self.broker.up:
            return
        if wills and self.broker.link:
            self._publish_wills()
        self.broker.up = False
        self.families.broker_down()
        self._link_lost("the broker has ended")
        for device in self.devices.values():
            device.on_bus = False
        self.after(seconds, lambda: self._broker_back(memory))

    def _publish_wills(self) -> None:
        """Publish the last wills of all clients, just before the connection of the program ends."""
        for device in self.devices.values():
            if isinstance(device, FamilyDevice):
                continue
            if device.on_bus and device.writes_availability and not device.silent:
                self.broker.availability[device.circuit] = False
                self._tell(lambda now, circuit=device.circuit: ev.AvailabilityReported(now, circuit, False))  # type: ignore[misc]
        if self.contact_on_bus and self.contact_there:
            self.broker.contact_online = False
            self._tell(lambda now: ev.ContactLost(now, "its device is offline"))

    def _broker_back(self, memory: str) -> None:
        self.broker.up = True
        if memory != "kept":
            self.broker.lose_memory(all_of_it=memory == "lost")
        self.families.broker_up(memory)
        for circuit in self.devices:
            self.after(self.random.uniform(0.05, 3.0), lambda circuit=circuit: self.attach(circuit))  # type: ignore[misc]
        if self.contact_on_bus:
            self.after(self.random.uniform(0.05, 3.0), self.contact_back_on_bus)

    def contact_back_on_bus(self) -> None:
        """Have an MQTT contact say that it is there, and where."""
        if self.contact_there:
            self._contact_online(online=True)
            self._contact_says()

    def _install(self, panel: Panel) -> None:
        for circuit in panel:
            self.devices.setdefault(circuit.id, Device(circuit.id, silent=circuit.kind not in _REMOTE))

    # --- devices -----------------------------------------------------------------------------------------------------

    def _sent(self, circuit: CircuitId, word: Position, origin: Origin, expires_s: int) -> None:
        if not self.broker.link or circuit not in self.devices:
            return
        device = self.devices[circuit]
        if isinstance(device, FamilyDevice):
            self.families.command(circuit, word, origin, expires_s)
            return
        if device.on_bus:
            for due in self.wire.arrivals(f"{circuit}/set", self.at):
                self.after(due - self.at, lambda: self._reach(device, word, origin))
        elif device.keeps_session:
            self.broker.keep(circuit, Queued(self.at + expires_s, word, origin))

    def _reach(self, device: Device, word: Position, origin: Origin) -> None:
        due = device.hear(word, origin, self.at)
        if due is not None:
            self.after(max(0.0, due - self.at), lambda: self._obey(device))

    def _obey(self, device: Device) -> None:
        moves = device.moves
        for position in device.obey(self.at):
            self._says(device, position)
        if device.moves > moves:
            self.log(f"{device.circuit} obeys and is {device.position.value}")
        if device.moves > moves and device.position is Position.OFF and device.moved_by is Origin.RULES:
            self.program.facts.fell_late(device.circuit)

    def _says(self, device: Device, position: Position) -> None:
        if not device.speaks or not self.broker.up:
            return
        self.broker.states[device.circuit] = position
        self.log(f"{device.circuit} reports {position.value}")
        topic = f"{device.circuit}/state"
        self._over_the_wire(lambda now: ev.BreakerReported(now, device.circuit, position), topic)

    def _says_available(self, device: Device, *, online: bool) -> None:
        if not device.writes_availability or not self.broker.up:
            return
        self.broker.availability[device.circuit] = online
        topic = f"{device.circuit}/availability"
        self._over_the_wire(lambda now: ev.AvailabilityReported(now, device.circuit, online), topic)

    def attach(self, circuit: CircuitId) -> None:
        """Connect a device to its broker: it publishes availability and position, and receives queued messages."""
        device = self.devices[circuit]
        if isinstance(device, FamilyDevice):
            self.families.pump()
            return
        if not self.broker.up or device.away or device.on_bus:
            return
        device.on_bus = True
        if not device.silent:
            self._says_available(device, online=True)
        self._says(device, device.position)
        for command in self.broker.take(circuit, self.at):
            self._reach(device, command.word, command.origin)

    def says_again(self, circuit: CircuitId) -> None:
        """Let a device repeat its position, as many do each minute."""
        if not isinstance(self.devices[circuit], FamilyDevice):
            self._says(self.devices[circuit], self.devices[circuit].position)

    def hand(self, circuit: CircuitId, position: Position) -> None:
        """Move a handle by hand."""
        device = self.devices[circuit]
        if isinstance(device, FamilyDevice):
            self.families.hand(device, position)
            return
        if device.position is not position:
            device.position, device.moved_by = position, Origin.HAND
            self._says(device, position)

    def trip(self, circuit: CircuitId) -> None:
        """Trip a breaker that is on."""
        device = self.devices[circuit]
        if isinstance(device, FamilyDevice):
            self.families.trip(device)
            return
        if device.position is Position.ON:
            device.position, device.moved_by = Position.TRIPPED, Origin.POWER
            self._says(device, device.position)

    def leave(self, circuit: CircuitId, seconds: float, *, power: bool = False) -> None:
        """Disconnect a device for this time; its last will follows when the broker notices."""
        device = self.devices[circuit]
        if isinstance(device, FamilyDevice):
            self.families.leave(device, seconds, power=power)
            return
        if device.away:
            return
        device.away = True
        if power:
            device.lose_power()
        was_there, device.on_bus = device.on_bus, False
        if was_there:
            self.after(self.random.uniform(0.0, 3.0), lambda: self._will(device))
        self.after(seconds, lambda: self._come_back(device, power=power))

    def _will(self, device: Device) -> None:
        if not device.on_bus:
            self._says_available(device, online=False)

    def _come_back(self, device: Device, *, power: bool) -> None:
        device.away = False
        if power:
            device.wake()
            device.on_bus = False
        self.attach(device.circuit)

    # --- people ------------------------------------------------------------------------------------------------------

    def ask(
        self, request: AskKind, circuit: CircuitId | None, *, insist: bool = False, for_s: float | None = None
    ) -> None:
        """Send a request over the bus; `for_s`: its duration, for a drill."""
        self._over_the_wire(
            lambda now: ev.Requested(now, request, circuit, by="somebody", now=insist, reply=object(), for_s=for_s),
        )

    def reload(self, panel: Panel) -> None:
        """Have the homeowner's file read again."""
        self._install(panel)
        self.program.change_file(panel, tell=True)

    def edit(self, panel: Panel) -> None:
        """Write the homeowner's file without a reload: it is read at the next start."""
        self._install(panel)
        self.program.change_file(panel, tell=False)

    def spoil_file(self, *, tell: bool) -> None:
        """Have a mistake in the homeowner's file; `tell`: and have it read."""
        self.program.file_wrong = True
        if tell:
            self._tell(lambda now: ev.ConfigurationRefused(now, ("circuits.toml:14: a mistake",)))
