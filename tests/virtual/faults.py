"""What may happen in a night: each fault by name, with its weight, and what it does in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rules.panel import CircuitId, Position
from tests.virtual import panels
from tests.virtual.disk import Trouble
from tests.virtual.family_device import LIES, possible
from tests.virtual.fault_weights import OF_A_METER, OF_FAMILIES, OF_GATEWAYS, OFTEN, ON_A_WIRE, ON_THE_BUS, SELDOM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from rules.panel import Panel
    from rules.requests import AskKind
    from tests.virtual.device import Device
    from tests.virtual.family_device import FamilyDevice
    from tests.virtual.random_house import RandomHouse

Deed: TypeAlias = "tuple[str, Callable[[RandomHouse], None]]"
YEAR_S = 31_557_600.0
SLOWEST_HUB_S = 20.0
_ASKS: tuple[AskKind, ...] = ("on", "off", "restore", "hold", "release", "forget")


class Happening(NamedTuple):
    """One thing that happens `at_s` seconds into the night: its name, its words, and the doing of it."""

    at_s: float
    name: str
    words: str
    act: Callable[[RandomHouse], None]


class Makers:
    """Makes happenings: everything random about one is settled before the night begins, so that any may be left out."""

    def __init__(
        self,
        random: Random,
        panel: Panel,
        *,
        contact_on_bus: bool,
        metered: bool,
        devices: Mapping[CircuitId, FamilyDevice] | None = None,
    ) -> None:
        self._random = random
        self._panel = panel
        needless = ON_A_WIRE if contact_on_bus else ON_THE_BUS
        needless = needless if metered else needless | OF_A_METER
        needless = needless if devices else needless | OF_FAMILIES
        gateways = {"zigbee2mqtt", "zwave"} & {device.family for device in (devices or {}).values()}
        needless = needless if gateways else needless | OF_GATEWAYS
        self._devices = devices or {}
        self._names = [name for name in WEIGHTS if name not in needless]
        self._weights = [WEIGHTS[name] for name in self._names]
        self._circuits = [circuit for circuit in panel.circuits if circuit not in ("attic", "dryer")]

    def make(self, at_s: float, name: str) -> Happening:
        """Return what `name` does this time."""
        words, act = _DEEDS[name](self)
        return Happening(at_s, name, words, act)

    def any_name(self) -> str:
        """Return a name, by weight."""
        return self._random.choices(self._names, self._weights)[0]

    def _one(self) -> CircuitId:
        return self._random.choice(self._circuits)

    # --- the contact -------------------------------------------------------------------------------------------------

    def transfer(self) -> Deed:
        dark = [(circuit, self._random.uniform(0.3, 9.0)) for circuit in self._circuits if self._random.random() < 0.15]
        broker_s = self._random.uniform(0.5, 20.0) if self._random.random() < 0.05 else None

        def act(house: RandomHouse) -> None:
            house.contact(is_open=not house.contact_open)
            for circuit, seconds in dark:
                house.leave(circuit, seconds, power=True)
            if broker_s is not None:
                house.stop_broker(broker_s, memory="old")

        return f"the transfer switch moves, and {len(dark)} devices lose their power for a moment", act

    def outage(self) -> Deed:
        def act(house: RandomHouse) -> None:
            house.stuck = None
            house.contact(is_open=True)

        return "the grid fails: the transfer switch moves to standby", act

    def bounce(self) -> Deed:
        seconds = self._random.choice((0.001, 0.05, 0.09, 0.11, 0.3))
        return f"the contact bounces for {seconds} s", lambda house: house.bounce(seconds)

    def flapping(self) -> Deed:
        many, pace_s = self._random.randint(2, 6), self._random.choice((0.05, 1.0, 3.0, 40.0))
        moments = [number * self._random.uniform(pace_s / 10, pace_s) for number in range(many)]

        def act(house: RandomHouse) -> None:
            for moment in moments:
                house.after(moment, lambda: house.contact(is_open=not house.contact_open))

        return f"the contact flaps {many} times, up to {pace_s} s apart", act

    def contact_stuck(self) -> Deed:
        seconds = self._random.uniform(1.0, 60.0)
        return f"the contact sticks for {seconds:.0f} s", lambda house: house.stick(seconds)

    def edges_lost(self) -> Deed:
        def act(house: RandomHouse) -> None:
            house.edges_lost = not house.edges_lost

        return "edges of the contact get lost from now on (or no longer)", act

    def contact_unreadable(self) -> Deed:
        return self._contact_gone("the contact's pin cannot be read for {} s")

    def contact_offline(self) -> Deed:
        return self._contact_gone("the MQTT contact is offline for {} s")

    def _contact_gone(self, words: str) -> Deed:
        seconds = self._random.choice((0.5, 10.0, 40.0, 200.0))
        return words.format(seconds), lambda house: house.contact_gone(seconds)

    # --- the program and its clock -----------------------------------------------------------------------------------

    def killed(self) -> Deed:
        seconds = self._random.uniform(0.2, 4.0)
        return f"the program is killed, and started {seconds:.1f} s later", lambda house: house.crash(seconds)

    def killed_in_a_turn(self) -> Deed:
        many = self._random.randint(0, 4)
        words = f"the program is killed the next time it commands, after {many} commands and before any row"
        return words, lambda house: house.crash_in_next_turn(many)

    def power_cut(self) -> Deed:
        seconds = self._random.uniform(5.0, 30.0)
        words = f"the Pi loses its power, and boots {seconds:.0f} s later"
        return words, lambda house: house.crash(seconds, reboot=True)

    def stopped(self) -> Deed:
        seconds = self._random.uniform(0.5, 5.0)
        return f"the program is told to end, and started {seconds:.1f} s later", lambda house: house.stop(seconds)

    def stalled(self) -> Deed:
        seconds = self._random.choice((0.05, 0.5, 3.0, 12.0))
        return f"the program stalls for {seconds} s", lambda house: house.stall(seconds)

    def lagging(self) -> Deed:
        seconds = self._random.choice((0.1, 2.0, 6.0))

        def act(house: RandomHouse) -> None:
            house.program.lag_s = seconds

        return f"the next commands leave {seconds} s after they were decided", act

    def clock_wrong(self) -> Deed:
        offset_s = 1_700_000_000.0 + YEAR_S * self._random.choice((-53.0, -6.0, 12.0))

        def act(house: RandomHouse) -> None:
            house.program.trusts_clock = False
            house.program.disk.tell_time(offset_s, trusted=False)

        return "the wall clock is wrong by years, and nobody vouches for it", act

    def clock_jumps(self) -> Deed:
        jump_s = self._random.choice((-YEAR_S, -3600.0, -2.0, 2.0, 3600.0, YEAR_S))
        trusted = self._random.random() < 0.7

        def act(house: RandomHouse) -> None:
            disk = house.program.disk
            house.program.trusts_clock = trusted
            disk.tell_time(disk.offset_s + jump_s, trusted=trusted)

        return f"the wall clock jumps by {jump_s:.0f} s", act

    # --- the disk ----------------------------------------------------------------------------------------------------

    def disk_slow(self) -> Deed:
        seconds = self._random.choice((0.01, 0.05, 0.5, 5.0))

        def act(house: RandomHouse) -> None:
            house.program.disk.flush_s = seconds

        return f"a commit takes {seconds} s from now on", act

    def disk_full(self) -> Deed:
        return self._trouble(Trouble.FULL)

    def disk_read_only(self) -> Deed:
        return self._trouble(Trouble.READ_ONLY)

    def _trouble(self, trouble: Trouble) -> Deed:
        seconds = self._random.choice((3.0, 30.0, 200.0))

        def act(house: RandomHouse) -> None:
            house.program.disk.break_down(trouble)
            house.after(seconds, lambda: house.program.disk.break_down(None))

        return f"the disk is {trouble.value} for {seconds} s", act

    def disk_corrupt(self) -> Deed:
        return "sectors of the ledger are overwritten with noise", lambda house: house.corrupt_disk()

    # --- the broker --------------------------------------------------------------------------------------------------

    def broker_restarted(self) -> Deed:
        return self._broker("kept", "its memory")

    def broker_forgets(self) -> Deed:
        return self._broker("lost", "no memory at all")

    def broker_remembers_old(self) -> Deed:
        return self._broker("old", "an old memory")

    def _broker(self, memory: str, what: str) -> Deed:
        seconds = self._random.choice((0.1, 2.0, 20.0))
        wills = self._random.random() < 0.5
        last = "publishes the last wills, ends" if wills else "ends"
        words = f"the broker {last}, and comes back after {seconds} s with {what}"
        return words, lambda house: house.stop_broker(seconds, memory=memory, wills=wills)

    def broker_saves(self) -> Deed:
        return "the broker writes its memory", lambda house: (house.broker.save(), house.families.save())[0]

    def broker_away(self) -> Deed:
        seconds = self._random.choice((0.1, 3.0, 30.0))
        return f"the line to the broker is cut for {seconds} s", lambda house: house.drop_link(seconds)

    def broker_slow(self) -> Deed:
        return self._wire("slow_s", self._random.choice((0.3, 2.0)), "every message takes {} s longer")

    def messages_lost(self) -> Deed:
        return self._wire("loses", self._random.choice((0.1, 0.5)), "of all messages {} are lost")

    def messages_repeated(self) -> Deed:
        return self._wire("repeats", 0.5, "of all messages {} come twice")

    def messages_out_of_order(self) -> Deed:
        return self._wire("late_s", self._random.choice((0.5, 3.0)), "messages are up to {} s late, topic by topic")

    def _wire(self, what: str, value: float, words: str) -> Deed:
        seconds = self._random.choice((5.0, 60.0))

        def act(house: RandomHouse) -> None:
            setattr(house.wire, what, value)
            house.after(seconds, lambda: setattr(house.wire, what, 0.0))

        return f"{words.format(value)}, for {seconds:.0f} s", act

    # --- devices -----------------------------------------------------------------------------------------------------

    def _device(self, change: Callable[[Device], None], words: str) -> Deed:
        circuit = self._one()
        return words.format(circuit), lambda house: change(house.devices[circuit])

    def device_silent(self) -> Deed:
        return self._device(lambda device: device.fail("silent"), "{} neither hears nor speaks")

    def device_mute(self) -> Deed:
        return self._device(lambda device: device.fail("mute"), "{} obeys, and says nothing")

    def device_refuses(self) -> Deed:
        return self._device(lambda device: device.fail("refuses"), "{} stays where it is, and says so")

    def device_lies(self) -> Deed:
        return self._device(lambda device: device.fail("lies"), "{} obeys, and reports what it was before")

    def device_slow(self) -> Deed:
        seconds = self._random.choice((0.5, 3.0, 8.0, SLOWEST_HUB_S))

        def change(device: Device) -> None:
            device.slow_s = seconds

        return self._device(change, "{} obeys and reports " + f"{seconds} s late")

    def device_sound(self) -> Deed:
        return self._device(lambda device: device.heal(), "{} is sound again")

    def device_offline(self) -> Deed:
        return self._leave((2.0, 20.0, 50.0), "{} is off the bus")

    def device_offline_all_night(self) -> Deed:
        return self._leave((900.0, 3000.0), "{} is off the bus")

    def device_blinks(self) -> Deed:
        return self._leave((0.2, 4.0, 30.0), "{} has no power", power=True)

    def device_reboots_on(self) -> Deed:
        return self._leave((0.2, 4.0, 30.0), "{} reboots, and wakes on,", power=True, wakes=Position.ON)

    def device_reboots_off(self) -> Deed:
        return self._leave((0.2, 4.0, 30.0), "{} reboots, and wakes off,", power=True, wakes=Position.OFF)

    def _leave(
        self, choices: tuple[float, ...], words: str, *, power: bool = False, wakes: Position | None = None
    ) -> Deed:
        circuit, seconds = self._one(), self._random.choice(choices)

        def act(house: RandomHouse) -> None:
            house.devices[circuit].wakes = wakes or house.devices[circuit].wakes
            house.leave(circuit, seconds, power=power)

        return f"{words.format(circuit)} for {seconds} s", act

    def device_tripped(self) -> Deed:
        circuit = self._one()
        return f"{circuit} trips", lambda house: house.trip(circuit)

    def device_by_hand(self) -> Deed:
        circuit = self._one()

        def act(house: RandomHouse) -> None:
            is_on = house.devices[circuit].position is Position.ON
            house.hand(circuit, Position.OFF if is_on else Position.ON)

        return f"somebody turns the handle of {circuit}", act

    def device_tells_lies(self) -> Deed:
        circuit, device = self._random.choice([*self._devices.items()])
        lie = self._random.choice([one for one in LIES if possible(device.family, one) and "retained" not in one])

        def act(house: RandomHouse) -> None:
            house.families.devices[circuit].told.add(lie)

        return f"{circuit} ({device.family}) has the fault {lie}", act

    def retained_command(self) -> Deed:
        circuit = self._random.choice([*self._devices])
        word = self._random.choice((Position.ON, Position.OFF))

        def act(house: RandomHouse) -> None:
            house.families.leave_retained(house.families.devices[circuit], word)

        return f"somebody leaves a retained command: {circuit} {word.value}", act

    def gateway_stopped(self) -> Deed:
        return self._gateway(power=False, moves=False)

    def gateway_power_cut(self) -> Deed:
        return self._gateway(power=True, moves=False)

    def relay_moved_unseen(self) -> Deed:
        return self._gateway(power=self._random.random() < 0.5, moves=True)

    def _gateway(self, *, power: bool, moves: bool) -> Deed:
        place, seconds = self._random.randrange(100), self._random.choice((0.5, 5.0, 40.0))
        how = "the computer of a gateway has no power" if power else "the program of a gateway is stopped"
        words = f"{how} for {seconds} s" + (", and somebody moves a relay behind it" if moves else "")
        return words, lambda house: house.families.gateway_away(place, seconds, power=power, moves=moves)

    def devices_repeat(self) -> Deed:
        def act(house: RandomHouse) -> None:
            for circuit in house.devices:
                house.says_again(circuit)

        return "every device says again where it is", act

    # --- the meter ---------------------------------------------------------------------------------------------------

    def meter_silent(self) -> Deed:
        seconds = self._random.choice((100.0, 600.0))

        def act(house: RandomHouse) -> None:
            if (meter := house.meter) is not None:
                meter.silent = True
                house.after(seconds, lambda: setattr(meter, "silent", False))

        return f"the meter is silent for {seconds:.0f} s", act

    def meter_replaced(self) -> Deed:
        register = self._random.choice((0, 5_000_000))

        def act(house: RandomHouse) -> None:
            if house.meter is not None:
                house.meter.replace(register)

        return f"another meter stands in its place, at {register / 10} kWh", act

    # --- people ------------------------------------------------------------------------------------------------------

    def ask(self) -> Deed:
        request, everything = self._random.choice(_ASKS), self._random.random() < 0.5
        circuit = None if request == "restore" and everything else self._one()
        insist = self._random.random() < 0.2
        words = f"somebody asks: {request} {circuit or 'all'}{', at once' if insist else ''}"
        return words, lambda house: house.ask(request, circuit, insist=insist)

    def drill(self) -> Deed:
        for_s = self._random.choice((5.0, 20.0, 60.0, 120.0))
        return f"somebody asks for a drill of {for_s:.0f} s", lambda house: house.ask("drill", None, for_s=for_s)

    def drill_ended(self) -> Deed:
        return "somebody asks that the drill end", lambda house: house.ask("drill-end", None)

    def file_retagged(self) -> Deed:
        change = panels.change(self._panel, self._random)
        return f"circuits.toml is changed and read: {change.words}", lambda house: house.reload(
            change.to(house.program.file)
        )

    def file_edited(self) -> Deed:
        change = panels.change(self._panel, self._random)
        return f"circuits.toml is changed, and not read yet: {change.words}", lambda house: house.edit(
            change.to(house.program.file)
        )

    def file_wrong(self) -> Deed:
        tell = self._random.random() < 0.5
        how = "reads it" if tell else "will find it at its next start"
        words = f"circuits.toml is given a mistake, and the program {how}"
        return words, lambda house: house.spoil_file(tell=tell)


_DEEDS: dict[str, Callable[[Makers], Deed]] = {
    name: deed for name, deed in vars(Makers).items() if not name.startswith("_") and name not in ("make", "any_name")
}

WEIGHTS = {name: (OFTEN | SELDOM).get(name, 1.0) for name in _DEEDS}
"""How often each happens, beside the others."""

ROLLS_OVER = "meter_rolls_over"
"""Not a happening of a moment: the night begins with a register that is about to."""

NAMES = (*WEIGHTS, ROLLS_OVER)

_REQUESTS = frozenset({"ask", "drill", "drill_ended", "file_retagged", "file_edited"})
NO_FAULTS = _REQUESTS | {"transfer", "outage", "device_sound", "broker_saves"}
"""What happens in good order: the rest are faults."""
