"""Tables for people, on whatever they read them."""

from __future__ import annotations

import pytest

from clients.terminal.tables import table

HEADS = ("circuit", "is", "why")
ROWS = [("hot-tub", "on", "nonessential: goes off on standby"), ("fridge", "", "")]


def test_the_last_column_is_wrapped_where_the_line_is_full() -> None:
    """The columns stay columns."""
    assert table(HEADS, ROWS, width=40).splitlines() == [
        "circuit  is  why",
        "───────  ──  ───────────────────────────",
        "hot-tub  on  nonessential: goes off on",
        "             standby",
        "fridge",
    ]


def test_on_a_narrow_terminal_each_row_is_a_paragraph() -> None:
    """What is empty is left out; nothing is wider than the terminal."""
    assert table(HEADS, ROWS, width=30).splitlines() == [
        "circuit hot-tub",
        "  is on",
        "  why: nonessential: goes off",
        "    on standby",
        "circuit fridge",
    ]


@pytest.mark.parametrize("width", [20, 36, 37, 46, 60, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whether as columns or as paragraphs."""
    assert max(map(len, table(HEADS, ROWS, width=width).splitlines())) <= width


def test_a_table_that_fits_is_one_however_narrow() -> None:
    """Its last column need not be wide."""
    assert table(("a", "b"), [("1", "2")], width=4) == "a  b\n─  ─\n1  2"
