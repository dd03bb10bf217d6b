"""The devices that hang on wires of this machine, joined to the inbox: contact, pulse outputs, meter."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from controller.core import events as ev
from hw.contact import ContactInput
from hw.gpio import GpioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from gpiozero import Factory

    from controller.config.loader import Configuration
    from controller.config.model import GpioContact, MeterSettings
    from hw.meter import MeterEvent
    from hw.pulses import Pulses
    from hw.serial_port import Connect

    Put = Callable[[ev.Event], None]

POLL_S = 0.25
"""Polling interval in seconds of a line, besides its edges: edges get lost, and so do exceptions in lgpio's thread."""

RETRY_S = 5.0
"""Interval in seconds between attempts to open a line (no permission, pin in use)."""

_log = logging.getLogger("loadshed")


class _Polled(Protocol):
    def poll(self) -> None: ...

    def close(self) -> None: ...


Device = TypeVar("Device", bound=_Polled)


class RetryingLine(Generic[Device]):
    """A device on a GPIO line of this Pi, opened as soon as possible.

    `opened` returns the device or raises GpioError; `refused` is called with the reason, whenever it changes. An
    exception of the device in lgpio's thread is raised by `poll`, and ends `run`: it is an internal error.
    """

    def __init__(self, what: str, opened: Callable[[], Device], refused: Callable[[str], None]) -> None:
        self._what = what
        self._opened = opened
        self._refused = refused
        self._refusal: str | None = None
        self._device = self._tried()

    async def run(self) -> NoReturn:
        """Poll the device again and again; where the line cannot be had, try to have it. Cancelled, it lets go."""
        try:
            while True:
                await asyncio.sleep(RETRY_S if self._device is None else POLL_S)
                if self._device is None:
                    self._device = self._tried()
                self.poll()
        finally:
            self.close()

    def poll(self) -> None:
        """Poll the line now, if it is open."""
        if self._device is not None:
            self._device.poll()

    def close(self) -> None:
        """Release the pin. Idempotent."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _tried(self) -> Device | None:
        try:
            device = self._opened()
        except GpioError as error:
            self._note(str(error))
            return None
        if self._refusal is not None:
            _log.info("%s can be read now", self._what)
            self._refusal = None
        return device

    def _note(self, refusal: str) -> None:
        if refusal != self._refusal:
            self._refusal = refusal
            _log.error("%s cannot be read: %s", self._what, refusal)
            self._refused(refusal)


class ContactLine(RetryingLine[ContactInput]):
    """The auxiliary contact on a GPIO line of this Pi. `put` on the loop, `put_from_thread` from lgpio's thread."""

    def __init__(
        self, settings: GpioContact, put: Put, put_from_thread: Put, *, factory: Factory | None = None
    ) -> None:
        def opened() -> ContactInput:
            return ContactInput(
                settings.pin,
                settings.normally,
                lambda is_open, at: put_from_thread(ev.ContactChanged(at, is_open)),
                lambda reason, at: put_from_thread(ev.ContactLost(at, reason)),
                factory=factory,
            )

        super().__init__("the contact", opened, lambda reason: put(ev.ContactLost(time.monotonic(), reason)))


async def watch_meter(
    configuration: Configuration,
    put: Put,
    put_from_thread: Put,
    *,
    factory: Factory | None = None,
    connect: Connect | None = None,
) -> None:
    """Follow the meter on its line, and its pulse outputs, for ever.

    `factory`, `connect`: simulated pins, and what joins a simulated line.
    """
    settings = configuration.meter
    if settings is None:
        return
    if "pymodbus.client" not in sys.modules:
        # In a thread: on a small Pi these imports take half a second, and the loop has circuits to look after.
        await asyncio.to_thread(importlib.import_module, "pymodbus.client")
    from hw import models
    from hw.meter import MeterAddress, run

    meters = [MeterAddress("", settings.device_id, settings.poll_s, models.parse(settings.model))]
    for name, extra in configuration.meters.items():
        meters.append(MeterAddress(name, extra.device_id, settings.poll_s, models.parse(extra.model)))
    async with asyncio.TaskGroup() as tasks:
        for line in pulse_lines(settings, put_from_thread, factory=factory):
            tasks.create_task(line.run())
        tasks.create_task(run(settings.port, meters, lambda told: _tell(told, put), connect=connect))


def _tell(told: MeterEvent, put: Put) -> None:
    """Convert reports of a meter's driver into events."""
    from hw.meter import EnergyReading, MeterFinding, MeterIdentity, MeterTimeout

    if isinstance(told, MeterFinding):
        about = {"meter": told.meter, "kind": told.noted.kind.value, "text": told.noted.sentence}
        put(ev.MeterFindingReported(told.noted.at, about))
    elif isinstance(told, EnergyReading):
        put(ev.ExtraMeterRead(told.at, told.meter, told.tenths) if told.meter else ev.EnergyRead(told.at, told.tenths))
    elif isinstance(told, MeterIdentity):
        if not told.meter:
            put(ev.MeterIdentified(told.at, told.identity))
    elif isinstance(told, MeterTimeout):
        silent = ev.ExtraMeterRead(told.at, told.meter, None) if told.meter else None
        put(silent or ev.MeterSilent(told.at, told.reason))


def pulse_lines(
    settings: MeterSettings, put_from_thread: Put, *, factory: Factory | None = None
) -> list[RetryingLine[Pulses]]:
    """Return the lines of the meter's outputs that are wired, counting: of the 10 Wh one, and of the 1 kWh one.

    What cannot be had is said, tried again, and costs no more than the figures. To be called on the running loop.
    """
    from hw import models
    from hw.pulses import EDGE_KW_S, KWH_EDGE_KW_S, Pulses

    model = models.parse(settings.model)
    max_kw = model.rated_kw if isinstance(model, models.Model) else None
    later = _later_on(asyncio.get_running_loop())

    def line(what: str, pin: int, edge_kw_s: float, seen: Callable[[float], ev.Event]) -> RetryingLine[Pulses]:
        def opened() -> Pulses:
            def on_pulse(at: float) -> None:
                put_from_thread(seen(at))

            return Pulses(pin, on_pulse, max_kw, edge_kw_s=edge_kw_s, later=later, factory=factory)

        return RetryingLine(what, opened, lambda _reason: None)

    lines = []
    if settings.pulse_pin is not None:
        lines.append(line("the meter's 10 Wh output", settings.pulse_pin, EDGE_KW_S, ev.PulseSeen))
    if settings.pulse_kwh_pin is not None:
        lines.append(line("the meter's 1 kWh output", settings.pulse_kwh_pin, KWH_EDGE_KW_S, ev.KwhPulseSeen))
    return lines


def _later_on(loop: asyncio.AbstractEventLoop) -> Callable[[float, Callable[[], None]], None]:
    """Return a function that schedules a call after a number of seconds, from any thread."""

    def later(seconds: float, call: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(loop.call_later, seconds, call)

    return later
