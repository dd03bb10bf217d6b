"""`loadshed simulate devices`: simulated MQTT devices on a broker, to try profiles and home automation."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli import argument_types
from clients.terminal.exit_codes import DONE
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_line
from hw.broker_socket import Broker
from hw.simulated.device_catalog import FAMILIES, faults_from, parse_address, simulated_devices
from hw.simulated.device_runner import DeviceRunner
from hw.simulated.mqtt_device import SimulatedGateway
from hw.simulated.zigbee2mqtt import ZigbeeModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw.simulated.device_faults import DeviceFaults
    from hw.simulated.mqtt_device import DeviceMessage, SimulatedDevice

_EPILOG = """addresses are written as in circuits.toml:
  tasmota/heater#2                    relay 2 of the device with this topic
  shelly/shellypro4pm-aabbccddeeff#0  channel 0 of the device with this topic prefix
  esphome/garage-panel/relay_2        switch of a node
  zigbee2mqtt/Water Heater            device by its name; gangs as zigbee2mqtt/duo#l1
  zwave/Hot_Tub#0                     endpoint of a node behind Z-Wave JS UI
  homie/boiler/relay/power            property of a device
  span/c-heater                       circuit of a panel

what happens to a device is typed as one line:
  on ADDRESS, off ADDRESS             moved manually
  trip ADDRESS                        tripped
  cut ADDRESS, power ADDRESS          its power is cut, or returns
  load ADDRESS WATTS                  its load changes
  fault ADDRESS NAME[=VALUE]          its faults are replaced: those of a device as shipped, and this one
  stop FAMILY, start FAMILY           the gateway's program (zigbee2mqtt, zwave) ends, or starts

