"""JSON Schemas of both files, for editors, from the same definitions as the reader.

`python -m controller.config.schema` writes them again.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from controller.bus.profiles.registry import FAMILY_NAMES
from controller.config.device_model import ProfileParts, ProfileTiming
from controller.config.families import PROFILE_NAME, family_table
from controller.config.model import (
    CONTACTS,
    REQUIRED_TABLES,
    SINGLE_TABLES,
    CircuitSettings,
    ExtraMeterSettings,
)
from controller.config.table_reader import keys_of
from controller.config.validators import ID_PATTERN, plain

if TYPE_CHECKING:
    from controller.config.validators import Schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def installer_schema() -> Schema:
    """Return the JSON Schema of installer.toml."""
    tables: Schema = {name: table_schema(table) for name, table in SINGLE_TABLES.items()}
    tables["contact"] = {"oneOf": [_contact(kind) for kind in CONTACTS]}
    tables["meters"] = _named(ExtraMeterSettings)
    tables["families"] = {
        "type": "object",
        "properties": {name: table_schema(family_table(name)) for name in FAMILY_NAMES},
        "additionalProperties": False,
    }
    tables["profiles"] = {
        "type": "object",
        "patternProperties": {f"^{PROFILE_NAME.pattern}$": _profile()},
        "additionalProperties": False,
    }
    return {
        "$schema": DRAFT,
        "title": "loadshed: installer.toml",
        "type": "object",
        "properties": tables,
        "required": list(REQUIRED_TABLES),
        "dependentRequired": {"meters": ["meter"]},
        "additionalProperties": False,
    }


def circuits_schema() -> Schema:
    """Return the JSON Schema of circuits.toml."""
    return {
        "$schema": DRAFT,
        "title": "loadshed: circuits.toml",
        "type": "object",
        "properties": {"circuits": {**_named(CircuitSettings), "minProperties": 1}},
        "required": ["circuits"],
        "additionalProperties": False,
    }


def table_schema(table: type[object]) -> Schema:
    """Return the JSON Schema of one table."""
    keys = keys_of(table)
    return {
        "type": "object",
        "description": " ".join((table.__doc__ or "").split()),
        "properties": {key.name: {**key.rule.schema(), **_default(key.default, key.required)} for key in keys},
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }


def _profile() -> Schema:
    """Return the schema of a profile: its tables, and its plain keys."""
    parts, plain_keys = table_schema(ProfileParts), table_schema(ProfileTiming)
    return parts | {
        "description": "A family of devices of one's own.",
        "properties": {**_properties(parts), **_properties(plain_keys)},
    }


def _properties(table: Schema) -> Schema:
    properties = table["properties"]
    return properties if isinstance(properties, dict) else {}


def _contact(kind: str) -> Schema:
    table = table_schema(CONTACTS[kind])
    properties = table["properties"]
    return (
        table | {"properties": {**properties, "source": {"const": "gpio" if kind == "gpio" else "mqtt"}}}
        if isinstance(properties, dict)
        else table
    )


def _named(table: type[object]) -> Schema:
    return {
        "type": "object",
        "patternProperties": {f"^{ID_PATTERN}$": table_schema(table)},
        "additionalProperties": False,
    }


def _default(value: object, required: bool) -> Schema:
    if required or value is None:
        return {}
    if isinstance(value, Enum):
        return {"default": value.value}
    return {"default": plain(value) if isinstance(value, float) else value}


def written(schema: Schema) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Write both schemas beside this file."""
    here = Path(__file__).parent
    (here / "installer.schema.json").write_text(written(installer_schema()), encoding="utf-8")
    (here / "circuits.schema.json").write_text(written(circuits_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
