"""A page that needs nothing else: no script, no network; it prints on paper, and can be mailed."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #52606d; --paper: #fff; --line: #d9e2ec; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #a9b4bf; --paper: #14181c; --line: #37414b; --bad: #ff8a7a; }
  figure svg { filter: invert(1) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
.when { color: var(--soft); margin: 0 0 1.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .9rem; min-width: 7.5rem; }
.figures b { display: block; font-size: 1.25rem; }
.figures span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; overflow-wrap: normal; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.wrong { color: var(--bad); font-weight: 600; }
figure { margin: 0; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
.narrow { display: none; }
summary { cursor: pointer; padding: .4rem 0; }
footer, .small { color: var(--soft); font-size: .85rem; }
footer { margin-top: 2rem; }
@media screen and (max-width: 600px) {
  body { margin: 1rem auto; padding: 0 .8rem; }
  .wide { display: none; }
  .narrow { display: block; }
  .figures li { flex: 1 1 40%; min-width: 0; }
  thead { display: none; }
  tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  td { display: flex; gap: .8rem; padding: .1rem 0; border: 0; }
  td:empty { display: none; }
  td.time { white-space: normal; }
  td::before { content: attr(data-head); color: var(--soft); flex: 0 0 38%; }
  td:first-child { font-weight: 600; }
}
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; --line: #999; --bad: #000; }
  figure svg { filter: none; }
  body { margin: 0; max-width: none; font-size: 11pt; }
  h2 { break-after: avoid; }
  tr, li { break-inside: avoid; }
  details { display: none; }
}
@page { margin: 15mm; }
""".strip()


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; the parts are HTML already, the title is text."""
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """Return what matters most, each with what it is."""
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(what)}</span></li>" for value, what in pairs)
    return f'<ul class="figures">{items}</ul>'


def listed(lines: Iterable[str]) -> str:
    """Return a list; the lines are text."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; the cells are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        f"<tr>{''.join(_cell(head, cell) for head, cell in zip(heads, row, strict=True))}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def chart(wide: str, narrow: str, rows_head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a chart in two widths, for a desk and for a phone, and the same figures as a table."""
    return (
        f'<figure class="wide">{wide}</figure>\n<figure class="narrow">{narrow}</figure>\n'
        f"<details><summary>The chart as a table</summary>{table(rows_head, rows)}</details>"
    )


def _cell(head: str, cell: str) -> str:
    kind = ' class="time"' if re.match(r"\d{1,2}:\d\d", cell) else ""
    return f'<td{kind} data-head="{escape(head)}">{cell}</td>'
