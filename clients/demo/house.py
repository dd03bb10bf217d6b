"""The demo's house: broker, breakers, meter, contact and pulse wires in software, and the files that describe it.

Five of its circuits are switched by devices of five MQTT families, the others by breakers on loadshed's own topics.

Import it only while the house's clock is in force: its imports read the time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.bus.topics import SiteTopics
from hw import gpio
from hw.simulated.breakers import BreakerFaults, BreakersOnBus
from hw.simulated.broker import demo_broker
from hw.simulated.contact import SimulatedPins, SimulatedWire
from hw.simulated.device_breaker import DeviceBreaker
from hw.simulated.device_catalog import FAMILIES, parse_address, simulated_devices
from hw.simulated.device_runner import DeviceRunner
from hw.simulated.house import Load, SimulatedHouse
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import run_pulses, serve_pty
from rules.panel import CircuitId, Kind, Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hw.broker_socket import Broker
    from hw.simulated.breakers import Report
    from hw.simulated.device_faults import DeviceFaults

SITE = "demo"
CONTACT_PIN, PULSE_PIN = 17, 27
GENERATOR_KW = 14.0
_MODEL = "1N240-02D"
# Interval in house seconds: the clock of the house runs up to 60 times as fast as real time.
_LOOK_AGAIN_S = 0.5
_FAMILY_TITLES = {
    "zigbee2mqtt": "Zigbee",
    "tasmota": "Tasmota",
    "shelly": "Shelly",
    "esphome": "ESPHome",
    "zwave": "Z-Wave",
}

_INSTALLER = """# A simulated house: the times are those of a real one.
[site]
id = "{site}"

[contact]
source = "gpio"
pin = {contact_pin}

[broker]
host = "{broker.host}"
port = {broker.port}
version = "{broker.version}"

[meter]
model = "{model}"
port = "{port}"
pulse_pin = {pulse_pin}

[generator]
kw = {generator_kw}
"""


@dataclass(frozen=True, slots=True)
class DemoCircuit:
    """One circuit: what the homeowner writes of it, what hangs behind it, and what is wrong with its breaker.

    `device`: as in circuits.toml; empty: on loadshed's own topics. `more`: further lines of its table. `stuck` and
    `slow_s`: its faults. `quirk`: in words, for the screen.
    """

    id: str
    name: str
    space: str
    breaker: Kind
    kw: float
    more: str = ""
    device: str = ""
    essential: bool = False
    position: Position = Position.ON
    stuck: bool = False
    slow_s: float = 0.0
    quirk: str = ""

    def table(self) -> str:
        """Return its table in circuits.toml."""
        tag = "essential" if self.essential else "nonessential"
        device = f'device = "{self.device}"' if self.device else ""
        lines = (f"[circuits.{self.id}]", f'name = "{self.name}"', f"space = {self.space}")
        rest = (f'breaker = "{self.breaker.value}"', device, f'tag = "{tag}"', "amps = 50", self.more)
        return "\n".join(line for line in (*lines, *rest) if line)

    @property
    def title(self) -> str:
        """Return what switches it, for the screen: the family of its device, or the kind of its breaker."""
        return _FAMILY_TITLES[self.family] if self.device else self.breaker.value

    @property
    def family(self) -> str:
        """Return the family of its device; empty: none."""
        return self.device.partition("/")[0]

    @property
    def faults(self) -> BreakerFaults:
        """Return the faults of its breaker on loadshed's own topics."""
        return BreakerFaults(refuses=self.stuck, slow_s=self.slow_s)

    @property
    def device_faults(self) -> DeviceFaults:
        """Return the faults of its device: those of the family as shipped, and its own."""
        return replace(FAMILIES[self.family].FACTORY_FAULTS, stuck=self.stuck, slow_s=self.slow_s)


CIRCUITS = (
    DemoCircuit("network", "Router and hub", "1", Kind.GEN2, 0.1, "protected = true", essential=True),
    DemoCircuit("fridge", "Kitchen fridge", "3", Kind.GEN2, 0.4, essential=True),
    DemoCircuit("well-pump", "Well pump", "[2, 4]", Kind.GEN2, 0.0, essential=True),
    DemoCircuit("furnace", "Furnace blower", "5", Kind.STANDARD, 0.7, essential=True),
    DemoCircuit("hot-tub", "Hot tub", "[9, 11]", Kind.RELAY, 5.5, "rank = 9", "zwave/Hot_Tub"),
    DemoCircuit("car-charger", "Car charger", "[13, 15]", Kind.RELAY, 7.2, "rank = 8", "shelly/shellypro1pm-a0dd6c4a"),
    DemoCircuit(
        "air-con",
        "Air conditioner",
        "[8, 10]",
        Kind.RELAY,
        3.5,
        "rank = 7\nmin_off_s = 60",
        "zigbee2mqtt/Air Conditioner",
        slow_s=4.0,
        quirk="slow (4 s)",
    ),
    DemoCircuit(
        "pool-pump",
        "Pool pump",
        "[12, 14]",
        Kind.RELAY,
        1.5,
        "rank = 6",
        "esphome/pool-panel/pump",
        position=Position.OFF,
        quirk="was off before",
    ),
    DemoCircuit("range", "Kitchen range", "[16, 18]", Kind.GEN2, 2.4, 'rank = 6\nrestore = "ask"'),
    DemoCircuit(
        "dishwasher", "Dishwasher", "7", Kind.RELAY, 1.2, "rank = 4", "tasmota/dishwasher", stuck=True, quirk="stuck"
    ),
    DemoCircuit("porch", "Porch lights", "17", Kind.GEN1, 0.3),
    DemoCircuit("garage", "Garage outlets", "19", Kind.STANDARD, 0.5),
)


