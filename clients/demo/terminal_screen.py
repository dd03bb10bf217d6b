"""The demo on a terminal: the panel, the contact, demand as a line, and the journal, drawn by rich."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clients.demo.house import CIRCUITS, GENERATOR_KW
from clients.demo.view_model import mark
from clients.terminal.tables import bars
from rules.panel import CircuitId, Kind, Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.demo.house import DemoCircuit
    from clients.demo.view_model import DemoView

_BORDERS, _HEAD_LINES, _MARGIN = 2, 3, 4
_TALL, _WIDE = 38, 100
_TALL_CURVE, _LOW_CURVE = 4, 1
_STATE_STYLES = {"utility": "bold green", "standby": "bold yellow", "shedding": "bold red"}
_HANDLES = {
    Position.ON: ("━━ on", "bold green"),
    Position.OFF: ("╱  off", "dim"),
    Position.TRIPPED: ("╳  tripped", "bold red"),
}


@contextmanager
def live(view: DemoView) -> Iterator[LiveScreen]:
    """Draw on the terminal's other page until the end, and leave the terminal as it was."""
    console = Console()
    with Live(console=console, auto_refresh=False, screen=True) as drawn:
        yield LiveScreen(view, console, drawn)


class LiveScreen:
    """Draws the whole view at each refresh."""

    def __init__(self, view: DemoView, console: Console, drawn: Live) -> None:
        self._view = view
        self._console = console
        self._drawn = drawn

    def tell(self, text: str, *, play: bool = False) -> None:
        self._view.tell(text, play=play)

    def refresh(self) -> None:
        """Draw everything as it is now."""
        # A low terminal has no room for the circuits that nothing happens to.
        tall = self._console.height >= _TALL
        circuits = [circuit for circuit in CIRCUITS if tall or not circuit.essential]
        panel, curve = len(circuits) + 1 + _BORDERS, (_TALL_CURVE if tall else _LOW_CURVE)
        journal = max(2, self._console.height - _HEAD_LINES - panel - curve - _BORDERS)
        whole = Layout()
        whole.split_column(
            Layout(_head(self._view), size=_HEAD_LINES),
            Layout(_panel(self._view, circuits, self._console.width), size=panel),
            Layout(_demand(self._view, self._console.width - _MARGIN, curve), size=curve + _BORDERS),
            Layout(_journal(self._view, journal - _BORDERS)),
        )
        self._drawn.update(whole, refresh=True)


def _head(view: DemoView) -> Panel:
    contact_open = view.house is not None and view.house.house.contact_open
    contact = "contact ╱ OPEN: standby" if contact_open else "contact ─ closed: utility"
    minutes, seconds = divmod(int(view.clock() - view.clock.began), 60)
    powered = view.house is None or view.house.house.powered
    parts = (
        (f"{contact}   ", "bold yellow" if contact_open else "bold green"),
        (f"controller: {view.state or 'starting'}   ", _STATE_STYLES.get(view.state, "bold cyan")),
        ("" if powered else "NO POWER", "bold white on red"),
        ("" if powered else "   ", ""),
        (f"clock {minutes:02}:{seconds:02}, ×{view.clock.factor:g} real time", "dim"),
    )
    return Panel(Text.assemble(*parts), title="loadshed demo: the real daemon in a simulated house", box=box.ROUNDED)


def _panel(view: DemoView, circuits: list[DemoCircuit], width: int) -> Panel:
    grid = Table(box=None, expand=True, padding=(0, 1))
    columns = (("circuit", 15), ("tag", 12), ("breaker", 23), ("handle", 10), ("reason", None))
    shown = [column for column in columns if column[0] != "tag" or width >= _WIDE]
    for name, wide in shown:
        grid.add_column(name, width=wide, ratio=None if wide else 1, no_wrap=True, header_style="dim")
    for circuit in circuits:
        cells = _row(circuit, view)
        grid.add_row(*(cells[name] for name, _ in shown))
    return Panel(grid, title="panel", box=box.ROUNDED)


def _row(circuit: DemoCircuit, view: DemoView) -> dict[str, Text]:
    position = view.house.house.handles[CircuitId(circuit.id)].position if view.house else Position.UNKNOWN
    dark = view.house is not None and not view.house.house.powered
    word, style = _HANDLES.get(position, ("?", "dim"))
    told = view.told.circuits.get(circuit.id, {})
    why = str(told.get("why") or "")
    ails = view.house is not None and view.house.ails(circuit)
    breaker = circuit.title + (f", {circuit.quirk}" if circuit.quirk and ails else "")
    stuck = circuit.breaker in (Kind.GEN1, Kind.STANDARD)
    return {
        "circuit": Text(circuit.name),
        "tag": Text("essential" if circuit.essential else "nonessential", "" if circuit.essential else "cyan"),
        "breaker": Text(breaker, "red" if stuck and not circuit.essential else ""),
        "handle": Text(word, "dim" if dark else style),
        "reason": Text(why, "red" if "UNCONTROLLABLE" in why else "dim"),
    }


def _demand(view: DemoView, width: int, lines: int) -> Panel:
    figures = [kw for _, kw in view.demand]
    curve = Text("\n".join(bars(figures, width, lines)), "bright_blue")
    highest = "" if view.highest_kw is None else f", highest on standby {view.highest_kw:.1f} kW"
    title = f"demand {view.demand_now}{highest}; generator rated {GENERATOR_KW:g} kW"
    return Panel(curve, title=title, box=box.ROUNDED)


def _journal(view: DemoView, room: int) -> Panel:
    text = Text(no_wrap=True, overflow="ellipsis")
    for said in list(view.lines)[-room:]:
        text.append(f"{mark(said)}  ", "dim")
        text.append(f"{said.text}\n", "bold" if said.play else "")
    return Panel(text, title="events of the scenario (bold) and journal of the daemon", box=box.ROUNDED)
