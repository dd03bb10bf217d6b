"""The wiring drawing shows what the program reads: the same pins on the board, in the files and in the words."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from gpiozero.pins.mock import MockFactory

from clients.setup.session import DEFAULTS
from controller.config.installer import Installer
from controller.config.loader import parse_installer
from controller.config.model import GpioContact
from tests.pages import CONFIGURATION, ROOT, block, flat

DRAWING = ROOT / "docs" / "wiring.svg"
PAGE = ROOT / "docs" / "wiring.md"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawing() -> ET.Element:
    """The drawing, parsed: what is not well-formed is not shown by a browser either."""
    return ET.fromstring(DRAWING.read_text(encoding="utf-8"))  # noqa: S314 — a file of our own


def wired(drawing: ET.Element) -> dict[int, str]:
    """Return what stands beside each header pin that carries a wire, by its number on the header."""
    labels = {label.get("id", ""): "".join(label.itertext()) for label in drawing.iter(f"{SVG}text")}
    return {int(name.removeprefix("pin-")): said for name, said in labels.items() if name.startswith("pin-")}


def on_the_header(name: str) -> set[int]:
    """Return the header's pins of a name, as gpiozero knows the board."""
    with MockFactory() as factory:
        return {pin.number for header, pin in factory.board_info.find_pin(name) if header.name == "J8"}


def test_every_pin_is_where_the_drawing_has_it(drawing: ET.Element) -> None:
    """The number on the header and the BCM number beside it belong to each other, on the board itself."""
    pins = wired(drawing)
    assert len(pins) == 5
    for number, said in pins.items():
        name = re.match(r"GND|GPIO \d+", said)
        assert name is not None, said
        assert number in on_the_header(name.group().replace(" ", "")), said


def test_the_pins_are_those_of_the_reference_and_of_setup(drawing: ET.Element) -> None:
    """Wiring by the drawing and accepting what setup offers gives a working house."""
    text = re.sub(r"^#(?=pulse_kwh_pin)", "", block(CONFIGURATION, "toml", "[site]"), flags=re.MULTILINE)
    shown = parse_installer(text)
    assert isinstance(shown, Installer)
    assert shown.meter is not None
    assert isinstance(shown.contact, GpioContact)
    assert shown.contact.pin == DEFAULTS.contact.pin  # type: ignore[union-attr]
    expected = {
        f"GPIO {shown.contact.pin} contact",
        f"GPIO {shown.meter.pulse_pin} 10 Wh",
        f"GPIO {shown.meter.pulse_kwh_pin} 1 kWh",
    }
    assert {said for said in wired(drawing).values() if said != "GND"} == expected


def test_the_page_says_the_same_pins(drawing: ET.Element) -> None:
    """One row each, with the ground that the drawing gives it."""
    rows = re.findall(r"^\| [\w ]+ \| (GPIO \d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    pins = {number: " ".join(said.split()[:2]) for number, said in wired(drawing).items()}
    assert {int(number): name for name, number, _ in rows} == {pin: name for pin, name in pins.items() if name != "GND"}
    assert {int(ground) for _, _, ground in rows} == {pin for pin, name in pins.items() if name == "GND"}


def test_the_drawing_has_a_description(drawing: ET.Element) -> None:
    """Title and description are named by the root, and the description has every pin."""
    told = {
        part.get("id"): flat("".join(part.itertext())) for tag in ("title", "desc") for part in drawing.iter(SVG + tag)
    }
    assert set((drawing.get("aria-labelledby") or "").split()) == set(told)
    for number, said in wired(drawing).items():
        assert f"pin {number}" in told["desc"]
        assert re.sub(r"(GPIO \d+).*", r"\1", said).replace("GND", "ground") in told["desc"]


def test_the_drawing_holds_nothing_but_a_drawing(drawing: ET.Element) -> None:
    """No script, no picture from elsewhere, no font that a phone may lack; black on white prints."""
    assert {part.tag.removeprefix(SVG) for part in drawing.iter()} == {
        *("svg", "title", "desc", "style", "g", "rect", "path", "circle", "ellipse", "text")
    }
    text = DRAWING.read_text(encoding="utf-8")
    assert set(re.findall(r"font-family: ([\w-]+)", text)) == {"sans-serif"}
    assert not re.search(r"href|url\(|on\w+=", text)
    assert set(re.findall(r"#[0-9a-f]+\b", text)) <= {"#000", "#fff", "#f2f2f2"}