Do not use the broker of a house: the real controller would see these devices."""


@dataclass(frozen=True, slots=True)
class DeviceSite:
    """Settings of simulated devices. `faults`: texts `NAME` or `NAME=VALUE`, for every device."""

    broker: Broker
    addresses: tuple[str, ...]
    faults: tuple[str, ...] = ()
    watts: float = 1500.0
    on: bool = True
    model: ZigbeeModel | None = None

    def devices(self) -> list[SimulatedDevice]:
        """Return the devices. Raises ValueError for an address or a fault that cannot be."""
        faults: dict[str, DeviceFaults] = {}
        models: dict[str, ZigbeeModel] = {}
        for address in self.addresses:
            parsed = parse_address(address)
            faults[address] = faults_from(parsed.family, self.faults)
            if self.model is not None:
                models[parsed.unit] = self.model
        epoch_s = time.time() - time.monotonic()
        return simulated_devices(
            self.addresses, faults=faults, models=models, on=self.on, load_w=self.watts, epoch_s=epoch_s
        )


def add_devices(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `devices`."""
    text = "MQTT devices that work like those of real makers, with named faults"
    parser = kinds.add_parser(
        "devices",
        help=text,
        description=f"Simulate {text}. Ctrl-C ends it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = "device as in circuits.toml: FAMILY/ADDRESS[#CHANNEL]"
    parser.add_argument("addresses", nargs="+", metavar="DEVICE", help=text)
    parser.add_argument("--host", default="127.0.0.1", help="host of the broker (default: %(default)s)")
    text = "port of the broker (default: %(default)s)"
    parser.add_argument("--port", type=argument_types.tcp_port, default=1883, help=text)
    parser.add_argument("--username", metavar="NAME", help="user name at the broker")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password of that user")
    text = "fault of every device; may be repeated. `--fault x` lists the names"
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help=text)
    text = "load of every device in watts (default: %(default)s)"
    parser.add_argument("--watts", type=argument_types.non_negative, default=1500.0, help=text)
    parser.add_argument("--off", action="store_true", help="devices are off at first")
    models = [model.name for model in ZigbeeModel]
    parser.add_argument("--model", choices=models, help="model of the Zigbee devices (default: by the number of gangs)")
    parser.set_defaults(call=lambda arguments: _simulate(parser, arguments))


def _simulate(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    site = DeviceSite(
        Broker(arguments.host, arguments.port, arguments.username, arguments.password_file),
        tuple(dict.fromkeys(arguments.addresses)),
        tuple(arguments.fault),
        arguments.watts,
        on=not arguments.off,
        model=ZigbeeModel[arguments.model] if arguments.model else None,
    )
    try:
        devices = site.devices()
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    try:
        return asyncio.run(simulate_devices(site, devices, _print_now))
    except KeyboardInterrupt:
        return DONE


def _print_now(text: str) -> None:
    """Print a line and flush: the caller may be waiting for it."""
    print_line(text)
    sys.stdout.flush()


async def simulate_devices(site: DeviceSite, devices: Sequence[SimulatedDevice], say: Callable[[str], None]) -> int:
    """Run the devices until canceled, and handle the lines typed on standard input."""
    desk = DeviceDesk(site.broker, devices, say)
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)

    # A thread that does not keep the program from ending: a read from a terminal cannot be canceled.
    threading.Thread(target=read, daemon=True).start()
    async with asyncio.TaskGroup() as tasks:
        for runner in desk.runners:
            tasks.create_task(runner.run())
        tasks.create_task(desk.watch())
        while True:
            desk.handle(await lines.get())


class DeviceDesk:
    """The simulated devices of one command: what moves is printed, and what is typed happens."""

    def __init__(self, broker: Broker, devices: Sequence[SimulatedDevice], say: Callable[[str], None]) -> None:
        self.devices = devices
        self._say = say
        self._broker = broker
        self._lost: set[str] = set()
        self.runners = [DeviceRunner(one, broker, time.monotonic, on_lost=self._complain) for one in devices]
        self._of = {address: runner for runner in self.runners for address in runner.device.relays}
        self._printed = dict.fromkeys(self._of, 0)
        for address, runner in self._of.items():
            relay = runner.device.relays[address]
            say(f"{address}: {relay.position.value}, load {relay.load_w:g} W")

    def _complain(self, reason: str) -> None:
        if reason not in self._lost:
            self._lost.add(reason)
            self._say(f"No connection: {reason}")

    async def watch(self) -> None:
        """Print movements of relays, from now on."""
        for runner in self.runners:
            await runner.connected.wait()
            self._say(f"{runner.device.client_id}: connected to {self._broker}")
        while True:
            self._print_moves()
            await asyncio.sleep(0.05)

    def _print_moves(self) -> None:
        for address, runner in self._of.items():
            moves = runner.device.relays[address].moves
            for move in moves[self._printed[address] :]:
                self._say(f"{address}: {'ON' if move.on else 'OFF'} ({move.by})")
            self._printed[address] = len(moves)

    def handle(self, line: str) -> None:
        """Carry out one typed line, and print what is wrong with it."""
        verb, _, rest = line.strip().partition(" ")
        try:
            if verb:
                self._act(verb, rest.strip())
        except ValueError as error:
            self._say(str(error))

    def _act(self, verb: str, rest: str) -> None:
        now = time.monotonic()
        if verb in ("stop", "start"):
            self._gateway(verb, rest, now)
            return
        words = rest.rsplit(" ", 1) if verb in ("load", "fault") else [rest]
        if words[0] not in self._of:
            raise ValueError(f"{verb} {rest}: there is no device {words[0]}. Devices: {', '.join(self._of)}")
        address, value = words[0], words[1] if len(words) > 1 else ""
        runner = self._of[address]
        runner.say(self._happens(verb, runner.device, address, value, now))

    def _happens(
        self, verb: str, device: SimulatedDevice, address: str, value: str, now: float
    ) -> tuple[DeviceMessage, ...]:
        match verb:
            case "on" | "off":
                return device.move_manually(address, verb == "on", now)
            case "trip":
                return device.trip(address, now)
            case "cut":
                device.power_cut(now, address)
                return ()
            case "power":
                return device.power_back(now, address)
            case "load":
                return device.set_load(address, _watts(value), now)
            case "fault":
                device.set_faults(address, faults_from(device.FAMILY, [value]))
                return ()
        raise ValueError(f"{verb}: use on, off, trip, cut, power, load, fault, stop or start")

    def _gateway(self, verb: str, family: str, now: float) -> None:
        for runner in self.runners:
            if family == runner.device.FAMILY and isinstance(runner.device, SimulatedGateway):
                runner.say(runner.device.stop(now) if verb == "stop" else runner.device.start(now))
                return
        gateways = ", ".join(name for name, kind in FAMILIES.items() if issubclass(kind, SimulatedGateway))
        raise ValueError(f"{verb} {family}: use one of the simulated gateways ({gateways})")


def _watts(text: str) -> float:
    try:
        return argument_types.non_negative(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(str(error)) from error
