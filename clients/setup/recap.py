"""Recap of answers before they are written: one of them can be changed without starting over."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from clients.setup.prompt import by_key, or_nothing
from clients.terminal.tables import display_width

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from clients.setup.prompt import Prompt

Settings = TypeVar("Settings", bound=Any)

QUESTION = "Enter: this is right. To change an answer, type its word"


@dataclass(frozen=True, slots=True)
class RecapLine:
    """One answer. `word`: what the user types to change it. `value`: as shown. `change`: asks again and keeps it."""

    word: str
    value: str
    change: Callable[[], Awaitable[None]]


async def confirm_recap(person: Prompt, title: str, lines: Callable[[], Sequence[RecapLine]]) -> None:
    """Show the answers until the user accepts them. `lines`: returns them as they are now."""
    while True:
        shown = lines()
        wide = max(display_width(line.word) for line in shown)
        person.say(f"{title}:")
        for line in shown:
            person.say(f"  {line.word}{' ' * (wide - display_width(line.word))}  {line.value}")
        answer = (await person.ask(QUESTION)).strip().lower()
        if not answer:
            return
        chosen = next((line for line in shown if line.word.lower() == answer), None)
        if chosen is None:
            person.say(f"There is no answer {answer!r} here: {', '.join(line.word for line in shown)}.")
        else:
            await chosen.change()


async def sure(person: Prompt, question: str, answer: str, *, doubtful: bool) -> bool:
    """Return whether the user means a doubtful answer; without a doubt, True."""
    if not doubtful:
        return True
    return await person.confirm(f"{question}: really {answer!r}?")


async def confirm_settings(person: Prompt, title: str, settings: Settings, questions: Mapping[str, str]) -> Settings:
    """Return the settings as the user accepts them. `questions`: by key; a key that may be left out accepts `-`."""
    accepted = [settings]

    def line(key: str, question: str) -> RecapLine:
        value = getattr(accepted[0], key)
        optional = next(field for field in fields(type(settings)) if field.name == key).default is None

        async def change() -> None:
            read = by_key(type(settings), key)
            now = "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            new = await person.value(question, or_nothing(read) if optional else read, now)
            accepted[0] = replace(accepted[0], **{key: new})

        return RecapLine(key, "none" if value is None else str(value), change)

    await confirm_recap(person, title, lambda: [line(key, question) for key, question in questions.items()])
    return accepted[0]
