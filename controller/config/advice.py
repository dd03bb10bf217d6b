"""Advice about a legal but unwise configuration: shown by `check`, never refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.config.broker_advice import broker_advice
from controller.config.errors import ErrorCollector
from controller.config.load_words import COMPRESSOR, HARMS, PROTECTED, STARTS_UNATTENDED, names_any
from controller.config.loader import CIRCUITS_FILE, INSTALLER_FILE
from controller.config.model import DeviceContact, GpioContact, MqttContact
from controller.config.table_reader import keys_of
from rules.controllability import sheddable, uncontrollable_reason
from rules.panel import Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.bus.profiles.registry import DeviceCatalog
    from controller.config.errors import ConfigError
    from controller.config.loader import Configuration
    from rules.panel import Circuit

# Utility that comes back may fail again at once; the transfer switches themselves wait 15 s and more.
LEAST_STABLE_S = 10.0
# Generac waits 15 to 20 s before it goes back, Kohler 2 minutes, Cummins 10.
LEAST_STABLE_FOR_A_GRID_SENSOR_S = 20.0
# Its pins are read at boot by the firmware, which looks for an expansion board there.
BOARD_ID_PINS = (0, 1)
CONSOLE_PINS = (14, 15)
# The largest standby generator that is made for a house has 150 kW.
LARGEST_GENERATOR_KW = 200.0
# The two poles of one handle sit one above the other, on one side of the panel.
POLES_APART = 2

# The largest load center has 84 spaces, the largest breaker in a house's panel 200 A (400 A services have two).
LARGEST_SPACE = 84
LARGEST_BREAKER_A = 200.0
SMALLEST_BREAKER_A = 6.0
SMALLEST_GENERATOR_KW = 1.0
# A compressor needs 3 to 10 minutes.
LONGEST_REST_S = 1800.0
MANY_TIMES = 100


def advice(configuration: Configuration) -> tuple[ConfigError, ...]:
    """Return everything unwise, installer.toml first, each in the order of its lines."""
    installer = ErrorCollector(INSTALLER_FILE, configuration.sources.installer)
    _unusual_values(configuration, installer)
    _contact(configuration, installer)
    _stable_wait(configuration, installer)
    broker_advice(configuration.installer, installer)
    _meters(configuration, installer)
    _generator(configuration, installer)
    circuits = ErrorCollector(CIRCUITS_FILE, configuration.sources.circuits)
    for circuit in configuration.panel:
        _circuit(circuit, circuits)
    _panel(configuration, circuits)
    return installer.sorted() + circuits.sorted()


def _unusual_values(configuration: Configuration, notes: ErrorCollector) -> None:
    tables = {
        "contact": configuration.contact,
        "shed": configuration.shed,
        "restore": configuration.restore,
        "meter": configuration.meter,
        "store": configuration.store,
    }
    for name, table in tables.items():
        if table is not None:
            _unusual_values_of(name, table, notes)


def _unusual_values_of(name: str, table: object, notes: ErrorCollector) -> None:
    for key in keys_of(type(table)):
        # Of the stable wait `_stable_wait` says more.
        if not key.name.endswith(("_s", "_days")) or key.name == "utility_stable_s":
            continue
        value, default = getattr(table, key.name), key.default
        if isinstance(default, int | float) and value < default / 10:
            notes.add((name, key.name), f"less than a tenth of what is usual ({default:g})", value)
        elif isinstance(default, int | float) and 0 < default < value / MANY_TIMES:
            notes.add((name, key.name), f"more than {MANY_TIMES} times what is usual ({default:g})", value)


def _contact(configuration: Configuration, notes: ErrorCollector) -> None:
    contact = configuration.contact
    if contact.normally == "open":
        says = "a cut wire then reads as utility, and nothing is shed: take a normally closed contact if there is one"
        notes.add(("contact", "normally"), says, contact.normally)
    if isinstance(contact, GpioContact):
        _pin(contact.pin, notes)
    elif isinstance(contact, DeviceContact):
        _contact_device(contact, configuration.installer.devices, notes)
    elif sentences := [*_undetected(contact), *_one_topic(contact), *_unasked(contact)]:
        notes.add_table(("contact",), "; ".join(sentences))


def _contact_device(contact: DeviceContact, devices: DeviceCatalog, notes: ErrorCollector) -> None:
    """Note what the contact's device can prove and what it cannot."""
    profile = devices.contact(contact.device)
    notes.add(("contact", "device"), profile.proof, contact.device)
    if contact.on_lost == "shed" and profile.query is None:
        says = (
            "the device cannot be asked: each start of its gateway, the broker or the controller then sheds the house "
            "after 15 s, until the device reports by itself"
        )
        notes.add(("contact", "on_lost"), says, contact.on_lost)
    if profile.gateway is not None and contact.expect_every_s:
        says = "a battery device may be silent for hours: allow for the longest interval of its reports"
        notes.add(("contact", "expect_every_s"), says, contact.expect_every_s)


