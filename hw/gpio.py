"""GPIO lines of any Raspberry Pi, with the time at which the kernel saw each edge.

gpiozero and lgpio are imported at their first use: both are slow to import, and a house without GPIO lines needs
neither.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType, TracebackType

    from gpiozero import Factory

CHIP_LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels of the chip of the 40-pin header: Pi 5, Pi 4, and earlier.

Its number has changed (4, then 0 since kernel 6.6.45).
"""

_PINS = range(28)
_DEV = Path("/dev")


class GpioError(Exception):
    """A GPIO line cannot be opened. The message states what to do."""


class DeferredException:
    """Carries an exception out of lgpio's thread, where it would silently stop all edges, to the next poll."""

    def __init__(self) -> None:
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if failure is not None and self._failure is None:
            self._failure = failure
        return True

    def deliver(self) -> None:
        """Raise the carried exception, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


class InputLine:
    """A pin as an input with the internal pull-up; both edges are reported.

    `on_edge(high, at)` runs in lgpio's thread, with `at` in CLOCK_MONOTONIC seconds as stamped by the kernel: lgpio 0.2
    requests version 2 of the kernel's interface without its real-time flag, and gpiozero passes the time stamp through.

    gpiozero's `InputDevice` and its pin are used directly. `DigitalInputDevice` compares levels and drops the edge that
    follows a lost one; a bounce time on lgpio delays every edge and drops short ones.
    """

    def __init__(self, pin: int, on_edge: Callable[[bool, float], None], factory: Factory | None = None) -> None:
        if pin not in _PINS:
            raise GpioError(f"GPIO {pin} does not exist: use a BCM number from {_PINS.start} to {_PINS.stop - 1}")
        self._name = f"GPIO {pin}"
        self._on_edge = on_edge
        self._carried = DeferredException()
        factory = factory or _pi()
        self._failures = _failures()  # only here: lgpio's own error class is known after the factory has imported it
        from gpiozero import InputDevice  # 50 ms that no start without GPIO should pay

        with _explained(self._name, self._failures):
            self._device = InputDevice(pin, pull_up=True, pin_factory=factory)
            self._device.pin.bounce = None
            self._device.pin.edges = "both"
            self._device.pin.when_changed = self._changed

    def _changed(self, at: float, high: int) -> None:
        with self._carried:
            self._on_edge(bool(high), at)

    def deliver(self) -> None:
        """Raise, once, the exception that `on_edge` raised in lgpio's thread."""
        self._carried.deliver()

    def high(self) -> bool:
        """Return the level now.

        Raises GpioError if it cannot be read, and any exception that `on_edge` raised before.
        """
        self.deliver()
        with _explained(self._name, self._failures):
            return bool(self._device.pin.state)

    def close(self) -> None:
        """Release the pin. Idempotent."""
        if not self._device.closed:
            self._device.close()


def choose_chip(labels: Mapping[int, str]) -> int:
    """Return the number of the 40-pin header's chip, found by its label. Raises GpioError if there is none."""
    for wanted in CHIP_LABELS:
        for number, label in sorted(labels.items()):
            if label == wanted:
                return number
    seen = ", ".join(f"gpiochip{number} is {label}" for number, label in sorted(labels.items())) or "no GPIO chip"
    raise GpioError(f'no Raspberry Pi GPIO chip found ({seen}): run this on a Pi, or set [contact] source = "mqtt"')


_factory: Factory | None = None


def set_pin_factory(factory: Factory) -> None:
    """Set the pin factory of every line that names none: the simulated pins, on a machine without GPIO."""
    global _factory  # noqa: PLW0603 — as below
    _factory = factory


def _pi() -> Factory:
    """Return this Pi's own pins. Opened once: lgpio has one thread and one folder per process."""
    global _factory  # noqa: PLW0603 — the chip is one per machine, like gpiozero's own Device.pin_factory
    if _factory is None:
        _factory = _open_pi()
    return _factory


def _open_pi() -> Factory:
    lgpio = _import_lgpio()
    number = choose_chip(_chip_labels(lgpio))
    from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin
    from gpiozero.pins.local import LocalPiFactory

    class FreedPin(LGPIOPin):  # type: ignore[misc]
        """gpiozero's factory, which keeps a closed line reserved until the program ends."""

        def close(self) -> None:
            super().close()
            lgpio.gpio_free(self.factory._handle, self._number)  # noqa: SLF001 — it has no other name

    class ChosenChipFactory(LGPIOFactory):  # type: ignore[misc]
        """gpiozero's factory, which chooses the chip by the board's revision: wrong on a Pi 5 since kernel 6.6.45."""

        def __init__(self) -> None:
            LocalPiFactory.__init__(self)
            self._handle = lgpio.gpiochip_open(number)
            self._chip = number
            self.pin_class = FreedPin

    with _explained(f"/dev/gpiochip{number}", _failures()):
        return ChosenChipFactory()


def _chip_labels(lgpio: ModuleType) -> dict[int, str]:
    labels: dict[int, str] = {}
    for path in sorted(_DEV.glob("gpiochip*")):
        number = int(path.name.removeprefix("gpiochip"))
        if not os.access(path, os.R_OK | os.W_OK):
            raise GpioError(f"no permission to open {path}: add the user to the group gpio (usermod -aG gpio USER)")
        with _explained(str(path), _failures()):
            handle = lgpio.gpiochip_open(number)
            _, _, _, labels[number] = lgpio.gpio_get_chip_info(handle)
            lgpio.gpiochip_close(handle)
    return labels


_scratch: tempfile.TemporaryDirectory[str] | None = None


def _import_lgpio() -> ModuleType:
    """Import lgpio in a folder where it can create its FIFO, without changing the working directory."""
    try:
        with _work_folder():
            import lgpio
    except ImportError as error:
        raise GpioError(
            "lgpio is missing: apt install python3-lgpio (included in Raspberry Pi OS, not in Debian)"
        ) from error
    if not hasattr(lgpio, "gpiochip_open"):
        raise GpioError("pip installed an empty lgpio: pip uninstall lgpio, then apt install python3-lgpio")
    module: ModuleType = lgpio
    return module


@contextmanager
def _work_folder() -> Iterator[None]:
    """Set LG_WD, the folder that lgpio changes to when imported: the unit's runtime folder, or a temporary one."""
    global _scratch  # noqa: PLW0603 — lives as long as lgpio's FIFO in it
    if "LG_WD" not in os.environ:
        folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        if not folder:
            _scratch = _scratch or tempfile.TemporaryDirectory(prefix="loadshed-gpio-")
            folder = _scratch.name
        os.environ["LG_WD"] = folder
    here = Path.cwd()
    try:
        yield
    finally:
        os.chdir(here)


def _failures() -> tuple[type[BaseException], ...]:
    """Return the exceptions that gpiozero and lgpio raise for faults of the environment.

    lgpio's own error derives from Exception.
    """
    from gpiozero import GPIOZeroError

    lgpio = sys.modules.get("lgpio")
    return (OSError, GPIOZeroError) if lgpio is None else (OSError, GPIOZeroError, lgpio.error)


@contextmanager
def _explained(what: str, failures: tuple[type[BaseException], ...]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        said = str(error).strip("'")  # lgpio's error texts are quoted
        raise GpioError(f"{what}: {said}{_advice(said)}") from error


def _advice(error: str) -> str:
    lowered = error.lower()
    if "busy" in lowered or "in use" in lowered:
        return ": another program or device-tree overlay holds this pin; `gpioinfo` shows which"
    if "permi" in lowered or "can not open" in lowered:
        return ": check that the user is in the group gpio"
    return ""
