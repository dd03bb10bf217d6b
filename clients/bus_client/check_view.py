"""What `loadshed check` writes: each circuit with its fate, what is unwise, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import table, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from clients.bus_client.check import CircuitLine, Description
    from controller.config.errors import ConfigErrors


def description_text(description: Description) -> str:
    """Return what a transfer does to the house, as a table, and the advice."""
    heads = ("circuit", "space", "amps", "breaker", "tag", "at a transfer", "why, and how it comes back")
    parts = [table(heads, [_row(line) for line in description.circuits], right=(2,)), wrapped(description.summary)]
    if description.advice:
        said = "\n".join(wrapped(f"- {one}", "  ", first="") for one in description.advice)
        parts.append(f"Legal, but look at it:\n{said}")
    return "\n\n".join(parts)


def _row(line: CircuitLine) -> tuple[str, ...]:
    fate = "SHED" if line.action == "shed" else line.action
    why = f"{line.why}; {line.restore}" if line.restore else line.why
    return line.circuit, line.spaces, line.amps, line.breaker, line.tag, fate, why


def mistakes_text(mistakes: ConfigErrors, config_dir: Path) -> str:
    """Return every mistake on a line of its own."""
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return "\n".join((*mistakes.sentences, f"{count} in {config_dir}: nothing is taken until all are mended"))
