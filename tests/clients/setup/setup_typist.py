"""A user at the terminal of a real program: reads the output, types the answers."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.pages import ROOT

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator

PATIENCE_S = 60.0


class Typist:
    """One terminal. `screen`: all that was said; what was read already is not read again."""

    def __init__(self, terminal: int, process: asyncio.subprocess.Process) -> None:
        self._terminal = terminal
        self._process = process
        self._news = asyncio.Event()
        self._read_to = 0
        self.screen = ""
        os.set_blocking(terminal, False)
        asyncio.get_running_loop().add_reader(terminal, self._hear)

    async def reads(self, text: str) -> str:
        """Return what was said since the last text, up to and with this one, with its lines joined."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := self._rest().find(text)) < 0:
                    assert not self._over(), f"it ended without: {text}\n{self.screen}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"in vain: {text}\n{self.screen}") from None
        end = found + len(text)
        said, self._read_to = self._rest()[:end], self._read_to + end
        return said

    async def answers(self, *pairs: tuple[str, str]) -> None:
        """Answer each question once it is asked."""
        for question, answer in pairs:
            await self.reads(question)
            self.types(answer)

    def types(self, answer: str) -> None:
        """Type a line."""
        os.write(self._terminal, answer.encode() + b"\n")

    def send(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    async def ended(self) -> int:
        """Return the exit code, once the program has ended; what it said last is on the screen."""
        async with asyncio.timeout(PATIENCE_S):
            code = await self._process.wait()
        self._hear()
        return code

    def _rest(self) -> str:
        return re.sub(r"(\s|\x1b\[K)+", " ", self.screen)[self._read_to :]

    def _over(self) -> bool:
        return self._process.returncode is not None

    def _hear(self) -> None:
        with suppress(BlockingIOError, OSError):
            while data := os.read(self._terminal, 65536):
                self.screen += data.decode("utf-8", "replace")
        if self._over():
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._news.set()


@asynccontextmanager
async def typist(*words: str, path: Path | None = None, rows: int = 50, columns: int = 160) -> AsyncIterator[Typist]:
    """Run `loadshed` with these arguments on simulated pins, with a user at its terminal.

    `path`: a folder whose programs are found before the system's.
    """
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = f"{path}:" if path else ""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": before + os.environ["PATH"], "TERM": "xterm"}
    program = str(Path(__file__).with_name("setup_program.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, program, *words), stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT
    )
    os.close(theirs)
    person = Typist(ours, process)
    try:
        yield person
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
