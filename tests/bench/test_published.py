"""`bench.published` replaces the text between the marks of the reliability page, and nothing else."""

from __future__ import annotations

import pytest

from bench.published import columns, label, replaced, whole

PAGE = "before\n<!-- nights -->\nold\nfigures\n<!-- /nights -->\nafter\n"


def test_text_between_the_marks_is_replaced() -> None:
    """The rest of the page is unchanged, and a second replacement changes nothing."""
    once = replaced(PAGE, "nights", ["new", r"with a \1 in it"])
    assert once == "before\n<!-- nights -->\nnew\nwith a \\1 in it\n<!-- /nights -->\nafter\n"
    assert replaced(once, "nights", ["new", r"with a \1 in it"]) == once


@pytest.mark.parametrize("page", ["no marks at all", PAGE + PAGE])
def test_page_without_its_marks_is_refused(page: str) -> None:
    """Otherwise old figures would stay on the page without an error."""
    with pytest.raises(ValueError, match="not once"):
        replaced(page, "nights", ["new"])


def test_columns_are_filled_one_after_the_other() -> None:
    """A table of two columns is read downwards, and its last row is padded."""
    assert list(columns(["a", "b", "c"], 2, "")) == ["| a | c |", "| b |  |"]


def test_thousands_are_separated_by_commas() -> None:
    """Figures are rounded to whole numbers."""
    assert [whole(figure) for figure in (7, 1234.4, 1_234_567)] == ["7", "1,234", "1,234,567"]


def test_name_without_a_label_is_shown_as_it_is() -> None:
    """Underscores become spaces before the label is looked up."""
    assert [label(name) for name in ("device_by_hand", "clock_jumps")] == ["device switched manually", "clock jumps"]
