"""`[families.NAME]` and `[profiles.NAME]` of installer.toml → the families of devices that the house knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from controller.bus.profiles.registry import FAMILY_NAMES, DeviceCatalog, FamilySettings
from controller.config.table_reader import keys_of, note_unknown, read_table
from controller.config.validators import InvalidValueError, TextValue

if TYPE_CHECKING:
    from controller.bus.profiles.family import Settings
    from controller.bus.profiles.schema import Profile
    from controller.config.errors import ErrorCollector
    from controller.config.validators import Rule

Table = TypeVar("Table")

PROFILE_NAME = TextValue(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?", 'a-z, 0-9, "-" and "_", at most 32 signs')
_TEXT = TextValue(r".*", "a text of printable signs")


def read_catalog(raw: dict[str, object], notes: ErrorCollector) -> DeviceCatalog:
    """Return the families and profiles of a house; what is wrong in their tables is in `notes`."""
    families = {
        name: settings
        for name, table in _tables("families", raw, notes).items()
        if (settings := _family(name, table, notes)) is not None
    }
    profiles = {
        name: profile
        for name, table in _tables("profiles", raw, notes).items()
        if (profile := _profile(name, table, notes)) is not None
    }
    return DeviceCatalog(families, profiles)


def _tables(name: str, raw: dict[str, object], notes: ErrorCollector) -> dict[str, object]:
    tables = raw.get(name, {})
    if isinstance(tables, dict):
        return tables
    notes.add((name,), f"write each as a table of its own: [{name}.NAME]", tables)
    return {}


# --- families --------------------------------------------------------------------------------------------------------


def _family(name: str, table: object, notes: ErrorCollector) -> FamilySettings | None:
    path = ("families", name)
    if name not in FAMILY_NAMES:
        note_unknown({name: table}, FAMILY_NAMES, ("families",), notes, {})
        return None
    if not isinstance(table, dict):
        notes.add(path, f"write it as a table of its own: [families.{name}]", table)
        return None
    before = len(notes.found)
    rules = family_rules(name)
    note_unknown(table, tuple(rules), path, notes, {})
    values: dict[str, object] = {}
    for key, rule in rules.items():
        if key in table:
            try:
                values[key] = rule.read(table[key])
            except InvalidValueError as refusal:
                notes.add((*path, key), str(refusal), table[key])
    if len(notes.found) > before:
        return None
    confirm_s = values.pop("confirm_s", None)
    return FamilySettings(cast("float | None", confirm_s), cast("Settings", values))


def family_rules(name: str) -> dict[str, Rule]:
    """Return the keys of a family's table with their rules."""
    from controller.bus.profiles.registry import family  # noqa: PLC0415  # only the families that a house sets
    from controller.config.device_model import CONFIRM_S, Texts  # noqa: PLC0415

    defaults = family(name).settings
    rules: dict[str, Rule] = {key: Texts() if isinstance(value, tuple) else _TEXT for key, value in defaults.items()}
    return {"confirm_s": CONFIRM_S, **rules}


# --- profiles of one's own -------------------------------------------------------------------------------------------


def _profile(name: str, table: object, notes: ErrorCollector) -> Profile | None:
    """Return a profile of the user's own; None where anything in it is wrong, which is then in `notes`."""
    from controller.bus.profiles import schema  # noqa: PLC0415  # few houses have a profile of their own
    from controller.config import device_model as model  # noqa: PLC0415

    path, before = ("profiles", name), len(notes.found)
    try:
        PROFILE_NAME.read(name)
    except InvalidValueError as refusal:
        notes.add_table(path, f"{refusal} for the name")
    if name in FAMILY_NAMES:
        notes.add_table(path, "use another name: the program has a family of this name")
    if not isinstance(table, dict):
        notes.add(path, f"write it as a table of its own: [profiles.{name}]", table)
        return None
    plain = [key.name for key in keys_of(model.ProfileTiming)]
    note_unknown(table, (*model.SINGLE, *model.LISTS, *plain), path, notes, {})
    for key in ("command", "state"):
        if key not in table:
            notes.add_table(path, f"missing: {key}")
    timing = read_table(model.ProfileTiming, {key: table[key] for key in plain if key in table}, path, notes, {})
    single = {
        key: read_table(kind, table[key], (*path, key), notes, {}) for key, kind in model.SINGLE.items() if key in table
    }
    lists: dict[str, list[Any]] = {
        key: _several(kind, table.get(key, []), (*path, key), notes) for key, kind in model.LISTS.items()
    }
    command = single.get("command")
    if len(notes.found) > before or timing is None or not isinstance(command, model.CommandTable):
        return None
    query = single.get("query")
    measured = {
        key: tuple(schema.Measurement(one.topic, one.path, one.scale) for one in lists[key])
        for key in ("power", "energy")
    }
    return schema.Profile(
        command=schema.DeviceCommand(command.topic, command.on, command.off),
        states=tuple(
            schema.StateReport(one.topic, one.path, one.on, one.off, one.tripped, one.stamp, one.stamp_unit)
            for one in lists["state"]
        ),
        evidence=timing.evidence,
        settle_s=timing.settle_s,
        confirm_s=timing.confirm_s,
        query=schema.OutgoingMessage(query.topic, query.payload) if isinstance(query, model.QueryTable) else None,
        available=tuple(
            schema.AvailabilityReport(one.topic, one.path, one.online, one.offline) for one in lists["available"]
        ),
        trips=tuple(schema.TripReport(one.topic, one.path, one.words) for one in lists["trip"]),
        **measured,
    )


def _several(kind: type[Table], raw: object, path: tuple[str, ...], notes: ErrorCollector) -> list[Table]:
    """Return the tables of a list; one table alone counts as a list of one."""
    tables = raw if isinstance(raw, list) else [raw]
    read = [read_table(kind, table, path, notes, {}) for table in tables]
    return [one for one in read if one is not None]