def _undetected(contact: MqttContact) -> Iterator[str]:
    """Yield how the loss of the contact's device would go undetected."""
    if contact.expect_every_s:
        return
    if contact.availability_topic is None:
        yield (
            "without availability_topic, a contact device that disappears is not detected: set it, or expect_every_s "
            "if the device publishes at intervals"
        )
    else:
        yield (
            "if the device is on another broker, joined by a bridge, its availability stays as it was when that broker "
            "is lost: let availability_topic be one that the bridge itself writes, or set expect_every_s"
        )


def _one_topic(contact: MqttContact) -> Iterator[str]:
    """Yield that the last will takes the place of the position."""
    if contact.availability_topic == contact.topic:
        yield (
            "position and availability are on one topic: after an absence the position is unknown until the device "
            f'publishes it again; use a topic of its own if the device can, such as "{contact.topic}/availability"'
        )


def _unasked(contact: MqttContact) -> Iterator[str]:
    """Yield that the position may stay unknown after a restart."""
    if contact.query_topic is None:
        yield (
            "if the device publishes only changes, and not retained, the position is unknown after each restart: let "
            "it publish retained, or set query_topic"
        )


def _pin(pin: int, notes: ErrorCollector) -> None:
    if pin in BOARD_ID_PINS:
        notes.add(("contact", "pin"), "the Pi looks for an expansion board on this pin at boot: take another", pin)
    if pin in CONSOLE_PINS:
        notes.add(("contact", "pin"), "the Pi's serial console uses this pin unless it is switched off", pin)


def _stable_wait(configuration: Configuration, notes: ErrorCollector) -> None:
    wait_s = configuration.restore.utility_stable_s
    place = ("restore", "utility_stable_s")
    switches = "before it goes back, a transfer switch waits 15 to 20 s (Generac), 2 minutes (Kohler), 10 (Cummins)"
    if wait_s < LEAST_STABLE_S:
        says = f"shorter than {LEAST_STABLE_S:g} s: utility may fail again at once. Where the contact senses the grid"
        notes.add(place, f"{says}, it must be longer than the switch's own wait: {switches}", wait_s)
    elif not isinstance(configuration.contact, GpioContact) and wait_s < LEAST_STABLE_FOR_A_GRID_SENSOR_S:
        says = "too short if this device senses the grid and not the switch's auxiliary contact"
        notes.add(place, f"{says}: {switches}", wait_s)


def _generator(configuration: Configuration, notes: ErrorCollector) -> None:
    generator = configuration.installer.generator
    if generator is not None and generator.kw > LARGEST_GENERATOR_KW:
        notes.add(("generator", "kw"), "more than any house has: in kilowatts, not in watts", generator.kw)
    if generator is not None and generator.kw < SMALLEST_GENERATOR_KW:
        notes.add(("generator", "kw"), "less than any house has: the rated power in kilowatts", generator.kw)


def _meters(configuration: Configuration, notes: ErrorCollector) -> None:
    if configuration.meter is None:
        return
    _model(("meter", "model"), configuration.meter.model, notes)
    for name, meter in configuration.meters.items():
        _model(("meters", name, "model"), meter.model, notes)


