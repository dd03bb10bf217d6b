"""A user at the virtual Pi's terminal: reads the output, types the answers."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Self

from tests.appliance.shell import CannotError

if TYPE_CHECKING:
    from tests.appliance.machine import Machine

PATIENCE_S = 300.0
"""Timeout in seconds of a dialog, in an emulator on a busy machine."""

_PROMPT = "person# "
_ENDED = re.compile(r"\[ended: (\d+)\]")
_SHELL = (
    "systemd-run --quiet --unit=terminal -p TTYPath=/dev/hvc0 -p StandardInput=tty -p StandardOutput=tty "
    f"-p StandardError=tty -E HOME=/root -E TERM=dumb -E PS1='{_PROMPT}' bash --noprofile --norc -i"
)


class Terminal:
    """A shell of root's. `screen`: all that was said, and typed; what was read already is not read again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._read_to = 0
        self.screen = ""

    @classmethod
    async def at(cls, machine: Machine) -> Self:
        """Open a terminal of a running machine. Raises CannotError if there is no shell."""
        terminal = cls(*await asyncio.open_unix_connection(machine.terminal))
        await machine.must(_SHELL)
        await terminal.reads(_PROMPT)
        # Lines as wide as a laptop's, because the size cannot be measured through a socket.
        await terminal.runs("stty cols 120 rows 50")
        return terminal

    async def runs(self, command: str) -> int:
        """Type a command, and return its exit code once it has ended."""
        self.begins(command)
        return await self.ended()

    def begins(self, command: str) -> None:
        """Type a command."""
        self.types(f'{command}; echo "[ended: $?]"')

    async def ended(self) -> int:
        """Return the exit code of the command that was typed last, once it has ended."""
        while not (found := _ENDED.search(self._rest())):
            await self._hears("the prompt")
        self._read_to += found.end()
        await self.reads(_PROMPT)
        return int(found[1])

    async def answers(self, *pairs: tuple[str, str]) -> None:
        """Answer each question once it is asked."""
        for question, answer in pairs:
            await self.reads(question)
            self.types(answer)

    async def reads(self, text: str) -> str:
        """Return what was said since the last text, up to and with this one, with its lines joined."""
        while (found := self._rest().find(text)) < 0:
            if _ENDED.search(self._rest()):
                raise CannotError(f"it ended without: {text}\n{self.screen}")
            await self._hears(text)
        said = self._rest()[: found + len(text)]
        self._read_to += len(said)
        return said

    def types(self, answer: str) -> None:
        """Type a line."""
        self._writer.write(answer.encode() + b"\n")

    def leaves(self) -> None:
        """Get up."""
        self._writer.close()

    def _rest(self) -> str:
        return re.sub(r"\s+", " ", self.screen)[self._read_to :]

    async def _hears(self, wanted: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                data = await self._reader.read(65536)
        except TimeoutError:
            raise CannotError(f"nothing was said for {PATIENCE_S:g} s: {wanted}\n{self.screen}") from None
        if not data:
            raise CannotError(f"the terminal is gone: {wanted}\n{self.screen}")
        self.screen += data.decode("utf-8", "replace")
