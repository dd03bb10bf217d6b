"""`loadshed run` as a process of its own: started, killed, stalled, and read line by line."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

END_S = 30.0
# Root may write anywhere; without these capabilities it obeys a folder's mode as the daemon's user does.
_OVERRIDES = "-dac_override,-dac_read_search"
WITHOUT_ROOTS_RIGHTS = (
    ("setpriv", f"--bounding-set={_OVERRIDES}", f"--inh-caps={_OVERRIDES}") if os.getuid() == 0 else ()
)

WITH_ITS_TEST = ("setpriv", "--pdeathsig", "KILL")
"""A test that is killed leaves no program behind that goes on commanding, and looking for its meter."""


class Program:
    """One daemon. `on_news`: called at each line it writes, and when it ends. `prefix`: see `WITHOUT_ROOTS_RIGHTS`."""

    def __init__(self, config: Path, state: Path, on_news: Callable[[], None], prefix: tuple[str, ...] = ()) -> None:
        run = (sys.executable, "-m", "clients", "run", "--config", str(config), "--state", str(state))
        self._command = (*prefix, *WITH_ITS_TEST, *run)
        self.config, self.state = config, state
        self._on_news = on_news
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.log: list[str] = []
        self._before_start = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def up(self) -> bool:
        """Return whether it has reported its start, since it was started last."""
        return any(line.startswith("the controller started") for line in self.log[self._before_start :])

    async def start(self) -> None:
        """Start it; return at once, before it has done anything."""
        self._before_start = len(self.log)
        self._process = await asyncio.create_subprocess_exec(*self._command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        self._before_start = len(self.log)
        self._reader = asyncio.create_task(self._read(self._process))

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """End it as systemd would; return its exit code."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Return the exit code, once it has ended by itself."""
        process, reader = self._there()
        async with asyncio.timeout(END_S):
            await reader
            return await process.wait()

    def send(self, which: signal.Signals) -> None:
        # Not through the process object: that one looks whether it has ended, and takes the exit code from the loop.
        with suppress(ProcessLookupError):
            os.kill(self._there()[0].pid, which)

    def stall(self, for_s: float) -> None:
        """Stop the process for this time: it executes nothing in between."""
        self.send(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(for_s, self.go_on)

    def go_on(self) -> None:
        if self.running:
            self.send(signal.SIGCONT)

    def no_file_above(self, most_bytes: int | None) -> None:
        """Let every write beyond this size fail, as on a disk that is full; None: the disk has room again."""
        hard = resource.RLIM_INFINITY
        soft = hard if most_bytes is None else most_bytes
        resource.prlimit(self._there()[0].pid, resource.RLIMIT_FSIZE, (soft, hard))

    async def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self.running:
            self.send(how)
            self.go_on()
        return await self.ended()

    def _there(self) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
        assert self._process is not None
        assert self._reader is not None
        return self._process, self._reader

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Read until the process ends; `ended` limits the time of it."""
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.log.append(line.decode().rstrip())
            self._on_news()
        await process.wait()
        self._on_news()
