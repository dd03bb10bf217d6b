"""Plain text output: tables that fit the terminal, durations, and curves drawn with characters."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from wcwidth import wcswidth

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

_GAP = "  "
_NARROWEST_LAST = 20
_BARS = "▁▂▃▄▅▆▇█"
_ONE_DECIMAL_BELOW_S, _MINUTE_S = 10, 60


def sentence(text: str) -> str:
    """Return the text with a period at its end, unless it already ends with a punctuation mark."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def terminal_width() -> int:
    """Return the width of the terminal in characters; 120 if stdout is not a terminal."""
    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Container[int] = (), width: int | None = None
) -> str:
    """Return a table. The last column is wrapped if a line would be wider than `width` (default: the terminal).

    If the last column would become too narrow, as on a phone's terminal, each row becomes a paragraph.
    `right`: numbers of the right-aligned columns, counted from 0.
    """
    cells = [[*row] for row in rows]
    wide = [max(map(display_width, column)) for column in zip(heads, *cells, strict=True)]
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
    """Yield one row as a paragraph: the first cell, then each nonempty cell after its heading."""
    yield f"{heads[0]} {row[0]}"
    middle = ", ".join(f"{head} {cell}" for head, cell in zip(heads[1:-1], row[1:-1], strict=True) if cell)
    for text in (middle, f"{heads[-1]}: {row[-1]}" if row[-1] else ""):
        yield from wrap(text, width, "  ", "    ")


def _wrapped(row: Sequence[str], wide: Sequence[int], right: Container[int]) -> Iterator[str]:
    first, *others = wrap(row[-1], wide[-1]) or [""]
    yield _line([*row[:-1], first], wide, right)
    for other in others:
        yield _line([*([""] * (len(row) - 1)), other], wide, right)


def _line(cells: Sequence[str], wide: Sequence[int], right: Container[int]) -> str:
    placed = (
        _padded(cell, size, right=index in right) for index, (cell, size) in enumerate(zip(cells, wide, strict=True))
    )
    return _GAP.join(placed).rstrip()


def wrapped(text: str, indent: str = "", *, first: str | None = None) -> str:
    """Return a paragraph wrapped to the terminal's width. `first`: prefix of its first line (default: `indent`)."""
    return "\n".join(wrap(text, terminal_width(), indent if first is None else first, indent))


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return the text in lines of at most `width` columns. `first`, `rest`: prefix of the first and the other lines."""
    if display_width(text) == len(text):
        return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest)
    lines, line = [], first
    for part in _parts(text, max(1, width - max(display_width(first), display_width(rest)))):
        if display_width(line + part) > width and line.strip():
            lines.append(line.rstrip())
            line = rest
        line += part if line.strip() else part.lstrip()
    return [*lines, line.rstrip()]


def _parts(text: str, width: int) -> Iterator[str]:
    """Yield the words of a text, each with the blanks before it. A word wider than `width` is cut."""
    for word in re.findall(r"\s*\S+", text):
        start = 0
        for end in range(1, len(word) + 1):
            if display_width(word[start:end]) > width and end - start > 1:
                yield word[start : end - 1]
                start = end - 1
        yield word[start:]


def display_width(text: str) -> int:
    """Return how many columns of a terminal the text takes: a wide letter takes two, a combining mark none."""
    columns = wcswidth(text)
    return len(text) if columns < 0 else columns


def _padded(text: str, size: int, *, right: bool) -> str:
    blanks = " " * (size - display_width(text))
    return blanks + text if right else text + blanks


def format_span(seconds: float | None) -> str:
    """Return a duration as `4.2 s`, `25 min 10 s`, `3 h 05 min` or `2 d 04 h`; `?` for None (unknown)."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{seconds:.1f} s" if seconds < _ONE_DECIMAL_BELOW_S else f"{whole} s"
    minutes, left_s = divmod(whole, 60)
    hours, left_min = divmod(minutes, 60)
    days, left_h = divmod(hours, 24)
    if days:
        return f"{days} d {left_h:02} h"
    return f"{hours} h {left_min:02} min" if hours else f"{minutes} min {left_s:02} s"


def format_duration(seconds: float) -> str:
    """Return a response time as `45 ms` or `1.2 s`."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def figure(value: float | None, unit: str, digits: int = 1) -> str:
    """Return a figure with its unit; `unknown` for None."""
    return "unknown" if value is None else f"{value:.{digits}f} {unit}"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return a curve in one line, scaled from 0 to the highest value. None (unknown) becomes a space.

    If there are more values than characters, each character shows the highest value it covers, so no peak is lost.
    """
    return bars(values, width, 1)[0]


def bars(values: Sequence[float | None], width: int, rows: int) -> list[str]:
    """Return the same curve with a height of `rows` lines, the top line first."""
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
    """Return the character of a column in one row, counted from 0 at the bottom. A known 0 is visible there."""
    if steps is None:
        return " "
    full = len(_BARS) - 1
    here = min(full, steps - row * full)
    return _BARS[here] if here > 0 or row == 0 else " "
