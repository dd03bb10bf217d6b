"""One table of a configuration file → its dataclass, with everything that is wrong in it noted."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from controller.config.errors import closest_match
from controller.config.synonyms import key_meant
from controller.config.validators import InvalidValueError, Rule

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from dataclasses import Field

    from controller.config.errors import ErrorCollector

    Path = tuple[str, ...]

Table = TypeVar("Table")


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


@dataclass(frozen=True, slots=True)
class FileKeys:
    """What may stand in a file: its tables, and the keys of each with their rules, several for one of several kinds."""

    tables: Mapping[str, tuple[type[object], ...]]
    table: str | None = None

    def within(self, table: str) -> FileKeys:
        """Return the same for a line of this table: its own keys come first."""
        return FileKeys(self.tables, table if table in self.tables else None)

    @property
    def rules(self) -> dict[str, tuple[Rule, ...]]:
        """Return the rules of each key; of a key that several tables have, those of the table at hand."""
        rules: dict[str, tuple[Rule, ...]] = {}
        others = [name for name in self.tables if name != self.table]
        for name in (*others, *([self.table] if self.table else [])):
            own = [key for kind in self.tables[name] for key in keys_of(kind)]
            before = {} if name == self.table else rules
            for key in own:
                rules[key.name] = (*before.get(key.name, ()), key.rule)
        return rules


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


def likely_key(word: str, known: Collection[str]) -> str | None:
    """Return the known key that is probably meant; None: none is close."""
    same = word.lower().replace("-", "_").replace(" ", "_")
    return same if same in known else key_meant(word, known) or closest_match(word, known)


def note_unknown(
    raw: dict[str, object], known: tuple[str, ...], path: Path, notes: ErrorCollector, elsewhere: dict[str, str]
) -> None:
    """Report each key of `raw` that is not known, with its closest match or the table where it belongs."""
    for name, value in raw.items():
        if name in known:
            continue
        likely = likely_key(name, known)
        if name in elsewhere:
            says = elsewhere[name]
        elif likely:
            says = f'unknown; did you mean "{likely}"?'
        else:
            says = f"unknown; known here: {', '.join(known)}"
        notes.add((*path, name), says, None if isinstance(value, dict) else value)
