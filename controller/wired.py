"""The devices that hang on wires of this machine, joined to the inbox: contact, pulse outputs, meter."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from typing import TYPE_CHECKING

from controller import events as ev
from hw.contact import Contact
from hw.gpio import GpioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.settings import Configuration
    from controller.settings_tables import GpioContact, MeterSettings
    from hw.meter import Told
    from hw.pulses import Pulses

    Put = Callable[[ev.Event], None]

POLL_S = 0.25
"""The level is read so often besides the edges, because edges get lost."""

AGAIN_S = 5.0
"""A line that cannot be had (no rights, the pin in use) is tried again so often."""

_log = logging.getLogger("loadshed")


class WiredContact:
    """The auxiliary contact on a GPIO line of this Pi. `put` on the loop, `put_from_thread` from lgpio's thread."""

    def __init__(self, settings: GpioContact, put: Put, put_from_thread: Put) -> None:
        self._settings = settings
        self._put = put
        self._put_from_thread = put_from_thread
        self._contact = self._opened()

    async def run(self) -> None:
        """Read the level again and again; where the line cannot be had, try to have it."""
        while True:
            await asyncio.sleep(AGAIN_S if self._contact is None else POLL_S)
            if self._contact is None:
                self._contact = self._opened()
            self.poll()

    def poll(self) -> None:
        """Read the level now."""
        if self._contact is not None:
            self._contact.poll()

    def _opened(self) -> Contact | None:
        try:
            return Contact(
                self._settings.pin,
                self._settings.normally,
                lambda is_open, at: self._put_from_thread(ev.ContactChanged(at, is_open)),
                lambda reason, at: self._put_from_thread(ev.ContactLost(at, reason)),
            )
        except GpioError as error:
            _log.error("the contact cannot be read: %s", error)
            self._put(ev.ContactLost(time.monotonic(), str(error)))
            return None


async def watch_meter(configuration: Configuration, put: Put, put_from_thread: Put) -> None:
    """Follow the meter on its line, and its pulse output, for ever."""
    settings = configuration.meter
    if settings is None:
        return
    # In a thread: on a small Pi these imports take half a second, and the loop has circuits to look after.
    await asyncio.to_thread(importlib.import_module, "pymodbus.client")
    from hw import models  # noqa: PLC0415
    from hw.meter import MeterAt, run  # noqa: PLC0415

    pulses = _pulses(settings, put_from_thread)
    meters = [MeterAt("", settings.device_id, settings.poll_s, models.parse(settings.model))]
    for name, extra in configuration.meters.items():
        meters.append(MeterAt(name, extra.device_id, settings.poll_s, models.parse(extra.model)))
    try:
        await run(settings.port, meters, lambda told: _tell(told, put))
    finally:
        if pulses is not None:
            pulses.close()


def _tell(told: Told, put: Put) -> None:
    """Turn what a meter's driver tells into events."""
    from hw.meter import EnergyHeard, MeterFellSilent, MeterFinding  # noqa: PLC0415

    if isinstance(told, MeterFinding):
        about = {"meter": told.meter, "kind": told.noted.kind.value, "says": told.noted.sentence}
        put(ev.MeterNoted(told.noted.at, about))
    elif isinstance(told, EnergyHeard):
        put(ev.OtherMeterHeard(told.at, told.meter, told.tenths) if told.meter else ev.EnergyRead(told.at, told.tenths))
    elif isinstance(told, MeterFellSilent):
        silent = ev.OtherMeterHeard(told.at, told.meter, None) if told.meter else None
        put(silent or ev.MeterSilent(told.at, told.reason))


def _pulses(settings: MeterSettings, put_from_thread: Put) -> Pulses | None:
    """Return the 10 Wh output, counting; None where none is wired, or the line cannot be had (which is said)."""
    if settings.pulse_pin is None:
        return None
    from hw import models  # noqa: PLC0415
    from hw.pulses import Pulses  # noqa: PLC0415

    model = models.parse(settings.model)
    max_kw = model.rated_kw if isinstance(model, models.Model) else None
    loop = asyncio.get_running_loop()

    def later(seconds: float, call: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(loop.call_later, seconds, call)

    try:
        return Pulses(settings.pulse_pin, lambda at: put_from_thread(ev.PulseSeen(at)), max_kw, later=later)
    except GpioError as error:
        _log.error("the meter's pulses cannot be counted: %s", error)
        return None
