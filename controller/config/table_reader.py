"""One table of a configuration file → its dataclass, with everything that is wrong in it noted."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from controller.config.errors import closest_match
from controller.config.validators import InvalidValueError, Rule

if TYPE_CHECKING:
    from dataclasses import Field

    from controller.config.errors import ErrorCollector

    Path = tuple[str, ...]

Table = TypeVar("Table")

SYNONYMS = {
    **dict.fromkeys(("priority", "order", "prio", "level", "importance"), "rank"),
    **dict.fromkeys(("label", "title", "description", "circuit_name"), "name"),
    **dict.fromkeys(("type", "kind", "breaker_type", "generation", "gen", "model_type"), "breaker"),
    **dict.fromkeys(("spaces", "slot", "slots", "position", "positions", "number", "poles", "circuit"), "space"),
    **dict.fromkeys(("amp", "ampere", "amperes", "amperage", "rating", "size", "breaker_size", "current"), "amps"),
    **dict.fromkeys(("category", "class", "group", "essential", "nonessential", "critical"), "tag"),
    **dict.fromkeys(
        ("min_off", "minimum_off_s", "off_time", "rest_s", "delay", "delay_s", "min_off_time"), "min_off_s"
    ),
    **dict.fromkeys(("protect", "locked", "lock", "never_off", "always_on"), "protected"),
    **dict.fromkeys(("restoring", "restore_mode", "auto_restore", "back"), "restore"),
    **dict.fromkeys(("manual", "override_mode", "manual_override"), "override"),
    **dict.fromkeys(("power_on", "power_on_behavior", "startup", "power_on_state"), "wakes"),
    **dict.fromkeys(("hostname", "server", "address", "ip", "broker", "url"), "host"),
    **dict.fromkeys(("user", "login", "user_name"), "username"),
    **dict.fromkeys(("password", "passwd", "pass", "passwordfile"), "password_file"),
    **dict.fromkeys(("ca", "cafile", "ca_cert", "certificate", "cert"), "ca_file"),
    **dict.fromkeys(("gpio", "gpio_pin", "input", "bcm"), "pin"),
    **dict.fromkeys(("device", "serial", "serial_port", "tty"), "port"),
    **dict.fromkeys(("slave", "slave_id", "unit", "unit_id", "modbus_id"), "device_id"),
    **dict.fromkeys(("power", "kilowatts", "kva", "rated_kw", "watts", "capacity"), "kw"),
    **dict.fromkeys(("time_zone", "tz"), "timezone"),
    **dict.fromkeys(("interval", "interval_s", "poll"), "poll_s"),
    **dict.fromkeys(("debounce", "debounce_s", "settle"), "settle_s"),
}
"""Words that people use for a key, with the key that is meant."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table."""

    name: str
    rule: Rule
    required: bool
    default: object


def keys_of(table: type[object]) -> tuple[Key, ...]:
    """Return the keys of a table's dataclass, in order."""
    return tuple(_key(item) for item in fields(cast("Any", table)))


def keys_of_tables(*tables: type[object]) -> tuple[str, ...]:
    """Return the names of the keys of several tables."""
    return tuple(key.name for table in tables for key in keys_of(table))


def _key(item: Field[object]) -> Key:
    rule = cast("Any", item.type).__metadata__[0]
    return Key(item.name, cast("Rule", rule), item.default is MISSING, item.default)


def read_table(
    table: type[Table], raw: object, path: Path, notes: ErrorCollector, elsewhere: dict[str, str]
) -> Table | None:
    """Return the table; None where anything in it is wrong, which is then in `notes`.

    `elsewhere`: for each key that belongs to another place, the words that say where.
    """
    if not isinstance(raw, dict):
        notes.add(path, f"write it as a table of its own: [{'.'.join(path)}]", raw)
        return None
    before = len(notes.found)
    keys = keys_of(table)
    note_unknown(raw, tuple(key.name for key in keys), path, notes, elsewhere)
    values = {key.name: _value(key, raw, path, notes) for key in keys if key.required or key.name in raw}
    return table(**values) if len(notes.found) == before else None


def read_known(
    tables: tuple[type[object], ...],
    raw: dict[str, object],
    path: Path,
    notes: ErrorCollector,
    elsewhere: dict[str, str],
) -> None:
    """Note what is wrong in a table that may be any of several: no key of theirs is unknown, and none is missing."""
    keys = {key.name: key for table in tables for key in keys_of(table)}
    note_unknown(raw, tuple(keys), path, notes, elsewhere)
    for name in raw:
        if name in keys:
            _value(keys[name], raw, path, notes)


def _value(key: Key, raw: dict[str, object], path: Path, notes: ErrorCollector) -> object:
    place, value = (*path, key.name), raw.get(key.name)
    try:
        return key.rule.read(value)
    except InvalidValueError as refusal:
        # TOML has no null: None is a key that is not there.
        notes.add(place, f"missing: {refusal}" if value is None else str(refusal), value)
        return None


def note_unknown(
    raw: dict[str, object], known: tuple[str, ...], path: Path, notes: ErrorCollector, elsewhere: dict[str, str]
) -> None:
    """Report each key of `raw` that is not known, with its closest match or the table where it belongs."""
    for name, value in raw.items():
        if name in known:
            continue
        likely = SYNONYMS.get(name.lower().replace("-", "_"))
        if likely not in known:
            likely = closest_match(name, known)
        if name in elsewhere:
            says = elsewhere[name]
        elif likely:
            says = f'unknown; did you mean "{likely}"?'
        else:
            says = f"unknown; known here: {', '.join(known)}"
        notes.add((*path, name), says, None if isinstance(value, dict) else value)
