"""Which chip, and what to do where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hw import gpio
from hw.gpio import GpioError, choose_chip


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
    with pytest.raises(GpioError, match="no chip at all"):
        choose_chip({})


def test_a_missing_lgpio_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled, and comes from the system."""
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(GpioError, match="apt install python3-lgpio"):
        gpio._import_lgpio()


def test_the_empty_package_from_pip_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain pip installs it where there is no wheel."""
    monkeypatch.setitem(sys.modules, "lgpio", ModuleType("lgpio"))
    with pytest.raises(GpioError, match="empty lgpio"):
        gpio._import_lgpio()


def test_importing_lgpio_leaves_the_working_directory_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It changes into LG_WD, where it can make its FIFO: the unit's runtime folder."""
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
