"""The panel-door card: what a transfer does to each circuit, and what must be switched manually.

One HTML page, for paper.
"""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING

from clients.setup.config_files import write
from controller.version import version
from rules.controllability import controllable, sheddable, watched
from rules.panel import Override, Restore, Tag
from rules.shed import shed_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from clients.setup.session import SetupSession
    from clients.setup.setup_record import SetupRecord
    from rules.panel import Circuit, Panel

FILE = "panel-door-card.html"

STAYS_ON = "Stays ON until you switch it off by hand"
AT_THE_PANEL = "Not needed on the generator, but no command can switch these breakers. Do it at the panel."

_STYLE = """
@page { size: auto; margin: 11mm; }
* { box-sizing: border-box; }
body { font: 10pt/1.28 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif; color: #000; background: #fff;
  max-width: 190mm; margin: 0 auto; }
h1 { font-size: 18pt; margin: 0; }
h2 { font-size: 11.5pt; margin: 0 0 1.5mm; text-transform: uppercase; letter-spacing: .02em; }
header { border-bottom: 1.2mm solid #000; padding-bottom: 2mm; margin-bottom: 3mm; }
header p { margin: .8mm 0 0; }
section { margin: 0 0 3mm; break-inside: avoid; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 5mm; align-items: start; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .9mm 2mm .9mm 0; border-bottom: .2mm solid #888; }
th { font-size: 8.5pt; font-weight: 600; }
td.space { font-weight: 700; white-space: nowrap; }
tr > :first-child { width: 17mm; }
tr > :last-child { width: 11mm; text-align: right; padding-right: 0; }
small { font-size: 8.5pt; }
.hand { border: 1mm solid #000; padding: 2.5mm 3mm; }
.hand p { margin: 0 0 1mm; }
.hand h2::before { content: "\\26A0\\00A0"; }
ol { margin: 0; padding-left: 6mm; }
li { margin: 0 0 1.5mm; break-inside: avoid; }
.fill { display: grid; grid-template-columns: 1fr 1fr; gap: 6mm; margin-top: 3mm; }
.fill span { border-bottom: .3mm solid #000; height: 8mm; font-size: 8.5pt; }
footer { font-size: 8.5pt; border-top: .3mm solid #000; padding-top: 2mm; }
@media screen { body { padding: 8mm 4mm; } }
""".strip()

_LABOURS = "switch these off by hand, one after the other until it runs evenly, in this order"
_TRIPPED = (
    "A tripped breaker is reset by hand: fully OFF, then ON, once. It trips again: leave it off, call the electrician."
)
_WANTED = (
    "switch it on by hand at its breaker; if it goes off again, once more. Then it stays on until the outage ends. "
    "Stay within what the generator can supply."
)
_IN_TURN = "circuits are turned on one by one, which takes some minutes."
_WORK = "switch its breaker off, lock it out, and test that it is dead. A hold in the program is not a lockout."


def write_card(ground: SetupSession, path: Path) -> bool:
    """Write the card of this house; return whether there was anything to write it about."""
    if not len(ground.panel):
        ground.prompt.say("There is no circuit yet: `loadshed setup circuits` first.")
        return False
    write(
        path,
        card_html(ground.house_panel, ground.site, ground.seen, time.strftime("%Y-%m-%d"), version()),
        keep_old=False,
    )
    ground.prompt.say(f"Written: {path}. Open it in a browser, print it, and put it on the inside of the panel's door.")
    return True


