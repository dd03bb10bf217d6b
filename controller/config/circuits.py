"""circuits.toml: what the homeowner wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError
from controller.config.errors import ConfigErrors
from controller.config.model import NAME, CircuitSettings
from controller.config.synonyms import family_meant
from controller.config.table_reader import keys_of, likely_key, note_unknown, read_table
from controller.config.validators import InvalidValueError, Spaces, plain_id
from rules.panel import CircuitId, Kind, Panel, ShedBy, Tag

if TYPE_CHECKING:
    from controller.bus.profiles.registry import DeviceCatalog
    from controller.config.errors import ErrorCollector
    from rules.panel import Circuit

# `ask restore all` means every circuit, so none may bear that name.
RESERVED = ("all",)


def read_circuits(raw: dict[str, object], notes: ErrorCollector) -> Panel | ConfigErrors:
    """Return the panel, or every mistake in the file."""
    places = {key.name: "belongs in a circuit's own table, [circuits.NAME]" for key in keys_of(CircuitSettings)}
    # A table that is not called [circuits.NAME], and not nearly so:
    for name, value in raw.items():
        if isinstance(value, dict) and likely_key(name, ("circuits",)) is None:
            places[name] = f"write a circuit's table as [circuits.{plain_id(name)}]"
    note_unknown(raw, ("circuits",), (), notes, places)
    tables = raw.get("circuits")
    if not isinstance(tables, dict) or not tables:
        # A power cut can leave a file empty, and a house without circuits sheds nothing.
        notes.add_table(("circuits",), "holds no circuit: write a table [circuits.NAME] for each")
        return ConfigErrors(notes.sorted())
    circuits = [circuit for name, table in tables.items() if (circuit := _circuit(name, table, notes))]
    _note_shared_spaces(tables, notes)
    return ConfigErrors(notes.sorted()) if notes.found else Panel.of(*circuits)


def _circuit(name: str, table: object, notes: ErrorCollector) -> Circuit | None:
    path = ("circuits", name)
    try:
        NAME.read(name)
    except InvalidValueError as refusal:
        notes.add_table(path, f'{refusal}: write [circuits.{plain_id(name)}] and below it name = "{name}"')
    if name in RESERVED:
        notes.add_table(path, f'use another name: "{name}" means every circuit')
    entry = read_table(CircuitSettings, table, path, notes, {"spaces": 'unknown; did you mean "space"?'})
    if entry is None:
        return None
    if entry.protected and entry.tag is Tag.NONESSENTIAL:
        says = 'a protected circuit is never shed: use tag = "essential", or leave protected out'
        notes.add((*path, "protected"), says, entry.protected)
    if entry.device is not None and entry.breaker in (Kind.GEN1, Kind.STANDARD):
        says = "nothing can switch this kind of breaker: leave this line out, or write the breaker of the device"
        notes.add((*path, "device"), says, entry.device)
    if entry.shed_by is ShedBy.PANEL and entry.breaker is not Kind.GEN2:
        says = "the energy monitor sheds 2nd Gen breakers only: leave this line out"
        notes.add((*path, "shed_by"), says, entry.shed_by.value)
    return entry.circuit(CircuitId(name))


def with_devices(panel: Panel, catalog: DeviceCatalog, notes: ErrorCollector) -> Panel:
    """Return the panel with what its devices' reports prove; note each device that cannot be used or is used twice."""
    first: dict[str, CircuitId] = {}
    circuits: dict[CircuitId, Circuit] = {}
    for circuit in panel:
        circuits[circuit.id] = circuit
        if circuit.device is None:
            continue
        path, device = ("circuits", circuit.id, "device"), circuit.device.address
        family = device.partition("/")[0]
        if not catalog.knows(family):
            likely = family_meant(family, catalog.names)
            known = f'did you mean "{likely}"?' if likely else f"known: {', '.join(catalog.names)}."
            own = f"A family of your own is a table [profiles.{plain_id(family)}] in installer.toml"
            notes.add(path, f'unknown family "{family}"; {known} {own}', device)
            continue
        try:
            circuits[circuit.id] = replace(circuit, device=catalog.traits(device))
            same = catalog.profile(device).command
        except AddressError as error:
            notes.add(path, str(error), device)
            continue
        key = f"{same.topic} {same.off}"
        if key in first:
            notes.add(path, f"use another device: [circuits.{first[key]}] has this one", device)
        first.setdefault(key, circuit.id)
    return Panel(circuits)


def _note_shared_spaces(tables: dict[str, object], notes: ErrorCollector) -> None:
    """Note each circuit in a space that another has; what else is wrong in either does not hide it."""
    first: dict[int, str] = {}
    for name, table in tables.items():
        raw = table.get("space") if isinstance(table, dict) else None
        for space in _spaces(raw):
            if space in first:
                says = f"use another space: [circuits.{first[space]}] has space {space}"
                notes.add(("circuits", name, "space"), says, raw)
            first.setdefault(space, name)


def _spaces(raw: object) -> tuple[int, ...]:
    try:
        return Spaces().read(raw)
    except InvalidValueError:
        return ()
