"""The virtual house: the world around the program, with its faults by name, on a clock that only moves when told to."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from controller import events as ev
from rules.panel import CircuitId, Kind, Position
from tests.virtual import invariants
from tests.virtual.bus import Broker, Queued
from tests.virtual.device import Device, Origin
from tests.virtual.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.engine import EngineSettings
    from controller.events import AskKind, Event
    from rules.panel import Panel

WIRE_S = 0.004
MOST_STEPS = 2000
"""So much never happens within a millisecond: a loop without end."""

_REMOTE = (Kind.GEN2, Kind.RELAY)


class House:
    """`at`: the world's seconds. Everything random comes from `seed`: the same seed, the same night."""

    def __init__(self, panel: Panel, settings: EngineSettings, seed: int = 0, *, metered: bool = False) -> None:
        self.at = 100.0
        self.random = Random(seed)  # noqa: S311  # a replay, not a secret
        self.panel = panel
        self.settings = settings
        self.devices: dict[CircuitId, Device] = {}
        self._install(panel)
        self.broker = Broker()
        self.contact_open = False
        self.contact_on_bus = settings.contact_on_bus
        self.contact_there = True
        self.stuck: bool | None = None
        self.edges_lost = False
        self.drop_until = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._link_number = 0
        self._read_open: bool | None = None
        self.program = Program(panel, settings, self.devices, self._sent, metered=metered)

    # --- time --------------------------------------------------------------------------------------------------------

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something happen so many seconds from now."""
        self._count += 1
        heappush(self._heap, (self.at + seconds, self._count, action))

    def run(self, seconds: float) -> None:
        """Let the house live for so many seconds."""
        end = self.at + seconds
        stood, steps = self.at, 0
        while True:
            stood, steps = (stood, steps + 1) if self.at - stood < 0.001 else (self.at, 0)
            assert steps < MOST_STEPS, f"{self.at}: the house runs and its clock stands"
            world = self._heap[0][0] if self._heap else None
            turn = self.program.due(self.at)
            if world is not None and world <= end and (turn is None or world <= turn):
                at, _, action = heappop(self._heap)
                self.at = max(self.at, at)
                action()
            elif turn is not None and turn <= end:
                self.at = max(self.at, turn)
                self._turn()
            else:
                self.at = end
                return

    def _turn(self) -> None:
        self.program.disk.commit(self.at)
        self.program.turn(self.at)
        if self.program.engine is None:
            self._gone()

    def _tell(self, make: Callable[[float], Event]) -> None:
        if self.program.engine is not None:
            self.program.inbox.append(make)

    # --- the program's life ------------------------------------------------------------------------------------------

    def start(self, *, rebooted: bool = False) -> None:
        """Start the program, as systemd does."""
        if self.program.engine is not None:
            return
        self.program.disk.commit(self.at)
        self.program.start(self.at, rebooted=rebooted)
        if not self.contact_on_bus:
            self._read_open = None
            self._read_level()
        self._dial()

    def crash(self, down_s: float = 2.0, *, reboot: bool = False) -> None:
        """Kill the program now; it is started again `down_s` later."""
        if self.program.engine is not None:
            self.program.die(self.at)
            self._gone(down_s, reboot=reboot)

    def crash_in_next_turn(self, commands: int) -> None:
        """Kill the program in the next turn that commands, after so many of them have left and before any row."""
        self.program.crash_after = commands

    def stall(self, seconds: float) -> None:
        """Let the program do nothing for so long."""
        self.program.busy_until = max(self.program.busy_until, self.at + seconds)

    def _gone(self, down_s: float = 2.0, *, reboot: bool = False) -> None:
        self._link_lost("the program has ended")
        self.after(down_s, lambda: self.start(rebooted=reboot))

    # --- the contact -------------------------------------------------------------------------------------------------

    def contact(self, *, is_open: bool) -> None:
        """Move the auxiliary contact (or try to, where it is stuck)."""
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
        """Move the contact and back within so many seconds."""
        was = self.contact_open
        self.contact(is_open=not was)
        self.after(seconds, lambda: self.contact(is_open=was))

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
        self._over_the_wire(lambda now: ev.ContactChanged(now, is_open))

    def _contact_online(self, *, online: bool) -> None:
        if not self.broker.up:
            return
        self.broker.contact_online = online
        if online:
            self._over_the_wire(ev.ContactAlive)
        else:
            self._over_the_wire(lambda now: ev.ContactLost(now, "its device is offline"))

    # --- the bus -----------------------------------------------------------------------------------------------------

    def _over_the_wire(self, make: Callable[[float], Event]) -> None:
        number = self._link_number

        def arrive() -> None:
            if self.broker.link and number == self._link_number:
                self._tell(make)

        self.after(WIRE_S, arrive)

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
        if self.program.engine is not None:
            self._dial()

    def drop_link(self, seconds: float) -> None:
        """Cut the program from the broker for so long; the devices stay on it."""
        self.drop_until = max(self.drop_until, self.at + seconds)
        self._link_lost("the line is cut")

    def stop_broker(self, seconds: float, *, memory: str = "kept") -> None:
        """Stop the broker; it comes back with its memory `kept`, `old` (as last saved) or `lost`."""
        if not self.broker.up:
            return
        self.broker.up = False
        self._link_lost("the broker has ended")
        for device in self.devices.values():
            device.on_bus = False
        self.after(seconds, lambda: self._broker_back(memory))

    def _broker_back(self, memory: str) -> None:
        self.broker.up = True
        if memory != "kept":
            self.broker.lose_memory(all_of_it=memory == "lost")
        for circuit in self.devices:
            self.after(self.random.uniform(0.05, 3.0), lambda circuit=circuit: self._attach(circuit))  # type: ignore[misc]
        if self.contact_on_bus:
            self.after(self.random.uniform(0.05, 3.0), self._contact_back_on_bus)

    def _contact_back_on_bus(self) -> None:
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
        if device.on_bus:
            self.after(WIRE_S, lambda: self._reach(device, word, origin))
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
        if device.moves > moves and device.position is Position.OFF and device.moved_by is Origin.RULES:
            self.program.facts.fell_late(device.circuit)

    def _says(self, device: Device, position: Position) -> None:
        if not device.speaks or not self.broker.up:
            return
        self.broker.states[device.circuit] = position
        self._over_the_wire(lambda now: ev.BreakerReported(now, device.circuit, position))

    def _says_available(self, device: Device, *, online: bool) -> None:
        if not device.writes_availability or not self.broker.up:
            return
        self.broker.availability[device.circuit] = online
        self._over_the_wire(lambda now: ev.AvailabilityReported(now, device.circuit, online))

    def _attach(self, circuit: CircuitId) -> None:
        """Have a device reach its broker: it says that it is there, where it is, and hears what was kept for it."""
        device = self.devices[circuit]
        if not self.broker.up or device.away or device.on_bus:
            return
        device.on_bus = True
        if not device.silent:
            self._says_available(device, online=True)
        self._says(device, device.position)
        for command in self.broker.take(circuit, self.at):
            self._reach(device, command.word, command.origin)

    def says_again(self, circuit: CircuitId) -> None:
        """Have a device repeat where it is, as many do each minute."""
        self._says(self.devices[circuit], self.devices[circuit].position)

    def hand(self, circuit: CircuitId, position: Position) -> None:
        """Move a handle by hand."""
        device = self.devices[circuit]
        if device.position is not position:
            device.position, device.moved_by = position, Origin.HAND
            self._says(device, position)

    def trip(self, circuit: CircuitId) -> None:
        """Trip a breaker that is on."""
        device = self.devices[circuit]
        if device.position is Position.ON:
            device.position, device.moved_by = Position.TRIPPED, Origin.POWER
            self._says(device, device.position)

    def leave(self, circuit: CircuitId, seconds: float, *, power: bool = False) -> None:
        """Take a device from the bus for so long; its last will follows when the broker notices."""
        device = self.devices[circuit]
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
        self._attach(device.circuit)

    # --- people ------------------------------------------------------------------------------------------------------

    def ask(self, request: AskKind, circuit: CircuitId | None, *, insist: bool = False) -> None:
        """Ask for something over the bus."""
        self._over_the_wire(
            lambda now: ev.Asked(now, request, circuit, by="somebody", now=insist, reply=object()),
        )

    def reload(self, panel: Panel) -> None:
        """Have the homeowner's file read again, as the daemon does: not where it takes what is owed from our reach."""
        engine = self.program.engine
        if engine is not None and not engine.objections(panel):
            self._install(panel)
            self._tell(lambda now: ev.CircuitsChanged(now, panel))

    # --- the end -----------------------------------------------------------------------------------------------------

    def heal(self, *, on_utility: bool) -> None:
        """End every fault, and let the contact be steady."""
        self.stuck, self.edges_lost, self.program.disk.flush_s = None, False, 0.01
        self.program.crash_after = None
        self.drop_until = self.at
        self.contact(is_open=not on_utility)
        if self.contact_on_bus:
            self.after(1.0, self._contact_back_on_bus)
        for circuit in self.program.panel:
            if circuit.kind in _REMOTE:
                self.devices[circuit.id].heal()
                self.after(self.random.uniform(0.1, 3.0), lambda circuit=circuit: self._found_well(circuit.id))  # type: ignore[misc]

    def _found_well(self, circuit: CircuitId) -> None:
        self._attach(circuit)
        self.says_again(circuit)
        self.after(60.0, lambda: self.says_again(circuit))  # the first may pass for an answer to a try

    def settle_down(self, seconds: float, *, on_utility: bool) -> None:
        """End every fault, wait, and hold that every circuit is where it belongs, or named."""
        self.run(60.0)  # what was taken away for a while is back
        self.heal(on_utility=on_utility)
        self.run(seconds)
        engine = self.program.engine
        assert engine is not None
        invariants.every_circuit_is_where_it_belongs_or_is_named(self.program.facts, engine, self.devices, self.at)
