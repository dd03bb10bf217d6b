"""A relay of a simulated MQTT device as a breaker of the simulated house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.simulated.breakers import Report
    from hw.simulated.device_runner import DeviceRunner
    from hw.simulated.mqtt_device import Relay


class DeviceBreaker:
    """One relay of a device on the bus. The device publishes what happens to it, in the messages of its own family.

    Its methods therefore return no reports. Power is that of the panel: the computer of a gateway keeps its own.
    """

    def __init__(self, runner: DeviceRunner, address: str, clock: Callable[[], float]) -> None:
        self.relay: Relay = runner.device.relays[address]
        self._runner = runner
        self._clock = clock

    @property
    def position(self) -> Position:
        """Return the actual position of the contacts."""
        return self.relay.position

    def flip_by_hand(self, position: Position) -> tuple[Report, ...]:
        """Move the handle; this also resets a trip."""
        device = self._runner.device
        self._runner.say(device.move_manually(self.relay.address, position is Position.ON, self._clock()))
        return ()

    def trip(self) -> tuple[Report, ...]:
        """Trip the breaker."""
        self._runner.say(self._runner.device.trip(self.relay.address, self._clock()))
        return ()

    def power_lost(self) -> tuple[Report, ...]:
        """Remove the power of the panel from the device."""
        self._runner.device.power_cut(self._clock(), self.relay.address)
        return ()

    def power_back(self) -> tuple[Report, ...]:
        """Return the power: the device boots, and connects when it has."""
        self._runner.say(self._runner.device.power_back(self._clock(), self.relay.address))
        return ()

    def reboot(self) -> tuple[Report, ...]:
        """Interrupt the power for a moment."""
        self.power_lost()
        return self.power_back()

    def set_load(self, kw: float) -> None:
        """Change the power of the load."""
        self._runner.say(self._runner.device.set_load(self.relay.address, kw * 1000.0, self._clock()))
