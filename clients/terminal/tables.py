"""Plain text for people: tables that fit the terminal, spans of time, and a curve in one line."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

_GAP = "  "
_NARROWEST_LAST = 20
_BARS = "▁▂▃▄▅▆▇█"


def print_line(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(text + "\n")


def print_error(text: str) -> None:
    """Write to stderr why a command failed."""
    sys.stderr.write(f"loadshed: {text}\n")


def sentence(text: str) -> str:
    """Return the text with a full stop, where it does not end in a sign of its own: many an error ends by asking."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def terminal_width() -> int:
    """Return how many signs fit on a line of the terminal; 120 where stdout is none."""
    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Container[int] = (), width: int | None = None
) -> str:
    """Return rows under their heads. The last column is wrapped where the line would be wider than `width`.

    Where not even so much of it fits that it could be read, on a phone's terminal, each row is a paragraph of its own.
    `right`: the columns to align right, from 0.
    """
    cells = [[*row] for row in rows]
    wide = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    before_last = sum(wide[:-1]) + len(_GAP) * (len(wide) - 1)
    room = (width or terminal_width()) - before_last
    if room < min(wide[-1], _NARROWEST_LAST):
        return "\n".join(line for row in cells for line in _stacked(heads, row, width or terminal_width()))
    wide[-1] = min(wide[-1], room)
    lines = [_line(heads, wide, right), _GAP.join("─" * one for one in wide)]
    for row in cells:
        lines += _wrapped(row, wide, right)
    return "\n".join(lines)


def _stacked(heads: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """Yield a row without columns: what it is about, and each cell that is not empty behind its head."""
    yield f"{heads[0]} {row[0]}"
    told = ", ".join(f"{head} {cell}" for head, cell in zip(heads[1:-1], row[1:-1], strict=True) if cell)
    for text in (told, f"{heads[-1]}: {row[-1]}" if row[-1] else ""):
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ")


def _wrapped(row: Sequence[str], wide: Sequence[int], right: Container[int]) -> Iterator[str]:
    first, *others = textwrap.wrap(row[-1], wide[-1]) or [""]
    yield _line([*row[:-1], first], wide, right)
    for other in others:
        yield _line([*([""] * (len(row) - 1)), other], wide, right)


def _line(cells: Sequence[str], wide: Sequence[int], right: Container[int]) -> str:
    placed = (
        cell.rjust(size) if index in right else cell.ljust(size)
        for index, (cell, size) in enumerate(zip(cells, wide, strict=True))
    )
    return _GAP.join(placed).rstrip()


def wrapped(text: str, indent: str = "", *, first: str | None = None) -> str:
    """Return a paragraph no wider than the terminal. `first`: what its first line begins with, else `indent`."""
    return textwrap.fill(
        text, terminal_width(), initial_indent=indent if first is None else first, subsequent_indent=indent
    )


def format_span(seconds: float | None) -> str:
    """Return a length of time for a person: `4.2 s`, `25 min 10 s`, `3 h 05 min`, `2 d 04 h`; `?` for unknown."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"  # noqa: PLR2004
    minutes, left_s = divmod(whole, 60)
    hours, left_min = divmod(minutes, 60)
    days, left_h = divmod(hours, 24)
    if days:
        return f"{days} d {left_h:02} h"
    return f"{hours} h {left_min:02} min" if hours else f"{minutes} min {left_s:02} s"


def format_duration(seconds: float) -> str:
    """Return how long an answer took, for a person: `45 ms`, `1.2 s`."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def figure(value: float | None, unit: str, digits: int = 1) -> str:
    """Return a figure with its unit; `unknown` where there is none, never 0."""
    return "unknown" if value is None else f"{value:.{digits}f} {unit}"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return a curve in one line, from 0 to the highest value; a space where nothing is known.

    Where there are more values than signs, a sign stands for the highest of those it covers: no peak is lost.
    """
    return bars(values, width, 1)[0]


def bars(values: Sequence[float | None], width: int, rows: int) -> list[str]:
    """Return the same curve so many lines high, the highest line first."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    columns = [values[begin:end] for begin, end in _columns(len(values), width)]
    steps = [_steps(column, top, rows * (len(_BARS) - 1)) for column in columns]
    return ["".join(_bar(step, row) for step in steps) for row in reversed(range(rows))]


def _columns(count: int, width: int) -> Iterator[tuple[int, int]]:
    columns = min(count, width)
    for column in range(columns):
        yield column * count // columns, (column + 1) * count // columns


def _steps(values: Sequence[float | None], top: float, most: int) -> int | None:
    known = [value for value in values if value is not None]
    return round(max(known) / top * most) if known else None


def _bar(steps: int | None, row: int) -> str:
    """Return what a column of so many steps shows in a row, from 0. In the lowest even 0 is a mark: it is known."""
    if steps is None:
        return " "
    full = len(_BARS) - 1
    here = min(full, steps - row * full)
    return _BARS[here] if here > 0 or row == 0 else " "