class _Stamps:
    """Time stamps of a pin's edges: now, or the exact time of a pulse, as the kernel would report it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.at: float | None = None

    def __call__(self) -> float:
        return self._clock() if self.at is None else self.at


class DemoHouse:
    """The house at play. `port`: where its meter answers."""

    def __init__(self, broker: Broker, port: str, meter: SimulatedMeter, clock: Callable[[], float]) -> None:
        self.broker = broker
        self.port = port
        self.meter = meter
        self._stamps = _Stamps(clock)
        pins = SimulatedPins(self._stamps)
        gpio.set_pin_factory(pins)
        self._contact, self._pulses = SimulatedWire(pins, CONTACT_PIN), SimulatedWire(pins, PULSE_PIN)
        self._contact.close()
        self._clock = clock
        self.runners, self.devices = _devices(broker, clock, self._measure)
        self.house = SimulatedHouse(
            [Load(CircuitId(one.id), one.kw, one.breaker, one.position) for one in CIRCUITS],
            meter=meter,
            on_contact=lambda is_open: self._contact.open() if is_open else self._contact.close(),
            on_reports=self._say,
            devices=self.devices,
        )
        for one in CIRCUITS:
            if not one.device:
                self.house.breaker(one.id).faults = one.faults
        self.hub = BreakersOnBus(self.house.breakers.values(), broker, SiteTopics(SITE), clock, self.house.measure)

    def _measure(self) -> None:
        self.house.measure()

    def _say(self, reports: tuple[Report, ...]) -> None:
        self.hub.say(reports)

    def pulse(self, closed: bool, at: float) -> None:
        """Turn the meter's 10 Wh output over."""
        self._stamps.at = at
        (self._pulses.close if closed else self._pulses.open)()
        self._stamps.at = None

    def draw(self, circuit: str, kw: float) -> None:
        """Set the power of a load from now on."""
        name = CircuitId(circuit)
        self.house.loads[name] = replace(self.house.loads[name], kw=kw)
        if name in self.devices:
            self.devices[name].set_load(kw)
        self.house.measure()

    def ails(self, circuit: DemoCircuit) -> bool:
        """Return whether a circuit still has its faults."""
        name = CircuitId(circuit.id)
        if name in self.devices:
            return self.devices[name].relay.faults == circuit.device_faults
        return self.house.breaker(name).faults == circuit.faults

    def free_dishwasher(self) -> None:
        """Repair the relay that is stuck, and switch it off manually."""
        relay = self.devices[CircuitId("dishwasher")].relay
        relay.faults = replace(relay.faults, stuck=False)
        self.house.flip_by_hand("dishwasher", Position.OFF)

    def darken(self) -> None:
        """Utility fails: the house and its meter lose their power."""
        self.house.utility_fails()
        self.meter.lose_power()

    def transfer(self) -> None:
        """The generator takes over: the contact opens."""
        self.house.generator_takes_over()
        self.meter.regain_power()

    def write_files(self, folder: Path) -> None:
        """Write the two files that describe this house to the daemon."""
        installer = _INSTALLER.format(
            site=SITE,
            contact_pin=CONTACT_PIN,
            pulse_pin=PULSE_PIN,
            broker=self.broker,
            model=_MODEL,
            port=self.port,
            generator_kw=GENERATOR_KW,
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "installer.toml").write_text(installer, encoding="utf-8")
        tables = "\n\n".join(one.table() for one in CIRCUITS)
        (folder / "circuits.toml").write_text(tables + "\n", encoding="utf-8")


def _devices(
    broker: Broker, clock: Callable[[], float], on_step: Callable[[], None]
) -> tuple[list[DeviceRunner], dict[CircuitId, DeviceBreaker]]:
    """Return the clients of the broker, and the devices by circuit."""
    chosen = {CircuitId(one.id): one for one in CIRCUITS if one.device}
    simulated = simulated_devices(
        [one.device for one in chosen.values()],
        faults={one.device: one.device_faults for one in chosen.values()},
        off=[one.device for one in chosen.values() if one.position is Position.OFF],
        epoch_s=time.time() - clock(),
    )
    runners = [DeviceRunner(one, broker, clock, look_again_s=_LOOK_AGAIN_S, on_step=on_step) for one in simulated]
    breakers = {}
    for circuit, one in chosen.items():
        address = parse_address(one.device).text
        runner = next(runner for runner in runners if address in runner.device.relays)
        runner.device.relays[address].load_w = one.kw * 1000.0
        breakers[circuit] = DeviceBreaker(runner, address, clock)
    return runners, breakers


@asynccontextmanager
async def demo_house(clock: Callable[[], float]) -> AsyncIterator[DemoHouse]:
    """Build the house, let its devices live, and take it down again."""
    meter = SimulatedMeter(_MODEL, energy_kwh=48_211.3, clock=clock)
    async with demo_broker() as broker, serve_pty(meter) as port:
        house = DemoHouse(broker, port, meter, clock)
        running = (house.hub.run(), run_pulses(meter, house.pulse), *(runner.run() for runner in house.runners))
        tasks = [asyncio.create_task(one) for one in running]
        try:
            await house.hub.connected.wait()
            for runner in house.runners:
                await runner.connected.wait()
            yield house
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
