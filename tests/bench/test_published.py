"""The page of figures is written by a program: what is between its marks, and nothing else."""

from __future__ import annotations

import pytest

from bench.published import columns, replaced, whole

PAGE = "before\n<!-- nights -->\nold\nfigures\n<!-- /nights -->\nafter\n"


def test_what_is_between_the_marks_is_replaced() -> None:
    """The rest of the page stays as a person wrote it; twice is as once."""
    once = replaced(PAGE, "nights", ["new", r"with a \1 in it"])
    assert once == "before\n<!-- nights -->\nnew\nwith a \\1 in it\n<!-- /nights -->\nafter\n"
    assert replaced(once, "nights", ["new", r"with a \1 in it"]) == once


@pytest.mark.parametrize("page", ["no marks at all", PAGE + PAGE])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    """Figures that went nowhere would look like the present ones."""
    with pytest.raises(ValueError, match="not once"):
        replaced(page, "nights", ["new"])


def test_columns_are_filled_one_after_the_other() -> None:
    """A table of two columns reads downwards, and its last row is whole."""
    assert list(columns(["a", "b", "c"], 2, "")) == ["| a | c |", "| b |  |"]


def test_thousands_stand_apart() -> None:
    """As everywhere in these pages."""
    assert [whole(figure) for figure in (7, 1234.4, 1_234_567)] == ["7", "1 234", "1 234 567"]
