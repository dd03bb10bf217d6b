"""circuits.toml: what the homeowner wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.config.errors import Mistakes
from controller.config.model import NAME, CircuitEntry
from controller.config.table_reader import keys_of, note_unknown, read_table
from controller.config.validators import NotAllowedError, Spaces
from rules.panel import CircuitId, Panel, Tag

if TYPE_CHECKING:
    from controller.config.errors import Notes
    from rules.panel import Circuit

# `ask restore all` means every circuit, so none may bear that name.
RESERVED = ("all",)


def read_circuits(raw: dict[str, object], notes: Notes) -> Panel | Mistakes:
    """Return the panel, or every mistake in the file."""
    places = {key.name: "belongs in a circuit's own table, [circuits.NAME]" for key in keys_of(CircuitEntry)}
    note_unknown(raw, ("circuits",), (), notes, places)
    tables = raw.get("circuits")
    if not isinstance(tables, dict) or not tables:
        # A power cut can leave a file empty, and a house without circuits sheds nothing.
        notes.add_table(("circuits",), "holds no circuit: write a table [circuits.NAME] for each")
        return Mistakes(notes.sorted())
    circuits = [circuit for name, table in tables.items() if (circuit := _circuit(name, table, notes))]
    _note_shared_spaces(tables, notes)
    return Mistakes(notes.sorted()) if notes.found else Panel.of(*circuits)


def _circuit(name: str, table: object, notes: Notes) -> Circuit | None:
    path = ("circuits", name)
    try:
        NAME.read(name)
    except NotAllowedError as refusal:
        notes.add_table(path, f"{refusal} for the name")
    if name in RESERVED:
        notes.add_table(path, f'use another name: "{name}" means every circuit')
    entry = read_table(CircuitEntry, table, path, notes, {"spaces": 'unknown; did you mean "space"?'})
    if entry is None:
        return None
    if entry.protected and entry.tag is Tag.NONESSENTIAL:
        says = 'a protected circuit is never shed: use tag = "essential", or leave protected out'
        notes.add((*path, "protected"), says, entry.protected)
    return entry.circuit(CircuitId(name))


def _note_shared_spaces(tables: dict[str, object], notes: Notes) -> None:
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
    except NotAllowedError:
        return ()
