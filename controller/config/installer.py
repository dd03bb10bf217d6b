"""installer.toml: what the one who wires the box wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import FAMILY_NAMES, DeviceCatalog
from controller.config.errors import ConfigErrors
from controller.config.families import read_catalog
from controller.config.model import (
    CONTACTS,
    NAME,
    REQUIRED_TABLES,
    SINGLE_TABLES,
    BrokerSettings,
    ContactSettings,
    DeviceContact,
    ExerciseSettings,
    ExtraMeterSettings,
    GeneratorSettings,
    GpioContact,
    MeterSettings,
    MqttContact,
    OutageSettings,
    RestoreSettings,
    ShedSettings,
    SiteSettings,
    StoreSettings,
    UpsSettings,
)
from controller.config.synonyms import family_meant
from controller.config.table_reader import keys_of, note_unknown, read_known, read_table
from controller.config.validators import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.config.errors import ErrorCollector

Table = TypeVar("Table")
KNOWN = (*SINGLE_TABLES, "contact", "meters", "families", "profiles")


@dataclass(frozen=True, slots=True)
class Installer:
    """Content of installer.toml. `meter`, `generator`, `exercise`, `ups`: None if the table is missing.

    `devices`: families of devices with their settings, and the house's own profiles.
    """

    site: SiteSettings
    contact: ContactSettings
    broker: BrokerSettings
    shed: ShedSettings
    restore: RestoreSettings
    meter: MeterSettings | None
    meters: Mapping[str, ExtraMeterSettings]
    store: StoreSettings
    generator: GeneratorSettings | None
    outage: OutageSettings
    exercise: ExerciseSettings | None
    ups: UpsSettings | None = None
    devices: DeviceCatalog = field(default_factory=DeviceCatalog)


def read_installer(raw: dict[str, object], notes: ErrorCollector) -> Installer | ConfigErrors:
    """Return what the file says, or every mistake in it."""
    families = {name: f"write this table as [families.{name}]" for name in FAMILY_NAMES}
    note_unknown(raw, KNOWN, (), notes, _places(()) | families)
    for name in REQUIRED_TABLES:
        if name not in raw:
            notes.add_table((name,), "missing: write this table")
    site = _table(SiteSettings, "site", raw, notes)
    contact = _contact(raw, notes)
    broker = _table(BrokerSettings, "broker", raw, notes) or BrokerSettings()
    shed = _table(ShedSettings, "shed", raw, notes) or ShedSettings()
    restore = _table(RestoreSettings, "restore", raw, notes) or RestoreSettings()
    meter = _table(MeterSettings, "meter", raw, notes)
    meters = _meters(raw, notes)
    store = _table(StoreSettings, "store", raw, notes) or StoreSettings()
    generator = _table(GeneratorSettings, "generator", raw, notes)
    outage = _table(OutageSettings, "outage", raw, notes) or OutageSettings()
    exercise = _table(ExerciseSettings, "exercise", raw, notes)
    ups = _table(UpsSettings, "ups", raw, notes)
    devices = read_catalog(raw, notes) if {"families", "profiles"} & raw.keys() else DeviceCatalog()
    if isinstance(contact, DeviceContact):
        _note_device(contact.device, devices, notes)
    _note_clashes(contact, broker, meter, meters, notes)
    if notes.found or site is None or contact is None:
        return ConfigErrors(notes.sorted())
    return Installer(
        site, contact, broker, shed, restore, meter, meters, store, generator, outage, exercise, ups, devices
    )


def _table(table: type[Table], name: str, raw: dict[str, object], notes: ErrorCollector) -> Table | None:
    if name not in raw:
        return None
    return read_table(table, raw[name], (name,), notes, _places((name,)))


def _contact(raw: dict[str, object], notes: ErrorCollector) -> ContactSettings | None:
    table = raw.get("contact")
    if table is None:
        return None
    source = table.get("source") if isinstance(table, dict) else None
    if not isinstance(table, dict) or source not in ("gpio", "mqtt"):
        _note_source(table, notes)
        return None
    kind = CONTACTS["device" if source == "mqtt" and "device" in table else str(source)]
    other = "mqtt" if kind is GpioContact else "gpio"
    foreign = f'only where source = "{other}"; here it is "{source}"'
    others: list[type[ContactSettings]] = [MqttContact, DeviceContact] if kind is GpioContact else [GpioContact]
    places = _places(("contact",)) | {name: foreign for one in others for name in _names(one)}
    if kind is DeviceContact:
        places |= dict.fromkeys(_names(MqttContact), "leave it out: the family of the device decides this")
    return read_table(kind, table, ("contact",), notes, places)


def _note_source(table: object, notes: ErrorCollector) -> None:
    if not isinstance(table, dict):
        notes.add(("contact",), "write it as a table of its own: [contact]", table)
        return
    # Which of the two is meant is not known yet: the keys of both are looked at, and none is missed.
    keys: dict[str, object] = {"source": None, **table}
    read_known((GpioContact, MqttContact, DeviceContact), keys, ("contact",), notes, _places(("contact",)))


def _meters(raw: dict[str, object], notes: ErrorCollector) -> dict[str, ExtraMeterSettings]:
    tables = raw.get("meters", {})
    if not isinstance(tables, dict):
        notes.add(("meters",), "write each meter as a table of its own: [meters.NAME]", tables)
        return {}
    if tables and "meter" not in raw:
        notes.add_table(("meters",), "needs [meter], whose port these meters share")
    meters = {}
    for name, table in tables.items():
        try:
            NAME.read(name)
        except InvalidValueError as refusal:
            notes.add_table(("meters", name), f"{refusal} for the name")
        meter = read_table(ExtraMeterSettings, table, ("meters", name), notes, {})
        if meter:
            meters[name] = meter
    return meters


def _note_clashes(
    contact: ContactSettings | None,
    broker: BrokerSettings,
    meter: MeterSettings | None,
    meters: dict[str, ExtraMeterSettings],
    notes: ErrorCollector,
) -> None:
    _note_pins(contact, meter, notes)
    _note_ids(meter, meters, notes)
    if isinstance(contact, MqttContact):
        _note_words(contact, notes)
    if broker.password_file and not broker.username and broker.version == "3.1.1":
        notes.add(("broker", "password_file"), "MQTT 3.1.1 sends no password without a username: write it too")


def _note_pins(contact: ContactSettings | None, meter: MeterSettings | None, notes: ErrorCollector) -> None:
    pins = [(("contact", "pin"), contact.pin)] if isinstance(contact, GpioContact) else []
    if meter:
        wired = {"pulse_pin": meter.pulse_pin, "pulse_kwh_pin": meter.pulse_kwh_pin}
        pins += [(("meter", key), pin) for key, pin in wired.items() if pin is not None]
    first: dict[int, tuple[str, str]] = {}
    for place, pin in pins:
        if pin in first:
            table, key = first[pin]
            notes.add(place, f"use another pin: [{table}] {key} has this one", pin)
        first.setdefault(pin, place)


def _note_ids(meter: MeterSettings | None, meters: dict[str, ExtraMeterSettings], notes: ErrorCollector) -> None:
    taken = {meter.device_id: "meter"} if meter else {}
    for name, extra in meters.items():
        if extra.device_id in taken:
            says = f"use another id: [{taken[extra.device_id]}] on the same bus has this one"
            notes.add(("meters", name, "device_id"), says, extra.device_id)
        taken.setdefault(extra.device_id, f"meters.{name}")


def _note_words(contact: MqttContact, notes: ErrorCollector) -> None:
    if contact.open == contact.closed:
        notes.add(("contact", "closed"), 'use another word than for "open"', contact.closed)
    if contact.available == contact.unavailable:
        notes.add(("contact", "unavailable"), 'use another word than for "available"', contact.unavailable)
    if contact.availability_topic == contact.topic:
        # On one topic, the device's last will takes the place of its position: only the words distinguish them.
        for key, word in (("available", contact.available), ("unavailable", contact.unavailable)):
            if word in (contact.open, contact.closed):
                other = "open" if word == contact.open else "closed"
                notes.add(("contact", key), f'use another word than for "{other}": both are on one topic', word)
    topic, payload = contact.query_topic, contact.query_payload
    if topic is None and payload:
        notes.add(("contact", "query_payload"), "needs query_topic: write the topic too", payload)
    elif topic is not None and topic in (contact.topic, contact.availability_topic):
        notes.add(("contact", "query_topic"), "use another topic: the device publishes on this one", topic)
    elif topic is not None and topic.partition("/")[0] == "loadshed":
        # The controller publishes here: its payload may be a command to a breaker, or a request.
        says = 'use a topic outside "loadshed/", such as "contact/get": topics in it are commands and requests'
        notes.add(("contact", "query_topic"), says, topic)


def _note_device(device: str, devices: DeviceCatalog, notes: ErrorCollector) -> None:
    """Note that the contact's device cannot be used."""
    name = device.partition("/")[0]
    if not devices.knows(name) and (likely := family_meant(name, devices.names)) is not None:
        notes.add(("contact", "device"), f'unknown family "{name}"; did you mean "{likely}"?', device)
        return
    try:
        devices.contact(device)
    except AddressError as error:
        notes.add(("contact", "device"), str(error), device)


def _names(table: type[object]) -> tuple[str, ...]:
    return tuple(key.name for key in keys_of(table))


def _places(table: tuple[str, ...]) -> dict[str, str]:
    """Return where each key of the other tables belongs, in words."""
    single = {name: _names(kind) for name, kind in SINGLE_TABLES.items()}
    keys = {**single, "contact": (*_names(GpioContact), *_names(MqttContact))}
    return {key: f"belongs in [{name}]" for name, names in keys.items() if (name,) != table for key in names}
