"""Which chip, and what to do if there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from hw import gpio
from hw.contact import ContactInput
from hw.gpio import GpioError, choose_chip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIN = 17
HIGH_UNCONNECTED = 1


class SimulatedError(Exception):
    """What lgpio raises: derived from Exception alone, its text in quotes."""

    def __str__(self) -> str:
        return repr(self.args[0])


class SimulatedLgpio(ModuleType):
    """The compiled library, on chips of the test's choosing, to the extent gpiozero uses it for an input.

    Faults by name: `busy`, `unreadable`.
    """

    error = SimulatedError
    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3

    def __init__(self, labels: dict[int, str]) -> None:
        super().__init__("lgpio")
        self.labels = labels
        self.opened: list[int] = []
        self.held: set[int] = set()
        self.pull = self.SET_PULL_NONE
        self.level = HIGH_UNCONNECTED
        self.busy = self.unreadable = False
        self.debounced: list[int] = []
        self.told: Callable[[int, int, int, int], None] | None = None

    def gpiochip_open(self, number: int) -> int:
        self.opened.append(number)
        return number << 16

    def gpiochip_close(self, handle: int) -> int:
        self.opened.remove(handle >> 16)
        return 0

    def gpio_get_chip_info(self, handle: int) -> list[int | str]:
        return [0, 54, f"gpiochip{handle >> 16}", self.labels[handle >> 16]]

    def gpio_claim_input(self, _handle: int, gpio: int, flags: int = 0) -> int:
        if self.busy:
            raise SimulatedError("GPIO busy")
        self.held.add(gpio)
        self.pull = flags
        return 0

    def gpio_claim_output(self, _handle: int, _gpio: int) -> int:
        raise AssertionError("nothing here drives a pin")

    def gpio_claim_alert(self, _handle: int, _gpio: int, _edges: int, flags: int) -> int:
        self.pull = flags
        return 0

    def gpio_free(self, _handle: int, gpio: int) -> int:
        self.held.remove(gpio)
        return 0

    def gpio_get_mode(self, _handle: int, _gpio: int) -> int:
        return self.pull

    def gpio_read(self, _handle: int, _gpio: int) -> int:
        if self.unreadable:
            raise SimulatedError("GPIO read failed")
        return self.level

    def gpio_set_debounce_micros(self, _handle: int, _gpio: int, micros: int) -> int:
        self.debounced.append(micros)
        return 0

    def callback(
        self, _handle: int, _gpio: int, _edges: int, call: Callable[[int, int, int, int], None]
    ) -> SimulatedLgpio:
        self.told = call
        return self

    def cancel(self) -> None:
        self.told = None

    def edge(self, level: int, at_ns: int) -> None:
        self.level = level
        assert self.told is not None
        self.told(0, PIN, level, at_ns)


@pytest.fixture
def pi5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimulatedLgpio]:
    """Give a Pi 5 on an older kernel: the header's chip is number 4."""
    lgpio = SimulatedLgpio({0: "gpio-brcmstb@107d508500", 4: "pinctrl-rp1"})
    for number in lgpio.labels:
        (tmp_path / f"gpiochip{number}").touch()
    monkeypatch.setattr(gpio, "_DEV", tmp_path)
    monkeypatch.setattr(gpio, "_factory", None)
    monkeypatch.setenv("LG_WD", str(tmp_path))
    monkeypatch.setitem(sys.modules, "lgpio", lgpio)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xC04170)
    sys.modules.pop("gpiozero.pins.lgpio", None)
    yield lgpio
    sys.modules.pop("gpiozero.pins.lgpio", None)
    if gpio._factory is not None:
        gpio._factory.close()


def test_a_contact_on_a_pi_opens_its_chip_with_pull_up_and_without_debounce(pi5: SimulatedLgpio) -> None:
    """Both edges, as they are; a contact that is cut reads open."""
    told: list[tuple[bool, float]] = []
    contact = ContactInput(PIN, "closed", lambda is_open, at: told.append((is_open, at)), lambda *_: None)
    assert pi5.opened == [4]
    assert pi5.pull == SimulatedLgpio.SET_PULL_UP
    assert set(pi5.debounced) <= {0}
    assert [is_open for is_open, _ in told] == [True]
    contact.close()


