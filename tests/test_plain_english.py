"""Tests of the plain-English checker: samples that must match, and samples that must not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.plain_english import (
    COMMENTS,
    DOCSTRINGS,
    LIMIT,
    MARKDOWN,
    MESSAGES,
    TESTS,
    Text,
    main,
    matches,
    shares,
    texts,
)


def found(path: str, source: str) -> list[tuple[str, int, str]]:
    """Return the category, line and word of each match in a file."""
    every = [match for text in texts(Path(path), dedent(source)) for match in matches(text)]
    return [(match.text.category, match.line, match.word.lower()) for match in every]


@pytest.mark.parametrize(
    "text",
    [
        "Nobody can say this.",
        "The device tells the broker.",
        "It is said aloud after three attempts.",
        "Wait so\nlong behind commands.",
        "What is given back on utility.",
        "A start in the dark.",
        "Taken off by a hand.",
        "None where there is no file.",
        "A blink is none.",
        "Meanwhile, the owner's wish counts.",
        "Take that a device answers.",
    ],
)
def test_listed_expressions_match(text: str) -> None:
    """Each expression of the list is found, across line breaks too."""
    assert matches(Text(COMMENTS, Path("x.py"), 1, text))


@pytest.mark.parametrize(
    "text",
    [
        "Return None if the value is None.",
        "The log row has the field `told`.",
        'The topic ends with "told".',
        "The code span ``tell(nobody)`` is ignored.",
        "Circuits that are owed are restored on utility.",
        "The hotel is amidst the mending pendants.",
        "Switched off by hand. Use a hand-held meter.",
        "The user resets the breaker; the broker sends a retained message.",
        "Maximum number of attempts, and the time in seconds.",
    ],
)
def test_plain_text_code_and_quoted_words_do_not_match(text: str) -> None:
    """Code spans, quoted words, exceptions and longer words are not matches."""
    assert matches(Text(COMMENTS, Path("x.py"), 1, text)) == []


def test_python_file_yields_docstrings_comments_and_messages() -> None:
    """A key of one word is no message; a string statement is a docstring."""
    source = '''
        """Tell the bus."""

        LIMIT = 3  # nobody waits
        # A long comment that goes on
        # and ends with telling.
        NAMES = {"told": "tells all"}
        """Take what it gives."""

        def text(name: str) -> str:
            return f"{name} tells {name} nothing new"
    '''
    assert found("rules/x.py", source) == [
        (COMMENTS, 4, "nobody"),
        (COMMENTS, 6, "telling"),
        (DOCSTRINGS, 2, "tell"),
        (DOCSTRINGS, 8, "take what"),
        (MESSAGES, 11, "tells"),
    ]


def test_strings_outside_the_product_are_not_messages() -> None:
    """Only the packages that are installed have user-visible strings."""
    assert found("bench/x.py", 'print("nobody waits for this")\n') == []


def test_test_names_and_test_docstrings_have_their_own_category() -> None:
    """Underscores separate the words of a name."""
    source = '''
        def test_nobody_waits() -> None:
            """Told twice."""
    '''
    assert found("tests/test_x.py", source) == [(TESTS, 2, "nobody"), (TESTS, 3, "told")]


def test_markdown_sentences_without_code_blocks_and_link_targets() -> None:
    """Headings, list items and table cells are sentences."""
    source = """
        # Nobody home

        The first sentence is plain. The second one tells
        of debts. See [the page](tell-nobody.md).

        ```text
        told aloud
        ```

        - `told` is a code span
        - so much for that

        | column | meanwhile |
    """
    assert found("docs/x.md", source) == [
        (MARKDOWN, 2, "nobody"),
        (MARKDOWN, 4, "tells"),
        (MARKDOWN, 5, "debts"),
        (MARKDOWN, 12, "so much"),
        (MARKDOWN, 14, "meanwhile"),
    ]
    sentences = [text.text for text in texts(Path("docs/x.md"), dedent(source))]
    assert "The first sentence is plain" in sentences[1]
    assert len(sentences) == 8


def test_comments_of_makefiles_and_units_and_the_text_of_a_man_page() -> None:
    """Commands in a man page are not checked."""
    assert found("Makefile", "#!/bin/sh\n# Built anew.\nall:\n\techo nobody\n") == [(COMMENTS, 2, "anew")]
    page = ".TH LOADSHED 1\n.B tell\nNobody waits for \\fBtold\\fR here.\n"
    assert found("packaging/loadshed.1", page) == [(MARKDOWN, 3, "nobody")]


def test_share_counts_texts_and_not_matches() -> None:
    """A text with two matches counts once."""
    path = Path("x.md")
    sample = [Text(MARKDOWN, path, 1, "Nobody tells anybody."), *(Text(MARKDOWN, path, 2, "Plain.") for _ in range(9))]
    assert shares(sample)[MARKDOWN] == (1, 10)


def test_exit_code_and_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A category at the limit passes; one above it fails."""
    page = tmp_path / "page.md"
    page.write_text("Nobody waits.\n" + "The device reports.\n" * round(1 / LIMIT), encoding="utf-8")
    assert main([str(page)]) == 0
    assert "Markdown sentences" in capsys.readouterr().out
    page.write_text("Nobody waits.\n" + "The device reports.\n" * 3, encoding="utf-8")
    assert main(["--list", str(page)]) == 1
    printed = capsys.readouterr()
    assert "page.md:1: Nobody waits." in printed.out
    assert "above 2%: Markdown sentences" in printed.err
