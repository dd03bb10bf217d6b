"""A page that needs nothing else: no script, no network; it prints on paper, and can be mailed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #1f2933; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
.when { color: #52606d; margin: 0 0 1.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid #d9e2ec; border-radius: .4rem; padding: .5rem .9rem; min-width: 7.5rem; }
.figures b { display: block; font-size: 1.25rem; }
.figures span { color: #52606d; font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #e3e8ed; vertical-align: top; }
th { color: #52606d; font-weight: 600; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.wrong { color: #b42318; font-weight: 600; }
svg { width: 100%; height: auto; }
footer, .small { color: #52606d; font-size: .85rem; }
footer { margin-top: 2rem; }
td:first-child { white-space: nowrap; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2, svg { break-after: avoid; }
  tr, li, svg { break-inside: avoid; } }
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
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str) -> str:
    kind = ' class="time"' if cell[:2].isdigit() and ":" in cell[:3] else ""
    return f"<td{kind}>{cell}</td>"