def test_a_busy_pin_is_reported_at_the_very_first_line(pi5: SimulatedLgpio, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the line that imports lgpio, whose error must be known by then, or the program ends, again and again."""

    def imported() -> ModuleType:
        monkeypatch.setitem(sys.modules, "lgpio", pi5)
        return pi5

    monkeypatch.delitem(sys.modules, "lgpio")
    monkeypatch.setattr(gpio, "_import_lgpio", imported)
    pi5.busy = True
    with pytest.raises(GpioError, match="GPIO 17: GPIO busy: another program"):
        ContactInput(PIN, "closed", lambda *_: None, lambda *_: None)


def test_the_kernels_nanoseconds_become_monotonic_seconds(pi5: SimulatedLgpio) -> None:
    """Through gpiozero unchanged but for the unit."""
    told: list[tuple[bool, float]] = []
    contact = ContactInput(
        PIN, "closed", lambda is_open, at: told.append((is_open, at)), lambda *_: None, clock=lambda: 1.0
    )
    pi5.edge(0, 12_345_678_901)
    assert told[-1][0] is False
    assert told[-1][1] == pytest.approx(12.345678901)
    contact.close()


def test_lgpios_own_error_is_a_lost_line_and_no_crash(pi5: SimulatedLgpio) -> None:
    """It derives from Exception alone, and must not end the program."""
    lost: list[str] = []
    contact = ContactInput(PIN, "closed", lambda *_: None, lambda reason, _at: lost.append(reason))
    pi5.unreadable = True
    contact.poll()
    assert lost == ["GPIO 17: GPIO read failed"]
    pi5.unreadable = False
    contact.close()


def test_a_pin_held_by_another_program_says_how_to_find_it(pi5: SimulatedLgpio) -> None:
    """The kernel gives a line to one only; once that one lets go, it can be had."""
    pi5.busy = True
    for _ in range(2):
        with pytest.raises(GpioError, match=r"GPIO 17: GPIO busy.*gpioinfo"):
            ContactInput(PIN, "closed", lambda *_: None, lambda *_: None)
    pi5.busy = False
    ContactInput(PIN, "closed", lambda *_: None, lambda *_: None).close()


def test_a_contact_that_is_closed_leaves_its_pin_to_others(pi5: SimulatedLgpio) -> None:
    """Setup looks at the contact, and then starts the controller, which wants the pin while setup is still there."""
    for _ in range(2):
        contact = ContactInput(PIN, "closed", lambda *_: None, lambda *_: None)
        assert pi5.held == {PIN}
        contact.close()
        assert pi5.held == set()


def test_a_chip_without_permission_names_the_group(pi5: SimulatedLgpio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual fault of a new installation."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(GpioError, match="add the user to the group gpio"):
        ContactInput(PIN, "closed", lambda *_: None, lambda *_: None)
    assert pi5.opened == []


@pytest.mark.parametrize(
    ("labels", "chip"),
    [
        ({0: "pinctrl-bcm2835", 1: "raspberrypi-exp-gpio"}, 0),
        ({0: "pinctrl-bcm2711", 1: "raspberrypi-exp-gpio"}, 0),
        ({0: "gpio-brcmstb@107d508500", 4: "pinctrl-rp1", 10: "gpio-brcmstb@107d517c00"}, 4),
        ({0: "pinctrl-rp1", 10: "gpio-brcmstb@107d508500"}, 0),
    ],
)
def test_the_chip_is_known_by_its_label(labels: dict[int, str], chip: int) -> None:
    """Its number moved from 4 to 0 on the Pi 5, with kernel 6.6.45."""
    assert choose_chip(labels) == chip


def test_without_a_pi_the_error_says_what_was_seen_and_what_to_do() -> None:
    """A contact can come over MQTT as well."""
    with pytest.raises(GpioError, match=r"gpiochip0 is amd-pinctrl.*source = \"mqtt\""):
        choose_chip({0: "amd-pinctrl"})
    with pytest.raises(GpioError, match="no GPIO chip"):
        choose_chip({})


def test_a_missing_lgpio_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled, and comes from the system."""
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(GpioError, match="apt install python3-lgpio"):
        gpio._import_lgpio()


def test_the_empty_package_from_pip_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain pip installs it if there is no wheel."""
    monkeypatch.setitem(sys.modules, "lgpio", ModuleType("lgpio"))
    with pytest.raises(GpioError, match="empty lgpio"):
        gpio._import_lgpio()


def test_importing_lgpio_leaves_the_working_directory_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It changes to LG_WD, where it can create its FIFO: the unit's runtime folder."""
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/run/another")
    here = Path.cwd()
    with gpio._work_folder():
        assert os.environ["LG_WD"] == str(tmp_path)
        os.chdir(os.environ["LG_WD"])
    assert Path.cwd() == here


def test_without_a_runtime_folder_a_scratch_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's shell has none."""
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr(gpio, "_scratch", None)
    with gpio._work_folder():
        assert Path(os.environ["LG_WD"]).is_dir()
    assert gpio._scratch is not None
    gpio._scratch.cleanup()


@pytest.mark.parametrize(
    ("error", "advice"),
    [("GPIO busy", "gpioinfo"), ("can not open gpiochip", "group gpio"), ("bad pull", "")],
)
def test_errors_of_the_library_gain_advice(error: str, advice: str) -> None:
    """What to do next, where we know it."""
    assert advice in gpio._advice(error)
