"""Version of the installed program. Its only source is `version` in pyproject.toml."""

from __future__ import annotations

from functools import cache

UNKNOWN = "unknown"


@cache
def version() -> str:
    """Return the version from the metadata of the installed package; `UNKNOWN` if the program is not installed.

    The first call takes some milliseconds: make it outside the path of a cold start.
    """
    from importlib import metadata  # noqa: PLC0415  # see above

    try:
        return metadata.version("loadshed")
    except metadata.PackageNotFoundError:
        return UNKNOWN