def card_html(panel: Panel, site: str, seen: SetupRecord, date: str, program: str) -> str:
    """Return the card. `date`: when it was made, for a reader in ten years."""
    parts = (*_head(site, date), *_lists(panel, seen), *_hand(panel), _what_to_do(panel), _foot(date, program))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>Panel card: {escape(site)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _head(site: str, date: str) -> Iterator[str]:
    yield "<header><h1>When the generator runs</h1>"
    yield f"<p>This house ({escape(site)}) sheds load by itself. Numbers are panel spaces. As of {escape(date)}.</p>"
    yield "</header>"


# --- what happens by itself ------------------------------------------------------------------------------------------


def _lists(panel: Panel, seen: SetupRecord) -> Iterator[str]:
    shed = [circuit for circuit in _in_panel_order(panel) if sheddable(circuit)]
    kept = [circuit for circuit in _in_panel_order(panel) if circuit.tag is Tag.ESSENTIAL]
    yield '<div class="two">'
    yield "<section><h2>Goes off by itself</h2>"
    yield (
        _table(("space", "circuit", "A"), (_row(one, _back(one, seen)) for one in shed)) if shed else "<p>Nothing.</p>"
    )
    yield "</section>"
    yield "<section><h2>Stays on</h2>"
    yield _table(("space", "circuit", "A"), (_row(one, "") for one in kept)) if kept else "<p>Nothing.</p>"
    yield "</section></div>"


def _in_panel_order(panel: Panel) -> list[Circuit]:
    """Return the circuits as they are in the panel: by their first space."""
    return sorted(panel, key=lambda circuit: min(circuit.spaces))


def _row(circuit: Circuit, more: str) -> tuple[str, ...]:
    name = escape(circuit.name) + (f"<br><small>{more}</small>" if more else "")
    return _spaces(circuit), name, "" if circuit.amps is None else f"{circuit.amps:g}"


def _spaces(circuit: Circuit) -> str:
    return "+".join(str(space) for space in circuit.spaces)


def _back(circuit: Circuit, seen: SetupRecord) -> str:
    ways = {
        Restore.AUTO: "turned on again automatically",
        Restore.ASK: "turned on again on request",
        Restore.NEVER: "stays off: switch it on by hand",
    }
    rests = circuit.min_off_s and circuit.restore is not Restore.NEVER
    rest = f", after {circuit.min_off_s / 60:g} min of rest" if rests else ""
    proof = seen.proofs.get(circuit.id)
    tried = f"tested {proof.at[:10]}" if proof else "NOT TESTED YET"
    return f"rank {circuit.rank}: {ways[circuit.restore]}{rest}; {escape(tried).replace(' ', '&nbsp;')}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; the cells are HTML already."""
    kinds = ("space", "name", "amps")
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        f"<tr>{''.join(f'<td class={kind!r}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


# --- manual switching -------------------------------------------------------------------------------------------------


def _hand(panel: Panel) -> Iterator[str]:
    if by_leviton := [one for one in _in_panel_order(panel) if watched(one)]:
        yield "<section><h2>Goes off by Leviton's own monitor</h2>"
        yield "<p>Leviton sheds; loadshed watches. If one stays on, switch it off by hand.</p>"
        yield _table(("space", "circuit", "A"), (_row(one, "") for one in by_leviton))
        yield "</section>"
    stuck = [one for one in _in_panel_order(panel) if one.tag is Tag.NONESSENTIAL and not controllable(one)]
    if not stuck:
        return
    yield f'<section class="hand"><h2>{STAYS_ON}</h2>'
    yield f"<p>{AT_THE_PANEL}</p>"
    yield _table(("space", "circuit", "A"), (_row(one, "") for one in stuck))
    yield "</section>"


def _what_to_do(panel: Panel) -> str:
    order = [panel[circuit] for circuit in shed_order(panel) if panel[circuit].tag is Tag.NONESSENTIAL]
    listed = ", ".join(f"{_spaces(one)}&nbsp;{escape(one.name)}" for one in order) or "none"
    never = [one.name for one in panel if sheddable(one) and one.restore is not Restore.AUTO]
    waits = f" These stay off until you act: {escape(', '.join(never))}." if never else ""
    again = [one.name for one in panel if sheddable(one) and one.override is Override.NEVER]
    but = f" Not {escape(', '.join(again))}: shed again each time." if again else ""
    steps = (
        f"<b>The generator labors, or the left column is still on:</b> {_LABOURS}: {listed}.",
        f"<b>Utility is back, something stays off:</b> {_IN_TURN}{waits} {_TRIPPED}",
        f"<b>You want one of them on although the generator runs:</b> {_WANTED}{but}",
        f"<b>Before any work on a circuit:</b> {_WORK}",
    )
    items = "".join(f"<li>{step}</li>" for step in steps)
    fill = "".join(f"<span>{who}</span>" for who in ("Electrician, telephone", "Generator service, telephone"))
    return f'<section><h2>By hand</h2><ol>{items}</ol><div class="fill">{fill}</div></section>'


def _foot(date: str, program: str) -> str:
    return (
        "<footer>The load-shedding controller is not listed equipment; the generator must not be undersized because of "
        "it. Without its own power (UPS), the network or the broker it switches nothing. "
        f"Made by loadshed {escape(program)} on {escape(date)}; print a new card after each change.</footer>"
    )
