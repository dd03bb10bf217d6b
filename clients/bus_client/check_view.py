"""Output of `loadshed check`: a table of the circuits, advice, and configuration errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import table, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from clients.bus_client.check import CircuitLine, Description
    from controller.config.errors import ConfigErrors


def description_text(description: Description) -> str:
    """Return the table of what a transfer does to each circuit, the summary and the advice."""
    heads = ("circuit", "space", "amps", "breaker", "tag", "at a transfer", "why, and how it is restored")
    parts = [table(heads, [_row(line) for line in description.circuits], right=(2,)), wrapped(description.summary)]
    if description.advice:
        items = "\n".join(wrapped(f"- {item}", "  ", first="") for item in description.advice)
        parts.append(f"Advice:\n{items}")
    parts.append(wrapped("Not checked here: broker, contact, breakers and meter. For these: `loadshed ready`."))
    return "\n\n".join(parts)


def _row(line: CircuitLine) -> tuple[str, ...]:
    action = "SHED" if line.action == "shed" else line.action
    why = f"{line.why}; {line.restore}" if line.restore else line.why
    return line.circuit, line.spaces, line.amps, line.breaker, line.tag, action, why


def errors_text(errors: ConfigErrors, config_dir: Path) -> str:
    """Return each configuration error on its own line, and their number."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return "\n".join((*errors.sentences, f"{count} in {config_dir}. Correct all of them; until then nothing changes."))
