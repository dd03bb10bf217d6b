"""`[families.NAME]` and `[profiles.NAME]` of installer.toml → the families of devices that the house knows."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from controller.bus.profiles.registry import FAMILY_NAMES, DeviceCatalog, FamilySettings, family
from controller.config.table_reader import keys_of, note_unknown, read_table
from controller.config.validators import InvalidValueError, OneOf, TextValue

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
    from controller.config.device_model import CONFIRM_S, FullTopic, Texts, TopicPart  # noqa: PLC0415

    kind = family(name)
    rules: dict[str, Rule] = {}
    for key, value in kind.settings.items():
        if isinstance(value, tuple):
            rules[key] = Texts()
        elif key in kind.choices:
            rules[key] = OneOf(kind.choices[key]) if kind.choices[key] else _TEXT
        else:
            rules[key] = FullTopic() if key == "full_topic" else TopicPart()
    return {"confirm_s": CONFIRM_S, **rules}


def family_table(name: str) -> type[object]:
    """Return the table of a family as a dataclass, like those of the other tables."""
    defaults = {"confirm_s": None, **family(name).settings}
    fields = [(key, Annotated[object, rule], field(default=defaults[key])) for key, rule in family_rules(name).items()]
    made = make_dataclass(f"{name}_table", fields, frozen=True)
    made.__doc__ = f"Settings of the family {family(name).title}."
    return made


def family_tables() -> tuple[type[object], ...]:
    """Return the tables of all families."""
    return tuple(map(family_table, FAMILY_NAMES))


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
    if isinstance(command, model.CommandTable):
        _note_own_echo(command.topic, lists, single.get("query"), path, notes)
    _note_same_words(lists, path, notes)
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


def profile_tables() -> tuple[type[object], ...]:
    """Return the tables of a profile: its plain keys, and the tables in it."""
    from controller.config import device_model as model  # noqa: PLC0415  # few houses have a profile of their own

    return (model.ProfileTiming, *model.SINGLE.values(), *dict.fromkeys(model.LISTS.values()), model.ProfileParts)


def _note_own_echo(
    command: str, lists: dict[str, list[Any]], query: object, path: tuple[str, ...], notes: ErrorCollector
) -> None:
    """Note a report on the topic of commands or questions: the controller would read there what it sends itself."""
    asked = getattr(query, "topic", None)
    for key, tables in lists.items():
        for one in tables:
            if one.topic in (command, asked):
                which = "command" if one.topic == command else "query"
                says = f"use another topic: the controller itself publishes on this one ({which})"
                notes.add((*path, key, "topic"), says, one.topic)


def _note_same_words(lists: dict[str, list[Any]], path: tuple[str, ...], notes: ErrorCollector) -> None:
    """Note a value that has two meanings."""
    pairs = (("state", "on", "off"), ("state", "on", "tripped"), ("state", "off", "tripped"))
    for key, one, other in (*pairs, ("available", "online", "offline")):
        for table in lists[key]:
            both = [
                value for value in getattr(table, other) if any(_same(value, known) for known in getattr(table, one))
            ]
            if both:
                notes.add((*path, key, other), f'use another value than for "{one}"', list(both))


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _several(kind: type[Table], raw: object, path: tuple[str, ...], notes: ErrorCollector) -> list[Table]:
    """Return the tables of a list; one table alone counts as a list of one."""
    tables = raw if isinstance(raw, list) else [raw]
    read = [read_table(kind, table, path, notes, {}) for table in tables]
    return [one for one in read if one is not None]
