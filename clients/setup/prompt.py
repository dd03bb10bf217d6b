"""The dialog at the terminal: output, questions and answers; a pipe may give the answers."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from clients.terminal.tables import wrapped
from controller.config.table_reader import keys_of
from controller.config.validators import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Answer = TypeVar("Answer")

NOTHING = "-"
"""Answer for no value where a default is offered."""


class InputClosedError(Exception):
    """The input has ended."""


class Prompt:
    """Dialog, line by line. `descriptor`: source of the answers; `write`: prints text (None: the present stdout)."""

    def __init__(self, descriptor: int = 0, write: Callable[[str], object] | None = None) -> None:
        self._write = sys.stdout.write if write is None else write
        self._descriptor = descriptor
        self._begun = b""
        self._lines: deque[str] = deque()
        self._ended = False

    @property
    def at_terminal(self) -> bool:
        """Whether a user may type at any time; a pipe's answers may all be there already."""
        return os.isatty(self._descriptor)

    def say(self, text: str = "") -> None:
        """Print a line, or a paragraph wrapped at the terminal's width."""
        self._print("\n".join(wrapped(line, "  ", first="") if line else "" for line in text.split("\n")) + "\n")

    async def line(self) -> str:
        """Return the next line that is typed, without its end. Raises GoneError."""
        while not self._lines:
            if self._ended:
                raise InputClosedError("the input has ended: no more answers")
            self._take(await self._more())
        return self._lines.popleft()

    def forget_typed(self) -> None:
        """Drop what was typed before anything was asked: an Enter too many is no answer. A pipe's answers stay."""
        if self.at_terminal:
            self._lines.clear()
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    async def ask(self, question: str, default: str = "") -> str:
        """Return the answer; the default where only Enter is pressed."""
        self._print(f"{question}{f' [{default}]' if default else ''}: ")
        return (await self.line()).strip() or default

    async def confirm(self, question: str, *, default: bool = False) -> bool:
        """Return whether the answer is yes; asked again until it is yes or no."""
        words = {"": default, "y": True, "yes": True, "n": False, "no": False}
        while True:
            self._print(f"{question} [{'Y/n' if default else 'y/N'}] ")
            if (answer := (await self.line()).strip().lower()) in words:
                return words[answer]
            self.say("yes or no?")

    async def answer_yes_no(self, question: str) -> bool:
        """Return whether the answer is yes; there is no default, so that Enter is not an answer."""
        while True:
            self._print(f"{question} [y/n] ")
            answer = (await self.line()).strip().lower()
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")
            self.say("yes or no?")

    async def choose(self, question: str, words: Sequence[str], default: str = "") -> str:
        """Return one of the words, or of their beginnings."""
        while True:
            answer = (await self.ask(f"{question} ({', '.join(words)})", default)).lower()
            found = [word for word in words if answer and word.startswith(answer)]
            if answer in words or len(found) == 1:
                return answer if answer in words else found[0]
            self.say(f"use one of {', '.join(words)}")

    async def value(self, question: str, read: Callable[[str], Answer], default: str = "") -> Answer:
        """Return what an answer means; asked again while `read` raises NotAllowedError, which says what is allowed."""
        while True:
            answer = await self.ask(question, default)
            try:
                return read(answer)
            except InvalidValueError as refusal:
                self.say(str(refusal))

    async def secret(self, question: str) -> str:
        """Return an answer that the terminal does not show."""
        with _unseen(self._descriptor):
            self._print(f"{question} (it is not shown): ")
            answer = await self.line()
        self.say()
        return answer

    def _print(self, text: str) -> None:
        # A terminal that is gone must not prevent the restore of a circuit that is off.
        with suppress(OSError):
            self._write(text)
            sys.stdout.flush()

    def _take(self, data: bytes) -> None:
        self._ended = not data
        *whole, self._begun = (self._begun + data).split(b"\n")
        if self._ended and self._begun:
            whole, self._begun = [*whole, self._begun], b""
        self._lines += (_typed(line).rstrip("\r") for line in whole)

    async def _more(self) -> bytes:
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(self._descriptor, came.set)
        except PermissionError:  # a file: it never keeps anybody waiting
            return os.read(self._descriptor, 4096)
        try:
            await came.wait()
        finally:
            loop.remove_reader(self._descriptor)
        try:
            return os.read(self._descriptor, 4096)
        except OSError:  # the terminal was closed
            return b""


def _typed(line: bytes) -> str:
    """Return a line that was typed at a terminal of UTF-8 or of Latin-1: a password must stay what it is."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


@contextmanager
def _unseen(descriptor: int) -> Iterator[None]:
    """Hide what is typed at a terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


# --- what an answer means --------------------------------------------------------------------------------------------


def by_key(table: type[object], name: str) -> Callable[[str], object]:
    """Return what reads an answer by the rule that a key of a configuration file has."""
    rule = next(key.rule for key in keys_of(table) if key.name == name)
    is_number = rule.schema().get("type") in ("number", "integer")

    def read(answer: str) -> object:
        return rule.read(_number(answer) if is_number else answer)

    return read


def _number(answer: str) -> object:
    for kind in (int, float):
        try:
            return kind(answer)
        except ValueError:
            continue
    return answer


def or_nothing(read: Callable[[str], Answer]) -> Callable[[str], Answer | None]:
    """Return a reader for an optional answer: Enter if nothing is offered, or `-`."""

    def read_or_nothing(answer: str) -> Answer | None:
        return None if answer in ("", NOTHING) else read(answer)

    return read_or_nothing