def _model(place: tuple[str, ...], model: str, notes: ErrorCollector) -> None:
    # Imported here: only `check` needs it, and a cold start must be fast.
    from hw.models import MeterLink, UnknownModel, parse  # noqa: PLC0415

    meaning = parse(model)
    if isinstance(meaning, UnknownModel):
        notes.add(place, f"not a model number we know ({'; '.join(meaning.reasons)}): metering goes on", model)
        return
    sayings = list(meaning.notes)
    if meaning.link is not MeterLink.MODBUS:
        sayings.append(meaning.link.value)
    if sayings:
        notes.add(place, "; ".join(sayings), model)


def _circuit(circuit: Circuit, notes: ErrorCollector) -> None:
    path = ("circuits", circuit.id)
    match circuit.spaces:
        case (first, second) if abs(first - second) != POLES_APART:
            notes.add((*path, "space"), "two poles of one handle are usually two spaces apart", list(circuit.spaces))
    _implausible(circuit, path, notes)
    if circuit.tag is not Tag.NONESSENTIAL:
        return
    reason = uncontrollable_reason(circuit)
    if reason is not None:
        says = f"UNCONTROLLABLE ({reason}): it stays ON unless switched manually"
        notes.add((*path, "breaker"), says, circuit.kind.value)
        return
    _load(circuit, path, notes)


def _load(circuit: Circuit, path: tuple[str, ...], notes: ErrorCollector) -> None:
    """Note what a shed circuit's name makes one think of."""
    if circuit.restore is Restore.AUTO and named(circuit, STARTS_UNATTENDED):
        notes.add((*path, "restore"), 'it would start unattended when utility returns: "ask" waits for a user request')
    if not circuit.min_off_s and named(circuit, COMPRESSOR):
        notes.add((*path, "min_off_s"), "a compressor must rest between off and on: 300 is usual")
    if (harm := next((harm for harm in HARMS if named(circuit, harm.words)), None)) is not None:
        keep = 'tag = "essential" keeps it on' + (", and protected = true too" if named(circuit, PROTECTED) else "")
        says = f"it is switched off in every outage, also in one of days: {harm.consequence}. If so, {keep}"
        notes.add((*path, "tag"), says, circuit.tag.value)


def named(circuit: Circuit, words: tuple[str, ...]) -> bool:
    """Return whether one of these words is in the circuit's name or id, alone or in the plural."""
    return names_any(f"{circuit.name} / {circuit.id.replace('-', ' ')}", words)


def _implausible(circuit: Circuit, path: tuple[str, ...], notes: ErrorCollector) -> None:
    """Note values that no panel of a house has."""
    if max(circuit.spaces) > LARGEST_SPACE:
        says = f"no panel has this many spaces (the largest has {LARGEST_SPACE}): look at the panel's door"
        notes.add((*path, "space"), says, list(circuit.spaces))
    if circuit.amps is not None and not SMALLEST_BREAKER_A <= circuit.amps <= LARGEST_BREAKER_A:
        says = f"breakers of houses have {SMALLEST_BREAKER_A:g} to {LARGEST_BREAKER_A:g} A: read it from the handle"
        notes.add((*path, "amps"), says, circuit.amps)
    elif circuit.amps is not None and circuit.amps % 1:
        notes.add((*path, "amps"), "breakers are rated in whole amperes: read it from the handle", circuit.amps)
    if circuit.min_off_s > LONGEST_REST_S:
        says = "longer than any compressor needs (3 to 10 minutes): after an outage the circuit stays off for this time"
        notes.add((*path, "min_off_s"), says, circuit.min_off_s)


def _panel(configuration: Configuration, notes: ErrorCollector) -> None:
    panel = configuration.panel
    first: dict[str, str] = {}
    for circuit in panel:
        if (other := first.setdefault(circuit.name.casefold(), circuit.id)) != circuit.id:
            says = f"[circuits.{other}] has the same name: give each its own, so that reports show which is meant"
            notes.add(("circuits", circuit.id, "name"), says, circuit.name)
    if not any(sheddable(circuit) for circuit in panel):
        notes.add_table(("circuits",), "nothing would be shed: no circuit is nonessential and controllable")
    if not any(circuit.protected for circuit in panel):
        says = "none is protected: mark what feeds this controller, the router, the broker and the breakers' hub"
        notes.add_table(("circuits",), f"{says} with protected = true")
