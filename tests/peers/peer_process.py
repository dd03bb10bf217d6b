"""A peer: another maker's program as a process of its own, with orders on its stdin and answers on its stdout."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.program import WITH_ITS_TEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TOOLS = Path(os.environ.get("LOADSHED_PEERS", "build/peers")).absolute()
"""Folder in which `make test-peers` installs the peers."""

ANSWER_S = 30.0
"""Time limit in seconds for the answer to an order, and for the end of a process."""


class PeerProcess:
    """One program. `on_news`: called at each line it writes. It ends with the test, whatever happens to that."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], on_news: Callable[[], None]) -> None:
        self._command = (*WITH_ITS_TEST, *command)
        self._environment = {**os.environ, **environment}
        self._on_news = on_news
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._orders = 0
        self._done: set[int] = set()
        self.log: list[str] = []

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; return at once, before it has done anything."""
        self.log.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def order(self, what: str, **about: Any) -> None:
        """Send an order, and wait until it is carried out."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        self._orders += 1
        number = self._orders
        process.stdin.write(json.dumps({"do": what, "number": number, **about}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            while number not in self._done:
                assert self.running, "\n".join(self.log[-20:])
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it as systemd would."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, how)
        async with asyncio.timeout(ANSWER_S):
            await reader
            await process.wait()
        self._process = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Read until the process ends; `_end` limits the time of it."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            if text.startswith('{"done":'):
                self._done.add(json.loads(text)["done"])
            else:
                self.log.append(text)
            self._on_news()
